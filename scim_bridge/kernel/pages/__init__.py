"""Pages for people: templates with escaping on, a strict content policy, and the look rooms share.

In: a room's directory with `templates/` and a stylesheet. Out: HTML answers that load nothing from
elsewhere, run no script, are framed by nobody and kept by no cache; assets named by their digest.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response

from scim_bridge.kernel.clock import DAY, HOUR, MINUTE, SECOND, iso, parse_iso

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

HERE = Path(__file__).parent
POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'"
)
SECURITY = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "x-robots-tag": "noindex, nofollow",
}
YEAR = 365 * DAY
_QUOTED = re.compile(r"`([^`]+)`")
_RANGE = re.compile(r"\s*([^;,\s]+)\s*((?:;[^,]*)?)")


class Asset:
    """A file served under a name that changes with its content, so that it may be kept for a year."""

    def __init__(self, content: bytes, media_type: str) -> None:
        self._content = content
        self._media_type = media_type
        self.digest = hashlib.sha256(content).hexdigest()[:16]

    def response(self) -> Response:
        """The file as an answer."""
        headers = {**SECURITY, "cache-control": "public, max-age=31536000, immutable"}
        return Response(self._content, media_type=self._media_type, headers=headers)


def stylesheet(room: Path, name: str) -> Asset:
    """The shared look and a room's own rules after it, as one file."""
    return Asset((HERE / "base.css").read_bytes() + (room / name).read_bytes(), "text/css")


def mark() -> Asset:
    """The program's mark: on pages and as their icon."""
    return Asset((HERE / "mark.svg").read_bytes(), "image/svg+xml")


def environment(room: Path) -> Environment:
    """The templates of a room: everything is escaped, and a name nobody set is an error.

    `frame.html` (around all others) and `refused.html` are shared, unless the room has one of its own.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader([room / "templates", HERE / "templates"]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters |= {"day": day, "moment": moment, "iso": _iso, "ago": ago, "until": until, "code": code}
    return made


def code(text: str) -> Markup:
    """Words with `commands` in them, escaped, each between backticks as code; an odd backtick stays one."""
    from markupsafe import Markup

    return Markup(_QUOTED.sub(r"<code>\1</code>", str(Markup.escape(text))))


def html(body: str, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A page that no cache keeps."""
    return Response(
        body,
        status,
        media_type="text/html",
        headers={**SECURITY, "cache-control": "no-store", **(headers or {})},
    )


def prefers_json(request: Request) -> bool:
    """True when the caller names JSON and likes it at least as well as HTML (RFC 9110 section 12.5.1)."""
    liked = {"json": 0.0, "html": 0.0}
    for item in request.headers.get("accept", "").split(","):
        found = _RANGE.fullmatch(item)
        if found is None:
            continue
        kind = found.group(1).casefold()
        quality = _quality(found.group(2))
        if kind == "application/json" or kind.endswith("+json"):
            liked["json"] = max(liked["json"], quality)
        elif kind in ("text/html", "application/xhtml+xml"):
            liked["html"] = max(liked["html"], quality)
    return liked["json"] > 0 and liked["json"] >= liked["html"]


def _quality(parameters: str) -> float:
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().casefold() == "q":
            try:
                return min(1.0, max(0.0, float(value)))
            except ValueError:
                return 0.0
    return 1.0


def _instant(value: Any) -> int:
    return value if isinstance(value, int) else parse_iso(str(value))


def _stamp(value: Any) -> datetime:
    return datetime.fromtimestamp(_instant(value) / SECOND, tz=UTC)


def _iso(value: Any) -> str:
    return iso(_instant(value))


def day(value: Any) -> str:
    """A day as people write it: `25 Nov 2026` (UTC)."""
    stamp = _stamp(value)
    return f"{stamp.day} {stamp:%b %Y}"


def moment(value: Any) -> str:
    """A minute as people write it: `25 Nov 2026, 07:11 UTC`."""
    return f"{day(value)}, {_stamp(value):%H:%M} UTC"


def span(micros: int) -> str:
    """A length of time in its largest unit: `3 days`, `1 hour`, `less than a minute`."""
    for size, name in ((YEAR, "year"), (DAY * 30, "month"), (DAY, "day"), (HOUR, "hour"), (MINUTE, "minute")):
        count = micros // size
        if count >= 1:
            return f"{count} {name}{'' if count == 1 else 's'}"
    return "less than a minute"


def ago(value: Any, now: int) -> str:
    """How long ago: `3 days ago`; `just now` within a minute."""
    passed = now - _instant(value)
    return "just now" if passed < MINUTE else f"{span(passed)} ago"


def until(value: Any, now: int) -> str:
    """How far ahead: `in 3 days`, or how long ago it was."""
    left = _instant(value) - now
    return f"in {span(left)}" if left > 0 else ago(value, now)
