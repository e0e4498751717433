"""The agent platform put together: its agents, its doors, and what steers it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from scim_bridge.sandbox.kit.clock import iso
from scim_bridge.sandbox.kit.control import Refusal, control_route, json_answer, read_object
from scim_bridge.sandbox.kit.server import Sandbox
from scim_bridge.sandbox.platform import cards, doors, runtime
from scim_bridge.sandbox.platform.deliveries import Deliveries

AGENT = "agent"
NOTICE = "notice"
REVOCATION = "revocation"
SETTING = "setting"

Act = Callable[[str, Mapping[str, Any], str], None]


class Platform:
    """What the platform keeps and does. Agents are made on first mention; all of them have a card."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.store = sandbox.store
        self.base_url = sandbox.base_url
        self.deliveries = Deliveries(sandbox.store)

    def agent(self, slug: str) -> dict[str, Any]:
        """An agent as it is, a running one when nobody mentioned it yet."""
        return self.store.get(AGENT, slug) or runtime.fresh(slug, iso(self.store.clock.now()))

    def act_on(self, slug: str, event: Mapping[str, Any], at: str) -> None:
        """An event changes an agent."""
        self.store.put(AGENT, slug, runtime.acted(self.agent(slug), event, at))

    def revoke(self, slug: str, event: Mapping[str, Any], at: str) -> None:
        """A credential is revoked; without an agent it is only noted."""
        self.store.put(
            REVOCATION, f"{at} {len(self.store.all(REVOCATION)):06d}", {"at": at, "event": dict(event)}
        )
        if slug:
            self.act_on(slug, event, at)

    def notice(self, slug: str, event: Mapping[str, Any], at: str) -> None:
        """Somebody is told something."""
        self.store.put(NOTICE, f"{at} {len(self.store.all(NOTICE)):06d}", {"at": at, "event": dict(event)})

    async def hear(self, request: Request, door: str, act: Act, types: tuple[str, ...] | None) -> Response:
        """Verify a delivery, act on it once, answer 200; 401, 400 or 422 for what cannot be acted upon."""
        setting = self.store.get(SETTING, "secret")
        if setting is None:
            return json_answer({"error": "This platform has no webhook secret yet."}, 503)
        headers = {name.lower(): value for name, value in request.headers.items()}
        try:
            webhook_id, event = doors.verified(
                str(setting["secret"]), headers, await request.body(), self.store.clock.now()
            )
        except doors.NotGenuine as error:
            return json_answer({"error": str(error)}, 401)
        except doors.Unreadable as error:
            return json_answer({"error": str(error)}, 400)
        if types is not None and event["type"] not in types:
            return json_answer({"error": f"This door takes {', '.join(types)}."}, 422)
        slug = request.path_params.get("slug") or doors.slug_of(event)
        acted = self.deliveries.take(webhook_id, door, event, lambda at: act(slug, event, at))
        return json_answer({"ok": True, "acted": acted, "webhook_id": webhook_id})


def build(sandbox: Sandbox) -> Sequence[BaseRoute]:
    """Every route of the platform."""
    platform = Platform(sandbox)

    async def runtime_hook(request: Request) -> Response:
        hooks = (runtime.STOP, runtime.RESUME, runtime.OWNER_CHANGED)
        return await platform.hear(request, "runtime", platform.act_on, hooks)

    async def revoke(request: Request) -> Response:
        return await platform.hear(request, "credentials", platform.revoke, (runtime.REVOKE,))

    async def inbox(request: Request) -> Response:
        return await platform.hear(request, "inbox", platform.notice, None)

    async def card(request: Request) -> Response:
        body, tag = cards.packed(cards.card(platform.agent(request.path_params["slug"]), sandbox.base_url))
        headers = {"etag": tag, "cache-control": f"max-age={cards.MAX_AGE}"}
        if tag in [
            one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")
        ]:
            return Response(status_code=304, headers=headers)
        return Response(body, media_type="application/json", headers=headers)

    return [
        Route("/hooks/agents/{slug}", runtime_hook, methods=["POST"]),
        Route("/credentials/revoke", revoke, methods=["POST"]),
        Route("/inbox", inbox, methods=["POST"]),
        Route("/agents/{slug}/.well-known/agent-card.json", card, methods=["GET"]),
        *_control(platform),
    ]


def _control(platform: Platform) -> list[BaseRoute]:
    async def configure(request: Request) -> Any:
        secret = (await read_object(request)).get("secret")
        if not isinstance(secret, str) or not secret.startswith("whsec_"):
            raise Refusal("'secret' is a Standard Webhooks secret, whsec_ and base64.")
        platform.store.put(SETTING, "secret", {"secret": secret})
        return {"ok": True}

    async def agents(request: Request) -> Any:
        if request.method == "POST":
            body = await read_object(request)
            slug = body.get("slug")
            if not isinstance(slug, str) or not slug:
                raise Refusal("'slug' names the agent.")
            platform.store.put(AGENT, slug, {**platform.agent(slug), **_described(body)})
        return {"agents": [value for _, value in platform.store.all(AGENT)]}

    async def deliveries(request: Request) -> Any:
        return platform.deliveries.report()

    async def notices(request: Request) -> Any:
        return {"notices": [value for _, value in platform.store.all(NOTICE)]}

    return [
        control_route("/configure", configure, ["POST"]),
        control_route("/agents", agents, ["GET", "POST"]),
        control_route("/deliveries", deliveries, ["GET"]),
        control_route("/notices", notices, ["GET"]),
    ]


def _described(body: Mapping[str, Any]) -> dict[str, Any]:
    """What a card may say beyond its defaults."""
    texts = {name: body[name] for name in ("name", "description", "version", "organization") if name in body}
    if not all(isinstance(value, str) for value in texts.values()):
        raise Refusal("name, description, version and organization are text.")
    skills = body.get("skills")
    if skills is not None and not (isinstance(skills, list) and all(isinstance(one, dict) for one in skills)):
        raise Refusal("'skills' is a list of objects.")
    return {**texts, **({} if skills is None else {"skills": skills})}
