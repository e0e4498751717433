"""Whatever is sent to any address by any method, the answer is SCIM's and no defect, and a refusal changes nothing."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scim_bridge.registry.model import GROUP_EXTENSION_URN
from scim_bridge.scim import listing, routing
from scim_bridge.scim.exchange import Answered
from tests.scim.bridge import Bridge, Client, Reply
from tests.scim.drawn import mutated
from tests.scim.noise import drawn_operations, noise, objects
from tests.scim.proving import BULK_URN, ERROR_URN, PATCH_URN, made, written

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
TABLES = (
    routing.COLLECTIONS,
    routing.RESOURCES,
    routing.SEARCHES,
    routing.FIXED_ROUTES,
    routing.ITEM_ROUTES,
    {"Me": routing.ME_ROUTE},
)
TEMPLATES = sorted({route.template for table in TABLES for route in table.values()})
EXAMPLES = 6
REFUSALS = {400, 403, 404, 405, 409, 412, 413, 414, 415, 501}

bulk_operations = st.lists(
    st.fixed_dictionaries(
        {
            "method": st.sampled_from(METHODS),
            "path": st.sampled_from(["/Users", "/Groups", "/Agents", "/AgenticApplications", "/Roles", "/x"]),
        },
        optional={"bulkId": noise, "data": st.one_of(objects, mutated("Group"), noise), "version": noise},
    ),
    max_size=3,
)
SEARCHED = ("filter", "sortBy", "sortOrder", "cursor", "attributes", "excludedAttributes")
searches = st.dictionaries(st.sampled_from([*SEARCHED, "count", "startIndex"]), noise, max_size=3)
bodies = st.one_of(
    st.one_of(
        objects,
        mutated("User"),
        mutated("Group"),
        mutated("Agent"),
        drawn_operations.map(lambda some: {"schemas": [PATCH_URN], "Operations": some}),
        bulk_operations.map(lambda some: {"schemas": [BULK_URN], "Operations": some}),
        searches,
    ).map(lambda value: json.dumps(value).encode()),
    st.binary(max_size=60),
)


@dataclass(frozen=True)
class Volley:
    """What is sent to every address: once to a resource that is there, once to one nobody has."""

    body: bytes
    query: dict[str, str]
    unknown: str
    tag: str

    def path(self, template: str, known: dict[str, str]) -> list[str]:
        """The addresses of a template."""
        query = "&".join(f"{_escaped(name)}={_escaped(value)}" for name, value in self.query.items())
        base, _, item = template.partition("/{")
        ids = [known.get(base, "nobody"), _escaped(self.unknown) or "nobody"] if item else [""]
        return [f"{base}/{each}?{query}" if each else f"{base}?{query}" for each in ids]


def _escaped(text: str) -> str:
    return quote(text, safe="", errors="surrogatepass")


volleys = st.builds(Volley, bodies, searches, noise, st.sampled_from(["", "*", 'W/"1"', "x", '"', "W/"]))


def sound(method: str, path: str, answer: Reply) -> bool:
    """True for a refusal; AssertionError for an answer that is not SCIM's, or tells of a defect."""
    told = f"{method} {path[:200]}: {answer.status} {answer.content[:200]!r}"
    assert answer.status in {200, 201, 204, 304} or answer.status in REFUSALS, told
    assert (answer.status != 501) or path.startswith("/Me"), told
    if answer.content:
        assert answer.headers["content-type"].startswith("application/scim+json"), told
        assert answer["schemas"], told
    if answer.status not in REFUSALS:
        return False
    assert (answer["schemas"], answer["status"]) == ([ERROR_URN], str(answer.status)), told
    assert answer["detail"], told
    return True


async def fired(bridge: Bridge, client: Client, volley: Volley, number: int) -> None:
    """Send it to every address by every method."""
    maker = await bridge.client("maker", "generic")
    person = await made(maker, "/Users", {"userName": f"person-{number}"})
    agent = await made(maker, "/Agents", {"agentUserName": f"agent-{number}"})
    application = await made(maker, "/AgenticApplications", {"name": f"application-{number}"})
    members = [{"value": agent}, {"value": person}]
    crew = await made(maker, "/Groups", {"displayName": f"g-{number}", "members": members})
    role = {"displayName": f"r-{number}", GROUP_EXTENSION_URN: {"kind": "role"}}
    known = {
        "/Users": person,
        "/Groups": crew,
        "/Agents": agent,
        "/AgenticApplications": application,
        "/Roles": await made(maker, "/Groups", role),
        "/Entitlements": crew,
    }
    before = await written(bridge)
    for template in TEMPLATES:
        for method in METHODS:
            for path in volley.path(template, known):
                body = None if method in ("GET", "DELETE") else volley.body
                tags = {"if_match": volley.tag, "if_none_match": volley.tag} if volley.tag else {}
                answer = await client.call(method, path, body, **tags)
                after = await written(bridge)
                assert not sound(method, path, answer) or after == before, (method, path, answer.content)
                before = after


async def fuzzed(bridge: Bridge, dialect: str, examples: int) -> None:
    """Draw so many volleys and send each everywhere, through a connection of this dialect."""
    client, loop, count = (
        await bridge.client(dialect, dialect),
        asyncio.get_running_loop(),
        iter(range(10_000)),
    )

    @settings(max_examples=examples, deadline=None, database=None)
    @given(volleys)
    def check(volley: Volley) -> None:
        asyncio.run_coroutine_threadsafe(fired(bridge, client, volley, next(count)), loop).result()

    await asyncio.to_thread(check)


def test_the_addresses_are_all_there_are() -> None:
    assert len(TEMPLATES) >= 26
    assert {"/Users/{id}", "/Groups/.search", "/.search", "/Bulk", "/Schemas/{urn}", "/Me"} <= set(TEMPLATES)


@pytest.mark.parametrize("dialect", ["okta-put", "strict", "entra"])
def test_every_address_answers_or_refuses_whatever_comes(door, dialect: str) -> None:
    async def body(bridge: Bridge) -> None:
        await fuzzed(bridge, dialect, EXAMPLES)

    door(body)


async def _broken(_call: Any) -> Answered:
    raise ValueError("a defect")


async def _careless(call: Any) -> Answered:
    await listing.list_resources(call)
    await call.transact(_written_anyway)
    return Answered(
        404, b'{"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"status":"404","detail":"x"}'
    )


async def _written_anyway(work: Any) -> None:
    work.bookkeeping("a test")
    await work.tx.run("UPDATE sb_resource SET version = version + 1")


@pytest.mark.parametrize("handler", [_broken, _careless], ids=["a defect", "a refusal that wrote"])
def test_a_planted_defect_is_found(sqlite_door, monkeypatch: pytest.MonkeyPatch, handler: Any) -> None:
    route = routing.SEARCHES["Groups"]
    planted = routing.Route(route.template, {"POST": (handler, "read")}, route.endpoint)
    monkeypatch.setitem(routing.SEARCHES, "Groups", planted)

    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        with pytest.raises(AssertionError, match=r"Groups/\.search"):
            await fired(bridge, client, Volley(b"{}", {}, "x", ""), 0)

    sqlite_door(body)
