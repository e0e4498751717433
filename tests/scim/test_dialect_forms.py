"""One look tells whether any row about the form of values can match: it never hides a row that would."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from scim_bridge.registry.model import AGENT_URN, ENTERPRISE_URN
from scim_bridge.scim import schema
from scim_bridge.scim.dialects.shapes import regular
from scim_bridge.scim.dialects.table import ENTRA_DOCUMENTS, OKTA_DOCUMENTS

ROWS = {row.name: row for row in (*ENTRA_DOCUMENTS, *OKTA_DOCUMENTS) if row.of_values}
NAMES = (
    "userName",
    "active",
    "name",
    "givenName",
    "emails",
    "value",
    "primary",
    "roles",
    "manager",
    "members",
)
TEXTS = ("", "x", "True", " false", '{"value": "r", "displayName": "R"}', ' {"value":"r"}', "[]")

LEAVES: st.SearchStrategy[Any] = st.sampled_from(TEXTS) | st.booleans() | st.none() | st.integers(0, 2)
KEYS = st.sampled_from([*NAMES, *(name.upper() for name in NAMES), "unknown", ENTERPRISE_URN, AGENT_URN])
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(KEYS, VALUES, max_size=5), st.sampled_from(["User", "Group", "Agent"]))
def test_a_regular_document_has_none_of_the_forms_that_are_rewritten(doc: dict[str, Any], kind: str) -> None:
    resource = schema.of(kind)
    if regular(doc, resource):
        assert [name for name, row in ROWS.items() if row.rewrite(doc, resource) is not None] == []


def test_an_ordinary_document_is_regular() -> None:
    doc = {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": "ann",
        "name": {"givenName": "Ann", "familyName": "Lee"},
        "emails": [{"value": "ann@corp.example", "type": "work", "primary": True}],
        "active": True,
        ENTERPRISE_URN: {"department": "IT", "manager": {"value": "7"}},
    }
    assert regular(doc, schema.of("User"))
