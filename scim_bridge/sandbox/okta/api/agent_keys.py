"""The public keys of an AI agent: made active, switched off and on, deleted when off."""

from __future__ import annotations

from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, RSAKey
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from scim_bridge.sandbox.okta import ids
from scim_bridge.sandbox.okta.api.gate import Caller, answer, body_of, nothing
from scim_bridge.sandbox.okta.errors import invalid, not_found
from scim_bridge.sandbox.okta.parts import Parts

MOST = 50
BITS = 2048


def key_routes(parts: Parts, base: str, resource: str, licence: str) -> list[BaseRoute]:
    """The routes of keys below an AI agent."""
    org, store = parts.org, parts.org.store

    def of(request: Request) -> list[dict[str, Any]]:
        agent = parts.ai_agents.need(request.path_params["agent"])
        return [value for _, value in store.all("aikey") if value["agent"] == agent["id"]]

    def need(request: Request) -> dict[str, Any]:
        key = request.path_params["key"]
        found = next((item for item in of(request) if item["id"] == key), None)
        if found is None:
            raise not_found(key, "JsonWebKey")
        return found

    def shown(item: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in item.items() if name != "agent"}

    async def list_agent_keys(request: Request, caller: Caller) -> Response:
        return answer({"data": [shown(item) for item in of(request)], "_links": {}})

    async def add_agent_key(request: Request, caller: Caller) -> Response:
        body, known = await body_of(request), of(request)
        _checked(body, known)
        agent = parts.ai_agents.need(request.path_params["agent"])
        now = org.stamp()
        made = {
            **body,
            "id": org.ids.new(ids.AGENT_KEY),
            "status": body.get("status") or "ACTIVE",
            "created": now,
            "lastUpdated": now,
            "agent": agent["id"],
        }
        store.put("aikey", made["id"], made)
        return answer(shown(made), 201)

    async def get_agent_key(request: Request, caller: Caller) -> Response:
        return answer(shown(need(request)))

    async def delete_agent_key(request: Request, caller: Caller) -> Response:
        found = need(request)
        if found["status"] == "ACTIVE":
            raise invalid("status", "status: An active key cannot be deleted")
        store.delete("aikey", found["id"])
        return nothing()

    def change(found: dict[str, Any], status: str) -> Response:
        after = {**found, "status": status, "lastUpdated": org.stamp()}
        store.put("aikey", found["id"], after)
        return answer(shown(after))

    async def activate_agent_key(request: Request, caller: Caller) -> Response:
        return change(need(request), "ACTIVE")

    async def deactivate_agent_key(request: Request, caller: Caller) -> Response:
        found = need(request)
        if not any(item["status"] == "ACTIVE" and item["id"] != found["id"] for item in of(request)):
            raise invalid("status", "status: The only active key cannot be deactivated")
        return change(found, "INACTIVE")

    here = f"{base}/ai-agents/{{agent}}/credentials/jwks"
    gate = parts.gate
    return [
        gate.route(here, resource, licence=licence, GET=list_agent_keys, POST=add_agent_key),
        gate.route(f"{here}/{{key}}", resource, licence=licence, GET=get_agent_key, DELETE=delete_agent_key),
        gate.route(f"{here}/{{key}}/lifecycle/activate", resource, licence=licence, POST=activate_agent_key),
        gate.route(
            f"{here}/{{key}}/lifecycle/deactivate", resource, licence=licence, POST=deactivate_agent_key
        ),
    ]


def _checked(body: Any, known: list[dict[str, Any]]) -> None:
    if not isinstance(body, dict) or not body.get("kid"):
        raise invalid("kid", "kid: The field cannot be left blank")
    if any(item["kid"] == body["kid"] for item in known):
        raise invalid("kid", "kid: A key with this id already exists")
    if len(known) >= MOST:
        raise invalid("keys", f"keys: At most {MOST} keys are allowed")
    try:
        key = JWKRegistry.import_key({name: body[name] for name in body if name not in ("status",)})
    except (JoseError, ValueError, TypeError, KeyError):
        raise invalid("jwk", "jwk: The key is not valid") from None
    if key.key_type not in ("RSA", "EC") or key.is_private:
        raise invalid("jwk", "jwk: The key must be a public RSA or EC key")
    if isinstance(key, RSAKey) and key.raw_value.key_size < BITS:
        raise invalid("jwk", f"jwk: An RSA key must have at least {BITS} bits")
