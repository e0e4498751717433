"""RFC 7643 and 7644 as far as it can be seen from outside: one check for each requirement, by its own number.

H: HTTP and discovery. C: resources. Q, S, G, A, R: queries. U, X: PUT and PATCH. E: entity tags. B: bulk.
A MUST that is not met fails; what is a SHOULD, or left to the server, is a skip with its reason.
"""

from __future__ import annotations

from typing import Final

from scim_bridge.conformance import (
    rfc_attributes,
    rfc_bulk,
    rfc_changes,
    rfc_discovery,
    rfc_filters,
    rfc_http,
    rfc_lists,
    rfc_paths,
    rfc_resources,
)
from scim_bridge.conformance.model import Suite

SUITES: Final = (
    Suite("rfc.discovery", "RFC 7644: HTTP, errors, discovery", (*rfc_http.STEPS, *rfc_discovery.STEPS)),
    Suite(
        "rfc.resources", "RFC 7643: resources and attributes", (*rfc_resources.STEPS, *rfc_attributes.STEPS)
    ),
    Suite("rfc.queries", "RFC 7644: queries", (*rfc_filters.STEPS, *rfc_lists.STEPS)),
    Suite("rfc.changes", "RFC 7644: PUT and PATCH", (*rfc_changes.STEPS, *rfc_paths.STEPS)),
    Suite("rfc.bulk", "RFC 7644: entity tags and bulk", rfc_bulk.STEPS),
)
