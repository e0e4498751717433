"""The file of departure policies: read once at start, every word checked, problems named by line and fix."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

from scim_bridge.departures.brake import BRAKE, Brake, Limits
from scim_bridge.departures.policy_words import RISK_TIERS, read_policies
from scim_bridge.departures.rules import Rules
from scim_bridge.kernel.errors import ConfigurationError
from scim_bridge.kernel.reading import Problem, Problems, Table, compose

PACKAGED = "the packaged default"
MOST = 1_000_000


def read(path: str | Path) -> tuple[str, str]:
    """(name, text) of the file a setting names, the packaged one when it is empty; ConfigurationError."""
    if not str(path):
        return PACKAGED, (files("scim_bridge.departures") / "default.yaml").read_text()
    try:
        return str(path), Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise ConfigurationError(
            "departures.policies", f"{path} cannot be read ({reason})", "Check the path."
        ) from error


def load_rules(path: str | Path = "") -> Rules:
    """The rules of an installation; ConfigurationError names the file, the line and the fix."""
    name, text = read(path)
    rules, problems = parse(text)
    if rules is None:
        first = problems[0]
        more = f" ({len(problems) - 1} more)" if len(problems) > 1 else ""
        raise ConfigurationError(
            "departures.policies",
            f"{name}, line {first.line}: {first.message.rstrip('.')}{more}",
            f"{first.fix} See all with `scim-bridge departures policy check FILE`.",
        )
    return rules


def parse(text: str) -> tuple[Rules | None, list[Problem]]:
    """The rules a text says, or what is wrong with it, in the order of its lines."""
    problems = Problems()
    root: Any = compose(text, problems)
    if root is None:
        if not problems.found:
            problems.found.append(Problem(1, "The file is empty.", "Leave the setting out for the default."))
        return None, problems.found
    table = Table(root, "", problems)
    if table.number("version", 1, 1) != 1:
        problems.add(root, "version is not 1.", "Write version: 1.")
    brake = _brake(table.table("brake"))
    policies = read_policies(table)
    table.rest()
    found = sorted(problems.found, key=lambda problem: problem.line)
    return (None if found else Rules(brake, policies)), found


def _brake(table: Table | None) -> Brake:
    if table is None:
        return BRAKE
    window = table.duration("window", BRAKE.window)
    if window <= 0:
        table.problems.add(table.node, "brake.window is nothing.", "Write a span such as 1h.")
    limits = _limits(table, BRAKE.limits)
    sources = {}
    own = table.table("sources")
    for name, entry in own.tables() if own is not None else ():
        sources[name] = _limits(entry, limits)
        entry.rest()
    made = Brake(
        window,
        limits,
        sources,
        table.number("urgent", BRAKE.urgent, MOST),
        frozenset(table.words("urgent_risk", sorted(BRAKE.urgent_risk), RISK_TIERS)),
        table.duration("announced", BRAKE.announced),
        table.number("second_above", BRAKE.second_above, MOST),
    )
    table.rest()
    return made


def _limits(table: Table, default: Limits) -> Limits:
    return Limits(
        table.number("owners", default.owners, MOST),
        table.number("owners_percent", default.owners_percent, 100),
        table.number("people_percent", default.people_percent, 100),
        max(1, table.number("least", default.least, MOST)),
    )
