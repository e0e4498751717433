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
from jinja2 import TemplateError

from scim_bridge.kernel.clock import parse_iso
from scim_bridge.kernel.errors import ConfigurationError
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


def read_templates(own: str = "") -> dict[str, Template]:
    """Every template by its name: the packaged ones, and those of a directory of one's own in their place.

    Each is a TOML file with `subject` and `text`, named like what it replaces. ConfigurationError names a
    file that cannot be read.
    """
    found = _templates_in(TEMPLATES)
    if own:
        if not Path(own).is_dir():
            raise ConfigurationError(
                "templates", f"{own} is no directory", "Name one with .toml files in it."
            )
        found |= _templates_in(Path(own))
    return found


def _templates_in(directory: Path) -> dict[str, Template]:
    found = {}
    for file in sorted(directory.glob("*.toml")):
        try:
            said = tomllib.loads(file.read_text())
            template = Template(str(said["subject"]), str(said["text"]))
            _compiled(template.subject), _compiled(template.text)
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, KeyError, TemplateError) as error:
            raise ConfigurationError(
                "templates",
                f"{file} is no template ({error})",
                "Write subject and text, in Jinja's language.",
            ) from error
        found[file.stem] = template
    return found


def example(name: str) -> dict[str, Any]:
    """Made-up values for a preview of any template."""
    return {
        "agent": "support-triage",
        "name": "Support Triage",
        "purpose": "Sorts tickets",
        "person": "Olga Novak",
        "by": "Olga Novak",
        "role": "owner",
        "campaign": "Spring 2027",
        "reason": f"a preview of {name}",
        "comment": "on leave until May",
        "count": 2,
        "agents": [{"agent": "support-triage", "fate": "held", "reason": "a preview"}]
        if name.startswith("departure")
        else ["Support Triage", "Refund Assistant"],
        "case": "01a22cf9-0000-7000-8000-000000000000",
        "effective": "2027-03-31T16:00Z",
        "due": "2027-04-14T09:00:00.000Z",
        "ends": "2027-04-21T09:00:00.000Z",
        "until": "2027-06-30T09:00:00.000Z",
        "expires": "2027-04-14T09:00:00.000Z",
        "hold": True,
        "transfer": False,
        "link": "https://bridge.example/attest/…",
        "links": "Support Triage: https://bridge.example/attest/…",
    }


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
