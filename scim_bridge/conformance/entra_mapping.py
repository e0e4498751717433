"""Entra's default attribute mapping, and how its validator reads which attributes a server offers.

Source: Microsoft's provisioning documentation (default mapping of non-gallery apps) and the test overview of
its SCIM validation template.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from scim_bridge.conformance.expect import ENTERPRISE
from scim_bridge.conformance.reply import at

# Element types the default mapping names, by attribute.
ADDRESS: Final = ("formatted", "streetAddress", "locality", "region", "postalCode", "country")


@dataclass(frozen=True, slots=True)
class Mapped:
    """One mapped attribute: its PATCH path and two values of its own."""

    path: str
    first: str
    second: str

    def read(self, user: Any) -> Any:
        """Its value in a user, None when there is none."""
        found = self._holder(user)
        return None if found in (None, "", []) else found

    def _holder(self, user: Any) -> Any:
        if self.path.startswith(ENTERPRISE):
            return at(user, (ENTERPRISE, self.path.removeprefix(ENTERPRISE + ":"))) or None
        name, bracket, rest = self.path.partition("[")
        if not bracket:
            return at(user, self.path) or None
        kind, sub = rest.split('"')[1], rest.rpartition(".")[2]
        found = at(user, name)
        items = found if isinstance(found, list) else []
        return next((at(item, sub) or None for item in items if at(item, "type") == kind), None)


def _mapped(path: str, first: str, second: str) -> Mapped:
    return Mapped(path, first, second)


OPTIONAL: Final = (
    _mapped("displayName", "Isabella Simonsen", "Isabella Moller"),
    _mapped("title", "Site engineer", "Chief engineer"),
    _mapped('emails[type eq "work"].value', "isabella@example.com", "moller@example.com"),
    _mapped("preferredLanguage", "da-DK", "en-US"),
    _mapped("name.givenName", "Isabella", "Isa"),
    _mapped("name.familyName", "Simonsen", "Moller"),
    _mapped("name.formatted", "Isabella Simonsen", "Isa Moller"),
    *(
        _mapped(f'addresses[type eq "work"].{sub}', f"{sub} one", f"{sub} two")
        for sub in ADDRESS
        if sub != "country"
    ),
    _mapped('addresses[type eq "work"].country', "DK", "SE"),
    *(
        _mapped(f'phoneNumbers[type eq "{kind}"].value', f"+45 33 00 {n}0", f"+45 33 00 {n}1")
        for n, kind in enumerate(("work", "mobile", "fax"), start=1)
    ),
    _mapped(f"{ENTERPRISE}:employeeNumber", "1001", "1002"),
    _mapped(f"{ENTERPRISE}:department", "Tours", "Tickets"),
)
SINGLE: Final = tuple(m for m in OPTIONAL if "[" not in m.path)
# Required, matching or set by other means, so never emptied.
KEPT: Final = ("userName", "active", "externalId", f"{ENTERPRISE}:manager")
EVERY: Final = (*KEPT, *(m.path for m in OPTIONAL))


def discoverable(schemas: Any) -> set[str]:
    """What /Schemas offers, flattened as the validator does it, in lower case.

    A complex attribute with several values is taken once for each canonical value of its type (or once, when it
    has none) and each simple sub-attribute; a complex one with a single value by its dots; `manager` and
    `members` count as one; references are left out.
    """
    made: set[str] = {"externalid"}
    for schema in schemas if isinstance(schemas, list) else []:
        urn = at(schema, "id")
        prefix = f"{urn}:" if isinstance(urn, str) and ":extension:" in urn else ""
        for attribute in _items(schema, "attributes"):
            made |= {(prefix + name).lower() for name in _names(attribute)}
    return made


def _items(holder: Any, name: str) -> list[Any]:
    found = at(holder, name)
    return found if isinstance(found, list) else []


def _names(attribute: Any) -> Iterator[str]:
    name, kind = at(attribute, "name"), at(attribute, "type")
    if not isinstance(name, str) or kind == "reference":
        return
    subs = [
        sub for sub in _items(attribute, "subAttributes") if at(sub, "type") not in ("complex", "reference")
    ]
    if kind != "complex" or name.lower() in ("manager", "members"):
        yield name
    elif at(attribute, "multiValued") is True:
        types = next((_items(sub, "canonicalValues") for sub in subs if at(sub, "name") == "type"), [])
        for sub in subs:
            places = [f'{name}[type eq "{value}"]' for value in types] or [name]
            yield from (f"{place}.{at(sub, 'name')}" for place in places)
    else:
        yield from (f"{name}.{at(sub, 'name')}" for sub in subs)


def undiscoverable(schemas: Any) -> list[str]:
    """The mapped attributes that /Schemas does not offer."""
    offered = discoverable(schemas)
    return [path for path in EVERY if path.lower() not in offered and _once(path).lower() not in offered]


def _once(path: str) -> str:
    """A path without its choice of an element: what a schema without canonical values offers."""
    name, bracket, rest = path.partition("[")
    return f"{name}.{rest.rpartition('.')[2]}" if bracket else path


def replacing(values: Mapping[str, Any], op: str = "replace") -> list[dict[str, Any]]:
    """One PATCH operation for each path and value."""
    return [{"op": op, "path": path, "value": value} for path, value in values.items()]
