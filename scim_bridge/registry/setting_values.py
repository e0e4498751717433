"""What a value of a connection's setting may look like: one check each. Pure.

A check gets the text and raises WrongValue: what it is not, and how to write it. A ValueError of an address
that cannot be read is the caller's to tell.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

LOOPBACK = ("127.0.0.1", "localhost", "::1")
APP_ID = r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"
DOMAIN = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}")


class WrongValue(Exception):
    """A value that cannot be meant: what it is not, and how to write it."""


def https(value: str) -> None:
    """An https address without a user, a query and a fragment."""
    parts = urlsplit(value)
    # A port that is none (99999) is a ValueError, told as an address that cannot be read.
    plain = parts.port != 0 and not (parts.query or parts.fragment or "@" in parts.netloc or " " in value)
    if parts.scheme != "https" or not parts.hostname or not plain:
        raise WrongValue("is no https address", "Write https://host, without a user and a query.")


def this_machine(value: str) -> None:
    """An address of this machine, with http or https."""
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or parts.hostname not in ("127.0.0.1", "localhost"):
        raise WrongValue("is no address of this machine", "Write http://127.0.0.1:port.")


def server(value: str) -> None:
    """An address below which a server answers; http only to this machine, where nobody listens in."""
    parts = urlsplit(value)
    if parts.scheme == "http" and parts.hostname in LOOPBACK:
        value = parts._replace(scheme="https").geturl()
    https(value)


def okta_org(value: str) -> None:
    """An org's address: https, no path, not the Admin Console's."""
    https(value)
    parts = urlsplit(value)
    if parts.path.strip("/"):
        raise WrongValue(
            "is more than the address of an org", "Write https://your-org.okta.com, without a path."
        )
    if "-admin." in (parts.hostname or ""):
        raise WrongValue("is the address of the Admin Console", "Leave out -admin.")


def entra_tenant(value: str) -> None:
    """A tenant's id, or one of its domains."""
    if not re.fullmatch(APP_ID, value) and not DOMAIN.fullmatch(value):
        fix = "Copy Directory (tenant) ID from the app registration's Overview; a domain of the tenant does, too."
        raise WrongValue("is no tenant", fix)


def graph(value: str) -> None:
    """Graph's address, without a version."""
    https(value)
    if re.search(r"/(?:v1\.0|beta)/?$", urlsplit(value).path):
        raise WrongValue("names a version of Graph", "Leave it out: https://graph.microsoft.com")


def whole(most: int) -> Callable[[str], None]:
    """The check of a whole number from 0 to `most`."""

    def check(value: str) -> None:
        if not value.isascii() or not value.isdigit() or int(value) > most:
            raise WrongValue("is no such number", f"Write a whole number from 0 to {most}.")

    return check


def one_of(choices: Iterable[str]) -> Callable[[str], None]:
    """The check of one of a few words."""
    known = tuple(choices)

    def check(value: str) -> None:
        if value not in known:
            raise WrongValue("is none of its values", f"Use one of {', '.join(known)}.")

    return check


def shaped(pattern: re.Pattern[str], fix: str) -> Callable[[str], None]:
    """The check of a form; `fix` says how to write it."""

    def check(value: str) -> None:
        if not pattern.fullmatch(value):
            raise WrongValue("is not of the form it needs", fix)

    return check


def any_text(value: str) -> None:
    """Any printable text; its length was looked at before."""
