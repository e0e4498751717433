"""What steers the provisioning service: configure, test, cycle, on demand, disable, enable, delete."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.routing import BaseRoute

from scim_bridge.sandbox.entra.people import user_of
from scim_bridge.sandbox.entra.scim import target
from scim_bridge.sandbox.entra.scim.job import Job
from scim_bridge.sandbox.entra.tenant import DELETED, USER, Object, Tenant, hidden
from scim_bridge.sandbox.kit.control import Refusal, control_route, read_object


def routes(tenant: Tenant) -> list[BaseRoute]:
    """The control routes under /sandbox/scim."""
    job = Job(tenant)

    async def configure(request: Request) -> Any:
        target.keep(tenant.store, target.read_target(await read_object(request)))
        return {"ok": True}

    async def test(request: Request) -> Any:
        return await job.test()

    async def cycle(request: Request) -> Any:
        body = await read_object(request)
        return await job.cycle(_names(body, "users"), _names(body, "groups"))

    async def on_demand(request: Request) -> Any:
        body = await read_object(request)
        user, group = body.get("userPrincipalName"), body.get("group")
        if (user is None) == (group is None):
            raise Refusal("Give 'userPrincipalName', or 'group' and 'members'.")
        return await job.on_demand(user, group, _names(body, "members") or [])

    async def disable(request: Request) -> Any:
        return await _switch(request, enabled=False)

    async def enable(request: Request) -> Any:
        return await _switch(request, enabled=True)

    async def _switch(request: Request, *, enabled: bool) -> Any:
        user = user_of(tenant, (await read_object(request)).get("userPrincipalName"))
        return await job.user(tenant.put(USER, {**user, "accountEnabled": enabled}))

    async def delete(request: Request) -> Any:
        """Soft delete (the target is told to disable), or with `hard` for good (the target is told to delete)."""
        body = await read_object(request)
        user = _live_or_deleted(tenant, body.get("userPrincipalName"))
        if body.get("hard"):
            tenant.delete(USER, str(user["id"]))
            tenant.purge(str(user["id"]))
            return await job.purged(user)
        tenant.delete(USER, str(user["id"]))
        gone = tenant.store.get(DELETED, str(user["id"]))
        assert gone is not None
        return await job.user(gone)

    async def restart(request: Request) -> Any:
        job.links.restart(full=bool((await read_object(request)).get("full")))
        return {"ok": True}

    async def status(request: Request) -> Any:
        return {"quarantine": job.links.quarantined(), "failures": job.links.failures()}

    return [
        control_route("/scim/configure", configure, ["POST"]),
        control_route("/scim/test", test, ["POST"]),
        control_route("/scim/cycle", cycle, ["POST"]),
        control_route("/scim/on-demand", on_demand, ["POST"]),
        control_route("/scim/disable", disable, ["POST"]),
        control_route("/scim/enable", enable, ["POST"]),
        control_route("/scim/delete", delete, ["POST"]),
        control_route("/scim/restart", restart, ["POST"]),
        control_route("/scim/status", status, ["GET"]),
    ]


def _live_or_deleted(tenant: Tenant, name: object) -> Object:
    for _, value in tenant.store.all(DELETED):
        if hidden(value, "kind") == USER and value.get("userPrincipalName") == name:
            return value
    return user_of(tenant, name)


def _names(body: dict[str, Any], name: str) -> list[str] | None:
    value = body.get(name)
    if value is not None and not (isinstance(value, list) and all(isinstance(one, str) for one in value)):
        raise Refusal(f"'{name}' is a list of names.")
    return value
