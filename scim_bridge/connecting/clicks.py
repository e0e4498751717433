"""A rehearsal: what an admin would click in Okta's or Entra's console, done in a sandbox."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from scim_bridge.connecting.pages import ENTRA_ROLES, OKTA_SCOPES

# Steers a sandbox: method, path below /sandbox, body; what came back.
Control = Callable[[str, str, Any], Awaitable[Any]]
PEOPLE = (
    ("daniel.okafor@harborpine.example", "Daniel", "Okafor"),
    ("lena.fischer@harborpine.example", "Lena", "Fischer"),
)
# So many people a rehearsal sends to Entra: enough for any manifest one tries with, and done in seconds.
MOST = 200


async def provision(
    kind: str,
    control: Control,
    base_url: str,
    token: str,
    ca_file: str,
    answering: Sequence[tuple[str, str]] = (),
) -> str:
    """Enter address and token, test the connection, bring agents in and send people; what came of it.

    `answering` are logins and names of those who answer for agents: an Entra tenant that lacks them takes no agent.
    """
    await control("POST", "/scim/configure", {"base_url": base_url, "token": token, "ca_file": ca_file})
    await control("POST", "/scim/test", {})
    logins = [login for login, _, _ in PEOPLE]
    if kind == "okta":
        came = (await control("POST", "/scim/import", {}))["result"]
        people = [{"login": a, "email": a, "firstName": b, "lastName": c} for a, b, c in PEOPLE]
        await control("POST", "/directory", {"users": people})
        await control("POST", "/scim/assign", {"logins": logins})
        return (
            f"Test Connector Configuration is green; Import Now found {came['scanned']} users;"
            f" {len(logins)} people are assigned."
        )
    known = {login: f"{first} {last}" for login, first, last in PEOPLE} | dict(answering)
    users = [{"userPrincipalName": login, "displayName": name} for login, name in known.items()]
    await control("POST", "/directory", {"users": users})
    await control("POST", "/scim/cycle", {"users": list(known), "groups": []})
    return f"Test connection is green; a provisioning cycle brought {len(known)} people."


async def credentials(
    kind: str, control: Control, url: str, ca_file: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Settings and secrets of the way back: an app the sandbox makes for us."""
    if kind == "okta":
        made = await control("POST", "/api-clients", {"generate": True, "scopes": OKTA_SCOPES})
        known = ("client_id", "private_key", "kid", "scopes")
        return {"org_url": url, "ca_file": ca_file}, {name: made[name] for name in known}
    made = await control("POST", "/app-registrations", {"secret": True, "roles": ENTRA_ROLES})
    tenant = made["tenant_id"]
    told = {"tenant_id": tenant, "authority": f"{url}/{tenant}", "graph_url": url, "ca_file": ca_file}
    return told, {name: made[name] for name in ("client_id", "client_secret")}
