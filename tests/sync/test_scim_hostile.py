"""Promises of a SCIM target when the server misbehaves: nothing twice, nothing lost, nothing for ever."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from scim_bridge.sync.idp.port import IdpError
from scim_bridge.sync.plan import changes_of
from scim_bridge.sync.service import status
from tests.conformance.servers import TOKEN
from tests.sync.bench import Bench
from tests.sync.okta_bench import applied, owned
from tests.sync.scim_peer import Fault, Peer, on_peer, scim_peer

LIST = "startIndex"


@pytest.fixture
def peer() -> Iterator[Peer]:
    with scim_peer() as made:
        yield made
        assert all(fault.fired for fault in made.door.faults), "a scripted fault never fired"


@pytest.fixture
def on(peer: Peer, sqlite_url: str, clock: Any) -> Callable[..., None]:
    return lambda body, **settings: on_peer(sqlite_url, clock, peer, body, **settings)


async def reasons(bench: Bench) -> list[str]:
    return [trouble.reason for trouble in (await status(bench.store.reads, bench.connection)).troubles]


def test_a_429_is_waited_out_as_long_as_it_says_by_every_call(on, peer) -> None:
    async def body(bench: Bench) -> None:
        await owned(bench, "triage")
        peer.door.faults = [Fault("POST", "/Users", 429, headers={"retry-after": "1"})]
        run = await bench.apply(perform=False)
        assert await bench.perform() == [1.0]
        assert run.total == 1 and len(peer.users()) == 1 and (await bench.plan()).changes == 0

    on(body)


def test_a_create_answered_with_500_after_it_was_done_makes_no_second_user(on, peer) -> None:
    async def body(bench: Bench) -> None:
        agent_id = await owned(bench, "triage")
        peer.door.faults = [Fault("POST", "/Users", 500, after=True)]
        await applied(bench)
        assert [user["externalId"] for user in peer.users()] == [agent_id]
        assert peer.door.writes() == ["POST"]

    on(body)


@pytest.mark.parametrize(
    "twist, why",
    [
        (lambda page: {**page, "Resources": page["Resources"][:-1]}, "broke off"),
        (lambda page: {**page, "Resources": [], "totalResults": 0}, "came back empty"),
        (lambda page: {key: value for key, value in page.items() if key != "Resources"}, "broke off"),
    ],
    ids=["short", "empty", "without users"],
)
def test_a_listing_cut_short_or_empty_holds_the_plan_and_touches_nobody(on, peer, twist, why) -> None:
    async def body(bench: Bench) -> None:
        for n in range(3):
            await owned(bench, f"agent-{n}")
        await applied(bench)
        written = len(peer.door.writes())
        peer.door.faults = [Fault("GET", LIST, times=99, twist=twist)]
        run = await bench.apply()
        assert run.state == "HELD" and why in run.reason
        assert len(peer.door.writes()) == written

    on(body)


def test_two_users_with_one_mark_are_told_and_always_the_same_one_is_kept_in_step(on, peer) -> None:
    async def body(bench: Bench) -> None:
        agent_id = await owned(bench, "triage")
        ids = peer.people("one@corp.test", "two@corp.test", externalId=agent_id, userType="Agent")
        plan = await bench.plan()
        (kept,) = await changes_of(bench.store.reads, plan.id)
        assert kept.change.remote_id == min(ids)
        assert any("Several objects carry the mark" in note for note in plan.notes)
        await applied(bench)
        other = ["two@corp.test", "one@corp.test"][ids.index(min(ids))]
        assert {user["userName"] for user in peer.users()} == {"triage@agents.test", other}

    on(body)


def lowered(body: dict[str, Any]) -> dict[str, Any]:
    """A server that lowers names and does not know display names."""
    if "Operations" in body:
        kept = [op for op in body["Operations"] if op["path"] != "displayName"]
        return {**body, "Operations": [_lowered_operation(op) for op in kept]}
    return {k: v.lower() if k == "userName" else v for k, v in body.items() if k != "displayName"}


def _lowered_operation(op: dict[str, Any]) -> dict[str, Any]:
    return {**op, "value": op["value"].lower()} if op["path"] == "userName" else op


def test_what_a_server_changes_or_drops_is_noted_and_written_again_only_when_it_changes_here(
    peer: Peer, database_url: str, clock: Any
) -> None:
    async def body(bench: Bench) -> None:
        peer.door.faults = [Fault("POST", "/Users", times=99, bend=lowered)]
        await bench.agent("triage", user_name="Triage@Agents.Test")
        assert (await bench.apply()).state == "OK"
        user = peer.user("triage@agents.test")
        assert user["userName"] == "triage@agents.test" and "displayName" not in user
        plan = await bench.plan()
        assert plan.changes == 0
        notes = " ".join(plan.notes)
        assert "does not keep displayName" in notes and "keeps userName in a form of its own" in notes
        peer.patch(user["id"], userName="else@agents.test")
        again = await bench.plan()
        (kept,) = await changes_of(bench.store.reads, again.id)
        assert kept.change.after == {"userName": "Triage@Agents.Test"}, "an admin's change is still drift"

    on_peer(database_url, clock, peer, body)


def test_a_stop_the_server_swallows_is_parked_and_never_taken_for_done(on, peer) -> None:
    def deaf(body: dict[str, Any]) -> dict[str, Any]:
        kept = [op for op in body["Operations"] if op["path"] != "active"]
        return {**body, "Operations": kept or [{"op": "replace", "path": "nickName", "value": "x"}]}

    async def body(bench: Bench) -> None:
        agent_id = await owned(bench, "triage")
        await applied(bench)
        peer.door.faults = [Fault("PATCH", "/Users", times=99, bend=deaf)]
        await bench.hold(agent_id, "watch:1")
        run = await bench.apply()
        assert run.state == "FAILED" and "does not keep `active`" in (await reasons(bench))[0]
        assert (await bench.plan()).changes == 1

    on(body)


def test_a_user_changed_meanwhile_is_looked_at_again(on, peer) -> None:
    async def body(bench: Bench) -> None:
        agent_id = await owned(bench, "triage")
        await applied(bench)
        peer.door.faults = [Fault("PATCH", "/Users", 412)]
        await bench.hold(agent_id, "watch:1")
        assert await bench.perform() == [1.0]
        assert peer.user("triage@agents.test")["active"] is False

    on(body)


def test_one_refused_user_parks_itself_and_the_rest_is_written(on, peer) -> None:
    async def body(bench: Bench) -> None:
        for n in range(3):
            await owned(bench, f"agent-{n}")
        peer.door.faults = [Fault("POST", "/Users", 400)]
        run = await bench.apply()
        assert (run.state, run.done, run.failed) == ("WARNING", 2, 1)
        assert "status 400" in (await reasons(bench))[0]

    on(body)


def test_a_server_that_names_another_host_for_its_users_is_not_followed(on, peer) -> None:
    async def body(bench: Bench) -> None:
        def away(types: dict[str, Any]) -> dict[str, Any]:
            return {
                **types,
                "Resources": [{**r, "endpoint": "//evil.test/Users"} for r in types["Resources"]],
            }

        peer.door.faults = [Fault("GET", "/ResourceTypes", times=9, twist=away)]
        await owned(bench, "triage")
        run = await bench.apply()
        assert run.state == "FAILED" and not peer.users()

    on(body)


def test_a_refused_token_is_told_without_being_shown(sqlite_url, clock) -> None:
    with scim_peer() as peer:
        peer.token = TOKEN + "-old"

        async def body(bench: Bench) -> None:
            with pytest.raises(IdpError) as refused:
                await bench.idp.missing()
            assert refused.value.code == "scim-credentials" and not refused.value.transient
            assert TOKEN not in refused.value.text()

        on_peer(sqlite_url, clock, peer, body)


@pytest.mark.parametrize("answer", [[], 5, "x"])
def test_json_that_is_no_object_is_an_answer_that_cannot_be_read(on, peer, monkeypatch, answer) -> None:
    monkeypatch.setattr("scim_bridge.sync.draft.PATIENCE", 0)
    monkeypatch.setattr("scim_bridge.sync.idp.scim.finding.PATIENCE", 0)

    async def body(bench: Bench) -> None:
        await owned(bench, "triage")
        peer.door.faults = [
            Fault("GET", "/ServiceProviderConfig", twist=lambda _: answer),
            Fault("GET", "/Users", twist=lambda _: answer),
        ]
        with pytest.raises(IdpError, match="is no object"):
            await bench.plan()

    on(body)


def test_halves_of_characters_and_nul_in_an_answer_are_left_out(on, peer) -> None:
    """JSON can say them; neither a digest nor PostgreSQL takes them."""

    def odd(page: dict[str, Any]) -> dict[str, Any]:
        half = {"id": "x\ud800", "userName": "a\0b", "userType": "Agent", "displayName": "\ud83d"}
        return {**page, "Resources": [half], "totalResults": 1}

    async def body(bench: Bench) -> None:
        peer.door.faults = [Fault("GET", LIST, twist=odd)]
        await bench.plan()
        row = await bench.store.reads.one("SELECT remote_id FROM sb_stranger")
        assert row is not None and row["remote_id"] == "x?"

    on(body)


@pytest.mark.parametrize("said, kind", [("text/html", "a web page"), ("text/plain", "no JSON")])
def test_an_address_that_answers_with_a_web_page_is_told_as_no_scim_endpoint_at_once(
    on, peer, said: str, kind: str
) -> None:
    async def web(scope: Any, _receive: Any, send: Any) -> None:
        headers = [(b"content-type", said.encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"Welcome to the portal"})

    async def body(bench: Bench) -> None:
        agent_id = await owned(bench, "triage")
        await applied(bench)
        behind, peer.door.app = peer.door.app, web
        calls = len(peer.door.calls)
        run = await bench.apply()
        assert run.state == "FAILED" and kind in run.reason and "base_url" in run.reason
        assert "This is not a SCIM endpoint" in run.reason
        assert len(peer.door.calls) - calls <= 3, "nobody waits for a wrong address to become right"
        await bench.hold(agent_id, "admin")
        assert len(await bench.perform()) == 3, "what is to be written waits, whatever answers now"
        peer.door.app = behind
        await bench.perform()
        assert peer.user("triage@agents.test")["active"] is False

    on(body)
