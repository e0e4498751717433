"""Lists that we share with others at an IdP: ours is put right, theirs never touched; and what is kept of a tenant."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from scim_bridge.kernel.work import Actor, Store, Work
from scim_bridge.registry.connections import create_connection
from scim_bridge.registry.drift_rules import DriftRules
from scim_bridge.registry.groups import add_members, create_group
from scim_bridge.sync.desired import buried
from scim_bridge.sync.difference import difference
from scim_bridge.sync.drift import Reading
from scim_bridge.sync.facts import remember
from scim_bridge.sync.features import features_of, keep
from scim_bridge.sync.groups import groups_to_push, managed_groups
from scim_bridge.sync.idp.port import Feature, ObjectChange, Observed, Wanted
from scim_bridge.sync.pushed import Pushed, announced, remembered
from scim_bridge.sync.since_planned import left_to_do, moved
from tests.conftest import MASTER, TESTER

NAMES = st.sets(st.sampled_from("abcdef"))
LIVE = replace(buried("a1", "triage", "triage@agents.test"), deleted=False, enabled=True)


def _round(there: set[str], ours: set[str], wanted: set[str]) -> tuple[set[str], set[str]]:
    """What is there, and what of it is ours, after one plan was applied."""
    pushed = Pushed("a1", "r1", {"groups": sorted(ours)})
    want = Wanted({"groups": sorted(wanted)})
    found = difference(LIVE, want, Observed("r1", "a1", "triage", {"groups": sorted(there)}), pushed)
    change = found.change or ObjectChange("a1", "triage", "", "r1", wanted=dict(want.attributes))
    return set(change.after.get("groups", there)), set(remembered(change, pushed)["groups"])


@given(there=NAMES, ours=NAMES, wanted=NAMES)
def test_what_is_wanted_is_there_and_what_others_put_there_stays(there, ours, wanted) -> None:
    after, kept = _round(there, ours & there, wanted)
    assert wanted <= after
    foreign = there - ours
    assert foreign <= after and after == wanted | foreign
    assert kept == wanted - foreign, "what others had put there is not ours by our wanting it too"
    assert _round(after, kept, wanted) == (after, kept), "a second plan is empty"
    assert _round(after, kept, set())[0] == foreign, "we take away exactly what we added"


@given(there=NAMES, ours=NAMES, wanted=NAMES, cut=NAMES)
def test_an_attempt_that_was_cut_off_is_gone_on_with_and_what_it_added_is_ours(
    there, ours, wanted, cut
) -> None:
    pushed = Pushed("a1", "r1", {"groups": sorted(ours & there)})
    found = difference(
        LIVE, Wanted({"groups": sorted(wanted)}), Observed("r1", "a1", "t", {"groups": sorted(there)}), pushed
    )
    if found.change is None:
        return
    after = set(found.change.after["groups"])
    halfway = there & after | (after - there) & cut | (there - after) & cut
    seen = Observed("r1", "a1", "t", {"groups": sorted(halfway)})
    known = replace(pushed, begun=announced(found.change, pushed))
    assert moved(found.change, seen) == ""
    left = left_to_do(found.change, seen)
    assert set(remembered(left, known)["groups"]) == wanted - (there - ours)


@given(there=NAMES, ours=NAMES, wanted=NAMES)
def test_only_what_we_added_and_still_want_and_is_gone_was_changed_by_others(there, ours, wanted) -> None:
    found = Reading({}, DriftRules()).drifts(
        LIVE,
        Wanted({"groups": sorted(wanted)}),
        Observed("r1", "a1", "triage", {"groups": sorted(there)}),
        Pushed("a1", "r1", {"groups": sorted(ours)}),
    )
    taken = ours & wanted - there
    assert bool(found) == bool(taken)
    assert all(set(each.theirs) == ours & wanted & there for each in found)


def test_only_chosen_groups_are_told_and_not_those_the_connection_itself_told(on_store) -> None:
    async def body(store: Store) -> None:
        async def prepare(work: Work):
            work.bookkeeping("test")
            there = await create_connection(
                work, MASTER, "okta", "okta", settings={"push_groups": "payments; B; b-2"}
            )
            for name in ("Payments", "Reports", "B"):
                made = await create_group(work, {"displayName": name}, origin="test")
                await add_members(work, made.id, [("a1", None)])
            await remember(work, there.id, "a1", "r1", {"groups": ["Old"]})
            return there

        there = await store.transact(TESTER, prepare)

        okta = Actor("connection", there.id, there.name, there.id)

        async def told(work: Work) -> None:
            made = await create_group(work, {"displayName": "B-2"}, origin="test")
            await add_members(work, made.id, [("a2", None)])

        await store.transact(okta, told)
        assert await groups_to_push(store.reads, there, ["a1", "a2"]) == {"a1": ["B", "Payments"]}
        assert await managed_groups(store.reads, there) == ["B", "B-2", "Old", "Payments"]

    on_store(body)


def test_features_are_kept_in_their_order_and_replaced_whole(on_store) -> None:
    async def body(store: Store) -> None:
        there = await store.transact(TESTER, lambda work: create_connection(work, MASTER, "okta", "okta"))
        first = [Feature("users", True), Feature("AI agents", False, "not enabled")]
        await store.transact(TESTER, lambda work: keep(work, there, first))
        await store.transact(TESTER, lambda work: keep(work, there, first))
        found = await features_of(store.reads, there.id)
        assert [feature for feature, _ in found] == first
        await store.transact(TESTER, lambda work: keep(work, there, first[:1]))
        assert [feature for feature, _ in await features_of(store.reads, there.id)] == first[:1]
        rows = await store.reads.all("SELECT 1 AS x FROM sb_audit WHERE action = 'connection.probed'")
        assert len(rows) == 2

    on_store(body)
