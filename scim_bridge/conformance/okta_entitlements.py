"""Okta's entitlements suite: every endpoint of Okta's own resource schemas is a list Okta can page through.

Source: Okta-SCIM-20-Entitlements-Test (exported 2025-11). Okta finds the endpoints in /ResourceTypes; a server
that has none is not an entitlement app, and the suite is skipped.
"""

from __future__ import annotations

from typing import Any, Final

from scim_bridge.conformance.expect import LIST, equals, filled_in, has, number, status
from scim_bridge.conformance.model import Step, Suite
from scim_bridge.conformance.okta_spec import READING
from scim_bridge.conformance.reply import at
from scim_bridge.conformance.run import Run

ROLE: Final = "urn:okta:scim:schemas:core:1.0:Role"
ENTITLEMENT: Final = "urn:okta:scim:schemas:core:1.0:Entitlement"
NEEDED: Final = {ROLE: ("id", "displayName"), ENTITLEMENT: ("id", "displayName", "type")}
NONE: Final = "the server offers no entitlement endpoints: no resource type has one of Okta's two schemas"


def _endpoints(found: Any) -> list[tuple[str, str]]:
    """Endpoint and schema of each entitlement type. Only paths below the base: our token goes nowhere else."""
    made = []
    for item in found if isinstance(found, list) else []:
        endpoint, schema = at(item, "endpoint"), at(item, "schema")
        if schema in NEEDED and isinstance(endpoint, str) and endpoint.startswith("/"):
            made.append((endpoint, str(schema)))
    return made


async def _discover(run: Run) -> None:
    reply = await run.ask("GET", "/ResourceTypes", headers=READING)
    endpoints = _endpoints(reply.get("Resources"))
    if reply.status == 404 or (reply.status == 200 and not endpoints):
        run.skip(NONE)
    run.demand(reply, status(200), has("schemas", LIST), filled_in("Resources"))
    run.keep("endpoints", endpoints)


async def _lists(run: Run) -> None:
    if "endpoints" not in run.notes:
        run.skip(NONE)
    for endpoint, schema in run.kept("endpoints"):
        reply = await run.ask("GET", endpoint, query={"count": 1, "startIndex": 1}, headers=READING)
        run.hold(
            reply,
            status(200),
            filled_in("Resources"),
            has("schemas", LIST),
            number("startIndex"),
            equals("itemsPerPage", 1),
            number("totalResults"),
            *(filled_in(f"Resources[0].{name}") for name in NEEDED[schema]),
        )


STEPS: Final = (
    Step(
        "okta.entitlements.0",
        "The endpoints of roles and entitlements are found in /ResourceTypes",
        "Okta, entitlement discovery",
        _discover,
    ),
    Step(
        "okta.entitlements.1",
        "Each of them is a list with numbers for paging, one item a page when one is asked for",
        "Okta SCIM 2.0 Entitlements test, step 1",
        _lists,
        ("okta.entitlements.0",),
    ),
)

SUITE: Final = Suite("okta.entitlements", "Okta SCIM 2.0 Entitlements test", STEPS)
