"""A connection's attribute mapping: rows over what an adapter would write by itself. Pure.

The first row of a target whose condition holds decides. It sets the target, or with the source `-` leaves it
to the IdP. Where no row counts, what the adapter writes by itself stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from scim_bridge.sync.evaluation import as_text, evaluated, holds
from scim_bridge.sync.expression import Node, condition_parsed, value_parsed
from scim_bridge.sync.idp.port import DesiredAgent, Target, Wanted
from scim_bridge.sync.sources import values_of

OUT = "out"
# The IdP's value counts, and drift may take it over here.
IN = "in"
DIRECTIONS = (OUT, IN)
# The source of a row that takes a target away from us.
LEAVE = "-"
MOST_ROWS = 100
# The fate of a row, kept before its target was found to be no mapping's: the adapter's own value stays.
FIXED = "fixed"


@dataclass(frozen=True, slots=True)
class Row:
    """One row as people write it. With direction `in` the source is the attribute of ours it is taken into."""

    target: str
    source: str
    direction: str = OUT
    when: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """A row that was read. `value` is None for a target that is left to the IdP."""

    row: Row
    value: Node | None
    condition: Node


@dataclass(frozen=True, slots=True)
class Step:
    """What became of one target for one agent: `fate` is default, set, left, taken in, unmet, refused or fixed."""

    target: str
    source: str
    when: str
    fate: str
    value: Any = None
    note: str = ""


def rule_of(row: Row) -> Rule:
    """A row, read; Invalid when one of its expressions makes no sense."""
    left = row.source == LEAVE or row.direction == IN
    return Rule(row, None if left else value_parsed(row.source), condition_parsed(row.when))


def traced(
    rules: Sequence[Rule], agent: DesiredAgent, wanted: Wanted, targets: Mapping[str, Target]
) -> list[Step]:
    """What becomes of every target, the adapter's own first, each row in its order."""
    values = values_of(agent)
    ruled = {rule.row.target for rule in rules}
    steps = [
        Step(name, targets[name].default if name in targets else "", "", "default", value)
        for name, value in wanted.attributes.items()
        if name not in ruled
    ]
    decided: set[str] = set()
    for rule in rules:
        row = rule.row
        if row.target in decided or not holds(rule.condition, values):
            steps.append(Step(row.target, row.source, row.when, "unmet"))
            continue
        decided.add(row.target)
        steps.append(_step(rule, values, targets.get(row.target)))
    for name in wanted.attributes:
        if name in ruled and name not in decided:
            source = targets[name].default if name in targets else ""
            steps.append(Step(name, source, "", "default", wanted.attributes[name]))
    return steps


def _step(rule: Rule, values: Mapping[str, Any], target: Target | None) -> Step:
    row = rule.row
    if target is not None and target.fixed:
        return Step(row.target, row.source, row.when, FIXED, note=target.fixed)
    if row.direction == IN:
        return Step(row.target, row.source, row.when, "taken in")
    if rule.value is None:
        return Step(row.target, row.source, row.when, "left")
    if target is None:
        why = "the IdP has no such attribute any more"
        return Step(row.target, row.source, row.when, "refused", note=why)
    value, note = fitted(evaluated(rule.value, values), target)
    return Step(row.target, row.source, row.when, "refused" if note else "set", value, note)


def fitted(value: Any, target: Target) -> tuple[Any, str]:
    """A value as the target can have it, or why it cannot. Texts are cut to its length, lists sorted."""
    found, note = _fitted(value, target)
    if found is None and not note and target.needed:
        return None, "the IdP lets no object be without it"
    return found, note


def _fitted(value: Any, target: Target) -> tuple[Any, str]:
    if value is None:
        return None, ""
    if target.several:
        items = value if isinstance(value, list) else [value]
        texts = sorted({text for item in items if (text := _cut(as_text(item), target.longest))})
        wrong = [text for text in texts if target.choices and text not in target.choices]
        return (None, _not_one_of(wrong[0], target)) if wrong else (texts or None, "")
    if target.kind == "boolean":
        text = as_text(value).casefold()
        return (
            (text == "true", "")
            if text in ("true", "false")
            else (None, f"{text[:40]!r} is not true or false")
        )
    if target.kind in ("integer", "number"):
        return _number(as_text(value), target.kind)
    text = _cut(as_text(value), target.longest)
    if target.choices and text not in target.choices:
        return None, _not_one_of(text, target)
    return text or None, ""


def _number(text: str, kind: str) -> tuple[Any, str]:
    try:
        # 2**53: what every JSON reader keeps exactly.
        number = int(text) if kind == "integer" else float(text)
        if abs(number) <= 2**53:
            return number, ""
    except (ValueError, OverflowError):
        pass
    return None, f"{text[:40]!r} is no number it can hold"


def _cut(text: str, longest: int) -> str:
    # NUL ends a string in places nobody sees.
    plain = text.replace("\0", "").strip()
    return plain[:longest].strip() if longest else plain


def _not_one_of(text: str, target: Target) -> str:
    return f"{text[:40]!r} is none of {', '.join(target.choices[:8])}"


def mapped(
    rules: Sequence[Rule], agent: DesiredAgent, wanted: Wanted, targets: Mapping[str, Target]
) -> Wanted:
    """What an agent should look like at the IdP with the mapping applied; a deleted one is not mapped."""
    if agent.deleted:
        return wanted
    attributes, notes = dict(wanted.attributes), list(wanted.notes)
    for step in traced(rules, agent, wanted, targets):
        if step.fate == "set":
            attributes[step.target] = step.value
        elif step.fate in ("left", "taken in", "refused"):
            attributes.pop(step.target, None)
        if step.note:
            what = "is not mapped" if step.fate == FIXED else "is not written"
            notes.append(f"{agent.slug}: {step.target} {what}: {step.note}.")
    return replace(wanted, attributes=attributes, notes=tuple(notes))


def taken_in(rules: Sequence[Rule]) -> dict[str, str]:
    """The attributes of the IdP that drift may take over here, and into which of ours."""
    return {rule.row.target: rule.row.source for rule in rules if rule.row.direction == IN}
