"""Where the audit goes: the settings `[audit.sinks.NAME]` and `[audit.anchors.NAME]`, and their checks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from scim_bridge.kernel.errors import ConfigurationError

NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,46}[a-z0-9])?")
FILE, HTTPS, SYSLOG = "file", "https", "syslog"
PUT, WEBHOOK = "put", "webhook"
SINK_FORMS = {FILE: ("json", "ocsf", "cef"), HTTPS: ("json", "ocsf"), SYSLOG: ("cef", "ocsf", "json")}
START, NOW = "start", "now"
HOST_AND_PORT = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):([0-9]{1,5})")


@dataclass(frozen=True, slots=True)
class SinkSettings:
    """A stream of audit rows: `to` is a path, an https address or host:port (syslog over TLS).

    `authorization` is the whole header an https sink is called with. `begin` says which rows the first
    connection gets: all there are (start) or only new ones (now).
    """

    kind: str = ""
    to: str = ""
    form: str = "ocsf"
    authorization: str = ""
    begin: str = START


@dataclass(frozen=True, slots=True)
class AnchorSettings:
    """A place outside that signed checkpoints are written to: a file, an object store (HTTP PUT) or a webhook."""

    kind: str = ""
    to: str = ""
    authorization: str = ""
    secret: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AuditSettings:
    """Streams of the audit, and how often its newest checkpoint is anchored outside."""

    sinks: Mapping[str, SinkSettings] = field(default_factory=dict)
    anchors: Mapping[str, AnchorSettings] = field(default_factory=dict)
    anchor_minutes: int = 60


def check_outlets(audit: AuditSettings) -> None:
    """ConfigurationError names the first key that cannot be right."""
    if audit.anchor_minutes < 1:
        raise ConfigurationError("audit.anchor_minutes", "must be at least 1", "Remove it for 60.")
    for name, sink in audit.sinks.items():
        _named(f"audit.sinks.{name}", name)
        _check_sink(f"audit.sinks.{name}", sink)
    for name, anchor in audit.anchors.items():
        _named(f"audit.anchors.{name}", name)
        _check_anchor(f"audit.anchors.{name}", anchor)


def _named(path: str, name: str) -> None:
    if not NAME.fullmatch(name):
        raise ConfigurationError(path, "is no name", "Use a-z, 0-9 and hyphens, at most 48.")


def _check_sink(path: str, sink: SinkSettings) -> None:
    if sink.kind not in SINK_FORMS:
        raise ConfigurationError(
            f"{path}.kind", f"{sink.kind!r} is no kind of sink", f"Use {', '.join(SINK_FORMS)}."
        )
    if sink.form not in SINK_FORMS[sink.kind]:
        allowed = ", ".join(SINK_FORMS[sink.kind])
        raise ConfigurationError(
            f"{path}.form", f"{sink.form!r} does not go to a sink of this kind", f"Use {allowed}."
        )
    if sink.begin not in (START, NOW):
        raise ConfigurationError(f"{path}.begin", f"{sink.begin!r} is no beginning", "Use start or now.")
    if sink.kind == SYSLOG:
        target = HOST_AND_PORT.fullmatch(sink.to)
        if target is None or not 0 < int(target[2]) < 65536:
            raise ConfigurationError(
                f"{path}.to", f"{sink.to!r} is not host:port", "Write siem.example:6514."
            )
    elif sink.kind == HTTPS:
        _check_address(f"{path}.to", sink.to)
    elif not sink.to:
        raise ConfigurationError(f"{path}.to", "is missing", "Name a file.")
    if sink.authorization and not sink.authorization.isprintable():
        raise ConfigurationError(f"{path}.authorization", "is no header", "Write it on one line.")


def _check_anchor(path: str, anchor: AnchorSettings) -> None:
    if anchor.kind not in (FILE, PUT, WEBHOOK):
        raise ConfigurationError(
            f"{path}.kind", f"{anchor.kind!r} is no kind of anchor", "Use file, put or webhook."
        )
    if anchor.kind != FILE:
        _check_address(f"{path}.to", anchor.to)
    elif not anchor.to:
        raise ConfigurationError(f"{path}.to", "is missing", "Name a file.")
    if anchor.kind == WEBHOOK and not anchor.secret.startswith("whsec_"):
        raise ConfigurationError(f"{path}.secret", "is no Standard Webhooks secret", "Set a whsec_ secret.")


def _check_address(path: str, url: str) -> None:
    if not is_address(url):
        raise ConfigurationError(
            path, f"{url[:80]!r} is not a web address", "Write https://host[:port]/path."
        )


def is_address(url: str) -> bool:
    """Whether this is a web address without a name and password in it."""
    try:
        parts = urlsplit(url)
        # A port is read when it is asked for, and only then refused.
        return (
            parts.scheme in ("https", "http")
            and bool(parts.hostname)
            and not parts.username
            and parts.port != 0
        )
    except ValueError:
        return False
