"""The tenant's domains: its first one, and those that people are at. All of them are verified."""

from __future__ import annotations

from scim_bridge.sandbox.entra.graph import permissions as may
from scim_bridge.sandbox.entra.graph.call import Answer, Call
from scim_bridge.sandbox.entra.graph.errors import absent
from scim_bridge.sandbox.entra.graph.render import entity
from scim_bridge.sandbox.entra.graph.route import Ids, Operation
from scim_bridge.sandbox.entra.tenant import USER, Tenant


def verified(tenant: Tenant, domain: str) -> bool:
    """Whether accounts may be made at this domain, in lower case."""
    people = (str(one["userPrincipalName"]).lower() for one in tenant.every(USER))
    return domain == tenant.domain or any(one.endswith(f"@{domain}") for one in people)


def _one(tenant: Tenant, call: Call, path: Ids) -> Answer:
    call.needs(*may.DOMAIN_READ)
    domain = path["id"].lower()
    if not verified(tenant, domain):
        raise absent(domain)
    body = {
        "id": domain,
        "isVerified": True,
        "isInitial": domain == tenant.domain,
        "authenticationType": "Managed",
    }
    chosen = [name for name in call.query.get("$select", "").split(",") if name]
    return Answer(
        200, entity(call.root, "domains", {k: v for k, v in body.items() if not chosen or k in chosen})
    )


def operations() -> list[Operation]:
    """One domain by its name."""
    return [Operation("GET", "domains/{id}", _one)]
