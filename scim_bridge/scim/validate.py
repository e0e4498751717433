"""Whole documents of POST and PUT, checked and brought into canonical form by schema."""

from __future__ import annotations

from typing import Any

from scim_bridge.registry.model import ENTERPRISE_URN
from scim_bridge.scim.errors import invalid_syntax, invalid_value
from scim_bridge.scim.schema import ResourceType, of
from scim_bridge.scim.values import clean_fields, clean_value, refuse_twice

Doc = dict[str, Any]


def clean(doc: Doc, resource_type: str | ResourceType, tolerant: bool) -> Doc:
    """A new document with canonical attribute names and only what a client may set; ScimError otherwise.

    Left out: `schemas` (it follows from the content), read-only attributes (`id`, `meta`, a user's `groups` …),
    `password` (never stored), unassigned values, and unknown attributes when `tolerant` (refused otherwise).
    Still in it, for the caller to take out: `active`, `externalId`, a group's `members`.
    """
    resource = of(resource_type)
    listed = _schemas(doc, resource, tolerant)
    kept, unknown = clean_fields(resource.attributes, doc, tolerant)
    bare: list[str] = []
    for key in unknown:
        urn = resource.urns.get(key.casefold())
        if urn is None or urn == resource.urn:
            bare.append(key)
            continue
        refuse_twice(doc, key)
        if not tolerant and urn not in listed:
            raise invalid_syntax(
                f"'schemas' does not list {urn}.", "List every schema whose attributes are sent."
            )
        _extension(kept, resource, urn, doc[key], tolerant)
    if bare and not tolerant:
        raise invalid_syntax(
            f"{resource.name} has no attribute {bare[0][:200]!r}.", "See /Schemas for what there is."
        )
    _lift(kept, resource, bare, doc)
    _require(kept, resource)
    return kept


def _schemas(doc: Doc, resource: ResourceType, tolerant: bool) -> set[str]:
    """The URNs a document lists, in schema casing; a tolerant reading does without (RFC 7643 section 3)."""
    key = "schemas" if "schemas" in doc else next((k for k in doc if k.casefold() == "schemas"), "")
    listed = doc.get(key)
    if listed is None and tolerant:
        return set()
    if not isinstance(listed, list) or not all(isinstance(urn, str) for urn in listed):
        raise invalid_syntax("'schemas' must be a list of URNs.", f'Send ["{resource.urn}"].')
    known = [resource.urns.get(urn.casefold()) for urn in listed]
    if not tolerant:
        if resource.urn not in known:
            raise invalid_syntax(
                f"'schemas' does not list {resource.urn}.", "List the schema of the resource."
            )
        if None in known or len(set(known)) < len(known):
            raise invalid_syntax(
                "'schemas' lists a URN that is not known here, or one twice.", "See /Schemas."
            )
    return {urn for urn in known if urn is not None}


def _extension(kept: Doc, resource: ResourceType, urn: str, value: Any, tolerant: bool) -> None:
    if value is None:
        return
    if not isinstance(value, dict):
        raise invalid_value(f"{urn} must be an object.")
    fields, unknown = clean_fields(resource.extensions[urn], value, tolerant)
    if unknown and not tolerant:
        raise invalid_syntax(
            f"{urn} has no attribute {unknown[0][:200]!r}.", "See /Schemas for what there is."
        )
    if fields:
        kept[urn] = fields


def _lift(kept: Doc, resource: ResourceType, bare: list[str], given: Doc) -> None:
    """Put enterprise attributes that came without their URN, as Entra's samples have them, where they belong."""
    for key in bare:
        attribute = resource.attribute(key, ENTERPRISE_URN)
        if attribute is None or attribute.name in kept.get(ENTERPRISE_URN, {}):
            continue
        value = clean_value(attribute, given[key], True)
        if value is not None:
            kept.setdefault(ENTERPRISE_URN, {})[attribute.name] = value


def _require(kept: Doc, resource: ResourceType) -> None:
    for attribute in resource.required:
        if not kept.get(attribute.name):
            raise invalid_value(f"{attribute.name} is missing.", f"Every {resource.name} needs one.")
    if resource.any_of and not any(kept.get(name) for name in resource.any_of):
        raise invalid_value(
            f"{' or '.join(resource.any_of)} is missing.", f"Every {resource.name} needs one."
        )
