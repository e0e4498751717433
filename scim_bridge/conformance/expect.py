"""Expectations of an answer: each knows how to say what it wants and what came instead."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from scim_bridge.conformance.model import Notes
from scim_bridge.conformance.reply import ABSENT, Reply, at, shown

LIST: Final = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
ERROR: Final = "urn:ietf:params:scim:api:messages:2.0:Error"
PATCH_OP: Final = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
USER: Final = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP: Final = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE: Final = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"

Path = str | tuple[str | int, ...]
_NAME = re.compile(r"\{(\w+)\}")
_WHOLE = re.compile(r"\{(\w+)\}\Z")


class Missing(Exception):
    """A step needs something an earlier one did not bring about."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def note(notes: Notes, name: str) -> Any:
    """What was kept under a name; Missing when nothing was."""
    if name not in notes:
        raise Missing(name)
    return notes[name]


def filled(value: Any, notes: Notes) -> Any:
    """Texts, also inside lists and objects, with `{name}` replaced by what was kept under that name.

    A text that is nothing but `{name}` becomes the kept value itself, whatever its type.
    """
    if isinstance(value, str):
        whole = _WHOLE.match(value)
        if whole is not None:
            return note(notes, whole.group(1))
        return _NAME.sub(lambda found: str(note(notes, found.group(1))), value)
    if isinstance(value, dict):
        return {filled(key, notes): filled(item, notes) for key, item in value.items()}
    if isinstance(value, list):
        return [filled(item, notes) for item in value]
    return value


@dataclass(frozen=True, slots=True)
class Check:
    """One expectation. `test` gives nothing when it holds, else what came.

    `beyond` says why a server that does not meet it is still right: the finding is then a skip, not a failure.
    It says so only of answers that `excused` is true of.
    """

    text: str
    test: Callable[[Reply, Notes], str | None]
    beyond: str = ""
    excused: Callable[[Reply], bool] = lambda _: True

    def unless(self, reason: str, when: Callable[[Reply], bool] | None = None) -> Check:
        """The same expectation, not meeting which (by such an answer) is no failure for this reason."""
        return replace(self, beyond=reason, excused=when or (lambda _: True))

    def excuse(self, reply: Reply) -> str:
        """Why this answer, which does not meet the expectation, is right all the same; empty when it is not."""
        return self.beyond if self.excused(reply) else ""


def named(path: Path) -> str:
    """A place in a document as people write it."""
    if isinstance(path, str):
        return path
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f"{':' if text.startswith('urn:') else '.'}{part}"
    return text.removeprefix(".")


def answers(*codes: int) -> Callable[[Reply], bool]:
    """True of answers with one of these statuses: for `unless`."""
    return lambda reply: reply.status in codes


def status(*codes: int) -> Check:
    """The status is one of these."""
    text = "status " + " or ".join(map(str, codes))
    return Check(text, lambda reply, _: None if reply.status in codes else f"status {reply.status}")


def has(path: Path, value: Any) -> Check:
    """The list at this place contains a value; a single value counts as a list of one (as Okta's suite reads it)."""

    def test(reply: Reply, notes: Notes) -> str | None:
        wanted, found = filled(value, notes), at(reply.body, path)
        there = found if isinstance(found, list) else [found]
        return None if any(item == wanted for item in there) else f"{named(path)} is {shown(found)}"

    return Check(f"{named(path)} has {value}", test)


def filled_in(path: Path) -> Check:
    """There is a value at this place that is neither null nor empty; false and 0 are values."""

    def test(reply: Reply, _: Notes) -> str | None:
        found = at(reply.body, path)
        return f"{named(path)} is {shown(found)}" if found in (ABSENT, None, "", [], {}) else None

    return Check(f"{named(path)} is not empty", test)


def number(path: Path) -> Check:
    """There is a number, not a text of digits, at this place."""

    def test(reply: Reply, _: Notes) -> str | None:
        found = at(reply.body, path)
        right = isinstance(found, int | float) and not isinstance(found, bool)
        return None if right else f"{named(path)} is {shown(found)}"

    return Check(f"{named(path)} is a number", test)


def equals(path: Path, value: Any) -> Check:
    """The value at this place is exactly this one: of the same type, in the same case."""

    def test(reply: Reply, notes: Notes) -> str | None:
        wanted, found = filled(value, notes), at(reply.body, path)
        same = type(found) is type(wanted) and found == wanted
        return None if same else f"{named(path)} is {shown(found)}"

    return Check(f"{named(path)} is {_written(value)}", test)


def reads(path: Path, text: str) -> Check:
    """The value at this place is this text, or the number this text writes."""

    def test(reply: Reply, notes: Notes) -> str | None:
        found = at(reply.body, path)
        plain = isinstance(found, str | int) and not isinstance(found, bool)
        right = plain and str(found) == str(filled(text, notes))
        return None if right else f"{named(path)} is {shown(found)}"

    return Check(f"{named(path)} equals {text}", test)


def absent(path: Path) -> Check:
    """Nothing is at this place."""

    def test(reply: Reply, _: Notes) -> str | None:
        found = at(reply.body, path)
        return None if found is ABSENT else f"{named(path)} is {shown(found)}"

    return Check(f"there is no {named(path)}", test)


def includes(text: str) -> Check:
    """The body contains this text somewhere."""

    def test(reply: Reply, notes: Notes) -> str | None:
        wanted = str(filled(text, notes))
        return None if wanted in reply.text else f"the body does not contain {wanted!r}"

    return Check(f"the body contains {text}", test)


def lacks(text: str) -> Check:
    """The body contains this text nowhere."""

    def test(reply: Reply, notes: Notes) -> str | None:
        unwanted = str(filled(text, notes))
        return f"the body contains {unwanted!r}" if unwanted in reply.text else None

    return Check(f"the body does not contain {text}", test)


def header(name: str, begins: str = "") -> Check:
    """The answer has this header, with a value that begins so (in any case)."""

    def test(reply: Reply, _: Notes) -> str | None:
        found = reply.headers.get(name)
        if found is None:
            return f"no {name} header"
        return None if found.casefold().startswith(begins.casefold()) else f"{name} is {found[:80]!r}"

    return Check(f"the {name} header begins with {begins}" if begins else f"there is a {name} header", test)


def faster(milliseconds: int) -> Check:
    """The answer came within this time."""

    def test(reply: Reply, _: Notes) -> str | None:
        return None if reply.milliseconds < milliseconds else f"it took {reply.milliseconds} ms"

    return Check(f"the answer takes less than {milliseconds} ms", test)


def matches(text: str, test: Callable[[Reply], str | None]) -> Check:
    """An expectation of one step only: `test` gives nothing when it holds, else what came."""
    return Check(text, lambda reply, _: test(reply))


def listing() -> tuple[Check, ...]:
    """A ListResponse with numbers in it (RFC 7644 section 3.4.2)."""
    return status(200), has("schemas", LIST), number("totalResults")


def refused(code: int, *kinds: str) -> tuple[Check, ...]:
    """An error as RFC 7644 section 3.12 writes it, with one of these values of scimType when some are given."""
    checks = (status(code), has("schemas", ERROR), reads("status", str(code)))
    if not kinds:
        return checks

    def kind(reply: Reply) -> str | None:
        found = at(reply.body, "scimType")
        return None if found in kinds else f"scimType is {shown(found)}"

    return (*checks, matches("scimType is " + " or ".join(kinds), kind))


def empty_listing() -> tuple[Check, ...]:
    """200 with a ListResponse of nothing: never 404."""
    return status(200), has("schemas", LIST), reads("totalResults", "0")


def ids(reply: Reply) -> list[Any]:
    """The ids of the resources in a ListResponse, in their order."""
    found = at(reply.body, "Resources")
    items: Sequence[Any] = found if isinstance(found, list) else []
    return [at(item, "id") for item in items]


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
