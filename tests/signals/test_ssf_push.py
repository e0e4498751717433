"""Promises of the door for pushed security events (RFC 8935): only genuine ones count, each once."""

from __future__ import annotations

import asyncio

from scim_bridge.kernel.clock import DAY, SECOND
from scim_bridge.registry.signal import DELETED, LEFT, RETURNED
from scim_bridge.sandbox.ssf.sets import FLAWS
from scim_bridge.signals import set_up, ssf_pulse, ssf_routes, stream_keys
from tests.conftest import TESTER

ERRS = {
    "forged-signature": "authentication_failed",
    "tampered": "authentication_failed",
    "unsigned": "authentication_failed",
    "unknown-key": "invalid_key",
    "no-key-id": "invalid_key",
    "wrong-algorithm": "invalid_key",
    "wrong-issuer": "invalid_issuer",
    "wrong-audience": "invalid_audience",
}


def test_an_account_that_is_disabled_is_a_leave_once_however_often_it_is_told(on_stage) -> None:
    async def test(stage) -> None:
        await stage.connect()
        jti = await stage.happen("account-disabled")
        assert (await stage.delivered(jti))["status"] == 202
        for _ in range(2):
            await stage.steer("/again", jti=jti)
            assert (await stage.delivered(jti))["status"] == 202, "a duplicate is acknowledged again"
        (signal,) = stage.seen
        assert (signal.kind, signal.person_id, signal.source) == (LEFT, stage.ids["maria"], "ssf:acme")
        assert (signal.at, signal.immediate) == (stage.clock.now(), False)
        door = await stage.door()
        assert (door.kind, door.events, door.lag, door.trouble) == ("ssf-push", 1, 0, "")

    on_stage(test)


def test_an_event_with_a_flaw_is_refused_as_the_rfc_says_audited_and_nothing_happens(on_stage) -> None:
    async def test(stage) -> None:
        await stage.connect()
        before = stage.clock.now() // SECOND - 60
        for number, flaw in enumerate(FLAWS, start=1):
            jti = await stage.happen("account-disabled", flaw=flaw, jti=f"told-{flaw}", at=before)
            told = await stage.delivered(jti)
            assert (told["status"], told["err"]["err"]) == (400, ERRS.get(flaw, "invalid_request")), flaw
            assert set(told["err"]) == {"err", "description"} and told["err"]["description"]
            rows = await stage.audited("signal.refused")
            assert len(rows) == number, flaw
            row = rows[-1]
            assert (row["outcome"], row["actor_kind"], row["detail"]["door"]) == (
                "refused",
                "anonymous",
                "ssf:acme",
            )
        assert not stage.seen
        assert await stage.store.reads.one("SELECT 1 AS x FROM sb_signal") is None
        # A forgery does not use up the id of the genuine one.
        await stage.happen("account-disabled", jti="told-tampered")
        await stage.delivered("told-tampered")
        assert len(stage.seen) == 1

    on_stage(test)


def test_an_event_that_was_overtaken_on_its_way_takes_nothing_back(on_stage) -> None:
    async def test(stage) -> None:
        await stage.connect()
        now = stage.clock.now() // SECOND
        await stage.delivered(await stage.happen("account-disabled", at=now - 10))
        await stage.delivered(await stage.happen("account-enabled", at=now - 60))
        assert [signal.kind for signal in stage.seen] == [LEFT]
        (row,) = await stage.audited("signal.overtaken")
        assert row["detail"]["kind"] == RETURNED
        await stage.delivered(await stage.happen("account-enabled", at=now))
        await stage.delivered(await stage.happen("account-disabled", at=now - 5))
        assert [signal.kind for signal in stage.seen] == [LEFT, RETURNED]
        hijacked = await stage.happen("account-disabled", at=now - 5, payload={"reason": "hijacking"})
        await stage.delivered(hijacked)
        assert stage.seen[-1].immediate, "who leaves at once is stopped whatever was said later"

    on_stage(test)


def test_an_event_that_waited_for_weeks_still_counts_with_the_time_it_tells(on_stage) -> None:
    async def test(stage) -> None:
        await stage.connect()
        then = stage.clock.now() - 20 * DAY
        await stage.delivered(await stage.happen("account-purged", "ben", at=then // SECOND))
        (signal,) = stage.seen
        assert (signal.kind, signal.at, signal.effective_at) == (DELETED, then, then)
        assert (await stage.door()).lag == 20 * DAY

    on_stage(test)


def test_oktas_shape_is_read_and_its_news_of_sessions_and_credentials_is_noted(on_stage) -> None:
    async def test(stage) -> None:
        await stage.connect()
        await stage.delivered(await stage.happen("account-disabled", shape="okta"))
        assert stage.seen[0].at == stage.clock.now(), "Okta tells milliseconds"
        change = {"credential_type": "ALL_FACTORS", "change_type": "revoke"}
        for event, payload in (("session-revoked", {}), ("credential-change", change)):
            await stage.delivered(await stage.happen(event, shape="okta", payload=payload))
        assert len(stage.seen) == 1, "nobody is gone because a session ended"
        noted = await stage.audited("signal.noted")
        assert [row["detail"]["event"] for row in noted] == ["session-revoked", "credential-change"]
        assert {row["subject_id"] for row in noted} == {stage.ids["maria"]}
        assert "ALL_FACTORS" not in str(noted)

    on_stage(test)


def test_a_new_signing_key_is_fetched_beside_the_requests_and_the_event_is_taken_when_it_comes_again(
    on_stage,
) -> None:
    async def test(stage) -> None:
        await stage.connect()
        await stage.steer("/rotate", withdraw=True)
        stage.clock.advance(seconds=61)
        jti = await stage.happen("account-disabled")
        for _ in range(100):
            if (await stage.sets())[-1]["attempts"]:
                break
            await asyncio.sleep(0.02)
        (waiting,) = await stage.sets()
        assert (waiting["status"], waiting["state"]) == (503, "waiting")
        assert await stage_refreshed(stage)
        stage.clock.advance(seconds=5)
        assert (await stage.delivered(jti))["status"] == 202
        assert len(stage.seen) == 1
        changed = await stage.audited("stream.keys_changed")
        assert [bool(row["detail"]["removed"]) for row in changed] == [False, True]

    on_stage(test)


def test_an_event_signed_with_a_key_made_right_after_the_keys_were_fetched_is_not_lost(on_stage) -> None:
    async def test(stage) -> None:
        await stage.connect()
        stage.clock.advance(seconds=2)
        await stage.steer("/rotate", withdraw=True)
        jti = await stage.happen("account-disabled")
        for _ in range(100):
            if (await stage.sets())[-1]["attempts"]:
                break
            await asyncio.sleep(0.02)
        (waiting,) = await stage.sets()
        assert (waiting["status"], waiting["state"]) == (503, "waiting"), "a refusal would be final"
        assert not await stage_refreshed(stage), "the transmitter is asked once a minute at most"
        stage.clock.advance(seconds=60)
        assert await stage_refreshed(stage)
        assert (await stage.delivered(jti))["status"] == 202
        assert len(stage.seen) == 1
        # A key that was not published by the time of the fetch is none.
        stage.clock.advance(seconds=30)
        at = stage.clock.now() // SECOND - 70
        forged = await stage.happen("account-disabled", flaw="unknown-key", at=at)
        assert (await stage.delivered(forged))["err"]["err"] == "invalid_key"

    on_stage(test)


async def stage_refreshed(stage) -> int:
    return await stream_keys.refresh(stage.ctx)


def test_a_verification_goes_round_and_a_state_nobody_asked_for_is_refused(on_stage) -> None:
    async def test(stage) -> None:
        await stage.connect()
        assert (await stage.door()).heard is None
        stage.clock.advance(seconds=7)
        await set_up.verify(stage.ctx, TESTER, "acme")
        (one,) = await stage.sets()
        await stage.delivered(one["jti"])
        found = await stage.stream()
        assert found.verified == found.verify_asked == stage.clock.now()
        assert (await stage.door()).heard == stage.clock.now()
        await stage.steer("/again", jti=one["jti"])
        assert (await stage.delivered(one["jti"]))["status"] == 202
        other = await stage.happen("verification", payload={"state": "not ours"})
        assert (await stage.delivered(other))["err"]["err"] == "invalid_request"

    on_stage(test)


def test_a_pushed_stream_proves_by_the_hour_that_it_comes_and_silence_is_trouble_and_a_gap(on_stage) -> None:
    async def test(stage) -> None:
        await stage.connect()
        assert [await ssf_pulse.beat(stage.ctx) for _ in range(2)] == [1, 0]
        await stage.delivered((await stage.sets())[-1]["jti"])
        assert (await stage.door()).heard == stage.clock.now()
        stage.clock.advance(seconds=3600)
        await stage.steer("/loses", on=True)
        assert await ssf_pulse.beat(stage.ctx) == 1
        stage.clock.advance(seconds=599)
        assert await ssf_pulse.beat(stage.ctx) == 0
        stage.clock.advance(seconds=1)
        assert await ssf_pulse.beat(stage.ctx) == 1
        door = await stage.door()
        assert "did not arrive" in door.trouble and len(door.gaps) == 1
        await stage.steer("/again", jti=(await stage.sets())[-1]["jti"])
        await stage.delivered((await stage.sets())[-1]["jti"])
        assert (await stage.door()).trouble == ""
        stage.clock.advance(seconds=3600)
        assert sum(await asyncio.gather(*(ssf_pulse.beat(stage.ctx) for _ in range(3)))) == 1

    on_stage(test)


def test_a_stream_its_transmitter_stops_is_trouble_and_a_gap_until_it_goes_on(on_stage) -> None:
    async def test(stage) -> None:
        await stage.connect()
        for status, reason in (("paused", ""), ("disabled", "too many errors")):
            await stage.steer("/status", status=status, reason=reason)
            await stage.delivered((await stage.sets())[-1]["jti"])
            door = await stage.door()
            assert status in door.trouble and reason in door.trouble
            assert (await stage.stream()).status == status
        assert len(door.gaps) == 1
        await stage.steer("/status", status="enabled")
        await stage.delivered((await stage.sets())[-1]["jti"])
        assert (await stage.door()).trouble == ""
        assert len(await stage.audited("stream.status")) == 3

    on_stage(test)


def test_a_push_without_the_agreed_header_or_in_another_form_is_refused(on_stage) -> None:
    async def test(stage) -> None:
        await stage.connect()
        media = {"content-type": "application/secevent+jwt"}
        answer = await stage.push(b"a.b.c", media)
        assert (answer.status_code, answer.json()["err"]) == (400, "authentication_failed")
        assert answer.headers["content-language"] == "en"
        await set_up.by_hand(stage.ctx, TESTER, await stage.stream(), None, open_to_all=True)
        for body, headers in ((b"a.b.c", {"content-type": "text/plain"}), (b"a.b.c", media), (b"", media)):
            answer = await stage.push(body, headers)
            assert (answer.status_code, answer.json()["err"]) == (400, "invalid_request")
        answer = await stage.push(b"x" * 70_000, media)
        assert (answer.status_code, answer.json()["err"]) == (400, "invalid_request")

    on_stage(test)


def test_a_flood_of_forgeries_stops_filling_the_audit(on_stage, monkeypatch) -> None:
    monkeypatch.setattr(ssf_routes, "REFUSALS_A_MINUTE", 4)

    async def test(stage) -> None:
        await stage.connect()
        media = {"content-type": "application/secevent+jwt"}
        answers = [(await stage.push(b"a.b.c", media)).status_code for _ in range(6)]
        assert answers == [400] * 4 + [429] * 2
        assert len(await stage.audited("signal.refused")) == 4

    on_stage(test)
