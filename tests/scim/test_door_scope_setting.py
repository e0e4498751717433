"""Promises of the setting of a scope: read as written, refused in one line, in force at once, no cost without it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from scim_bridge.kernel import postgres_session, sqlite_transaction
from scim_bridge.kernel.errors import BridgeError
from scim_bridge.registry.connections import configure_connection, create_connection
from scim_bridge.registry.model import AGENT_URN
from scim_bridge.registry.scope import parse_scope
from tests.conftest import MASTER, TESTER
from tests.scim.bridge import Bridge, Client
from tests.scim.scoped import members, op, scene


def test_another_scope_counts_from_the_next_request_on_also_for_a_cursor(sqlite_door) -> None:
    async def body(bridge: Bridge) -> None:
        s = await scene(bridge)
        first = await s.every.get("/Agents?count=1&cursor")

        async def limited(work: Any) -> None:
            await configure_connection(work, MASTER, "every", settings={"scope": "environment=nowhere"})

        await bridge.store.transact(TESTER, limited)
        more = await s.every.get(f"/Agents?count=1&cursor={first['nextCursor']}")
        assert (more.status, more["Resources"]) == (200, [])
        assert (await s.every.get("/Agents"))["totalResults"] == 0

    sqlite_door(body)


WRONG = [
    ("environment", "not name=value"),
    ("environment=", "not name=value"),
    ("stage=production", "environment, platform, riskTier, group"),
    ("environment=a; Environment=b", "'Environment'"),
    (" ; ", "names nothing"),
    ("group=a\nb", "not name=value"),
    ("group=" + "x" * 2000, "longer than"),
    (";".join(f"platform=p{n}" for n in range(51)), "more than 50"),
    (["environment=a"], "not a text"),
]


@pytest.mark.parametrize(("scope", "said"), WRONG)
def test_a_wrong_scope_is_refused_with_one_line_when_it_is_set(sqlite_door, scope: Any, said: str) -> None:
    async def body(bridge: Bridge) -> None:
        await bridge.client("okta")

        async def created(work: Any) -> None:
            await create_connection(work, MASTER, "new", "okta", settings={"scope": scope})

        async def configured(work: Any) -> None:
            await configure_connection(work, MASTER, "okta", settings={"scope": scope})

        for attempt in (created, configured):
            with pytest.raises(BridgeError) as refused:
                await bridge.store.transact(TESTER, attempt)
            assert (refused.value.status, refused.value.code) == (400, "scope")
            assert said in refused.value.text()
            assert "\n" not in refused.value.text()
        assert await bridge.count("sb_connection") == 1

    sqlite_door(body)


def test_a_scope_that_cannot_be_read_any_more_shows_nothing(sqlite_door) -> None:
    async def body(bridge: Bridge) -> None:
        s = await scene(bridge)

        async def spoilt(work: Any) -> None:
            work.bookkeeping("as an older version may have written it")
            await work.tx.run(
                "UPDATE sb_connection SET settings = ? WHERE name = 'dev'", '{"scope":"nonsense"}'
            )
            work.touched("connection", "dev")

        await bridge.store.transact(TESTER, spoilt)
        answer = await s.dev.get("/Users")
        assert answer.status == 403
        assert "'nonsense' is not name=value" in answer["detail"]

    sqlite_door(body)


def test_a_scope_is_written_as_it_is_read() -> None:
    text = "environment=production; riskTier=low; group=payments; group=refunds"
    scope = parse_scope(" group=Refunds ;group=PAYMENTS; riskTier = low;;environment=production;")
    assert str(scope) == text
    assert parse_scope(text) == scope
    assert not parse_scope("")


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Every statement of both back ends."""
    found: list[str] = []

    def noted(owner: type, name: str) -> None:
        before = getattr(owner, name)

        def wrapped(self: Any, sql: Any, *rest: Any, **more: Any) -> Any:
            found.append(str(sql))
            return before(self, sql, *rest, **more)

        monkeypatch.setattr(owner, name, wrapped)

    noted(sqlite_transaction.SqliteReader, "_execute")
    for name in ("one", "all", "run", "many"):
        noted(postgres_session.Session, name)
    yield found


def test_who_has_no_scope_pays_no_statement_and_no_condition_for_it(door, sent: list[str]) -> None:
    async def body(bridge: Bridge) -> None:
        s = await scene(bridge)

        async def used(client: Client, seen: str) -> list[str]:
            sent.clear()
            for answer in (
                await client.get(f"/Users/{seen}"),
                await client.get("/Users?count=5"),
                await client.get('/Groups?filter=displayName eq "Mixed"'),
                await client.patch(f"/Users/{seen}", op("replace", "title", client.name)),
                await client.patch(f"/Groups/{s.open}", op("remove", f'members[value eq "{seen}"]')),
                await client.patch(f"/Groups/{s.open}", op("add", "members", members(seen))),
            ):
                assert answer.status == 200
            return list(sent)

        await s.every.get("/Users?count=1"), await s.dev.get("/Users?count=1")
        free, limited = await used(s.every, s.seen), await used(s.dev, s.seen)
        assert any("in_a" in statement for statement in limited), "a scope is a condition"
        assert not any("in_a" in statement for statement in free)

    door(body)


def test_an_environment_in_other_case_is_the_one_that_scopes_and_imports_know(sqlite_door) -> None:
    async def body(bridge: Bridge) -> None:
        anybody = await bridge.client("open", "generic")
        scoped = await bridge.client("scoped", "generic", scope="environment=production; riskTier=low")
        sent = {"environment": "PRODUCTION", "riskTier": "Low"}
        made = await anybody.post("/Agents", {"agentUserName": "bot", AGENT_URN: sent})
        assert (made[AGENT_URN]["environment"], made[AGENT_URN]["riskTier"]) == ("production", "low")
        assert (await scoped.get(f"/Agents/{made['id']}")).status == 200
        other = await anybody.post("/Agents", {"agentUserName": "other", AGENT_URN: {"environment": "dev"}})
        path = f"{AGENT_URN}:environment"
        patched = await anybody.patch(
            f"/Agents/{other['id']}", {"op": "replace", "path": path, "value": "Staging"}
        )
        assert patched[AGENT_URN]["environment"] == "staging"

    sqlite_door(body)
