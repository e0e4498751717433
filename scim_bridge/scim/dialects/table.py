"""The dialects: which rows apply to whom. Sources: what Okta and Microsoft document, and captures of both."""

from __future__ import annotations

from scim_bridge.scim.dialects import documents as d
from scim_bridge.scim.dialects import filters as f
from scim_bridge.scim.dialects import operations as o
from scim_bridge.scim.dialects.model import Dialect

# Shapes that have no other meaning under the RFC, so anybody may send them.
HARMLESS_OPERATIONS = (
    o.OP_CASE,
    o.NO_PATH_READ_ONLY,
    o.NO_PATH_FLATTENED,
    o.DOT_AFTER_URN,
    o.ENTERPRISE_NAME,
    o.QUOTED_BOOLEAN,
    o.REMOVE_LISTED,
)
HARMLESS_DOCUMENTS = (
    d.LEGACY_SCHEMAS,
    d.SINGLE_IN_LIST,
    d.LIST_LEFT_OUT,
    d.REFERENCE_AS_TEXT,
    d.TEXT_BOOLEANS,
)

OKTA_OPERATIONS = (*HARMLESS_OPERATIONS, o.NULL_REMOVES)
OKTA_DOCUMENTS = (*HARMLESS_DOCUMENTS, d.EMPTY_UNASSIGNS)
ENTRA_OPERATIONS = (*HARMLESS_OPERATIONS, o.NULL_REMOVES)
ENTRA_DOCUMENTS = (
    d.LEGACY_SCHEMAS,
    d.ENTERPRISE_AT_TOP,
    d.SINGLE_IN_LIST,
    d.LIST_LEFT_OUT,
    d.REFERENCE_AS_TEXT,
    d.ROLES_AS_TEXT,
    d.TEXT_BOOLEANS,
    d.EMPTY_UNASSIGNS,
)
FILTERS = (f.UNQUOTED_VALUE, f.ENTERPRISE_IN_FILTER)

DIALECTS = {
    dialect.name: dialect
    for dialect in (
        Dialect(
            "okta-put",
            "Okta's own app integrations: profiles, activation and groups by PUT",
            fills_in=True,
            group_patch=204,
            documents=OKTA_DOCUMENTS,
            operations=OKTA_OPERATIONS,
        ),
        Dialect(
            "okta-patch",
            "Okta's catalog apps: activation, password and groups by PATCH",
            fills_in=True,
            group_patch=204,
            documents=OKTA_DOCUMENTS,
            operations=OKTA_OPERATIONS,
        ),
        Dialect(
            "entra",
            "Entra's provisioning service without the compliance flag",
            group_patch=204,
            documents=ENTRA_DOCUMENTS,
            operations=ENTRA_OPERATIONS,
            filters=FILTERS,
        ),
        # Provisioning on demand speaks the older way whatever the flag says, so no row is left out.
        Dialect(
            "entra-062020",
            "Entra's provisioning service with aadOptscim062020",
            group_patch=204,
            documents=ENTRA_DOCUMENTS,
            operations=ENTRA_OPERATIONS,
            filters=FILTERS,
        ),
        Dialect(
            "generic",
            "any other client",
            documents=HARMLESS_DOCUMENTS,
            operations=HARMLESS_OPERATIONS,
            filters=(f.UNQUOTED_VALUE,),
        ),
        Dialect(
            "strict",
            "RFC 7643 and 7644 by the letter",
            tolerant=False,
            revives=False,
            keeps_deactivation=False,
        ),
    )
}


def dialect(name: str) -> Dialect:
    """The dialect with this name; the one of other clients for a name that is not known (any more)."""
    return DIALECTS.get(name, DIALECTS["generic"])
