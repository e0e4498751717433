"""Control of notices: what an Azure outage, an attacker or chance would do to them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.routing import BaseRoute

from scim_bridge.sandbox.entra.notices import model
from scim_bridge.sandbox.entra.notices.sending import DEFAULTS, NOTICE, SETTING, TRUST, Sender
from scim_bridge.sandbox.entra.notices.subscriptions import alive, forget
from scim_bridge.sandbox.kit.control import Refusal, control_route, read_object

FLAWS = ("replay", "forged", "no_state")


def routes(sender: Sender) -> list[BaseRoute]:
    """POST /notices/settings, /notices/misbehave, /notices/lifecycle, /notices/trust; GET /notices."""
    tenant = sender.tenant

    async def change(request: Request) -> Any:
        body = await read_object(request)
        for name, value in body.items():
            if name not in DEFAULTS:
                raise Refusal(f"There is no setting {name!r}; there are {', '.join(DEFAULTS)}.")
            if isinstance(DEFAULTS[name], bool) is not isinstance(value, bool) or isinstance(value, str):
                raise Refusal(f"{name!r} is a {type(DEFAULTS[name]).__name__}.")
        tenant.store.put("setting", SETTING, {**sender.settings(), **body})
        return {"ok": True, **sender.settings()}

    async def trust(request: Request) -> Any:
        file = _file((await read_object(request)).get("ca_file"))
        tenant.store.put("setting", TRUST, {"ca_file": file})
        return {"ok": True}

    async def send(request: Request) -> Any:
        return {"ok": True, "calls": await sender.run()}

    async def listing(request: Request) -> Any:
        shown = ("key", "subscription", "state", "tries", "status", "body")
        found = [value for _, value in tenant.store.all(NOTICE)]
        return {"notices": [{name: one.get(name) for name in shown} for one in found]}

    async def misbehave(request: Request) -> Any:
        flaw = (await read_object(request)).get("flaw")
        sent = [value["body"] for _, value in tenant.store.all(NOTICE) if value.get("status")]
        subscription = _first(sender)
        if flaw not in FLAWS:
            raise Refusal(f"'flaw' is one of {', '.join(FLAWS)}.")
        if not sent:
            raise Refusal("There is no notice to spoil yet.")
        state = {"forged": "not-the-client-state", "no_state": ""}.get(str(flaw))
        reply = await sender.post(subscription, [sent[-1]], state=state)
        return {"ok": True, "flaw": flaw, "status": reply.status, "refused": reply.status >= 400}

    async def lifecycle(request: Request) -> Any:
        event = (await read_object(request)).get("event")
        if event not in model.LIFECYCLE:
            raise Refusal(f"'event' is one of {', '.join(model.LIFECYCLE)}.")
        subscription = _first(sender)
        body = sender.lifecycle(subscription, str(event))
        reply = await sender.post(subscription, [body], lifecycle=True)
        if event == "subscriptionRemoved":
            forget(tenant, subscription["id"])
        return {"ok": True, "status": reply.status}

    return [
        control_route("/notices", listing, ["GET"]),
        control_route("/notices/settings", change, ["POST"]),
        control_route("/notices/trust", trust, ["POST"]),
        control_route("/notices/send", send, ["POST"]),
        control_route("/notices/misbehave", misbehave, ["POST"]),
        control_route("/notices/lifecycle", lifecycle, ["POST"]),
    ]


def _file(value: object) -> str:
    if not isinstance(value, str) or not Path(value).is_file():
        raise Refusal("'ca_file' is a file with certificates to trust.")
    return value


def _first(sender: Sender) -> dict[str, Any]:
    found = next(iter(alive(sender.tenant)), None)
    if found is None:
        raise Refusal("There is no subscription.")
    return found
