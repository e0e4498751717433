"""Promises of what agents have besides identities: groups, app roles, registry entries, accounts, and proofs."""

from __future__ import annotations

from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from scim_bridge.sandbox.entra import registrations, settings
from scim_bridge.sandbox.entra.sts.credentials import ASSERTION_TYPE
from scim_bridge.sandbox.entra.sts.errors import StsError
from scim_bridge.sandbox.kit.clock import SECOND
from scim_bridge.sandbox.kit.control import Refusal
from tests.sandbox.entra.world import AGENT_ROLES, GRAPH, World, reference

ENTRIES = "beta/copilot/agentRegistrations"
REQUIRED = {
    "displayName": "Triage",
    "createdBy": "x",
    "sourceCreatedDateTime": "2026-11-30T12:00:00Z",
    "sourceLastModifiedDateTime": "2026-11-30T12:00:00Z",
}


def change_settings(world: World, **wish: Any) -> None:
    settings.save(world.store, settings.changed(settings.load(world.store), wish))


def test_an_upserted_group_is_made_once_and_found_by_its_key(world: World) -> None:
    api = world.admin()
    body = {"displayName": "Payments", "mailEnabled": False, "mailNickname": "p", "securityEnabled": True}
    path = "groups(uniqueName='ours-1')"
    assert api.refused("PATCH", path, body)[0] == 404
    made = api.ok("PATCH", path, body, prefer="create-if-missing")
    assert api.call("PATCH", path, {"description": "x"}, prefer="create-if-missing").status == 204
    assert api.ok("GET", path)["id"] == made["id"] and len(api.listed("groups")) == 1


@pytest.mark.parametrize(
    ("facts", "status", "words"),
    [
        ({"groupTypes": ["DynamicMembership"]}, 400, "dynamic"),
        ({"isAssignableToRole": True}, 403, "Insufficient privileges"),
        ({"onPremisesSyncEnabled": True}, 400, "on-premises"),
        ({"groupTypes": ["Unified"]}, 400, "Microsoft 365 group"),
    ],
)
def test_groups_that_take_no_agent_say_so(
    world: World, facts: dict[str, Any], status: int, words: str
) -> None:
    api, ana = world.admin(), world.user("ana")
    own = world.identity(api, world.blueprint(api, ana), ana)
    key = world.group("Special", **facts)
    for method, path, body in (
        ("POST", f"groups/{key}/members/$ref", reference(own)),
        ("PATCH", f"groups/{key}", {"members@odata.bind": [f"{GRAPH}/v1.0/directoryObjects/{own}"]}),
    ):
        found = api.refused(method, path, body)
        assert found[0] == status and words in found[2]


def test_an_app_role_for_people_is_given_to_no_agent(world: World) -> None:
    api, ana = world.app(*AGENT_ROLES, "Application.ReadWrite.All"), world.user("ana")
    own = world.identity(api, world.blueprint(api, ana), ana)
    role = {"id": "b0000000-0000-4000-8000-000000000000", "value": "Approve", "allowedMemberTypes": ["User"]}
    app = api.ok("POST", "applications", {"displayName": "Invoices", "appRoles": [role]})
    resource = api.ok("POST", "servicePrincipals", {"appId": app["appId"]})["id"]
    body = {"principalId": own, "resourceId": resource, "appRoleId": role["id"]}
    assert "not assignable" in api.refused("POST", f"servicePrincipals/{own}/appRoleAssignments", body)[2]
    api.ok("POST", f"servicePrincipals/{resource}/appRoleAssignedTo", {**body, "principalId": ana})


def test_the_registry_is_beta_and_has_entries_of_identities_that_are_there(world: World) -> None:
    api, ana = world.app(*AGENT_ROLES, "AgentRegistration.ReadWrite.All"), world.user("ana")
    own = world.identity(api, world.blueprint(api, ana), ana)
    assert "copilot" in api.refused("GET", "v1.0/copilot/agentRegistrations")[2]
    for name in REQUIRED:
        left = {key: value for key, value in REQUIRED.items() if key != name}
        assert name in api.refused("POST", ENTRIES, left)[2]
    for wrong in (
        {"agentIdentityId": ana},
        {"ownerIds": ["nobody"]},
        {"ownerIds": ana},
        {"colour": "blue"},
        {"sourceCreatedDateTime": "yesterday"},
        {"description": 7},
    ):
        assert api.refused("POST", ENTRIES, {**REQUIRED, **wrong})[0] == 400
    made = api.ok("POST", ENTRIES, {**REQUIRED, "agentIdentityId": own, "ownerIds": [ana]})["id"]
    api.ok("PATCH", f"{ENTRIES}/{made}", {"description": "Sorts"})
    assert api.ok("GET", f"{ENTRIES}/{made}")["description"] == "Sorts"
    api.ok("DELETE", f"{ENTRIES}/{made}")
    assert api.listed(ENTRIES) == [] and api.refused("GET", f"{ENTRIES}/{made}")[0] == 404
    change_settings(world, agent_registry=False)
    assert api.refused("GET", ENTRIES)[0] == 403
    assert world.admin().refused("GET", ENTRIES)[0] == 403


def test_an_agents_account_is_at_a_domain_of_the_tenant_and_may_outlive_its_identity(world: World) -> None:
    api, ana = world.app(*AGENT_ROLES, "AgentIdUser.ReadWrite.All"), world.user("ana")
    own = world.identity(api, world.blueprint(api, ana), ana)
    body = {
        "accountEnabled": True,
        "displayName": "Triage",
        "mailNickname": "triage",
        "userPrincipalName": "triage@elsewhere.example",
        "identityParentId": own,
    }
    path = "users/microsoft.graph.agentUser"
    assert "verified domain" in api.refused("POST", path, body)[2]
    made = api.ok("POST", path, {**body, "userPrincipalName": "triage@harborpine.example"})["id"]
    one = f"users/{made}/microsoft.graph.agentUser"
    assert "passwordProfile" in api.refused("PATCH", one, {"passwordProfile": {"password": "x" * 9}})[2]
    assert "verified domain" in api.refused("PATCH", one, {"userPrincipalName": "t@elsewhere.example"})[2]
    assert "read-only" in api.refused("PATCH", one, {"identityParentId": own})[2]
    change_settings(world, cascade_users=False)
    api.ok("DELETE", f"servicePrincipals/{own}/microsoft.graph.agentIdentity")
    assert api.ok("GET", f"users/{made}")["id"] == made


def test_an_assertion_is_trusted_by_issuer_subject_audience_signature_and_time(world: World) -> None:
    key, other = RSAKey.generate_key(2048, {"kid": "a"}), RSAKey.generate_key(2048, {"kid": "a"})
    trust = {"issuer": "https://idp.example/", "subject": "me", "audiences": ["api://AzureADTokenExchange"]}
    trust["keys"] = {"keys": [key.as_dict(private=False)]}  # type: ignore[assignment]
    made = registrations.register(world.tenant, {"federated": [trust], "roles": ["User.Read.All"]})
    now = world.clock.now() // SECOND

    def sign_in(signer: RSAKey = key, **claims: Any) -> None:
        said = {
            "iss": "https://idp.example/",
            "sub": "me",
            "aud": "api://AzureADTokenExchange",
            "exp": now + 60,
        }
        token = jwt.encode({"alg": "RS256", "kid": "a"}, {**said, **claims}, signer)
        proof = {"client_assertion": token, "client_assertion_type": ASSERTION_TYPE}
        world.signed_in(made["client_id"], proof)

    sign_in()
    for claims, code in (
        ({"iss": "https://idp.example"}, 700211),
        ({"sub": "you"}, 700213),
        ({"aud": "api://other"}, 700212),
        ({"exp": now - 301}, 700024),
        ({"nbf": now + 301}, 700024),
    ):
        with pytest.raises(StsError, match=f"AADSTS{code}"):
            sign_in(**claims)
    with pytest.raises(StsError, match="700027"):
        sign_in(other)
    for wrong in ({}, {**trust, "issuer": ""}, {**trust, "audiences": []}, {**trust, "keys": {"keys": 1}}, 7):
        with pytest.raises(Refusal, match="federated"):
            registrations.register(world.tenant, {"federated": [wrong]})
