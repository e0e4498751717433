"""Where we read something else in a body than scim2-models, each with a case that shows it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from scim_bridge.registry.model import AGENT_URN, ENTERPRISE_URN, GROUP_URN, USER_URN
from scim_bridge.scim import schema
from tests.scim.differences import HELD, WELL_FORMED, doubled, held, sent, texts_in
from tests.scim.oracle import Doc


@dataclass(frozen=True)
class BodyClass:
    """A kind of body on which we and the oracle differ, and why; `doc` shows it."""

    why: str
    applies: Callable[[Doc, bool], bool]
    doc: Doc
    tolerant: bool = False


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for item in value.values():
            yield from _leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item)
    yield value


URNS = {urn.casefold(): urn for kind in ("User", "Group", "Agent") for urn in schema.of(kind).urns.values()}


def _listed(doc: Doc) -> list[Any]:
    listed = sent(doc).get("schemas")
    return listed if isinstance(listed, list) else []


def _whole(manager: Any) -> bool:
    return isinstance(manager, dict) and bool(sent(manager).get("value") and sent(manager).get("$ref"))


def _manager(doc: Doc) -> Any:
    extension = sent(doc).get(ENTERPRISE_URN.casefold())
    return sent(extension).get("manager") if isinstance(extension, dict) else None


BODY_CLASSES = (
    BodyClass(
        "read-only attributes are ignored whatever is in them (RFC 7644 section 3.3)",
        lambda doc, tolerant: any(
            a.read_only and a.name != "schemas" and a.name.casefold() in holder
            for definitions, holder in _holders(doc)
            for a in definitions.values()
        ),
        {"schemas": [USER_URN], "userName": "a", "meta": 5},
    ),
    BodyClass(
        "a manager needs no $ref, which follows from the value; a manager without any value is none",
        lambda doc, tolerant: _manager(doc) is not None and not _whole(_manager(doc)),
        {"schemas": [USER_URN, ENTERPRISE_URN], "userName": "a", ENTERPRISE_URN: {"manager": {"value": "m"}}},
    ),
    BodyClass(
        "an address is any string, and so is the value of a reference",
        lambda doc, tolerant: any(
            pattern.fullmatch(str(text)) is None
            for name, pattern in WELL_FORMED.items()
            for text in texts_in(sent(doc).get(name))
        ),
        {"schemas": [USER_URN], "userName": "a", "emails": [{"value": "bot@localhost"}]},
    ),
    BodyClass(
        "an element that comes twice, in whatever order of its parts, is kept once (RFC 7643 section 2.4)",
        lambda doc, tolerant: any(doubled(value) for value in _leaves(doc) if isinstance(value, list)),
        {"schemas": [USER_URN], "userName": "a", "roles": [{"value": "x"}, {"value": "x"}]},
    ),
    BodyClass(
        "null among the elements of a list is nothing",
        lambda doc, tolerant: any(isinstance(value, list) and None in value for value in _leaves(doc)),
        {"schemas": [USER_URN], "userName": "a", "roles": [None]},
    ),
    BodyClass(
        'a boolean is true or false; 1 is neither, and "True" is read in a tolerant reading only',
        lambda doc, tolerant: not isinstance(sent(doc).get("active"), bool | None),
        {"schemas": [USER_URN], "userName": "a", "active": 1},
    ),
    BodyClass(
        "the letter of the RFC wants `schemas`",
        lambda doc, tolerant: not tolerant and not sent(doc).get("schemas"),
        {"userName": "a"},
    ),
    BodyClass(
        "URNs compare without case, also those that `schemas` lists (RFC 8141 section 3.1)",
        lambda doc, tolerant: any(
            isinstance(urn, str) and urn.casefold() in URNS and urn != URNS[urn.casefold()]
            for urn in _listed(doc)
        ),
        {"schemas": [USER_URN.upper()], "userName": "a"},
    ),
    BodyClass(
        "a tolerant reading does not look into `schemas`",
        lambda doc, tolerant: tolerant and USER_URN not in _listed(doc),
        {"schemas": ["urn:x:y"], "userName": "a"},
        tolerant=True,
    ),
    BodyClass(
        "userName cannot be empty, nor the displayName of a group",
        lambda doc, tolerant: sent(doc).get("displayname" if GROUP_URN in _listed(doc) else "username") == "",
        {"schemas": [USER_URN], "userName": ""},
    ),
    BodyClass(
        "an empty string is unassigned in a tolerant reading",
        lambda doc, tolerant: tolerant and "" in list(_leaves(doc)),
        {"schemas": [USER_URN], "userName": "a", "title": ""},
        tolerant=True,
    ),
    BodyClass(
        "a tolerant reading takes one value for a list, and a string or a list of one for an object",
        lambda doc, tolerant: tolerant,
        {"schemas": [USER_URN], "userName": "a", "roles": "Admin"},
        tolerant=True,
    ),
    BodyClass(
        HELD,
        lambda doc, tolerant: any(
            held(a, holder.get(a.name.casefold()))
            for definitions, holder in _holders(doc)
            for a in definitions.values()
        ),
        {"schemas": [USER_URN, AGENT_URN], "userName": "a", AGENT_URN: {"riskTier": "banana"}},
    ),
    BodyClass(
        "the attributes of an extension are only read when its URN is listed, in the letter",
        lambda doc, tolerant: (
            not tolerant
            and any(
                urn.casefold() in sent(doc) and urn not in _listed(doc) for urn in (ENTERPRISE_URN, AGENT_URN)
            )
        ),
        {"schemas": [USER_URN], "userName": "a", ENTERPRISE_URN: {"department": "d"}},
    ),
)


def _holders(doc: Doc) -> Iterator[tuple[Any, dict[str, Any]]]:
    resource = schema.of("User")
    yield resource.attributes, sent(doc)
    for urn, attributes in resource.extensions.items():
        held = sent(doc).get(urn.casefold())
        if isinstance(held, dict):
            yield attributes, sent(held)


def excused_body(doc: Doc, *, tolerant: bool) -> bool:
    """True when a body is of a kind on which we differ."""
    return any(each.applies(doc, tolerant) for each in BODY_CLASSES)
