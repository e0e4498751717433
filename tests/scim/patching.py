"""Short ways to say a PATCH in tests."""

from __future__ import annotations

from typing import Any

from scim_bridge.scim.operations import PATCH_URN
from scim_bridge.scim.patch import PatchResult, apply, read_operations

Doc = dict[str, Any]
NOTHING: Any = object()


def op(name: str, path: str | None = None, value: Any = NOTHING) -> Doc:
    """One operation as JSON."""
    made: Doc = {"op": name}
    if path is not None:
        made["path"] = path
    if value is not NOTHING:
        made["value"] = value
    return made


def patch(doc: Doc, *operations: Doc, kind: str = "User", tolerant: bool = True) -> PatchResult:
    """What a PATCH message with these operations makes of a document."""
    message = {"schemas": [PATCH_URN], "Operations": list(operations)}
    before = repr(doc)
    try:
        return apply(doc, read_operations(message, tolerant=tolerant), kind, tolerant=tolerant)
    finally:
        assert repr(doc) == before, "the document that was given must not change"


def patched(doc: Doc, *operations: Doc, tolerant: bool = True) -> Doc:
    """The user's document after it."""
    return patch(doc, *operations, tolerant=tolerant).doc
