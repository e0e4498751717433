"""A user to be patched, strictly and tolerantly, and why an operation on it is refused."""

from __future__ import annotations

from typing import Any

import pytest

from scim_bridge.registry.model import ENTERPRISE_URN
from scim_bridge.scim.errors import ScimError
from tests.scim.patching import patch

WORK = {"value": "ann@x.org", "type": "work", "primary": True}
HOME = {"value": "ann@y.org", "type": "home"}
USER: dict[str, Any] = {
    "userName": "ann",
    "displayName": "Ann",
    "name": {"givenName": "Ann", "familyName": "Lee"},
    "emails": [WORK, HOME],
    "active": True,
    ENTERPRISE_URN: {
        "department": "Ops",
        "manager": {"value": "m1", "$ref": "../Users/m1", "displayName": "Max"},
    },
}
both = pytest.mark.parametrize("tolerant", [True, False], ids=["tolerant", "strict"])


def refused(*operations: dict[str, Any], doc: dict[str, Any] = USER, tolerant: bool = False) -> str:
    """The scimType with which a PATCH is refused."""
    with pytest.raises(ScimError) as refusal:
        patch(doc, *operations, tolerant=tolerant)
    assert refusal.value.status == 400
    return refusal.value.scim_type
