"""Promises of alerts: raised once with evidence, told by severity, muted for a reason, no flood of them."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from scim_bridge.kernel.clock import DAY, HOUR, SECOND, iso
from scim_bridge.kernel.effects import Dead, Done, Effect, Retry
from scim_bridge.kernel.errors import Invalid, NotFound, Refused
from scim_bridge.kernel.webhook import check
from scim_bridge.watch import alerts as watch
from scim_bridge.watch import muting
from scim_bridge.watch.activity_store import decided
from scim_bridge.watch.alert_delivery import handlers
from tests.conftest import TESTER, run_with_store
from tests.watch.activity import Sender, with_sender
from tests.watch.alerted import KEY, SECRET, settings, told_effects, trained
from tests.watch.receiver import receiver


def test_something_new_is_told_once_with_the_events_behind_it_and_not_again_when_it_was_learnt(
    on_store, clock
) -> None:
    async def body(sender: Sender) -> None:
        await trained(sender)
        clock.advance(days=1)
        odd = sender.event(resource="vault/root", action="export")
        await sender.sent(odd, sender.event(resource="tickets/4711"))
        found = {row["kind"]: row for row in await sender.looked(settings())}
        assert set(found) == {"new-resource", "new-action"}
        assert orjson.loads(found["new-resource"]["evidence"]) == [f"test {odd['id']}"]
        assert "vault/root" in found["new-resource"]["why"] and "export" in found["new-action"]["why"]
        assert {(one["route"], one["event"]) for one in await told_effects(sender)} == {
            ("siem", "alert.opened"),
            ("pager", "alert.opened"),
        }
        await sender.sent(sender.event(resource="vault/root", action="export"))
        again = await sender.looked(settings())
        assert len(again) == 2 and len(await told_effects(sender)) == 3, "seen again in the same hour"

        opened = [row["id"] for row in again]
        audited = await sender.store.reads.all("SELECT detail FROM sb_audit WHERE action = 'alert.opened'")
        assert {orjson.loads(row["detail"])["alert"] for row in audited} == set(opened)
        for alert_id in opened:
            await sender.store.transact(
                TESTER, lambda work, one=alert_id: watch.resolve(work, one, "it is meant")
            )
        await sender.sent(sender.event(resource="vault/root", action="export"))
        assert all(row["state"] == "resolved" for row in await sender.looked()), "not in this hour again"
        clock.advance(seconds=2 * 3600)
        await sender.sent(sender.event(resource="vault/root", action="export"))
        await sender.looked()
        clock.advance(seconds=2 * 3600)
        await sender.sent(sender.event(resource="vault/root", action="export"))
        assert len(await sender.looked()) == 2, "it is known by now"
        with pytest.raises(Refused):
            await sender.store.transact(TESTER, lambda work: watch.resolve(work, opened[0], "twice"))

    with_sender(on_store, clock, body)


def test_decisions_count_as_activity_and_stand_as_evidence(on_store, clock) -> None:
    async def body(sender: Sender) -> None:
        await trained(sender)
        agent = sender.agents["triage"]
        clock.advance(days=1)
        now = clock.now()
        sender.intake.count([decided(agent, now, "read", "tickets/4711", False) for _ in range(12)])
        await sender.intake.drained()
        assert not await sender.store.reads.all("SELECT 1 FROM sb_activity WHERE received = ?", now)

        async def logged(work: Any) -> None:
            work.bookkeeping("a decision of a test")
            columns = (
                "id, at, agent_id, subject, action, resource_type, resource_id, allowed, reasons, policies"
            )
            columns += ", caller_id, caller_name, request_id"
            values = ("d-1", now, agent, "triage", "read", "tickets", "4711", 0, "[]", "[]", "", "", "")
            await work.tx.run(
                f"INSERT INTO sb_decision ({columns}) VALUES ({', '.join('?' * len(values))})", *values
            )

        await sender.store.transact(TESTER, logged)
        [found] = await sender.looked()
        assert found["kind"] == "denials" and "12 of 12 calls were denied" in found["why"]
        assert orjson.loads(found["evidence"]) == ["decision d-1"]

    with_sender(on_store, clock, body)


def test_a_mute_keeps_the_alert_and_tells_nobody_until_it_ends(on_store, clock) -> None:
    async def body(sender: Sender) -> None:
        agent = sender.agents["triage"]

        async def muted(work: Any) -> str:
            return await muting.mute(work, agent, "undeclared-tool", "a trial of shell", work.now + DAY)

        mute = await sender.store.transact(TESTER, muted)
        await sender.sent(sender.event(tool="shell"))
        [found] = await sender.looked(settings())
        assert found["muted"] == mute and not await told_effects(sender)
        [listed] = await muting.mutes(sender.store.reads, clock.now())
        assert (listed["agent"], listed["reason"]) == ("triage", "a trial of shell")
        await sender.store.transact(TESTER, lambda work: muting.unmute(work, mute))
        await sender.sent(sender.event(tool="shell"))
        [found] = await sender.looked(settings())
        assert found["muted"] is None and {one["route"] for one in await told_effects(sender)} == {
            "siem",
            "pager",
        }
        for wrong in (
            (None, None, "why", clock.now() + DAY),
            (agent, "poem", "why", clock.now() + DAY),
            (agent, None, " ", clock.now() + DAY),
            (agent, None, "why", clock.now()),
        ):
            with pytest.raises(Invalid):
                await sender.store.transact(TESTER, lambda work, one=wrong: muting.mute(work, *one))

    with_sender(on_store, clock, body)


def test_an_id_that_is_none_finds_no_alert_on_either_back_end(on_store, clock) -> None:
    async def body(sender: Sender) -> None:
        await sender.sent(sender.event(tool="shell"))
        await sender.looked()
        odd = ["", "%", "______", "\0", "x\0y", "\ud800", "x" * 5000, "' OR 1=1 --", "-" * 36, "é" * 8]
        for one in odd:
            with pytest.raises(NotFound):
                await watch.alert(sender.store.reads, one)

    with_sender(on_store, clock, body)


def test_a_storm_of_strange_tools_and_addresses_is_an_alert_each_and_not_one_for_every_name(
    sqlite_url, clock
) -> None:
    async def body(sender: Sender) -> None:
        await trained(sender)
        clock.advance(days=1)

        def odd(part: int, n: int) -> dict[str, Any]:
            at = iso(clock.now() + (48 * part + n) * SECOND)
            tool, region = f"made-up-{part}-{n // 4}", f"r{n // 4}{n % 2}"
            return sender.event(resource="tickets/4711", tool=tool, region=region, time=at)

        for part in range(2):
            await sender.sent(*(odd(part, n) for n in range(48)))
            found = {row["kind"]: row for row in await sender.looked(settings())}
            assert len(await sender.store.reads.all("SELECT 1 FROM sb_alert")) == len(found)
            tools, places = found["undeclared-tool"], found["concurrency"]
            assert (tools["severity"], places["severity"]) == ("high", "high")
            assert "made-up-0-0" in tools["why"] and f"and {12 * (part + 1) - 5} more" in tools["why"]
            assert "r00 | r01" in places["why"] and "and 7 more" in places["why"]
            assert len(orjson.loads(tools["evidence"])) == len(orjson.loads(places["evidence"])) == 10
        told = [one["alert"] for one in await told_effects(sender) if one["route"] == "pager"]
        assert sorted(told) == sorted(set(told)), "once each"

    with_sender(lambda run: run_with_store(sqlite_url, clock, run), clock, body)


def test_each_route_is_told_in_its_own_way(on_store, clock) -> None:
    async def body(sender: Sender) -> None:
        await sender.sent(sender.event(tool="shell"))
        [found] = await sender.looked()
        with receiver() as there:
            chosen = settings(there.url)
            perform = handlers(sender.ctx, chosen)["alert"]

            def effect(route: str, event: str) -> Effect:
                said = {"alert": found["id"], "route": route, "event": event}
                return Effect(f"{route}-{event}", "alert", "l", found["agent_id"], None, said, 0, 0)

            for route in ("siem", "pager", "chat"):
                assert isinstance(await perform(effect(route, "alert.opened")), Done), route
            assert isinstance(await perform(effect("pager", "alert.resolved")), Done)
            got = {seen.path: seen for seen in there.seen if seen.path != "/pager"}
            assert (
                check(got["/siem"].headers, got["/siem"].body, [SECRET], clock.now()) == "siem-alert.opened"
            )
            assert orjson.loads(got["/siem"].body)["data"]["kind"] == "undeclared-tool"
            assert "shell" in orjson.loads(got["/chat"].body)["message"]
            opened, resolved = [orjson.loads(seen.body) for seen in there.seen if seen.path == "/pager"]
            assert opened["event_action"] == "trigger" and opened["routing_key"] == KEY
            assert opened["payload"]["severity"] == "warning" and opened["payload"]["source"] == "triage"
            assert resolved["event_action"] == "resolve" and resolved["dedup_key"] == opened["dedup_key"]
            there.answers = [(429, {"retry-after": "9"}), (400, {}), (500, {})]
            first = await perform(effect("pager", "alert.opened"))
            assert isinstance(first, Retry) and first.after == 9.0 and first.asked
            refused = await perform(effect("pager", "alert.opened"))
            assert isinstance(refused, Dead) and KEY not in refused.reason
            failed = await perform(effect("chat", "alert.opened"))
            assert isinstance(failed, Retry) and there.url not in failed.reason
            assert isinstance(await perform(effect("gone", "alert.opened")), Dead)

    with_sender(on_store, clock, body)


def test_last_activity_follows_and_the_version_rises_once_a_day_at_most(on_store, clock) -> None:
    async def body(sender: Sender) -> None:
        clock.advance(seconds=-(clock.now() % DAY) / 1_000_000 + 3600)

        async def stands() -> tuple[int, int | None]:
            row = await sender.store.reads.one(
                "SELECT r.version, a.last_activity FROM sb_resource r JOIN sb_agent a ON a.id = r.id"
                " WHERE r.id = ?",
                sender.agents["triage"],
            )
            return row["version"], row["last_activity"]

        before, _ = await stands()
        for _ in range(5):
            await sender.sent(sender.event())
            await sender.looked()
            clock.advance(seconds=1200)
        version, last = await stands()
        assert version == before + 1 and last == clock.now() - 1200 * 1_000_000
        clock.advance(days=1)
        await sender.sent(sender.event())
        await sender.looked()
        assert (await stands())[0] == before + 2
        shown = await sender.store.reads.one(
            "SELECT rendered FROM sb_resource WHERE id = ?", sender.agents["triage"]
        )
        assert iso(clock.now()).encode() in bytes(shown["rendered"])

    with_sender(on_store, clock, body)


def test_two_places_at_once_are_told_from_single_events(sqlite_url, clock) -> None:
    async def body(sender: Sender) -> None:
        await trained(sender, 15)
        clock.advance(seconds=DAY / 1_000_000 - (clock.now() % HOUR) / 1_000_000)
        for turn in range(4):
            clock.advance(seconds=60)
            await sender.sent(sender.event(resource="tickets/4711", region=("eu", "us")[turn % 2]))
        [found] = await sender.looked()
        assert (found["kind"], found["subject"]) == ("concurrency", "eu | us")
        assert len(orjson.loads(found["evidence"])) == 4

    with_sender(lambda run: run_with_store(sqlite_url, clock, run), clock, body)
