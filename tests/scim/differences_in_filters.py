"""Where we choose otherwise than scim2-models whom a filter chooses, each with a case that shows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from scim_bridge.registry.model import ENTERPRISE_URN
from scim_bridge.scim import schema
from scim_bridge.scim.grammar import Compare, Element, Filter
from scim_bridge.scim.mentions import terms
from tests.scim.oracle import Doc


@dataclass(frozen=True)
class FilterClass:
    """A kind of term on which we and the oracle differ, and why; `text` on `doc` shows it."""

    why: str
    applies: Callable[[Compare | Any], bool]
    text: str
    doc: Doc


def _about(term: Any) -> tuple[str, str]:
    found = schema.of("User").find(term.path.urn, term.path.name, term.path.sub)
    assert found is not None
    return found.attribute.name, found.sub.name if found.sub is not None else ""


def _many(term: Any) -> bool:
    found = schema.of("User").find(term.path.urn, term.path.name, term.path.sub)
    return found is not None and found.attribute.multi


def _primary(term: Any) -> bool:
    if isinstance(term, Element):
        return any(inner.path.name.casefold() == "primary" for inner in terms(term.filter))
    return isinstance(term, Compare) and _about(term)[1] == "primary"


ONE_OF_TWO: Doc = {"userName": "a", "roles": [{"value": "x"}, {"value": "y"}]}

FILTER_CLASSES = (
    FilterClass(
        "ne on a multi-valued attribute: any element that differs decides, as any decides for the other operators",
        lambda term: isinstance(term, Compare) and term.op == "ne" and _many(term),
        'roles.value ne "x"',
        ONE_OF_TWO,
    ),
    FilterClass(
        "null on a multi-valued attribute: it asks whether any element has a value",
        lambda term: isinstance(term, Compare) and term.value is None and _many(term),
        "roles.display eq null",
        {"userName": "a", "roles": [{"value": "x", "display": "X"}, {"value": "y"}]},
    ),
    FilterClass(
        "primary is false where it is not said (RFC 7643 section 2.4)",
        _primary,
        "roles[primary eq false]",
        ONE_OF_TWO,
    ),
    FilterClass(
        "password answers no question at all, not even eq",
        lambda term: _about(term)[0] == "password",
        'password eq "x"',
        {"userName": "a"},
    ),
    FilterClass(
        "strings compare by Unicode casefold, as our keys do, not by lower case after NFC",
        lambda term: isinstance(term, Compare) and not str(term.value).isascii(),
        'displayName eq "STRASSE"',
        {"userName": "a", "displayName": "straße"},
    ),
    FilterClass(
        'a boolean is compared with true or false, not with 1 (a tolerant reading takes "True")',
        lambda term: (
            isinstance(term, Compare) and _about(term)[0] == "active" and not isinstance(term.value, bool)
        ),
        "active eq 1",
        {"userName": "a", "active": True},
    ),
    FilterClass(
        "gt, ge, lt, le, co, sw and ew with null are refused, since they can hold for nothing",
        lambda term: isinstance(term, Compare) and term.value is None,
        "title gt null",
        {"userName": "a"},
    ),
    FilterClass(
        "a complex attribute without a value cannot be compared",
        lambda term: isinstance(term, Compare) and _about(term) == ("name", ""),
        'name co "x"',
        {"userName": "a"},
    ),
    FilterClass(
        "a single complex attribute is compared by its value, as Entra asks for a manager",
        lambda term: isinstance(term, Compare) and _about(term) in (("manager", ""), ("owner", "")),
        f'{ENTERPRISE_URN}:manager eq "m"',
        {"userName": "a", ENTERPRISE_URN: {"manager": {"value": "m"}}},
    ),
    FilterClass(
        "an e-mail address is any string; agents have addresses no mail server knows",
        lambda term: isinstance(term, Compare) and _about(term) in (("emails", ""), ("emails", "value")),
        'emails.value eq "nobody"',
        {"userName": "a"},
    ),
)


def excused_filter(filter_: Filter) -> bool:
    """True when some term of a filter is of a kind on which we differ."""
    return any(each.applies(term) for term in terms(filter_) for each in FILTER_CLASSES)
