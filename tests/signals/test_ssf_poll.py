"""Promises of polling for security events (RFC 8936): taken before acknowledged, acknowledged until that is heard."""

from __future__ import annotations

import asyncio

from scim_bridge.registry.signal import LEFT, RETURNED
from scim_bridge.signals import stream_keys
from scim_bridge.signals.poll_state import PAUSE
from scim_bridge.signals.streams import POLL

SECONDS = PAUSE // 1_000_000


async def states(stage) -> dict[str, str]:
    return {one["jti"]: one["state"] for one in await stage.sets()}


async def acks(stage) -> list[tuple[list[str], list[str]]]:
    """What each poll so far acknowledged, and what it said could not be taken."""
    calls = await asyncio.to_thread(
        lambda: stage.sandbox.control.get("/journal?direction=in").json()["calls"]
    )
    polls = [call["request_body"] for call in calls if "/ssf/poll/" in call["url"]]
    return [(sorted(body.get("ack", [])), sorted(body.get("setErrs", {}))) for body in polls]


def test_events_are_taken_in_their_order_and_acknowledged_in_the_next_request(on_stage) -> None:
    async def test(stage) -> None:
        await stage.connect(POLL)
        now = stage.clock.now() // 1_000_000
        second = await stage.happen("account-enabled", at=now)
        first = await stage.happen("account-disabled", at=now - 60)
        assert await stage.poller().poll_due() == 1
        assert [signal.kind for signal in stage.seen] == [LEFT, RETURNED]
        assert await acks(stage) == [([], []), (sorted([first, second]), [])]
        assert set((await states(stage)).values()) == {"taken"}
        assert await stage.poller().poll_due() == 0, "not before its time"
        stage.clock.advance(seconds=SECONDS)
        assert await stage.poller().poll_due() == 1
        door = await stage.door()
        assert (door.kind, door.events, door.trouble) == ("ssf-poll", 2, "")
        assert door.heard == stage.clock.now()

    on_stage(test)


def test_a_process_that_ends_before_the_acknowledgement_takes_nothing_twice_and_loses_nothing(
    on_stage,
) -> None:
    async def test(stage) -> None:
        await stage.connect(POLL)
        jti = await stage.happen("account-disabled")
        # The second request, which would have acknowledged, never gets through.
        await set_faults(stage, [{"action": "drop_before", "path": "/ssf/poll", "after": 1}])
        assert await stage.poller().poll_due() == 1
        assert (len(stage.seen), (await states(stage))[jti]) == (1, "waiting")
        assert "broke" in (await stage.door()).trouble
        stage.clock.advance(seconds=SECONDS)
        assert await stage.poller().poll_due() == 1
        assert (len(stage.seen), (await states(stage))[jti]) == (1, "taken")
        assert (await stage.door()).trouble == ""

    on_stage(test)


async def set_faults(stage, faults) -> None:
    answer = await asyncio.to_thread(lambda: stage.sandbox.control.put("/faults", json={"faults": faults}))
    assert answer.status_code == 200, answer.text


def test_what_cannot_be_taken_is_told_to_the_transmitter_once_and_audited(on_stage) -> None:
    async def test(stage) -> None:
        await stage.connect(POLL)
        forged = await stage.happen("account-disabled", flaw="forged-signature")
        late = await stage.happen("account-disabled", flaw="future")
        listed = await stage.happen("account-disabled", flaw="no-id")
        good = await stage.happen("account-disabled", "ben")
        await stage.poller().poll_due()
        assert [signal.person_id for signal in stage.seen] == [stage.ids["ben"]]
        assert await acks(stage) == [([], []), ([good], sorted([forged, late, listed]))]
        told = {one["jti"]: one["err"] for one in await stage.sets() if one["err"]}
        assert told[forged]["err"] == "authentication_failed"
        assert told[late]["err"] == told[listed]["err"] == "invalid_request"
        codes = sorted(row["detail"]["code"] for row in await stage.audited("signal.refused"))
        assert codes == ["set-claim", "set-future", "set-signature"]

    on_stage(test)


def test_more_than_a_page_is_fetched_in_one_turn(on_stage) -> None:
    async def test(stage) -> None:
        await stage.connect(POLL)
        for number in range(6):
            await stage.happen("session-revoked", "maria" if number % 2 else "ben")
        await stage.poller(events=4).poll_due()
        assert len(await stage.audited("signal.noted")) == 6
        assert set((await states(stage)).values()) == {"taken"}
        assert len(await acks(stage)) == 3

    on_stage(test)


def test_a_transmitter_that_refuses_us_is_trouble_asked_less_often_and_forgiven(on_stage) -> None:
    async def test(stage) -> None:
        await stage.connect(POLL)
        jti = await stage.happen("account-disabled")
        await set_faults(stage, [{"action": "status", "path": "/ssf/poll", "times": None, "status": 403}])
        for turns, wait in ((1, 5), (1, 9), (0, 1), (1, 0)):
            assert await stage.poller().poll_due() == turns
            stage.clock.advance(seconds=wait)
        assert "403" in (await stage.door()).trouble
        assert (await stage.door()).troubled is not None
        await set_faults(stage, [])
        stage.clock.advance(seconds=60)
        await stage.poller().poll_due()
        assert (await states(stage))[jti] == "taken"
        assert (await stage.door()).trouble == ""

    on_stage(test)


def test_several_replicas_take_an_event_once(on_stage) -> None:
    async def test(stage) -> None:
        await stage.connect(POLL)
        await stage.happen("account-disabled")
        turns = await asyncio.gather(*(stage.poller().poll_due() for _ in range(4)))
        assert sorted(turns) == [0, 0, 0, 1]
        assert len(stage.seen) == 1

    on_stage(test)


def test_a_key_that_is_not_known_yet_leaves_the_event_with_the_transmitter(on_stage) -> None:
    async def test(stage) -> None:
        await stage.connect(POLL)
        await stage.steer("/rotate")
        stage.clock.advance(seconds=61)
        jti = await stage.happen("account-disabled")
        await stage.poller().poll_due()
        assert (stage.seen, (await states(stage))[jti]) == ([], "waiting")
        await stream_keys.refresh(stage.ctx)
        stage.clock.advance(seconds=2)
        await stage.poller().poll_due()
        assert (len(stage.seen), (await states(stage))[jti]) == (1, "taken")

    on_stage(test)
