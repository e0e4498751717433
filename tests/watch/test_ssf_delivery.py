"""Promises of how the transmitter delivers: in order, again until it is acknowledged, and nothing is lost."""

from __future__ import annotations

from typing import Any

from scim_bridge.audit.record import record
from scim_bridge.kernel.work import Store, Work
from scim_bridge.watch import ssf_fill
from scim_bridge.watch.ssf_fill import fill
from scim_bridge.watch.ssf_poll import Polling
from scim_bridge.watch.ssf_push import given_up
from scim_bridge.watch.ssf_streams import set_status
from tests.conftest import TESTER, run_with_store
from tests.watch.receiver import receiver
from tests.watch.ssf_client import Client
from tests.watch.ssf_house import House, house
from tests.watch.ssf_told import RISC, STOPPED, short


def test_what_is_not_acknowledged_comes_again_and_what_is_refused_is_kept_with_its_reason(on_store) -> None:
    async def body(store: Store) -> None:
        async with house(store) as home:
            agent = await home.agent("one")
            client = await home.listener()
            await home.hold(agent)
            first, more = await client.poll(maxEvents=2)
            assert len(first) == 2 and more
            again, _ = await client.poll(maxEvents=2)
            assert list(again) == list(first)
            one, two = first
            errors = {two: {"err": "invalid_request", "description": "no\nsuch thing"}}
            rest, more = await client.poll(ack=[one, "unknown"], setErrs=errors)
            assert len(rest) == 2 and not more and not set(rest) & set(first)
            assert await client.poll(maxEvents=0, ack=list(rest)) == ({}, False)
            kept = await store.reads.all("SELECT jti, state, err, description FROM sb_tx_set")
            assert [tuple(row) for row in kept] == [(two, "refused", "invalid_request", "nosuch thing")]
            for wrong in (
                {"maxEvents": -1},
                {"maxEvents": "1"},
                {"ack": "x"},
                {"setErrs": []},
                {"setErrs": {"a": 1}},
            ):
                answer = await client.call("POST", client.stream["delivery"]["endpoint_url"], wrong)
                assert answer.status_code == 400

    on_store(body)


def test_a_poll_that_may_wait_is_answered_when_something_happens_or_its_time_is_over(
    sqlite_url, clock
) -> None:
    async def body(store: Store) -> None:
        async with house(store) as home:
            client = await home.listener()
            found = await ssf_fill_stream(store, client)
            polling = Polling(home.ctx, wait=0.0)
            from scim_bridge.watch.ssf_poll import Poll

            assert await polling.answer(TESTER, found, Poll()) == {"sets": {}, "moreAvailable": False}
            agent = await home.agent("one")
            assert agent and len((await polling.answer(TESTER, found, Poll()))["sets"]) == 1

    run_with_store(sqlite_url, clock, body)


async def ssf_fill_stream(store: Store, client: Client) -> Any:
    from scim_bridge.watch.ssf_streams import stream

    return await stream(store.reads, client.stream["stream_id"])


async def pushed(home: House, url: str) -> Client:
    client = await home.client()
    method = {"method": "urn:ietf:rfc:8935", "endpoint_url": url, "authorization_header": "Bearer agreed"}
    await client.create(delivery=method)
    await client.fetch_keys()
    return client


def test_pushes_go_one_after_the_other_and_wait_for_a_receiver_that_is_away(on_store) -> None:
    async def body(store: Store) -> None:
        with receiver() as there:
            async with house(store) as home:
                agent = await home.agent("one")
                client = await pushed(home, there.url)
                there.answers = [(202, {}), (503, {}), (202, {})]
                await home.hold(agent)
                assert await home.told() == [None, 1.0]
                store.clock.advance(seconds=2)
                await home.perform()
                bodies = [call.body.decode() for call in there.seen]
                assert len(bodies) == 5 and client.checked(bodies[1]).jti == client.checked(bodies[2]).jti
                heard = [one for one in map(client.heard, bodies) if one is not None]
                assert short(heard) == STOPPED
                call = there.seen[0].headers
                assert (
                    call["content-type"] == "application/secevent+jwt"
                    and call["accept"] == "application/json"
                )
                assert call["authorization"] == "Bearer agreed"
                assert await store.reads.all("SELECT 1 FROM sb_tx_set") == []
                found = await ssf_fill_stream(store, client)
                assert found.delivered == 4

    on_store(body)


def test_an_event_that_is_refused_is_kept_and_a_stream_that_is_refused_waits_until_it_is_resumed(
    on_store, monkeypatch
) -> None:
    from scim_bridge.kernel.outbound import Answer, Outbound

    turns: list[bytes | None] = []
    sent: list[bytes] = []
    real = Outbound.send

    async def send(self: Outbound, method: str, url: str, **said: Any) -> Answer:
        # The receiver on this machine answers no bodies: what it says in them is put in here, after the call.
        answer = await real(self, method, url, **said)
        sent.append(said["body"])
        body = turns.pop(0) if turns else None
        return answer if body is None else Answer(400, {}, body)

    monkeypatch.setattr(Outbound, "send", send)

    async def body(store: Store) -> None:
        sent.clear()
        with receiver() as there:
            async with house(store) as home:
                agent = await home.agent("one")
                client = await pushed(home, there.url)
                turns[:] = [b'{"err":"invalid_request","description":"what?"}', b'{"err":"invalid_key"}']
                await home.hold(agent)
                await home.told()
                found = await ssf_fill_stream(store, client)
                assert found.status == "paused" and "invalid_key" in found.reason and len(sent) == 2
                states = await store.reads.all("SELECT state, err FROM sb_tx_set ORDER BY position")
                assert [tuple(row) for row in states] == [
                    ("refused", "invalid_request"),
                    *[("queued", "")] * 3,
                ]
                dead = await store.reads.all(
                    "SELECT 1 FROM sb_effect WHERE kind = 'ssf.push' AND state = 'dead'"
                )
                assert len(dead) == 2
                await store.transact(
                    TESTER,
                    lambda work: set_status(
                        work, "https://bridge.test", found, "enabled", "", by_receiver=False
                    ),
                )
                await home.perform()
                told = [client.checked(one.decode()) for one in sent[2:]]
                # Nothing was lost, nothing changed places; that it goes on is told as well.
                assert [one for one in short(told) if one != "stream-updated"] == STOPPED[1:]
                assert "stream-updated" in short(told)

    on_store(body)


def test_an_event_that_an_admin_gives_up_does_not_stand_in_the_way_of_the_next(sqlite_url, clock) -> None:
    async def body(store: Store) -> None:
        with receiver() as there:
            async with house(store) as home:
                agent = await home.agent("one")
                client = await pushed(home, there.url)
                there.answers[:] = [(413, {})]
                await home.hold(agent)
                await home.told()
                there.answers[:] = [(202, {})]
                there.seen.clear()
                stopped = await ssf_fill_stream(store, client)
                assert stopped.status == "paused" and "413" in stopped.reason
                dead = await store.reads.one("SELECT id FROM sb_effect WHERE state = 'dead'")
                await store.transact(TESTER, lambda work: dropped(work, dead["id"]))
                await store.transact(
                    TESTER,
                    lambda work: set_status(
                        work, home.ctx.public_url, stopped, "enabled", "", by_receiver=True
                    ),
                )
                await home.perform()
                assert short([client.checked(one.body.decode()) for one in there.seen]) == STOPPED[1:]
                kept = await store.reads.all("SELECT state, err, description FROM sb_tx_set")
                assert [tuple(row) for row in kept] == [("refused", "dropped", "it is too large for them")]

    async def dropped(work: Work, effect_id: str) -> None:
        await given_up(work, effect_id, "it is too large for them")
        await record(work, "effect.dropped", "effect", effect_id, {})

    run_with_store(sqlite_url, clock, body)


def test_a_paused_streams_verification_is_fetched_before_all_that_waits(sqlite_url, clock) -> None:
    async def body(store: Store) -> None:
        async with house(store) as home:
            client = await home.listener()
            for number in range(3):
                await home.hold(await home.agent(f"a{number}"))
            await client.poll(maxEvents=1)
            stream_id = client.stream["stream_id"]
            await client.call("POST", "/ssf/status", {"stream_id": stream_id, "status": "paused"})
            await client.call("POST", "/ssf/verify", {"stream_id": stream_id, "state": "s"})
            found, more = await client.poll(maxEvents=1)
            assert short(list(found.values())) == ["verification"] and not more

    run_with_store(sqlite_url, clock, body)


def test_a_stream_that_nobody_empties_keeps_the_rest_in_the_audit_and_loses_nothing(
    on_store, monkeypatch
) -> None:
    monkeypatch.setattr(ssf_fill, "WINDOW", 4)
    monkeypatch.setattr(ssf_fill, "PAGE", 3)

    async def body(store: Store) -> None:
        async with house(store) as home:
            agents = [await home.agent(f"a{n}") for n in range(12)]
            client = await home.listener(events_requested=[f"{RISC}account-disabled"])
            for agent in agents:
                await home.hold(agent)
            await fill(home.ctx)
            await fill(home.ctx)
            row = await store.reads.one("SELECT COUNT(*) AS n FROM sb_tx_set")
            assert 4 <= row["n"] < 8
            assert [one.sub_id["sub"] for one in await client.everything()] == agents

    on_store(body)
