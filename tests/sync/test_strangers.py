"""Promises about objects that are nobody's: found, never merged by themselves, decided on by a person."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from scim_bridge.kernel.errors import BridgeError, Conflict, Invalid, NotFound, Refused
from scim_bridge.kernel.work import Store
from scim_bridge.sync import adopting
from scim_bridge.sync.idp.port import ENABLED, IdpError
from scim_bridge.sync.plan import changes_of
from scim_bridge.sync.run import run
from scim_bridge.sync.service import status
from tests.conftest import TESTER
from tests.sync.bench import Bench
from tests.sync.drift_bench import TellingIdp, audited, facts, strangers, written

OTHER = {"login": "helper@agents.test", "purpose": "helps", "owner": "omar@corp.test", ENABLED: True}


async def found(store: Store, **more: Any) -> tuple[Bench, TellingIdp, dict[str, Any]]:
    """Three agents of ours, and an object there that is nobody's."""
    bench, idp, _ = await written(store)
    idp.objects["x1"] = {**OTHER, **more}
    await bench.plan()
    return bench, idp, idp.objects["x1"]


async def decided(bench: Bench, verb: Any, *args: Any) -> Any:
    bench.store.clock.advance(seconds=1)  # type: ignore[attr-defined]
    return await bench.store.transact(TESTER, lambda work: verb(work, bench.connection, *args))


async def adopted(bench: Bench, remote: str, slug: str = "helper", owner: str = "") -> str:
    meaning = bench.idp.meaning()  # type: ignore[attr-defined]
    return str(await decided(bench, adopting.adopt_as, remote, slug, owner, "ours since today", meaning))


def test_what_is_nobodys_is_kept_with_where_it_came_from_until_it_is_gone(on_store) -> None:
    async def body(store: Store) -> None:
        bench, idp, there = await found(store)
        idp.objects["x2"] = {**OTHER, "login": "zombie@agents.test", "mark": "0199-unknown"}
        idp.objects["x3"] = {**OTHER, "login": "twin@agents.test", "mark": idp.objects["r001"]["mark"]}
        first = store.clock.now()
        store.clock.advance(seconds=60)
        plan = await bench.plan()
        assert plan.changes == 0, "nothing is done to them"
        assert plan.notes[-1] == "3 objects there are nobody's here: see sync strangers there."
        assert (await status(store.reads, bench.connection)).strangers == 3
        rows = {row.remote_id: row for row in await strangers(bench)}
        assert set(rows) == {"x1", "x2", "x3"} and rows["x2"].mark == "0199-unknown"
        one = rows["x1"]
        assert (one.name, one.owner, one.origin) == (
            "helper@agents.test",
            "omar@corp.test",
            "mallory@corp.test",
        )
        assert (one.first_seen, one.last_seen, one.made) == (first, store.clock.now(), 7)
        assert {subject for subject, _ in await audited(bench, "stranger.found")} == {"x1", "x2", "x3"}
        del idp.objects["x2"]
        await bench.plan()
        states = {row.remote_id: row.state for row in await strangers(bench, every=True)}
        assert states == {"x1": "open", "x2": "gone", "x3": "open"}
        idp.objects["x2"] = dict(there)
        await bench.plan()
        assert {row.state for row in await strangers(bench, every=True)} == {"open"}

    on_store(body)


def test_where_it_came_from_may_not_be_readable_and_a_short_listing_makes_nobody_gone(on_store) -> None:
    async def body(store: Store) -> None:
        bench, idp, _ = await written(store)
        idp.log_fails = IdpError("memory-403", "okta.logs.read is missing", transient=False)
        idp.objects["x1"] = dict(OTHER)
        await bench.plan()
        del idp.objects["x1"]
        idp.cut = True
        await bench.plan()
        (row,) = await strangers(bench)
        assert (row.origin, row.state) == ("", "open") and "okta.logs.read" in row.unknown

    on_store(body)


def test_origins_that_were_put_off_are_asked_for_later(on_store) -> None:
    async def body(store: Store) -> None:
        bench, idp, _ = await written(store)
        idp.log_fails = IdpError("memory-429", "too many", transient=True)
        for number in range(3):
            idp.objects[f"x{number}"] = {**OTHER, "login": f"x{number}@agents.test"}
        await bench.plan()
        assert {row.origin for row in await strangers(bench)} == {""}
        idp.log_fails = None
        await bench.plan()
        assert {(row.origin, row.unknown) for row in await strangers(bench)} == {("mallory@corp.test", "")}

    on_store(body)


def test_where_people_cannot_be_told_from_agents_nobody_is_a_stranger(on_store) -> None:
    async def body(store: Store) -> None:
        bench, idp, _ = await written(store)
        listing = idp.listing

        async def unsure():
            async for page in listing():
                yield replace(page, kindred=False)

        idp.listing = unsure  # type: ignore[method-assign]
        idp.objects["x1"] = {**OTHER, "login": "anna@corp.test"}
        idp.objects["x2"] = {**OTHER, "mark": "0199-unknown"}
        assert (await bench.plan()).changes == 0
        assert [row.remote_id for row in await strangers(bench)] == ["x2"]

    on_store(body)


def test_adopting_makes_an_agent_of_what_it_says_and_the_next_apply_marks_it(on_store) -> None:
    async def body(store: Store) -> None:
        bench, idp, there = await found(store, hobby="chess")
        agent_id = await adopted(bench, "x1")
        made = await facts(bench, "helper")
        assert (made.resource.name, made.extension["purpose"]) == ("helper@agents.test", "helps")
        assert made.owners.owner is not None and made.owners.owner.user_name == "omar@corp.test"
        assert (made.origin, made.resource.active, made.resource.id) == ("adopted:there", True, agent_id)
        assert "mark" not in there, "nothing is written there by adopting"
        plan = await bench.plan()
        (kept,) = await changes_of(store.reads, plan.id)
        assert (plan.creates, kept.change.action, kept.change.remote_id) == (0, "update", "x1")
        assert (await bench.apply(plan)).state == "OK"
        assert there["mark"] == agent_id and there["hobby"] == "chess" and there[ENABLED] is True
        assert (await bench.plan()).changes == 0 and len(idp.objects) == 4
        (row,) = await strangers(bench, every=True)
        assert (row.state, row.agent_id, row.decided_by) == ("adopted", agent_id, "tester")
        assert "ours since today" in (await audited(bench, "stranger.adopted"))[0][1]
        for again in (adopting.ignore, adopting.retire):
            with pytest.raises(Refused):
                await decided(bench, again, "x1", "no")

    on_store(body)


def test_what_no_agent_made_here_could_say_of_itself_is_not_adopted_and_says_why(on_store) -> None:
    async def body(store: Store) -> None:
        bench, _, there = await found(store, purpose="beeps \x07")
        with pytest.raises(Invalid, match=r"purpose of helper@agents\.test") as refusal:
            await adopted(bench, "x1")
        assert refusal.value.code == "adopt-value" and "U+0007" in refusal.value.message
        there["purpose"] = "beeps"
        await bench.plan()
        assert await adopted(bench, "x1")

    on_store(body)


def test_what_is_off_there_is_held_here_until_an_admin_resumes_it(on_store) -> None:
    async def body(store: Store) -> None:
        bench, _, there = await found(store, **{ENABLED: False})
        agent_id = await adopted(bench, "x1")
        (hold,) = (await facts(bench, "helper")).holds
        assert (hold.source, hold.code) == ("admin", "adopted") and "resume" in hold.release
        assert (await bench.apply()).state == "OK"
        await bench.hold(agent_id, "admin", release=True)
        await bench.perform()
        assert there[ENABLED] is False, "it was switched off there, and not by us"

    on_store(body)


def test_somebody_known_here_answers_for_what_is_adopted(on_store) -> None:
    async def body(store: Store) -> None:
        bench, _idp, _ = await found(store, owner="nobody@corp.test")
        agents = len(await store.reads.all("SELECT id FROM sb_agent"))
        for owner in ("", "stranger@corp.test"):
            with pytest.raises(BridgeError) as refusal:
                await adopted(bench, "x1", owner=owner)
            assert refusal.value.code in ("adopt-owner", "owner-unknown")
        assert len(await store.reads.all("SELECT id FROM sb_agent")) == agents
        await adopted(bench, "x1", owner="maria@corp.test")
        made = await facts(bench, "helper")
        assert made.owners.owner is not None and made.owners.owner.user_name == "maria@corp.test"
        with pytest.raises(NotFound):
            await adopted(bench, "r001")

    on_store(body)


def test_another_bridges_object_is_adopted_by_nobody(on_store) -> None:
    async def body(store: Store) -> None:
        bench, _idp, _ = await found(store, mark="0199-other-bridge")
        for _try in range(2):
            with pytest.raises(Refused) as refusal:
                await adopted(bench, "x1")
            assert "0199-other-bridge" in refusal.value.message
        await decided(bench, adopting.ignore, "x1", "the other bridge's")
        assert (await bench.plan()).notes == (), "it is spoken of no more"
        assert await strangers(bench) == []
        assert [row.state for row in await strangers(bench, every=True)] == ["ignored"]

    on_store(body)


def test_an_object_becomes_an_agents_that_is_there_only_when_somebody_says_so(on_store) -> None:
    async def body(store: Store) -> None:
        bench, idp, there = await found(store, purpose="the triage", display="Late")
        late = await bench.agent("late", None, user_name="late@agents.test")
        assert (await bench.plan()).creates == 1, "neither its address nor its name makes it the agent's"
        with pytest.raises(Conflict):
            await decided(bench, adopting.adopt_into, "x1", "triage", "")
        with pytest.raises(NotFound):
            await decided(bench, adopting.adopt_into, "x1", "nobody", "")
        await decided(bench, adopting.adopt_into, "x1", "late", "it is the same")
        plan = await bench.plan()
        assert (plan.creates, plan.updates) == (0, 1)
        assert (await bench.apply(plan)).state == "OK"
        assert (there["mark"], there["login"]) == (late, "late@agents.test") and len(idp.objects) == 4
        assert (await bench.plan()).changes == 0

    on_store(body)


def test_what_turns_out_to_be_an_agents_is_no_stranger_any_more(on_store) -> None:
    async def body(store: Store) -> None:
        bench, idp, _there = await found(store)
        await bench.agent("helper", None)
        plan = await bench.plan()
        assert (plan.creates, plan.updates) == (0, 1), "it bears exactly the agent's own login"
        (row,) = await strangers(bench, every=True)
        assert (row.state, row.reason) == ("adopted", "an agent here is found in it")
        assert len(idp.objects) == 4

    on_store(body)


def test_retiring_goes_through_the_plan_and_is_done_once(on_store) -> None:
    async def body(store: Store) -> None:
        bench, _idp, there = await found(store, mark="0199-unknown")
        await decided(bench, adopting.retire, "x1", "nobody knows it")
        assert there[ENABLED] is True
        plan = await bench.plan()
        (kept,) = await changes_of(store.reads, plan.id)
        assert (plan.retires, kept.change.action, kept.change.slug) == (1, "retire", "helper@agents.test")
        assert "nobody knows it" in kept.reasons[ENABLED]
        done = await bench.apply(plan)
        assert (done.state, there[ENABLED], there["mark"]) == ("OK", False, "0199-unknown")
        assert [row.state for row in await strangers(bench, every=True)] == ["retired"]
        assert len(await audited(bench, "stranger.retired")) == 1
        assert (await bench.plan()).changes == 0
        there[ENABLED] = True
        await bench.plan()
        assert [row.state for row in await strangers(bench)] == ["open"], (
            "switched on again: somebody has to look"
        )

    on_store(body)


def test_a_plan_of_retirements_is_held_by_the_brake_and_moved_ones_are_left_alone(on_store) -> None:
    async def body(store: Store) -> None:
        bench, idp, _ = await written(store)
        for number in range(3):
            idp.objects[f"x{number}"] = {**OTHER, "login": f"x{number}@agents.test"}
        await bench.plan()
        for number in range(3):
            await decided(bench, adopting.retire, f"x{number}", "clean up")
        plan = await bench.plan()
        assert (plan.state, plan.retires) == ("held", 3) and "would be retired" in plan.reason
        assert (await bench.apply(plan)).state == "HELD"
        started = await bench.apply(plan, release="agreed with Omar", perform=False)
        del idp.objects["x1"]
        await bench.perform()
        ended = await run(store.reads, started.id)
        assert (ended.done, ended.moved) == (2, 1)
        assert [idp.objects[one][ENABLED] for one in ("x0", "x2")] == [False, False]

    on_store(body)
