"""The tables of a run, put into docs/explanation/performance.md or another page that has the two marks.

python -m tests.bench.report [bench-results.json [PAGE]]
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.bench.run import Results
from tests.bench.servers import REPOSITORY
from tests.bench.table import Row, shown, wanted_words

PAGE = REPOSITORY / "docs" / "explanation" / "performance.md"
RESULTS = REPOSITORY / "bench-results.json"
BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"
NAMES = {"sqlite": "SQLite", "postgresql": "PostgreSQL", "": ""}
MARKS = {"met": "✓", "missed": "✗", "failed": "failed", "": ""}
ABOUT = {
    "T1": "GET by id",
    "T2": "Equality filters",
    "T3": "The same in a large database",
    "T4": "Pages",
    "T5": "Totals",
    "T6": "Members of large groups",
    "T7": "Changes",
    "T8": "Many at once",
    "T9": "Reading while somebody imports",
    "T10": "Hard filters",
    "T11": "Beside other servers",
    "T11a": "Groups",
    "T11b": "The process",
    "T12": "Access decisions",
}


def machine(told: dict[str, Any]) -> Iterator[str]:
    """The machine of the run, in a few lines."""
    versions = ", ".join(f"{name} {number}" for name, number in told["versions"].items() if number)
    stores = "; ".join(
        f"{NAMES[name]} {facts['version']} ({facts['durable']})" for name, facts in told["databases"].items()
    )
    cores = f"{told['cpu']}, {told['cores']} cores, {told['memory_mb']:,} MB; {told['pinned']}"
    yield f"- {told['at']}, {told['system']}, {cores}."
    yield f"- Python {told['python']}; {versions}."
    yield f"- {stores}; files on {told['file_system']}."
    yield (
        f"- Runnable tasks a core: {told['load_before']} before, {told['load_after']} after."
        f" The client alone: {told['client_ceiling']:,} requests/s; hello: {told['hello']:,}/s."
    )


def tables(rows: Sequence[Row]) -> Iterator[str]:
    """A table a target: a line a measurement, a column a database."""
    for target, about in ABOUT.items():
        mine = [row for row in rows if row.target == target]
        if not mine:
            continue
        places = list(dict.fromkeys((row.backend, row.agents) for row in mine))
        heads = [f"{NAMES[backend]} {agents:,}".strip() if agents else "" for backend, agents in places]
        yield f"\n### {target}: {about}\n"
        yield f"| measured | wanted | {' | '.join(heads)} |"
        yield "|---|---|" + "---|" * len(heads)
        for what, beside in dict.fromkeys((row.what, row.beside) for row in mine):
            line = [row for row in mine if (row.what, row.beside) == (what, beside)]
            told = wanted_words(line[0]) or (f"told only, beside {beside}" if beside else "told only")
            cells = [_cell(line, place) for place in places]
            yield f"| {what} | {told} | {' | '.join(cells)} |"


def _cell(line: Sequence[Row], place: tuple[str, int]) -> str:
    row = next((each for each in line if (each.backend, each.agents) == place), None)
    if row is None:
        return ""
    if row.failed:
        return "failed"
    reached = shown(row.value, row.unit)
    if row.ratio is not None:
        reached = f"{row.ratio:.3g} × ({reached})"
    other = "" if wanted_words(row) == wanted_words(line[0]) else f" (wanted {_sign(row)} {row.wanted:g})"
    return f"{reached} {MARKS[row.verdict]}{other}".strip()


def _sign(row: Row) -> str:
    return {">=": "≥", "<=": "≤"}.get(row.sense, "")


def written(page: str, results: Results) -> str:
    """The page with the results in their place."""
    head, _, rest = page.partition(BEGIN)
    _, _, tail = rest.partition(END)
    lines = [*machine(results.machine), *tables(results.rows), *(f"\n{line}" for line in results.remarks)]
    return f"{head}{BEGIN}\n" + "\n".join(lines) + f"\n{END}{tail}"


def unexplained(page: str, rows: Iterable[Row]) -> list[str]:
    """Targets that are missed somewhere and have no paragraph that says why."""
    reasons = page.partition(END)[2]
    missed = dict.fromkeys(row.target for row in rows if row.verdict in ("missed", "failed"))
    return [target for target in missed if f"**{target}" not in reasons]


def main(arguments: Sequence[str]) -> int:
    """Write the page; 1 when a missed target has no paragraph yet."""
    results = Results.of_dict(json.loads((Path(arguments[0]) if arguments else RESULTS).read_text()))
    file = Path(arguments[1]) if len(arguments) > 1 else PAGE
    page = written(file.read_text(), results)
    file.write_text(page)
    missing = unexplained(page, results.rows)
    if missing:
        print(f"Missed, and the page does not say why: {', '.join(missing)}", file=sys.stderr)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
