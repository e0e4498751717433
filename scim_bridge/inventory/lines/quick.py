"""The usual line in microseconds: an entry when a line is right beyond doubt, nothing when somebody has to look.

It takes the manifest's own tables of keys. Whatever it does not take is read by `careful`, which says why
and where, or finds that the line is right after all.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import orjson

from scim_bridge.inventory import shape, source
from scim_bridge.inventory.entries import (
    AGENT,
    GROUP,
    MEMBER,
    PERSON,
    agent_of,
    group_of,
    member_of,
    person_of,
)
from scim_bridge.inventory.manifest import AgentEntry, GroupEntry, MemberEntry, PersonEntry

Entry = PersonEntry | GroupEntry | AgentEntry | MemberEntry
Quick = Callable[[Any], object]

KINDS: dict[str, tuple[tuple[shape.Field, ...], Callable[[Any], Entry]]] = {
    "person": (PERSON, person_of),
    "group": (GROUP, group_of),
    "agent": (AGENT, agent_of),
    "member": (MEMBER, member_of),
}
DOUBTFUL = object()


def quick(data: bytes) -> tuple[str, Entry] | None:
    """Kind and entry of a line, or None."""
    try:
        said = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    if type(said) is not dict or len(said) != 1:
        return None
    ((kind, told),) = said.items()
    if type(told) is not dict or _repeats(data, said):
        return None
    found = _plan(kind, tuple(told))
    if found is None:
        return None
    make, given, readers = found
    values: dict[str, Any] = {"given": given}
    for (attribute, read, required), value in zip(readers, told.values(), strict=True):
        if value is None or value == "":
            if required:
                return None
            continue
        got = read(value)
        if got is DOUBTFUL:
            return None
        if got is not None:
            values[attribute] = got
    return kind, make(values)


def _repeats(data: bytes, said: Any) -> bool:
    """True when a key stands twice: the parser keeps the last one, and its quotes are missing then."""
    if b"\\" not in data:
        return data.count(b'"') != orjson.dumps(said).count(b'"')
    try:
        json.loads(data, object_pairs_hook=_once)
    except ValueError:
        return True
    return False


def _once(pairs: list[tuple[str, Any]]) -> None:
    if len({key for key, _ in pairs}) != len(pairs):
        raise ValueError


@lru_cache(maxsize=512)
def _plan(
    kind: str, keys: tuple[str, ...]
) -> tuple[Callable[[Any], Entry], frozenset[str], tuple[tuple[str, Quick, bool], ...]] | None:
    """How to read an entry with just these keys; None when a key is unknown or missing."""
    if kind not in KINDS:
        return None
    table, make = KINDS[kind]
    by_key = {field.key: field for field in table}
    if any(key not in by_key for key in keys):
        return None
    if any(field.required and field.key not in keys for field in table):
        return None
    fields = [by_key[key] for key in keys]
    given = frozenset(field.attribute for field in fields)
    return make, given, tuple((field.attribute, _reader(field.read), field.required) for field in fields)


def _reader(read: shape.Read) -> Quick:
    if read is shape.line:
        return _line
    if read is shape.prose:
        return _prose
    if read in (shape.lines, shape.references):
        return _lines
    if isinstance(read, shape.Choice):
        return _chosen(read.options)
    if isinstance(read, shape.Checked):
        return _checked(read.fault)
    return _as_ever(read)


def _line(value: Any) -> object:
    if type(value) is not str:
        return DOUBTFUL
    text = value.strip()
    return text if text and len(text) <= shape.MAX_LINE and text.isprintable() else DOUBTFUL


def _prose(value: Any) -> object:
    if type(value) is not str:
        return DOUBTFUL
    text = value.strip()
    if not text or len(text) > shape.MAX_PROSE:
        return DOUBTFUL
    if text.isprintable():
        return text
    text = text.replace("\r\n", "\n")
    return text if text.replace("\n", "").replace("\t", "").isprintable() else DOUBTFUL


def _lines(value: Any) -> object:
    if type(value) is not list or len(value) > shape.MAX_LIST:
        return DOUBTFUL
    found = tuple(map(_line, value))
    return DOUBTFUL if DOUBTFUL in found or len(set(found)) != len(found) else found


def _chosen(options: Sequence[str]) -> Quick:
    return lambda value: value if value in options else DOUBTFUL


def _checked(fault: Callable[[str], str]) -> Quick:
    def read(value: Any) -> object:
        text = _line(value)
        return DOUBTFUL if not isinstance(text, str) or fault(text) else text

    return read


def _as_ever(read: shape.Read) -> Quick:
    """For values too rare, or too intricate, for a second way of reading them."""

    def quickly(value: Any) -> object:
        reading = shape.Reading()
        got = read(reading, _node(value), "")
        return DOUBTFUL if reading.problems else got

    return quickly


def _node(value: Any) -> source.Node:
    if isinstance(value, dict):
        return source.Mapping(
            1, None, [(source.Key(1, None, key), _node(each)) for key, each in value.items()]
        )
    if isinstance(value, list):
        return source.Sequence(1, None, [_node(each) for each in value])
    if value is None or isinstance(value, bool | str):
        return source.Scalar(1, None, value, value if isinstance(value, str) else "")
    return source.Scalar(1, None, 0, "")
