"""/api/v1/eventHooks: create, read, replace, delete, activate, deactivate, verify."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from scim_bridge.sandbox.okta.api.gate import Caller, answer, body_of, nothing
from scim_bridge.sandbox.okta.errors import OktaError, invalid, not_found
from scim_bridge.sandbox.okta.hooks import model, queue
from scim_bridge.sandbox.okta.hooks.sending import Sender
from scim_bridge.sandbox.okta.org import Org
from scim_bridge.sandbox.okta.parts import Parts

Hook = dict[str, Any]


def routes(parts: Parts, sender: Sender) -> list[BaseRoute]:
    """The routes of this resource."""
    org = parts.org

    async def list_hooks(request: Request, caller: Caller) -> Response:
        return answer([_shown(org, hook) for _, hook in org.store.all(queue.HOOK)])

    async def create_hook(request: Request, caller: Caller) -> Response:
        fields, secret = model.read_hook(await body_of(request))
        _room(org)
        now, key = org.stamp(), org.ids.new("who")
        made = {
            "id": key,
            "status": model.ACTIVE,
            "verificationStatus": model.UNVERIFIED,
            "created": now,
            "createdBy": caller.id,
            "lastUpdated": now,
            **fields,
        }
        _put(org, made, secret)
        return answer(_shown(org, made))

    async def get_hook(request: Request, caller: Caller) -> Response:
        return answer(_shown(org, _need(org, request)))

    async def replace_hook(request: Request, caller: Caller) -> Response:
        hook = _need(org, request)
        fields, secret = model.read_hook(await body_of(request))
        changed = fields["channel"] != hook["channel"] or secret != _secret(org, hook)
        proven = model.UNVERIFIED if changed else hook["verificationStatus"]
        after = {**hook, **fields, "verificationStatus": proven, "lastUpdated": org.stamp()}
        _put(org, after, secret)
        return answer(_shown(org, after))

    async def delete_hook(request: Request, caller: Caller) -> Response:
        hook = _need(org, request)
        if hook["status"] == model.ACTIVE:
            raise invalid("eventHook", "Cannot delete an active event hook. Deactivate it first.")
        org.store.delete(queue.HOOK, hook["id"])
        org.store.delete(queue.SECRET, hook["id"])
        return nothing()

    async def change_lifecycle(request: Request, caller: Caller) -> Response:
        hook = _need(org, request)
        action = request.path_params["action"]
        if action == "verify":
            if not await sender.verify(hook):
                raise invalid("eventHook", "Verification failed: the endpoint did not return the challenge.")
            change = {"verificationStatus": model.VERIFIED}
        elif action in ("activate", "deactivate"):
            if action == "activate" and hook["status"] != model.ACTIVE:
                _room(org)
            change = {"status": model.ACTIVE if action == "activate" else model.INACTIVE}
        else:
            raise OktaError("E0000008")
        after = {**hook, **change, "lastUpdated": org.stamp()}
        org.store.put(queue.HOOK, hook["id"], after)
        return answer(_shown(org, after))

    gate = parts.gate
    return [
        gate.route("/api/v1/eventHooks", "eventHooks", GET=list_hooks, POST=create_hook),
        gate.route(
            "/api/v1/eventHooks/{id}", "eventHooks", GET=get_hook, PUT=replace_hook, DELETE=delete_hook
        ),
        gate.route("/api/v1/eventHooks/{id}/lifecycle/{action}", "eventHooks", POST=change_lifecycle),
    ]


def _need(org: Org, request: Request) -> Hook:
    key = request.path_params["id"]
    found = org.store.get(queue.HOOK, key)
    if found is None:
        raise not_found(key, "EventHook")
    return found


def _room(org: Org) -> None:
    active = sum(hook["status"] == model.ACTIVE for _, hook in org.store.all(queue.HOOK))
    if active >= model.MOST_ACTIVE:
        raise invalid("eventHook", f"There are {model.MOST_ACTIVE} active event hooks already.")


def _put(org: Org, hook: Hook, secret: str) -> None:
    with org.store.transaction():
        org.store.put(queue.HOOK, hook["id"], hook)
        org.store.put(queue.SECRET, hook["id"], {"secret": secret})


def _secret(org: Org, hook: Hook) -> str:
    return str((org.store.get(queue.SECRET, hook["id"]) or {}).get("secret") or "")


def _shown(org: Org, hook: Hook) -> Hook:
    here = f"{org.url}/api/v1/eventHooks/{hook['id']}"
    verbs = ["verify", "deactivate" if hook["status"] == model.ACTIVE else "activate"]
    links = {verb: {"href": f"{here}/lifecycle/{verb}", "hints": {"allow": ["POST"]}} for verb in verbs}
    return {**hook, "_links": {"self": {"href": here}, **links}}
