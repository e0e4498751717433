"""Control of the org: API clients and tokens, the directory, limits, settings."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import RSAKey
from starlette.requests import Request
from starlette.routing import BaseRoute

from scim_bridge.sandbox.kit.control import Refusal, control_route, read_object
from scim_bridge.sandbox.okta import ids
from scim_bridge.sandbox.okta.api.gate import ADMIN, digest
from scim_bridge.sandbox.okta.directory import User
from scim_bridge.sandbox.okta.errors import OktaError
from scim_bridge.sandbox.okta.model import profiles, statuses
from scim_bridge.sandbox.okta.org import SETTINGS
from scim_bridge.sandbox.okta.parts import Parts


def refusal(error: OktaError) -> Refusal:
    """Okta's refusal as a control call tells it."""
    return Refusal(f"{error.code} {error.summary} {'; '.join(error.causes)}".strip())


def routes(parts: Parts) -> list[BaseRoute]:
    """The org's control routes."""
    org = parts.org

    async def add_client(request: Request) -> Any:
        body = await read_object(request)
        pair = _pair(org.ids.new(ids.APP)) if body.get("generate") is True else None
        if pair is not None:
            body = {**body, "jwk": pair.as_dict(private=False)}
        client = _client(body, org.ids.new(ids.APP))
        org.store.put("apiclient", client["client_id"], client)
        if pair is not None:
            # As the Admin Console shows a key it generated: once, and whole.
            known = {"client_id": client["client_id"], "kid": pair.as_dict(private=False)["kid"]}
            return {**known, "private_key": pair.as_pem(private=True).decode(), "scopes": client["scopes"]}
        return {"ok": True, "client_id": client["client_id"], "scopes": client["scopes"]}

    async def add_token(request: Request) -> Any:
        body = await read_object(request)
        token = str(body.get("token") or secrets.token_urlsafe(30))
        key = org.ids.new(ids.TOKEN)
        org.store.put("apitoken", digest(token), {"id": key, "name": str(body.get("name") or "API token")})
        return {"ok": True, "id": key, "token": token}

    async def set_directory(request: Request) -> Any:
        body = await read_object(request)
        try:
            with org.store.transaction():
                users = [_upsert_user(parts, item) for item in _list(body, "users")]
                groups = [_upsert_group(parts, item) for item in _list(body, "groups")]
        except OktaError as error:
            raise refusal(error) from None
        return {"ok": True, "users": len(users), "groups": len(groups)}

    async def change_lifecycle(request: Request) -> Any:
        """An action of People → More actions, or delete, on somebody by login."""
        body = await read_object(request)
        user, action = parts.directory.find(str(body.get("login") or "")), body.get("action")
        if user is None or action not in (*statuses.ACTIONS, "delete"):
            raise Refusal(f"'login' is somebody, 'action' one of {', '.join(statuses.ACTIONS)}, delete.")
        try:
            with org.store.transaction():
                if action == "delete":
                    parts.lifecycle.delete(user, ADMIN)
                else:
                    parts.lifecycle.act(user, str(action), ADMIN)
        except OktaError as error:
            raise refusal(error) from None
        return {"ok": True, "id": user["id"]}

    async def set_limits(request: Request) -> Any:
        body = await read_object(request)
        sizes = {**(body.get("buckets") or {}), **({"default": body["default"]} if "default" in body else {})}
        if not all(type(size) is int and size >= 0 for size in sizes.values()):
            raise Refusal("A limit is a number of calls a minute.")
        org.limits.resize(sizes)
        return {"ok": True, "limits": sizes}

    async def set_org(request: Request) -> Any:
        body = await read_object(request)
        for name, value in body.items():
            if name not in SETTINGS:
                raise Refusal(f"There is no setting {name!r}; there are {', '.join(SETTINGS)}.")
            if isinstance(SETTINGS[name], bool) is not isinstance(value, bool) or isinstance(value, str):
                raise Refusal(f"{name!r} is a {type(SETTINGS[name]).__name__}.")
        org.store.put("setting", "org", {**org.settings(), **body})
        return {"ok": True, **org.settings()}

    return [
        control_route("/api-clients", add_client, ["POST"]),
        control_route("/api-tokens", add_token, ["POST"]),
        control_route("/directory", set_directory, ["POST"]),
        control_route("/people/lifecycle", change_lifecycle, ["POST"]),
        control_route("/limits", set_limits, ["PUT", "POST"]),
        control_route("/org", set_org, ["POST"]),
    ]


def _list(body: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    found = body.get(name, [])
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise Refusal(f"{name!r} is a list of objects.")
    return found


def _pair(kid: str) -> RSAKey:
    """A fresh key, as the Admin Console generates one for a service app."""
    return RSAKey.generate_key(2048, {"kid": kid, "alg": "RS256", "use": "sig"})


def _client(body: Mapping[str, Any], new_id: str) -> dict[str, Any]:
    keys = body.get("jwks") or [body.get("jwk")]
    try:
        public = [RSAKey.import_key(key).as_dict(private=False) | {"kid": key.get("kid")} for key in keys]
    except (JoseError, ValueError, TypeError, AttributeError):
        raise Refusal("'jwk' is an RSA public key as a JWK.") from None
    scopes = body.get("scopes")
    if not isinstance(scopes, list) or not all(isinstance(s, str) and s.startswith("okta.") for s in scopes):
        raise Refusal("'scopes' is a list of names such as okta.users.manage.")
    client_id = str(body.get("client_id") or new_id)
    return {
        "client_id": client_id,
        "name": str(body.get("name") or client_id),
        "keys": public,
        "scopes": scopes,
        # "Require Demonstrating Proof of Possession (DPoP) header in token requests" of the app.
        "dpop": body.get("dpop") is True,
    }


def _upsert_user(parts: Parts, item: Mapping[str, Any]) -> User:
    """A person of the directory, active and with a password; flat profile properties beside login.

    A manager given by login becomes managerId, and the manager's name where the directory knows it.
    """
    profile = {name: value for name, value in item.items() if name not in ("status", "type")}
    if not isinstance(profile.get("login"), str):
        raise Refusal("Every user has a 'login'.")
    if "@" in str(profile.get("manager") or "") and "managerId" not in profile:
        manager = parts.directory.find(profile["manager"])
        profile |= {"managerId": profile["manager"], "manager": _name(manager) if manager else None}
    known = parts.directory.find(profile["login"])
    if known is not None:
        if known["status"] == statuses.DEPROVISIONED:
            known = parts.lifecycle.act(known, "activate", ADMIN)
        changed = profiles.merged(known["profile"], profile)
        return parts.lifecycle.change(known, {**known, "profile": changed}, ADMIN)
    status = str(item.get("status") or statuses.ACTIVE)
    if status not in statuses.ALL:
        raise Refusal(f"'status' is one of {', '.join(statuses.ALL)}.")
    made = parts.directory.create(profile, status=status, credentials={"password": {}})
    parts.groups.welcome(made, ADMIN)
    return made


def _name(user: User) -> str:
    profile = user["profile"]
    return str(profile.get("displayName") or f"{profile['firstName']} {profile['lastName']}")


def _upsert_group(parts: Parts, item: Mapping[str, Any]) -> str:
    """A group with exactly these members by login; those who are not there yet join when they come."""
    name, logins = item.get("name"), item.get("members", [])
    if not isinstance(name, str) or not isinstance(logins, list):
        raise Refusal("Every group has a 'name' and 'members', a list of logins.")
    group = parts.groups.named(name)
    if group is None:
        group = parts.groups.create({"name": name, "description": item.get("description")}, ADMIN)
    wanted = {profiles.fold(str(login)) for login in logins}
    for user in parts.groups.members(group):
        if profiles.fold(user["profile"]["login"]) not in wanted:
            parts.groups.remove(group, user, ADMIN)
    for login in logins:
        found = parts.directory.find(str(login))
        if found is None:
            parts.groups.expect(group, str(login))
        else:
            parts.groups.add(group, found, ADMIN)
    return str(group["id"])
