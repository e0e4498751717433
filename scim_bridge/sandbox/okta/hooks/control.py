"""Control of hooks: the Admin Console's page for them, and deliveries that go wrong as real ones may."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.routing import BaseRoute

from scim_bridge.sandbox.kit.control import Refusal, control_route, read_object
from scim_bridge.sandbox.okta import events
from scim_bridge.sandbox.okta.api.gate import ADMIN
from scim_bridge.sandbox.okta.control import refusal
from scim_bridge.sandbox.okta.errors import OktaError
from scim_bridge.sandbox.okta.hooks import model, queue
from scim_bridge.sandbox.okta.hooks.sending import Sender
from scim_bridge.sandbox.okta.org import Org
from scim_bridge.sandbox.okta.parts import Parts

FLAWS = ("replay", "forged", "no_secret", "empty", "not_json_object")


def routes(parts: Parts, sender: Sender) -> list[BaseRoute]:
    """POST /hooks/add makes and verifies a hook in one step; settings, misbehave and log steer deliveries."""
    org = parts.org

    async def add(request: Request) -> Any:
        body = await read_object(request)
        if body.get("ca_file"):
            org.store.put("setting", "hooktrust", {"ca_file": _file(body["ca_file"])})
        hook = _hook(org, body)
        if not await sender.verify(hook):
            raise Refusal("Verification failed: the endpoint did not return the challenge.")
        secret = {"secret": str(body.get("secret") or "")}
        with org.store.transaction():
            org.store.put(queue.HOOK, hook["id"], {**hook, "verificationStatus": model.VERIFIED})
            org.store.put(queue.SECRET, hook["id"], secret)
        return {"ok": True, "id": hook["id"]}

    async def change(request: Request) -> Any:
        body = await read_object(request)
        for name, value in body.items():
            if name not in queue.DEFAULTS:
                raise Refusal(f"There is no setting {name!r}; there are {', '.join(queue.DEFAULTS)}.")
            if isinstance(queue.DEFAULTS[name], bool) is not isinstance(value, bool) or isinstance(
                value, str
            ):
                raise Refusal(f"{name!r} is a {type(queue.DEFAULTS[name]).__name__}.")
        org.store.put("setting", queue.SETTING, {**queue.settings(org), **body})
        return {"ok": True, **queue.settings(org)}

    async def deliver(request: Request) -> Any:
        return {"ok": True, "calls": await sender.run()}

    async def deliveries(request: Request) -> Any:
        shown = ("key", "hook", "event", "state", "tries", "status")
        found = [value for _, value in org.store.all(queue.DELIVERY)]
        return {"deliveries": [{name: one.get(name) for name in shown} for one in found]}

    async def misbehave(request: Request) -> Any:
        return await _misbehave(org, sender, await read_object(request))

    async def happen(request: Request) -> Any:
        """An event as the org might have written it: of any time, about anybody; nothing really happens."""
        body = await read_object(request)
        user = parts.directory.find(str(body.get("login") or ""))
        target = events.user_target(user) if user is not None else body.get("target")
        if body.get("eventType") not in events.MESSAGES or not isinstance(target, Mapping):
            raise Refusal("'eventType' is one the log knows, 'login' somebody in the directory.")
        with org.store.transaction():
            events.write(org, body["eventType"], ADMIN, [target], published=body.get("published"))
        return {"ok": True}

    return [
        control_route("/hooks/add", add, ["POST"]),
        control_route("/hooks/settings", change, ["POST"]),
        control_route("/hooks/deliver", deliver, ["POST"]),
        control_route("/hooks/deliveries", deliveries, ["GET"]),
        control_route("/hooks/misbehave", misbehave, ["POST"]),
        control_route("/log/add", happen, ["POST"]),
    ]


def _file(value: object) -> str:
    if not isinstance(value, str) or not Path(value).is_file():
        raise Refusal("'ca_file' is a file with certificates to trust.")
    return value


def _hook(org: Org, body: Mapping[str, Any]) -> dict[str, Any]:
    wish = {
        "name": str(body.get("name") or "scim-bridge"),
        "events": {"type": "EVENT_TYPE", "items": body.get("items") or sorted(model.ELIGIBLE)},
        "channel": {
            "type": "HTTP",
            "version": "1.0.0",
            "config": {
                "uri": body.get("url"),
                "authScheme": {"type": "HEADER", "key": "Authorization", "value": body.get("secret")},
            },
        },
    }
    try:
        fields, _ = model.read_hook(wish)
    except OktaError as error:
        raise refusal(error) from None
    now, key = org.stamp(), org.ids.new("who")
    standing = {"status": model.ACTIVE, "verificationStatus": model.UNVERIFIED, "createdBy": ADMIN.id}
    return {"id": key, "created": now, "lastUpdated": now, **standing, **fields}


async def _misbehave(org: Org, sender: Sender, body: Mapping[str, Any]) -> dict[str, Any]:
    flaw = body.get("flaw")
    hook = next((value for _, value in org.store.all(queue.HOOK)), None)
    sent = [value["sent"] for _, value in org.store.all(queue.DELIVERY) if value.get("sent")]
    if hook is None or flaw not in FLAWS:
        raise Refusal(f"'flaw' is one of {', '.join(FLAWS)}; a hook is needed.")
    if not sent:
        raise Refusal("There is no delivery to spoil yet.")
    secret = {"forged": "not-the-secret", "no_secret": ""}.get(str(flaw))
    content = {"empty": {}, "not_json_object": ["x"]}.get(str(flaw), sent[-1])
    reply = await sender.post(hook, content, secret=secret)
    return {"ok": True, "flaw": flaw, "status": reply.status, "refused": reply.status >= 400}
