"""Three-way comparison as a machine: edits here and there, syncs and decisions in any order, and what always holds."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from scim_bridge.registry.drift_rules import ASK, OURS, DriftRules
from scim_bridge.sync.desired import buried
from scim_bridge.sync.difference import difference
from scim_bridge.sync.drift import Drift, Reading, spared
from scim_bridge.sync.idp.port import DesiredAgent, Observed, Wanted
from scim_bridge.sync.pushed import Pushed, remembered
from scim_bridge.sync.sameness import same
from scim_bridge.sync.since_planned import left_to_do

NAMES = ("a", "b")
values = st.sampled_from([None, "x", "y", "z"])
names = st.sampled_from(NAMES)


def live() -> DesiredAgent:
    dead = buried("a1", "triage", "t@agents.test")
    return DesiredAgent(**{**{name: getattr(dead, name) for name in dead.__slots__}, "deleted": False})


class ThreeWay(RuleBasedStateMachine):
    """One agent with two attributes: of `a` somebody is asked, of `b` the registry decides."""

    def __init__(self) -> None:
        super().__init__()
        self.here: dict[str, Any] = {"a": "x", "b": "x"}
        self.there: dict[str, Any] = {"a": "x", "b": "x"}
        self.pushed = Pushed("a1", "r1", {"a": "x", "b": "x"})
        self.reading = Reading({"a": "purpose", "b": "platform"}, DriftRules({"purpose": ASK}))
        self.agent = live()

    def drifts(self) -> dict[str, Drift]:
        found = self.reading.drifts(self.agent, Wanted(self.here), self.observed, self.pushed)
        return {each.attribute: each for each in found}

    @property
    def observed(self) -> Observed:
        return Observed("r1", "a1", "t", dict(self.there))

    @rule(name=names, value=values)
    def edit_here(self, name: str, value: Any) -> None:
        self.here[name] = value

    @rule(name=names, value=values)
    def edit_there(self, name: str, value: Any) -> None:
        self.there[name] = value

    @rule(lost=st.booleans())
    def sync(self, lost: bool) -> None:
        waiting = self.drifts()
        wanted = spared(Wanted(dict(self.here)), waiting.values())
        change = difference(self.agent, wanted, self.observed, self.pushed).change
        before = dict(self.there)
        if change is not None:
            left = left_to_do(change, self.observed)
            self.there |= left.after
            if not lost:
                self.pushed = Pushed("a1", "r1", remembered(left, self.pushed))
        if "a" in waiting:
            assert self.there["a"] == before["a"], "what is asked about is not touched"
        assert same("b", self.there["b"], self.here["b"]), "what is ours is as we want it"
        if "a" not in waiting:
            assert same("a", self.there["a"], self.here["a"])

    @precondition(lambda self: "a" in self.drifts())
    @rule(take=st.booleans())
    def settle(self, take: bool) -> None:
        if take:
            self.here["a"] = self.there["a"]
        self.pushed = Pushed("a1", "r1", {**self.pushed.attributes, "a": self.there["a"]})
        assert "a" not in self.drifts()

    @invariant()
    def drift_is_what_differs_from_both(self) -> None:
        for name in NAMES:
            both = not same(name, self.there[name], self.pushed.attributes[name])
            assert (name in self.drifts()) is (both and not same(name, self.there[name], self.here[name]))
        assert all(each.rule == (ASK if name == "a" else OURS) for name, each in self.drifts().items())


TestThreeWay = ThreeWay.TestCase
TestThreeWay.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)
