"""Writing a notice: from a template that is data, at the moment it is sent."""

from __future__ import annotations

import tomllib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import structlog

from scim_bridge.kernel.clock import parse_iso
from scim_bridge.kernel.pages import moment

log = structlog.get_logger("scim_bridge.watch")

TEMPLATES = Path(__file__).parent / "templates"
LONGEST_SUBJECT = 180


@dataclass(frozen=True, slots=True)
class Template:
    """Subject and text, both in Jinja's language; what a template names and nobody gave is empty."""

    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class Notice:
    """What somebody is told."""

    subject: str
    text: str


def read_templates(directory: Path = TEMPLATES) -> dict[str, Template]:
    """Every template of a directory by its file's name: TOML with `subject` and `text`."""
    found = {}
    for file in sorted(directory.glob("*.toml")):
        said = tomllib.loads(file.read_text())
        found[file.stem] = Template(str(said["subject"]), str(said["text"]))
    return found


def written(
    templates: Mapping[str, Template], name: str, to: Mapping[str, Any] | None, data: Mapping[str, Any]
) -> Notice:
    """The notice in words. Without a template of this name, or with a broken one, the plain facts."""
    template = templates.get(name)
    if template is None:
        return plain(name, data)
    values = {**data, "to": dict(to or {}), "hello": _hello(to)}
    try:
        subject = _filled(template.subject, values)
        text = _filled(template.text, values)
    except Exception as error:
        # A template is data that people edit: a slip in one must not keep its news from going out.
        log.error("notice.template", action="notice.template", template=name, reason=str(error))
        return plain(name, data)
    return Notice(one_line(subject), text.strip() + "\n")


def plain(name: str, data: Mapping[str, Any]) -> Notice:
    """The facts of a notice without any template."""
    title = name.replace("-", " ").capitalize()
    agent = data.get("agent")
    lines = [f"{key}: {value}" for key, value in data.items()]
    return Notice(
        one_line(f"{title}: {agent}" if agent else title), "\n".join([title, "", *lines]).strip() + "\n"
    )


def one_line(text: str) -> str:
    """Text as a subject line: no line break or control character gets into a header."""
    kept = "".join(" " if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c for c in text)
    return " ".join(kept.split())[:LONGEST_SUBJECT]


def _hello(to: Mapping[str, Any] | None) -> str:
    name = str((to or {}).get("name") or "")
    return f"Hello {name}," if name else "Hello,"


def _moment(value: Any) -> str:
    """An RFC 3339 instant for people; anything else as it is."""
    try:
        return moment(parse_iso(str(value)))
    except ValueError:
        return str(value)


@lru_cache(maxsize=1)
def _language() -> Any:
    from jinja2 import ChainableUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    made = ImmutableSandboxedEnvironment(
        undefined=ChainableUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False
    )
    made.filters["moment"] = _moment
    return made


@lru_cache(maxsize=256)
def _compiled(text: str) -> Any:
    return _language().from_string(text)


def _filled(text: str, values: Mapping[str, Any]) -> str:
    return str(_compiled(text).render(dict(values)))
