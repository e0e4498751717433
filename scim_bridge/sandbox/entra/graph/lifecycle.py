"""Attestation and compliance of agent identities, and the policies that ask for them."""

from __future__ import annotations

from typing import Any

from scim_bridge.sandbox.entra import settings
from scim_bridge.sandbox.entra.graph import agent_rules, lifecycle_rules
from scim_bridge.sandbox.entra.graph import permissions as may
from scim_bridge.sandbox.entra.graph.call import DONE, Answer, Call
from scim_bridge.sandbox.entra.graph.errors import absent, malformed, unknown_segment
from scim_bridge.sandbox.entra.graph.listing import Collection, page
from scim_bridge.sandbox.entra.graph.principals import found_principal
from scim_bridge.sandbox.entra.graph.render import shown
from scim_bridge.sandbox.entra.graph.route import Ids, Operation
from scim_bridge.sandbox.entra.tenant import PRINCIPAL, Object, Tenant, hidden, new_id, with_hidden

POLICIES = "lifecyclePolicy"
BASE = "identityGovernance/lifecycleWorkflows/lifecyclePolicies"
_POLICIES = Collection(
    BASE, "lifecyclePolicy", {"policySource": False, "displayName": False, "isEnabled": False}, typed=True
)


def seed(tenant: Tenant) -> None:
    """Give the tenant the policy every tenant starts with, once."""
    if not tenant.store.all(POLICIES):
        policy_id = new_id()
        tenant.store.put(POLICIES, policy_id, lifecycle_rules.system_default(policy_id))


def _identity(tenant: Tenant, call: Call, path: Ids) -> Object:
    if call.version not in settings.load(tenant.store).attest_versions:
        raise unknown_segment(call.path[-1])
    value = found_principal(tenant, call, path, reading=False)
    if value["@odata.type"] != agent_rules.IDENTITY:
        raise absent(path["id"])
    return value


def _issues(tenant: Tenant, value: Object, now: int) -> list[Object]:
    rule_book = lifecycle_rules.governing([policy for _, policy in tenant.store.all(POLICIES)])
    live = sum(tenant.anything(one) is not None for one in hidden(value, "sponsors", []))
    return lifecycle_rules.issues(value, live, hidden(value, "attested"), rule_book, now)


def _attest(tenant: Tenant, call: Call, path: Ids) -> Answer:
    value = _identity(tenant, call, path)
    call.needs(*may.ATTEST)
    if call.body not in (None, {}):
        raise malformed("The action 'attest' takes no request body.")
    lifecycle_rules.check_attestable(_issues(tenant, value, call.now))
    count = int(hidden(value, "attestations", 0)) + 1
    tenant.put(PRINCIPAL, with_hidden(value, attested=tenant.now_text(), attestations=count))
    return DONE


def _lifecycle(tenant: Tenant, call: Call, path: Ids) -> Answer:
    value = _identity(tenant, call, path)
    call.needs(*may.LIFECYCLE_READ)
    body: dict[str, Any] = {
        "@odata.context": f"{call.root}/$metadata#servicePrincipals('{value['id']}')/lifecycle/$entity",
        "@odata.type": f"{lifecycle_rules.SPACE}.agentIdentityLifecycle",
        "id": value["id"],
        "lastAttestationDateTime": hidden(value, "attested"),
    }
    if call.query.get("$expand") == "effectiveGoverningPolicy":
        rule_book = lifecycle_rules.governing([policy for _, policy in tenant.store.all(POLICIES)])
        body["effectiveGoverningPolicy"] = None if rule_book is None else shown(rule_book, typed=True)
    return Answer(200, body)


def _compliance(tenant: Tenant, call: Call, path: Ids) -> Answer:
    value = _identity(tenant, call, path)
    call.needs(*may.LIFECYCLE_READ)
    return Answer(200, {"value": _issues(tenant, value, call.now)})


def _list_policies(tenant: Tenant, call: Call, path: Ids) -> Answer:
    call.needs(*may.POLICY_READ)
    return page(call, _POLICIES, [value for _, value in tenant.store.all(POLICIES)])


def _create_policy(tenant: Tenant, call: Call, path: Ids) -> Answer:
    call.needs(*may.POLICY_WRITE)
    custom = sum(value["policySource"] == "custom" for _, value in tenant.store.all(POLICIES))
    made = lifecycle_rules.policy(call.object(), new_id(), custom + 1)
    tenant.store.put(POLICIES, str(made["id"]), made)
    return Answer(201, shown(made, typed=True))


def _delete_policy(tenant: Tenant, call: Call, path: Ids) -> Answer:
    call.needs(*may.POLICY_WRITE)
    if not tenant.store.delete(POLICIES, path["id"]):
        raise absent(path["id"])
    return DONE


def operations() -> list[Operation]:
    """Attest, lifecycle state, compliance issues, policies."""
    identity = "servicePrincipals/{id}/microsoft.graph.agentIdentity"
    return [
        Operation("POST", f"{identity}/attest", _attest),
        Operation("POST", "servicePrincipals/{id}/attest", _attest),
        Operation("GET", "servicePrincipals/{id}/lifecycle", _lifecycle),
        Operation("GET", "servicePrincipals/{id}/lifecycle/complianceIssues", _compliance),
        Operation("GET", BASE, _list_policies),
        Operation("POST", BASE, _create_policy),
        Operation("DELETE", f"{BASE}/{{id}}", _delete_policy),
    ]
