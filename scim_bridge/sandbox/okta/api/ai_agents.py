"""/workload-principals/api/v1: AI agents, the operations that change them, and their credentials."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from scim_bridge.sandbox.okta.api.client_credentials import agent_routes
from scim_bridge.sandbox.okta.api.gate import Caller, Handler, answer, body_of
from scim_bridge.sandbox.okta.api.paging import cursor_of, key_of, limit_of
from scim_bridge.sandbox.okta.errors import OktaError
from scim_bridge.sandbox.okta.parts import Parts

BASE = "/workload-principals/api/v1"
RESOURCE = "aiAgents"
LICENCE = "ai_agents"
MERGE_PATCH = "application/merge-patch+json"
_SEARCH = re.compile(r'\s*(status|profile\.name)\s+(eq|sw|co)\s+"((?:[^"\\]|\\.)*)"\s*')

Json = dict[str, Any]


def routes(parts: Parts) -> list[BaseRoute]:
    """The routes of this resource."""
    return [
        *_agents(parts),
        *_lifecycle(parts),
        *_operations(parts),
        *agent_routes(parts, BASE, RESOURCE, LICENCE),
    ]


def _shown(parts: Parts, agent: Json) -> Json:
    here = f"{parts.org.url}{BASE}/ai-agents/{agent['id']}"
    orn = parts.owners.agent_orn(agent["id"])
    links = {
        "self": {"href": here},
        "delegationLinks": {
            "href": f'{parts.org.url}{BASE}/delegation-links?filter=to.resourceOrn eq "{orn}"'
        },
    }
    return {**agent, "_links": links}


def _accepted(parts: Parts, operation: Json) -> Response:
    """202 with no body, and where to ask how it goes."""
    return Response(
        status_code=202, headers={"location": f"{parts.org.url}{BASE}/operations/{operation['id']}"}
    )


def _matching(agents: list[Json], search: str | None) -> list[Json]:
    if not search:
        return agents
    match = _SEARCH.fullmatch(search)
    if match is None or (match[1] == "status" and match[2] != "eq"):
        raise OktaError("E0000031")
    name, operator, literal = match.groups()
    wanted = re.sub(r"\\(.)", r"\1", literal).casefold()

    def holds(agent: Json) -> bool:
        value = str(agent["status"] if name == "status" else agent["profile"]["name"]).casefold()
        return {"eq": value == wanted, "sw": value.startswith(wanted), "co": wanted in value}[operator]

    return [agent for agent in agents if holds(agent)]


def _agents(parts: Parts) -> list[BaseRoute]:
    org, agents = parts.org, parts.ai_agents

    async def list_ai_agents(request: Request, caller: Caller) -> Response:
        search = request.query_params.get("search")
        found = _matching(agents.all(), search)
        limit = limit_of(request, 20)
        after = request.query_params.get("after")
        if after:
            found = [agent for agent in found if agent["id"] > key_of(after)]
        body: Json = {"data": [_shown(parts, agent) for agent in found[:limit]], "_links": {}}
        if len(found) > limit:
            asked = {"search": search} if search else {}
            query = urlencode({**asked, "limit": limit, "after": cursor_of(found[limit - 1]["id"])})
            body["_links"]["next"] = {"href": f"{org.url}{BASE}/ai-agents?{query}"}
        return answer(body)

    async def register_ai_agent(request: Request, caller: Caller) -> Response:
        body = _object(await body_of(request))
        with org.store.transaction():
            return _accepted(parts, agents.register(body.get("profile"), caller))

    async def get_ai_agent(request: Request, caller: Caller) -> Response:
        return answer(_shown(parts, agents.need(request.path_params["agent"])))

    async def replace_ai_agent(request: Request, caller: Caller) -> Response:
        body = _object(await body_of(request))
        agent = agents.need(request.path_params["agent"])
        with org.store.transaction():
            return _accepted(parts, agents.replace(agent, body.get("profile"), caller))

    async def patch_ai_agent(request: Request, caller: Caller) -> Response:
        if request.headers.get("content-type", "").split(";")[0].strip() != MERGE_PATCH:
            raise OktaError("E0000021")
        body = _object(await body_of(request))
        agent = agents.need(request.path_params["agent"])
        with org.store.transaction():
            return _accepted(parts, agents.patch(agent, body.get("profile"), caller))

    async def delete_ai_agent(request: Request, caller: Caller) -> Response:
        agent = agents.need(request.path_params["agent"])
        with org.store.transaction():
            return _accepted(parts, agents.delete(agent, caller))

    def route(path: str, **handlers: Handler) -> BaseRoute:
        return parts.gate.route(f"{BASE}{path}", RESOURCE, licence=LICENCE, **handlers)

    return [
        route("/ai-agents", GET=list_ai_agents, POST=register_ai_agent),
        route(
            "/ai-agents/{agent}",
            GET=get_ai_agent,
            PUT=replace_ai_agent,
            PATCH=patch_ai_agent,
            DELETE=delete_ai_agent,
        ),
    ]


def _lifecycle(parts: Parts) -> list[BaseRoute]:
    org, agents = parts.org, parts.ai_agents

    def act(change: Callable[[Json, Caller], Json]) -> Callable[[Request, Caller], Awaitable[Response]]:
        async def change_ai_agent_status(request: Request, caller: Caller) -> Response:
            agent = agents.need(request.path_params["agent"])
            with org.store.transaction():
                return _accepted(parts, change(agent, caller))

        return change_ai_agent_status

    return [
        parts.gate.route(
            f"{BASE}/ai-agents/{{agent}}/lifecycle/{verb}", RESOURCE, licence=LICENCE, POST=act(change)
        )
        for verb, change in (("activate", agents.activate), ("deactivate", agents.deactivate))
    ]


def _operations(parts: Parts) -> list[BaseRoute]:
    agents = parts.ai_agents

    def shown(operation: Json) -> Json:
        kept = {
            name: value
            for name, value in operation.items()
            if name not in ("agent", "profile", "due", "caller")
        }
        if operation["status"] == "COMPLETED":
            agent = parts.org.store.get("aiagent", operation["agent"]) or {"status": "DELETED"}
            # Okta spells its own prefix differently here; ids are what counts.
            href = f"{parts.org.url}/workload-principal/api/v1/ai-agents/{operation['agent']}"
            kept["resource"] = {
                "id": operation["agent"],
                "type": "AI_AGENT",
                "status": agent["status"],
                "_links": {"self": {"href": href}},
            }
        return kept

    async def list_operations(request: Request, caller: Caller) -> Response:
        return answer({"data": [shown(item) for item in agents.operations()], "_links": {}})

    async def get_operation(request: Request, caller: Caller) -> Response:
        return answer(shown(agents.operation(request.path_params["operation"])))

    return [
        parts.gate.route(f"{BASE}/operations", RESOURCE, licence=LICENCE, GET=list_operations),
        parts.gate.route(f"{BASE}/operations/{{operation}}", RESOURCE, licence=LICENCE, GET=get_operation),
    ]


def _object(body: Any) -> Json:
    if not isinstance(body, dict):
        raise OktaError("E0000003")
    return body
