"""Is a mapping one the IdP can take? Each row is held against its schema before anything is kept. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from scim_bridge.kernel.errors import Invalid
from scim_bridge.registry.connection_settings import nearest
from scim_bridge.sync.evaluation import evaluated
from scim_bridge.sync.expression import paths
from scim_bridge.sync.idp.port import Target
from scim_bridge.sync.mapping import DIRECTIONS, IN, LEAVE, MOST_ROWS, Row, Rule, fitted, rule_of
from scim_bridge.sync.sources import OPEN, PATHS, known

# Facts of an agent that a person may settle by taking the IdP's value.
SETTABLE = ("displayName", "purpose", "platform", "model", "version", "environment", "riskTier")


def checked(rows: Sequence[Row], targets: Mapping[str, Target]) -> list[Rule]:
    """The rules of these rows; Invalid names the row that is wrong, and what to do."""
    if len(rows) > MOST_ROWS:
        raise Invalid("mapping-rows", f"A mapping has at most {MOST_ROWS} rows.", "Say it with fewer.")
    return [_checked(number, row, rows, targets) for number, row in enumerate(rows, 1)]


def _checked(number: int, row: Row, rows: Sequence[Row], targets: Mapping[str, Target]) -> Rule:
    where = f"Row {number} ({row.target[:60]})"
    if row.direction not in DIRECTIONS:
        raise _wrong(where, f"has the direction {row.direction[:20]!r}", f"Use {' or '.join(DIRECTIONS)}.")
    target = targets.get(row.target)
    if target is None:
        raise _wrong(where, "is no attribute the IdP has", nearest(row.target, targets))
    if target.fixed:
        raise _wrong(where, f"cannot be mapped: {target.fixed}", "Take the row away.")
    try:
        rule = rule_of(row)
    except Invalid as error:
        raise _wrong(where, f"cannot be used: {error.message}", error.fix) from error
    if row.direction == IN:
        _check_in(where, row, rule)
    for path in (*(() if rule.value is None else paths(rule.value)), *paths(rule.condition)):
        if not known(path):
            raise _wrong(
                where,
                f"reads {path[:60]!r}, which no agent has",
                f"{nearest(path, PATHS)} Also {', '.join(f'{name}.…' for name in OPEN)}.",
            )
    if rule.value is not None and not list(paths(rule.value)):
        # The same for every agent: then it is known now whether the IdP can hold it.
        _value, note = fitted(evaluated(rule.value, {}), target)
        if note:
            raise _wrong(where, f"sets what the IdP cannot hold: {note}", "Write another value.")
    earlier = [one for one in rows[: number - 1] if one.target == row.target and not one.when.strip()]
    if earlier:
        raise _wrong(
            where, "never counts: an earlier row of this target always does", "Put the row with `when` first."
        )
    return rule


def _check_in(where: str, row: Row, rule: Rule) -> None:
    if row.source not in SETTABLE:
        raise _wrong(
            where,
            f"takes the IdP's value into {row.source[:40]!r}",
            f"With direction in, the source is one of {', '.join(SETTABLE)}.",
        )
    if rule.condition.kind != "always":
        raise _wrong(where, "has a condition", "A row of direction in counts always.")


def _wrong(where: str, what: str, fix: str) -> Invalid:
    return Invalid("mapping-row", f"{where} {what.rstrip('.')}.", fix)


def row_of(number: int, given: object) -> Row:
    """A row as a file or a program gives it: an object with target, source, direction, when."""
    names = {"target", "source", "direction", "when"}
    if not isinstance(given, Mapping) or not set(given) <= names or not given.get("target"):
        raise Invalid(
            "mapping-row", f"Row {number} is no row.", f"Write an object with {', '.join(sorted(names))}."
        )
    texts = {name: str(value) for name, value in given.items() if value is not None}
    if not texts.get("source"):
        raise Invalid(
            "mapping-row",
            f"Row {number} ({texts['target'][:60]}) has no source.",
            f"Write an expression, or {LEAVE} to leave the attribute to the IdP.",
        )
    return Row(**texts)
