"""Applying a dialect: the thing as the RFC says it, and which rows it took."""

from __future__ import annotations

from typing import Any

from scim_bridge.scim.dialects.model import Dialect, Doc, OperationRow
from scim_bridge.scim.dialects.operations import NULL_REMOVES
from scim_bridge.scim.dialects.shapes import Place, place, regular, small_document, value_in
from scim_bridge.scim.grammar import Filter, parse
from scim_bridge.scim.schema import ResourceType


def document(dialect: Dialect, doc: Doc, resource: ResourceType, applied: set[str]) -> Doc:
    """A document of POST or PUT as the RFC says it; the names of the rows it took go into `applied`."""
    plain: bool | None = None
    for row in dialect.documents:
        if row.of_values:
            plain = regular(doc, resource) if plain is None else plain
            if plain:
                continue
        made = row.rewrite(doc, resource)
        if made is not None:
            doc, plain = made, None
            applied.add(row.name)
    return doc


def message(dialect: Dialect, body: Doc, resource: ResourceType, applied: set[str]) -> Doc:
    """A PatchOp message with its operations as the RFC says them."""
    key = next((name for name in body if name.casefold() == "operations"), None)
    listed = body.get(key) if key is not None else None
    if not dialect.operations or not isinstance(listed, list):
        return body
    made: list[Any] = []
    for item in listed:
        if isinstance(item, dict):
            made += operations(
                dialect, {name.casefold(): part for name, part in item.items()}, resource, applied
            )
        else:
            made.append(item)
    return {**body, str(key): made}


def operations(dialect: Dialect, op: Doc, resource: ResourceType, applied: set[str]) -> list[Doc]:
    """One operation as the RFC says it: none, one or several."""
    found = [op]
    for row in dialect.operations:
        if row is not NULL_REMOVES:
            found = _row(row, found, resource, applied)
    found = [_valued(dialect, item, resource, applied) for item in found]
    # Only now is it known what was meant to be empty.
    if NULL_REMOVES in dialect.operations:
        found = _row(NULL_REMOVES, found, resource, applied)
    return found


def _row(row: OperationRow, found: list[Doc], resource: ResourceType, applied: set[str]) -> list[Doc]:
    made: list[Doc] = []
    for item in found:
        replaced = row.rewrite(item, resource)
        if replaced is None:
            made.append(item)
        else:
            made += replaced
            applied.add(row.name)
    return made


def _valued(dialect: Dialect, op: Doc, resource: ResourceType, applied: set[str]) -> Doc:
    """The operation with its value rewritten as the part of a document that it is."""
    value, path = op.get("value"), op.get("path")
    if value is None or op.get("op") == "remove":
        return op
    if not isinstance(path, str) or not path:
        return {**op, "value": document(dialect, value, resource, applied)} if isinstance(value, dict) else op
    where: Place = place(path, resource)
    small = small_document(where, value)
    if small is None:
        return op
    counted: set[str] = set()
    made = document(dialect, small, resource, counted)
    if made is small:
        return op
    try:
        value = value_in(where, made)
    except (LookupError, TypeError):
        # A row took the value for something else: the path asks for what this value cannot hold. PATCH says so.
        return op
    applied |= counted
    return {**op, "value": value}


def filter_of(dialect: Dialect, text: str, resource: ResourceType | None, applied: set[str]) -> Filter:
    """The filter a text says in this dialect; ScimError invalidFilter when it says none."""
    for row in dialect.filters:
        made = row.rewrite(text, resource) if resource is not None else None
        if isinstance(made, str):
            text = made
            applied.add(row.name)
    found = parse(text, tolerant=dialect.tolerant)
    for row in dialect.filters:
        renamed = row.rewrite(found, resource) if resource is not None else None
        if renamed is not None:
            found = renamed
            applied.add(row.name)
    return found
