"""The forms single values must have: each function answers what is wrong, or an empty string."""

from __future__ import annotations

import re
from datetime import date
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from scim_bridge.kernel.clock import DAY, parse_iso
from scim_bridge.registry.setting_values import LOOPBACK

MAX_SLUG = 63
_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
# The end of 9999-12-31 has no RFC 3339 form, so nothing from that day on is taken.
_TOO_LATE = (date(9999, 12, 31) - date(1970, 1, 1)).days * DAY
# Openings of well-known key formats: a reference that starts so is the secret itself.
_SECRET_LOOKS = re.compile(
    r"-----BEGIN|(?:sk|rk|pk)[-_](?:live|test|proj|ant)|gh[pousr]_|github_pat_|xox[abprs]-|AKIA[0-9A-Z]{12}"
    r"|whsec_|sbr_|hvs\.|eyJ[A-Za-z0-9_-]{10,}\."
)


def slug_fault(text: str) -> str:
    """Why text cannot be an agent's slug."""
    if len(text) > MAX_SLUG:
        return f"A slug has at most {MAX_SLUG} characters."
    if not _SLUG.fullmatch(text):
        return "A slug has lower-case letters, digits and inner hyphens only."
    return ""


def email_fault(text: str) -> str:
    """Why text cannot be an e-mail address. Plausibility only: `bot@localhost` is one."""
    local, at, domain = text.rpartition("@")
    if not at or not local or "@" in local or _spaced(text):
        return "An e-mail address has the form name@domain."
    if len(local) > 64 or len(text) > 254:
        return "The e-mail address is too long."
    if not all(_LABEL.fullmatch(label) for label in domain.split(".")):
        return "The part after @ is not a domain."
    return ""


def user_name_fault(text: str) -> str:
    """Why text cannot be a userName (RFC 7643 section 4.1.1 leaves the form open; we want no spaces)."""
    return "A userName has no spaces." if _spaced(text) else ""


def _spaced(text: str) -> bool:
    # Looking at each character takes ten times as long.
    return text.split() != [text] and text != ""


def timezone_fault(text: str) -> str:
    """Why text cannot be a time zone of the IANA database."""
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return "This time zone is not in the IANA database."
    return ""


def url_fault(text: str) -> str:
    """Why text cannot be a URL to call: absolute https, or http on this machine; no user, no fragment."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return "This is not a URL."
    if parts.scheme not in ("https", "http") or not parts.hostname or port == 0:
        return "A URL starts with https:// and names a host."
    if not text.isascii() or not text.isprintable() or " " in text:
        return "A URL has printable ASCII characters only."
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        return "Plain http is taken for this machine only."
    if parts.username is not None or parts.password is not None:
        return "A URL must not carry a user or password."
    if parts.fragment:
        return "A URL to call has no fragment."
    return ""


def looks_secret(text: str) -> bool:
    """True when text looks like a key itself and not like the place where one is kept."""
    return bool(_SECRET_LOOKS.match(text))


def instant(text: str) -> int:
    """An RFC 3339 instant, or a date meaning the end of that day in UTC, in microseconds,
    to the millisecond. ValueError when it is neither.
    """
    try:
        if _DATE.fullmatch(text):
            read = ((date.fromisoformat(text) - date(1970, 1, 1)).days + 1) * DAY
        else:
            read = parse_iso(text.replace(" ", "T", 1))
    except OverflowError:
        raise ValueError("outside the years that can be counted") from None
    if read >= _TOO_LATE:
        raise ValueError("later than can be written as a date again")
    # Documents carry milliseconds; more would come back different and be changed at every import.
    return read // 1_000 * 1_000
