"""Which attributes an answer carries (RFC 7644 section 3.9)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self, TypeAlias

from scim_bridge.scim.errors import invalid_value
from scim_bridge.scim.grammar import attr_path
from scim_bridge.scim.schema import Attribute, ResourceType, of

Doc = dict[str, Any]

# Names below names; None stands for everything below.
Tree: TypeAlias = "dict[str, Tree | None]"

# `emails[type eq "work"]` is sent by Entra's tests; the attribute is what is asked for.
_BRACKETS: Final = re.compile(r"\[[^\]]*+\]")


@dataclass(frozen=True, slots=True)
class Projection:
    """`attributes` or `excludedAttributes` of a request, compiled for one resource type.

    `everything` is true when the request asks for neither, so that a rendered answer can go out as it is.
    """

    everything: bool
    resource: ResourceType
    only: Tree | None
    without: Tree

    @classmethod
    def of(
        cls,
        attributes: str | None,
        excluded: str | None,
        resource: str | ResourceType,
        *,
        both: bool = False,
    ) -> Self:
        """The projection a request asks for, as comma-separated names in any case; unknown names mean nothing.

        ScimError invalidValue when both are given, unless `both` allows it: then what is excluded is taken
        out of what is asked for (Entra asks for a group's id so).
        """
        kind = of(resource)
        only, without = attributes or None, excluded or None
        if only and without and not both:
            raise invalid_value(
                "attributes and excludedAttributes exclude each other.",
                "Send one of them (RFC 7644 section 3.9).",
            )
        return cls(
            only is None and without is None,
            kind,
            None if only is None else _tree(only, kind),
            {} if without is None else _tree(without, kind),
        )

    def wants(self, name: str) -> bool:
        """True when the answer carries this core attribute (canonical name), so that it must be loaded."""
        attribute = self.resource.attribute(name)
        if attribute is None or attribute.returned == "always":
            return attribute is not None
        if attribute.returned == "never":
            return False
        if self.only is not None and name not in self.only:
            return False
        if self.only is None and attribute.returned == "request":
            return False
        return name not in self.without or self.without[name] is not None

    def apply(self, doc: Doc) -> Doc:
        """The part of a document that the answer carries; the document itself is left alone."""
        return dict(self._kept(doc))

    def _kept(self, doc: Doc) -> Iterator[tuple[str, Any]]:
        schemas: Any = None
        left: list[str] = []
        for name, value in doc.items():
            if name == "schemas":
                # Its place is kept; which extensions it lists is known at the end.
                schemas = list(value) if isinstance(value, list) else value
                yield name, schemas
            elif (extension := self.resource.extensions.get(name)) is not None:
                part = _part(extension, _below(self.only, name), _below(self.without, name, {}), value)
                if part:
                    yield name, part
                else:
                    left.append(name)
            else:
                yield from _one(self.resource.attributes.get(name), name, value, self.only, self.without)
        if left and isinstance(schemas, list):
            schemas[:] = [urn for urn in schemas if urn not in left]


_NOTHING: Final[Tree] = {}


def _below(tree: Tree | None, name: str, absent: Tree | None = _NOTHING) -> Tree | None:
    """What a tree says below a name: None for everything, `absent` when it does not name it."""
    return None if tree is None else tree.get(name, absent)


def _part(definitions: Mapping[str, Attribute], only: Tree | None, without: Tree | None, holder: Any) -> Any:
    """The part of an object, or of each object of a list, that is carried."""
    if isinstance(holder, list):
        parts = (_part(definitions, only, without, item) for item in holder)
        return [part for part in parts if part != {}]
    if not isinstance(holder, dict):
        return holder
    part: Doc = {}
    for name, value in holder.items():
        part.update(_one(definitions.get(name), name, value, only, without))
    return part


def _one(
    attribute: Attribute | None, name: str, value: Any, only: Tree | None, without: Tree | None
) -> Iterator[tuple[str, Any]]:
    """An attribute with the part of its value that is carried, or nothing."""
    returned = "default" if attribute is None else attribute.returned
    if returned == "never":
        return
    if returned == "always":
        yield name, value
        return
    named = only is not None and name in only
    if (only is not None and not named) or (returned == "request" and not named):
        return
    chosen = only[name] if only is not None else None
    if without is None:
        return
    hidden = without.get(name, _NOTHING)
    if hidden is None:
        return
    if attribute is not None and attribute.subs and (chosen is not None or hidden or _special(attribute)):
        value = _part(attribute.subs, chosen, hidden, value)
        if value in ({}, []):
            return
    yield name, value


def _special(attribute: Attribute) -> bool:
    return any(sub.returned in ("never", "request") for sub in attribute.subs.values())


def _tree(names: str, resource: ResourceType) -> Tree:
    """Comma-separated attribute names as a tree of canonical ones."""
    tree: Tree = {}
    for text in _BRACKETS.sub("", names).split(","):
        name = text.strip()
        urn = resource.urns.get(name.casefold())
        if urn == resource.urn:
            for attribute in resource.attributes.values():
                _plant(tree, [attribute.name])
        elif urn is not None:
            _plant(tree, [urn])
        else:
            _plant(tree, _steps(name, resource))
    return tree


def _steps(text: str, resource: ResourceType) -> list[str]:
    """The canonical names a path goes through, empty when it names nothing."""
    path = attr_path(text)
    found = None if path is None else resource.find(path.urn, path.name, path.sub)
    if found is None:
        return []
    names = [found.attribute.name] if found.sub is None else [found.attribute.name, found.sub.name]
    return names if found.urn is None else [found.urn, *names]


def _plant(tree: Tree, steps: list[str]) -> None:
    for step in steps[:-1]:
        below = tree.setdefault(step, {})
        if below is None:
            return
        tree = below
    if steps:
        tree[steps[-1]] = None
