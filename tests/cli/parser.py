"""The whole parser as data: every command, what it takes, and what its code comes by."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from dis import get_instructions
from functools import cache
from types import CodeType, FunctionType
from typing import Any

from scim_bridge.cli import session
from scim_bridge.cli.run import build
from tests.docs.reference import commands

ROOT = "scim-bridge "
# What the shell and the parser bring along at every place.
EVERYWHERE = frozenset({"--help"})
AT_THE_ROOT = frozenset({"--version", "--install-completion", "--show-completion"})


@dataclass(frozen=True, slots=True)
class Command:
    """One command by its name without the program's."""

    name: str
    flags: frozenset[str]
    formats: frozenset[str]
    help: str
    used: frozenset[str]
    acts: bool


@cache
def parser() -> dict[str, Command]:
    """Every command of the program."""
    return {
        name.removeprefix(ROOT): _read(name.removeprefix(ROOT), found) for name, found in commands(build())
    }


@cache
def groups() -> frozenset[str]:
    """Every noun and group, which alone does nothing."""
    return frozenset(
        " ".join(words[:count])
        for name in parser()
        if (words := name.split())
        for count in range(1, len(words))
    )


def _read(name: str, found: Any) -> Command:
    flags = {flag for each in found.params for flag in (*each.opts, *each.secondary_opts) if flag[:1] == "-"}
    formats = {
        str(getattr(choice, "value", choice))
        for each in found.params
        if each.name == "output"
        for choice in each.type_descriptor.choices or ()
    }
    used: dict[str, Any] = {}
    _follow(found.callback, used, set())
    return Command(
        name,
        frozenset(flags) | EVERYWHERE,
        frozenset(formats),
        found.help or "",
        frozenset(used),
        used.get("actor") is session.actor,
    )


def _follow(function: Any, used: dict[str, Any], seen: set[Any]) -> None:
    """Every global name that a command's code comes by in the files of the command line, with what it is."""
    function = inspect.unwrap(function)
    if not isinstance(function, FunctionType) or function in seen:
        return
    seen.add(function)
    for code in _codes(function.__code__):
        for name in (each.argval for each in get_instructions(code) if each.opname == "LOAD_GLOBAL"):
            value = function.__globals__.get(name)
            used[name] = used.get(name) or value
            if getattr(value, "__module__", "").startswith("scim_bridge.cli"):
                _follow(value, used, seen)
                for method in vars(value).values() if isinstance(value, type) else ():
                    _follow(method, used, seen)


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _codes(inner)
