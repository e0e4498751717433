"""Where we make something else of a PATCH than scim2-models, each with a case that shows it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from scim_bridge.registry.model import AGENT_URN, ENTERPRISE_URN
from scim_bridge.scim import schema
from scim_bridge.scim.path import parse_path
from tests.scim.differences import HELD, WELL_FORMED, doubled, held, texts_in
from tests.scim.oracle import Doc, shape


@dataclass(frozen=True)
class Step:
    """One attribute written by an operation, as the classes below look at it."""

    doc: Doc
    op: str
    path: str
    value: Any
    tolerant: bool

    @property
    def attribute(self) -> schema.Attribute:
        """What the path names."""
        found = parse_path(self.path, "User").attribute
        assert found is not None
        return found

    @property
    def sub(self) -> str:
        """The sub-attribute the path names, or nothing."""
        sub = parse_path(self.path, "User").sub
        return "" if sub is None else sub.name

    @property
    def chooses(self) -> bool:
        """True when the path has brackets."""
        return "[" in self.path

    @property
    def current(self) -> Any:
        """The attribute's value before."""
        path = parse_path(self.path, "User")
        holder = self.doc if path.urn is None else self.doc.get(path.urn, {})
        return holder.get(self.attribute.name)


def steps(doc: Doc, operation: Doc, tolerant: bool) -> Iterator[Step]:
    """The attributes an operation writes."""
    if "path" in operation:
        yield Step(doc, operation["op"], operation["path"], operation.get("value"), tolerant)
        return
    for key, value in operation["value"].items():
        yield Step(doc, operation["op"], key, value, tolerant)


@dataclass(frozen=True)
class PatchClass:
    """A kind of step on which we and the oracle differ, and why; `operation` on `doc` shows it."""

    why: str
    applies: Callable[[Step], bool]
    operation: Doc
    doc: Doc
    tolerant: bool = False


def _met(step: Step) -> bool:
    """True when an added element has the value of one that is there, or of another that is added."""
    values = [
        repr(shape(text)).casefold() for items in (step.current, step.value) for text in texts_in(items)
    ]
    return len(set(values)) < len(values) or doubled([*(step.current or []), *_items(step.value)])


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


MAIL: Doc = {"userName": "a", "emails": [{"value": "ann@corp.org", "type": "work"}]}

PATCH_CLASSES = (
    PatchClass(
        "a sub-attribute of no elements: strict says noTarget, tolerant makes the element; the oracle does nothing",
        lambda s: bool(s.sub) and s.attribute.multi and not s.chooses and not s.current,
        {"op": "replace", "path": "roles.value", "value": "x"},
        {"userName": "a"},
        tolerant=True,
    ),
    PatchClass(
        "an element with the same value (and type, when both say it) is the same element and takes the rest",
        lambda s: (
            (s.op == "add" and s.attribute.multi and not s.sub and s.attribute.type == schema.COMPLEX)
            and _met(s)
        ),
        {"op": "add", "path": "emails", "value": [{"value": "ann@corp.org", "display": "Ann"}]},
        MAIL,
    ),
    PatchClass(
        "when a reference's value changes, what pointed to the old one goes",
        lambda s: "$ref" in s.attribute.subs and isinstance(s.current, dict),
        {"op": "replace", "path": f"{ENTERPRISE_URN}:manager.value", "value": "2"},
        {"userName": "a", ENTERPRISE_URN: {"manager": {"value": "1", "$ref": "../Users/1"}}},
    ),
    PatchClass(
        "a reference without its value is not kept",
        lambda s: bool(s.attribute.needs),
        {"op": "add", "path": f"{ENTERPRISE_URN}:manager.$ref", "value": "../Users/1"},
        {"userName": "a"},
    ),
    PatchClass(
        "in the letter, replace on chosen elements replaces the whole element",
        lambda s: s.chooses and not s.sub and s.op == "replace" and not s.tolerant,
        {"op": "replace", "path": 'emails[type eq "work"]', "value": {"value": "bob@corp.org"}},
        {"userName": "a", "emails": [{"value": "ann@corp.org", "type": "work", "display": "Ann"}]},
    ),
    PatchClass(
        "an element left with a type or a primary mark only is taken away when the PATCH is done",
        lambda s: s.tolerant and s.attribute.multi and bool(s.sub),
        {"op": "remove", "path": "emails.value"},
        MAIL,
        tolerant=True,
    ),
    PatchClass(
        "primary is false where it is not said, so a path may choose by it",
        lambda s: "[primary" in s.path,
        {"op": "remove", "path": "emails[primary eq false]"},
        MAIL,
    ),
    PatchClass(
        "an empty string unassigns, in a tolerant reading (Entra clears attributes so)",
        lambda s: s.tolerant and s.value == "",
        {"op": "replace", "path": "title", "value": ""},
        {"userName": "a", "title": "b"},
        tolerant=True,
    ),
    PatchClass(
        "userName cannot be made empty",
        lambda s: s.attribute.name == "userName" and s.value == "",
        {"op": "replace", "path": "userName", "value": ""},
        {"userName": "a"},
    ),
    PatchClass(
        "strings for booleans are read in a tolerant reading only",
        lambda s: not s.tolerant and s.attribute.name == "active" and not isinstance(s.value, bool),
        {"op": "replace", "path": "active", "value": "False"},
        {"userName": "a", "active": True},
    ),
    PatchClass(
        "read-only attributes are passed over in a tolerant reading (Okta sends the id in a PATCH)",
        lambda s: s.tolerant and s.attribute.read_only,
        {"op": "replace", "value": {"id": "x", "title": "t"}},
        {"userName": "a"},
        tolerant=True,
    ),
    PatchClass(
        "an address is any string, and so is the value of a reference",
        lambda s: (
            s.attribute.name in ("emails", "photos", "profileUrl")
            and any(
                WELL_FORMED[s.attribute.name.casefold()].fullmatch(str(text)) is None
                for text in texts_in({"value": s.value} if s.sub == "value" else s.value)
            )
        ),
        {"op": "replace", "path": "emails", "value": [{"value": "not an address"}]},
        {"userName": "a"},
    ),
    PatchClass(
        HELD,
        lambda s: held(s.attribute, s.value),
        {"op": "replace", "path": f"{AGENT_URN}:riskTier", "value": "banana"},
        {"userName": "a"},
    ),
)


def excused_patch(doc: Doc, operation: Doc, *, tolerant: bool) -> bool:
    """True when some attribute an operation writes is of a kind on which we differ."""
    return any(each.applies(step) for step in steps(doc, operation, tolerant) for each in PATCH_CLASSES)
