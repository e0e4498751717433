"""Whatever is asked with another connection's token, at any address and by any method, nothing of theirs is seen or
changed.

The addresses are read out of the application itself. One of a family (the API, the console, …) is tried as its family
says; any other has to be in the table, or the test fails: a new door says here what a stranger gets at it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from scim_bridge.doors import SCIM_OF_ANY_VERSION
from scim_bridge.kernel.paths import SCIM_PATH
from scim_bridge.scim import routing
from tests.security.everything import MARK, World, everything

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
GHOST = "01890000-0000-7000-8000-000000000000"
REFUSED = frozenset((401, 403))
NOT_THERE = frozenset((400, 401, 403, 404, 409))
# A page sends whoever is not signed in to the sign-in.
SIGN_IN = frozenset((303, 400, 401, 403, 404, 429))
OPEN = frozenset((200, 307, 503))
# Refused, and at some addresses answered with what is the caller's own: of that nothing carries the mark.
OWN = frozenset((200, 201, 204, *NOT_THERE, 405, 412, 413, 415, 501))
FAMILIES: dict[str, frozenset[int]] = {
    "/api/v1/": REFUSED,
    "/access/v1/": REFUSED,
    "/credentials/v1/": REFUSED,
    "/console": SIGN_IN,
    "/.well-known/": OPEN,
    SCIM_PATH: OWN,
}
TABLE: dict[str, frozenset[int]] = {
    "/": OPEN,
    "/healthz": OPEN,
    "/readyz": OPEN,
    "/metrics": OPEN,
    "/openapi.json": OPEN,
    "/console/look.css": OPEN,
    "/console/mark.svg": OPEN,
    "/console/follow.js": OPEN,
    "/console/plots.js": OPEN,
    "/console/uplot.js": OPEN,
    "/console/uplot.css": OPEN,
    "/console/sign-in": OPEN | SIGN_IN,
    "/activity": REFUSED
    | {204},  # 204: the question of CloudEvents whether one may send, which tells nothing
    "/v1/logs": REFUSED,
    "/oauth/token": NOT_THERE,
    "/ssf/jwks.json": OPEN,
    "/ssf/streams": OWN,
    "/ssf/status": NOT_THERE,
    "/ssf/subjects/add": NOT_THERE,
    "/ssf/subjects/remove": NOT_THERE,
    "/ssf/verify": NOT_THERE,
    "/ssf/poll/{stream_id}": NOT_THERE,
    "/signals/hr/{name}": NOT_THERE,
    "/signals/okta/{connection}": NOT_THERE,
    "/signals/entra/{connection}": NOT_THERE,
    "/signals/ssf/{connection}": NOT_THERE,
    "/attest/look.css": OPEN,
    "/attest/mark.svg": OPEN,
    "/attest/{token}": NOT_THERE,
    "/take-over/look.css": OPEN,
    "/take-over/mark.svg": OPEN,
    "/take-over/{case}/{person}/{proof}": NOT_THERE,
}
# What is bookkeeping of the caller, and not of theirs.
PASSED_OVER = {"sb_counter", "sb_key_holder"}


@dataclass(frozen=True)
class Address:
    """One address, the methods it knows, and what a stranger may get there."""

    template: str
    methods: frozenset[str]
    expected: frozenset[int] | None


def _expected(template: str) -> frozenset[int] | None:
    if template in TABLE:
        return TABLE[template]
    found = [prefix for prefix in FAMILIES if template.startswith(prefix)]
    return FAMILIES[found[0]] if found else None


def addresses(world: World) -> list[Address]:
    """Every address of the application: its routes, and the doors that are before the router."""
    app: Any = world.server.app
    found: dict[str, set[str]] = {}
    for route in app._web.routes:
        known = getattr(route, "methods", None) or getattr(route.app, "methods", None) or METHODS
        found.setdefault(route.path, set()).update(known)
    assert {prefix for prefix, _ in app._doors} == {SCIM_PATH, SCIM_OF_ANY_VERSION}, "a new door: try it here"
    tables = (
        routing.COLLECTIONS,
        routing.RESOURCES,
        routing.SEARCHES,
        routing.FIXED_ROUTES,
        routing.ITEM_ROUTES,
    )
    for each in [route for table in tables for route in table.values()] + [routing.ME_ROUTE]:
        found.setdefault(SCIM_PATH + each.template, set()).update(each.methods)
    found.setdefault("/console/{rest:path}", set())
    return [Address(path, frozenset(known), _expected(path)) for path, known in sorted(found.items())]


def filled(template: str, target: str, world: World) -> str:
    """The address with what is theirs in it (or what nobody has)."""
    values = {
        "connection": "theirs-okta",
        "name": "acme",
        "stream_id": world.ids["stream"],
        "rest": "nothing",
    }
    if "/entra/" in template:
        values["connection"] = "theirs-entra"
    if target == GHOST:
        values["stream_id"] = GHOST

    def value(found: re.Match[str]) -> str:
        return values.get(found.group(1).split(":")[0], target)

    return re.sub(r"\{([^}]+)\}", value, template)


def bodies(world: World, target: str) -> Iterator[dict[str, Any]]:
    """What is sent: everything that could name something of theirs, and what SCIM would do to it."""
    stream = world.ids["stream"] if target != GHOST else GHOST
    named = {"connection": "theirs", "agent": target, "id": target, "stream_id": stream, "status": "disabled"}
    subject = {"format": "opaque", "id": target}
    yield {
        **named,
        "subject": subject,
        "userName": f"mine-{target}@x.test",
        "displayName": "Mine",
        "active": False,
        "token": world.ours,
        "returnImmediately": True,
        "evaluations": [],
        "action": {"name": "read"},
        "resource": {"type": "ticket", "id": "1"},
    }
    patch = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
    yield {
        "schemas": [patch],
        "Operations": [{"op": "replace", "path": "displayName", "value": "Mine"}],
        **named,
    }


def options(address: Address, world: World, body: dict[str, Any], method: str) -> dict[str, Any]:
    """How a body goes to an address."""
    if method == "GET":
        return {"params": {"stream_id": body["stream_id"]} if address.template.startswith("/ssf/") else {}}
    if address.template.startswith(("/console", "/oauth", "/attest", "/take-over", "/access/v1/introspect")):
        return {"data": {"token": world.ours, "grant_type": "client_credentials", "client_id": "theirs"}}
    if address.template.startswith(("/ssf", SCIM_PATH, "/api", "/access", "/activity", "/v1")):
        query = {"stream_id": body["stream_id"]} if address.template == "/ssf/streams" else {}
        return {"json": body, "params": query}
    return {"json": body}


async def tried(world: World, address: Address, token: str) -> list[str]:
    """Everything that goes wrong at one address."""
    wrong, expected = [], address.expected or frozenset()
    # Groups are everybody's: what is theirs of one is the agent in it that others do not see.
    target = world.ids["agent"]
    for method in METHODS:
        for number, body in enumerate(bodies(world, target)):
            if number and (method in ("GET", "DELETE") or not address.template.startswith(SCIM_PATH)):
                continue
            path = filled(address.template, target, world)
            answer = await world.ask(method, path, token, **options(address, world, body, method))
            told = f"{method} {address.template}: {answer.status_code} {answer.content[:160]!r}"
            if answer.status_code not in (expected if method in address.methods else {404, 405, *expected}):
                wrong.append(f"not as expected: {told}")
            if MARK.encode() in answer.content or MARK in str(dict(answer.headers)):
                wrong.append(f"seen: {told}")
    return wrong


async def volley(world: World, token: str) -> list[str]:
    """Everything that goes wrong anywhere when a token is tried at every address by every method."""
    wrong = []
    before = await world.rows()
    for address in addresses(world):
        if address.expected is None:
            wrong.append(f"{address.template} is not in the table: say what a stranger gets there")
        wrong += await tried(world, address, token)
    after = await world.rows()
    for table, rows in before.items():
        if table not in PASSED_OVER and not rows <= after[table]:
            wrong.append(f"changed: {table} {sorted(rows - after[table])[0][:200]!r}")
    return wrong


def test_another_connections_token_sees_and_changes_nothing_at_any_address(database_url: str) -> None:
    async def body(world: World) -> None:
        assert len(addresses(world)) > 170
        assert await volley(world, world.ours) == []

    everything(database_url, body)


def test_the_volley_finds_what_a_token_does_see_and_change(sqlite_url: str) -> None:
    async def body(world: World) -> None:
        found = "\n".join(await volley(world, world.theirs))
        for said in (
            "seen: GET /scim/v2/Agents/{id}",
            "seen: GET /ssf/streams",
            "changed: sb_resource",
            "sb_tx_stream",
        ):
            assert said in found, said

    everything(sqlite_url, body)


def test_an_address_nobody_described_is_told(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def body(world: World) -> None:
        monkeypatch.delitem(TABLE, "/oauth/token")
        assert [one.template for one in addresses(world) if one.expected is None] == ["/oauth/token"]

    everything(sqlite_url, body)
