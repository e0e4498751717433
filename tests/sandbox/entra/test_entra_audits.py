"""Promises of the directory's audit log: who did what to which service principal, for whoever may read it."""

from __future__ import annotations

import pytest

from scim_bridge.sync.idp.entra.telling import _initiator
from tests.sandbox.entra.world import AGENT_ROLES, World

AUDITS = "auditLogs/directoryAudits"


def test_what_applications_change_is_listed_with_who_it_was_the_newest_first(world: World) -> None:
    admin, reader, ana = world.admin(), world.app("AuditLog.Read.All"), world.user("ana")
    own = world.identity(admin, world.blueprint(admin, ana), ana)
    world.clock.move(60)
    later = world.tenant.now_text()
    other = world.app(*AGENT_ROLES)
    other.ok("PATCH", f"servicePrincipals/{own}/microsoft.graph.agentIdentity", {"displayName": "Mine"})
    other.refused("PATCH", f"servicePrincipals/{own}/microsoft.graph.agentIdentity", {"nobody": "knows"})
    about = f"targetResources/any(t:t/id eq '{own}')"
    found = reader.listed(f"{AUDITS}?$filter={about}")
    assert [one["activityDisplayName"] for one in found] == [
        "Update service principal",
        "Add service principal",
    ]
    assert [one["initiatedBy"]["app"]["appId"] for one in found] == [other.app_id, admin.app_id]
    assert len(reader.listed(f"{AUDITS}?$filter=activityDateTime ge {later} and {about}")) == 1
    assert len(reader.ok("GET", f"{AUDITS}?$top=1&$orderby=activityDateTime desc")["value"]) == 1
    assert admin.refused("GET", AUDITS)[0] == 403
    for wrong in (
        "$filter=category eq 'x'",
        "$filter=activityDateTime ge noon",
        "$top=0",
        "$orderby=category",
    ):
        assert reader.refused("GET", f"{AUDITS}?{wrong}")[0] == 400, wrong


@pytest.mark.parametrize(
    "initiated, said",
    [
        ({"user": {"userPrincipalName": "m@corp.test", "id": "1"}, "app": None}, ("m@corp.test", "")),
        ({"user": {"userPrincipalName": None, "id": "1"}}, ("1", "")),
        ({"user": None, "app": {"displayName": "Portal", "appId": "a"}}, ("Portal", "a")),
        ({"app": {"displayName": None, "appId": "a"}}, ("a", "a")),
        ({}, ("", "")),
    ],
)
def test_who_it_was_is_a_person_before_it_is_an_application(initiated, said) -> None:
    assert _initiator(initiated) == said
