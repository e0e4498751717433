"""Reading a file of budgets: every mistake with its line and what to write instead."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from scim_bridge.access.budget_model import (
    AGENT,
    CALLS,
    COST,
    DIMENSIONS,
    Breach,
    Budget,
    Limit,
    Match,
)
from scim_bridge.kernel.clock import DAY, HOUR, MINUTE, SECOND
from scim_bridge.kernel.errors import ConfigurationError
from scim_bridge.kernel.reading import Problem, Problems, Table, compose

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
RATE = re.compile(r"([1-9]\d{0,11})\s*/\s*([smhd])")
SPANS = {"s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY}
MOST = 10**9
# How far ahead of the clock a cell may run: instants and charges have to fit 63 bits of microseconds.
MOST_ROOM = 1000 * 365 * DAY
# Two limits of one budget are cells of their own; more than a few nobody means.
MOST_LIMITS = 4


def load_budgets(path: str) -> tuple[Budget, ...]:
    """The budgets of a file, none without one; ConfigurationError names the first mistake with its line."""
    if not path:
        return ()
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise ConfigurationError(
            "access.budgets", f"{path} cannot be read ({reason})", "Check the path."
        ) from error
    found, problems = parse(text)
    if problems:
        first = problems[0]
        more = f" ({len(problems) - 1} more)" if len(problems) > 1 else ""
        raise ConfigurationError(
            "access.budgets", f"{path}, line {first.line}: {first.message.rstrip('.')}{more}", first.fix
        )
    return found


def parse(text: str) -> tuple[tuple[Budget, ...], list[Problem]]:
    """The budgets a text says, and what is wrong with it, in the order of its lines."""
    problems = Problems()
    root: Any = compose(text, problems)
    if root is None:
        if not problems.found:
            problems.found.append(
                Problem(1, "The file is empty.", "Leave the setting out to have no budgets.")
            )
        return (), problems.found
    table = Table(root, "", problems)
    if table.number("version", 1, 1) != 1:
        problems.add(root, "version is not 1.", "Write version: 1.")
    own = table.table("budgets")
    if own is None:
        problems.add(root, "There is no table 'budgets'.", "Write budgets: and one name below it for each.")
    found = [] if own is None else [_budget(name, entry) for name, entry in own.tables()]
    table.rest()
    return tuple(found), sorted(problems.found, key=lambda problem: problem.line)


def _budget(name: str, table: Table) -> Budget:
    if not NAME.fullmatch(name):
        table.problems.add(table.node, f"{name[:40]!r} is no name.", "Use a-z, 0-9 and -, 63 at most.")
    limits = [limit for entry in table.items("limits") if (limit := _limit(entry)) is not None]
    if not limits or len(limits) > MOST_LIMITS:
        table.problems.add(
            table.node,
            f"budgets.{name} has {len(limits)} limits.",
            f"Give it 1 to {MOST_LIMITS}: limits: [{{rate: 100/h, burst: 20}}]",
        )
    made = Budget(
        name,
        tuple(limits),
        table.words("per", (AGENT,), (*DIMENSIONS, "everybody")),
        table.word("counts", CALLS, (CALLS, COST)),
        _match(table.table("when")),
        _breach(table.table("breach")),
        table.word("about", ""),
    )
    table.rest()
    if "everybody" in made.per:
        if len(made.per) > 1:
            table.problems.add(table.node, f"budgets.{name}.per says more than everybody.", "Keep one.")
        return Budget(made.name, made.limits, (), made.counts, made.match, made.breach, made.about)
    return made


def _limit(table: Table) -> Limit | None:
    said = table.word("rate", "")
    match = RATE.fullmatch(said)
    if match is None:
        table.problems.add(table.node, f"The rate is {said[:40]!r}.", "Write 10/s, 100/m, 500/h or 2000/d.")
    count, span = (int(match[1]), SPANS[match[2]]) if match else (1, SECOND)
    burst = table.number("burst", count, MOST)
    if burst < 1:
        table.problems.add(table.node, "burst is 0, so nothing would ever pass.", "Write 1 or more.")
    if count > MOST or span // count == 0:
        table.problems.add(table.node, f"{said[:40]!r} is more than this counts.", "Write at most 1000000/s.")
    table.rest()
    made = Limit(count, span, burst)
    if made.room > MOST_ROOM:
        most = f"Write a burst of at most {MOST_ROOM // made.interval}."
        table.problems.add(table.node, f"A burst of {burst} takes longer than 1000 years to come back.", most)
    return made if match else None


def _match(table: Table | None) -> Match:
    if table is None:
        return Match()
    made = Match(*(frozenset(table.words(key, ())) for key in Match.__slots__))
    table.rest()
    return made


def _breach(table: Table | None) -> Breach | None:
    if table is None:
        return None
    made = Breach(table.number("hold_after", 20, MOST), table.duration("within", 10 * MINUTE))
    if made.after < 1 or made.within < 1:
        table.problems.add(table.node, "breach holds after nothing.", "Write {hold_after: 20, within: 10m}.")
    table.rest()
    return made
