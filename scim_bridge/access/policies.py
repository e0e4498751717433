"""Cedar policies ready to be asked, always with their schema.

A forbid that cannot be evaluated is skipped by Cedar, which would let through what it was written to
stop. So any error of any policy denies, and the answer says which one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cedarpy
import orjson

from scim_bridge.access.cedar import UTC_OFFICE, cedar_type, entities_of, request_of
from scim_bridge.access.check import notes_of, problems, resource_types
from scim_bridge.access.model import Decision, Facts, Question, Reason, denied
from scim_bridge.access.policy_file import PolicyText, read_policies
from scim_bridge.access.slices import Slices
from scim_bridge.access.source import tokens
from scim_bridge.access.words import EVERY_WORD, Words, words_of
from scim_bridge.kernel.calendar import Calendar
from scim_bridge.kernel.clock import iso
from scim_bridge.kernel.errors import ConfigurationError

POLICY = re.compile(r"policy `(policy\d+)`")


@dataclass(frozen=True, slots=True)
class Policies:
    """Policies ready to be asked. `ids` and `reasons` are by Cedar's own policy name; `types` are the
    schema's resource types. `rated`: some policy asks how often the agent asks."""

    text: PolicyText
    compiled: Slices
    schema: Any
    ids: Mapping[str, str]
    reasons: Mapping[str, str]
    types: frozenset[str]
    words: Words = EVERY_WORD
    calendar: Calendar = UTC_OFFICE
    version: int | None = None
    rated: bool = False

    def decide(self, facts: Facts, question: Question, now: int) -> Decision:
        """Ask the policies about an agent that nothing holds."""
        if cedar_type(question.resource_type) not in self.types:
            text = f"The policy schema has no resource type for {question.resource_type!r}."
            return denied("not-in-schema", text, facts)
        entities = orjson.dumps(entities_of(facts, question, now, self.words)).decode()
        request = request_of(facts, question, now, self.words, self.calendar)
        # Given as a text, the context is not written a second time by a slower writer.
        request["context"] = orjson.dumps(request["context"]).decode()
        # Every group that is written down, ended or not: a slice may hold more than it needs, never less.
        policies = self.compiled.of(request, facts.groups)
        result = cedarpy.is_authorized(request, policies, entities, self.schema)
        determined = sorted(result.diagnostics.reasons, key=lambda name: int(name.removeprefix("policy")))
        ids = tuple(self.ids[name] for name in determined)
        if result.decision == cedarpy.Decision.NoDecision:
            return Decision(False, tuple(_refused(error) for error in result.diagnostics.errors), (), facts)
        broken = tuple(self._broken(error) for error in result.diagnostics.errors)
        reasons = tuple(Reason(self.ids[name], self.reasons[name]) for name in determined)
        if broken:
            # What permits would have said is beside the point; what forbids said still counts.
            return Decision(False, broken + (() if result.allowed else reasons), ids, facts)
        if reasons:
            return Decision(result.allowed, reasons, ids, facts)
        return Decision(False, (_nothing_grants(facts, question, now),), (), facts)

    def _broken(self, error: str) -> Reason:
        found = POLICY.search(error)
        name = self.ids.get(found.group(1), "") if found else ""
        what = error.split(": ", 1)[-1]
        text = f"The policy {name} could not be evaluated ({what}), so the answer is no."
        return Reason(f"policy-error:{name}", text)


def _refused(error: str) -> Reason:
    """Cedar did not take the question: it uses words the schema does not have."""
    if "entity does not conform" in error or "entities" in error:
        what = error.rsplit("]: ", 1)[-1]
        return Reason("facts-not-in-schema", f"The schema does not take the facts of this question: {what}.")
    what = error.removeprefix("failed to build request: ")
    return Reason("not-in-schema", f"No policy can speak of this: {what}.")


def _nothing_grants(facts: Facts, question: Question, now: int) -> Reason:
    current = facts.granted(now)
    text = (
        f"Nothing grants {question.action!r} on {question.resource_type} {question.resource_id!r}"
        f" to {facts.slug}. Its groups: {', '.join(current) or 'none'}."
    )
    over = [f"{name} on {iso(facts.ends[name])}" for name in facts.groups if name not in current]
    return Reason("no-grant", f"{text} Ended: {', '.join(over)}." if over else text)


def load_policies(
    path: str | Path = "", sets: Sequence[str] = (), calendar: Calendar = UTC_OFFICE
) -> Policies:
    """Policies ready to be asked; ConfigurationError names the file, the line and the fix."""
    return replace(prepared(read_policies(path, sets)), calendar=calendar)


def prepared(text: PolicyText) -> Policies:
    """A text ready to be asked; ConfigurationError for the first thing that is wrong with it."""
    found = problems(text)
    if found:
        first = found[0]
        more = f" ({len(found) - 1} more)" if len(found) > 1 else ""
        raise ConfigurationError(
            "policies",
            f"{first.file or text.name}, line {first.line}: {first.message}{more}",
            f"{first.fix} See all with `scim-bridge policy check`.".strip(),
        )
    compiled = Slices(text.whole, text.schema)
    schema = cedarpy.Schema.from_str(text.schema)
    notes = notes_of(text.whole)
    ids = {name: note["id"] for name, note in notes.items()}
    reasons = {
        name: note.get("reason") or f"The policy {note['id']} {note['effect']}s it."
        for name, note in notes.items()
    }
    types = frozenset(kind for kind, _ in resource_types(text.schema))
    words = words_of(text.schema)
    rated = "rate" in words.context and any(token.text == "rate" for token in tokens(text.whole))
    return Policies(text, compiled, schema, ids, reasons, types, words, rated=rated)
