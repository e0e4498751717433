"""The order of a run: fill, start, measure, and keep going when one row cannot be measured."""

from __future__ import annotations

import json
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tests.bench import decisions, during, filters, groups, once, reads, writes
from tests.bench.ceiling import ceiling
from tests.bench.compare import Pace
from tests.bench.databases import Databases, databases
from tests.bench.machine import facts, load
from tests.bench.peers.rows import peer_rows
from tests.bench.peers.start import NotHere, peer
from tests.bench.servers import Running, hello
from tests.bench.site import Site, site
from tests.bench.table import Place, Row

FILL_SECONDS = 300.0
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Options:
    """What to measure, and how long."""

    agents: list[int]
    backends: list[str]
    pace: Pace
    only: list[str]
    peers: list[str]
    peer_agents: int
    file: Path
    add: bool = False
    keep: Path | None = None
    busy: bool = False


@dataclass(slots=True)
class Results:
    """The rows of a run, and what a reader has to know about it."""

    machine: dict[str, Any] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """The results as JSON."""
        return {
            "machine": self.machine,
            "remarks": self.remarks,
            "rows": [row.as_dict() for row in self.rows],
        }

    @classmethod
    def of_dict(cls, made: dict[str, Any]) -> Results:
        """The results from their JSON."""
        return cls(made["machine"], [Row.of_dict(row) for row in made["rows"]], made["remarks"])


Step = tuple[tuple[str, ...], str, Callable[[], Iterable[Row]]]


class _Bench:
    def __init__(self, options: Options, tell: Tell, scratch: Path, hello_: Running) -> None:
        self._options = options
        self._pace = options.pace
        self._tell = tell
        self._scratch = scratch
        self._hello = hello_
        self.results = Results()

    def whole(self) -> None:
        """Everything that was asked for."""
        self.results.machine |= facts(self._options.keep or self._scratch)
        self.results.machine["load_before"] = round(load(), 2)
        self._ceiling()
        self._take(Place("", 0), [(("T10",), "filters", partial(filters.filter_rows, self._pace))])
        for name in self._options.backends:
            self._backend(name)
        self.results.machine["load_after"] = round(load(), 2)

    def _ceiling(self) -> None:
        client, served = ceiling(self._hello, self._pace)
        self.results.machine |= {"client_ceiling": round(client), "hello": round(served)}
        self._remark(
            f"The client itself could send {client:,.0f} requests a second; hello answered {served:,.0f}."
        )

    def _backend(self, name: str) -> None:
        with databases(name, self._options.keep) as source:
            self.results.machine.setdefault("databases", {})[name] = source.facts()
            with ExitStack() as stack:
                sites: list[Site] = []
                for agents in self._options.agents:
                    self._tell(f"{name}: a database of {agents:,} agents")
                    sites.append(stack.enter_context(site(source.filled(agents), name, agents)))
                for each in sites:
                    self._take(each.place, self._reading(each))
                if len(sites) > 1:
                    rows = partial(reads.size_rows, sites[0], sites[-1], self._pace)
                    self._take(sites[-1].place, [(("T3",), "sizes", rows)])
                for each in sites:
                    self._take(each.place, self._peers(each))
                for each in sites:
                    self._take(each.place, self._changing(each))
            for each in sites:
                self._take(each.place, [(("T11b",), "start", partial(once.start_rows, each, self._pace))])
            agents = self._options.agents[-1]
            rows = partial(once.import_rows, source, self._scratch, agents, self._pace)
            self._take(
                Place(name, agents),
                [
                    (("T8",), "importer", rows),
                    (("T12",), "decisions", partial(self._decided, source, agents)),
                ],
            )
            if name == "postgresql":
                replicas = partial(
                    decisions.replica_rows, source, self._scratch, self._options.agents[0], self._pace
                )
                self._take(Place(name, self._options.agents[0]), [(("T12",), "replicas", replicas)])

    def _reading(self, each: Site) -> Sequence[Step]:
        return [
            (("T1", "T2"), "finds", partial(reads.find_rows, each, self._hello, self._pace)),
            (("T4",), "pages", partial(reads.list_rows, each, self._hello, self._pace)),
            (("T5",), "totals", partial(reads.total_rows, each, self._pace)),
            (("T10",), "scans", partial(reads.scan_rows, each, self._pace)),
        ]

    def _changing(self, each: Site) -> Sequence[Step]:
        return [
            (("T6", "T11a"), "members", partial(groups.member_rows, each, self._pace)),
            (("T11a",), "groups", partial(groups.build_rows, each)),
            (("T7",), "changes", partial(writes.change_rows, each, self._hello, self._pace)),
            (("T8",), "Bulk", partial(writes.bulk_rows, each, self._pace)),
            (("T9",), "import", partial(during.import_rows, each, self._pace)),
            (("T7",), "active", partial(writes.hold_rows, each, self._hello, self._pace)),
            (("T11b",), "memory", partial(once.memory_rows, each)),
        ]

    def _peers(self, each: Site) -> Sequence[Step]:
        if each.agents > self._options.peer_agents:
            return []
        return [
            (("T11",), name, partial(self._beside, each, name))
            for name in self._options.peers
            if name != "casbin"
        ]

    def _decided(self, source: Databases, agents: int) -> Iterator[Row]:
        rows = partial(decisions.decision_rows, source, self._scratch, agents, self._pace)
        try:
            yield from rows("casbin" in self._options.peers)
        except NotHere as reason:
            self._remark(str(reason))
            yield from rows(False)

    def _beside(self, each: Site, name: str) -> Iterator[Row]:
        try:
            with peer(name, each.agents, FILL_SECONDS, self._scratch) as found:
                yield from peer_rows(each, found, self._pace)
        except NotHere as reason:
            self._remark(str(reason))

    def _take(self, place: Place, steps: Iterable[Step]) -> None:
        """Rows as they come; where they stop coming, a row that says why, and on with the next step."""
        for targets, what, rows in steps:
            if not set(targets) & set(self._options.only):
                continue
            self._tell(f"{place.backend} {place.agents or ''} {what} (load {load():.1f} a core)".strip())
            began = time.monotonic()
            try:
                for row in rows():
                    self._keep(row)
            except Exception as error:
                # One row that cannot be measured must not cost the others; it is shown as failed.
                self._tell(traceback.format_exc())
                self._keep(place.failed(targets[0], what, f"{type(error).__name__}: {error}"[:500]))
            self._tell(f"        {time.monotonic() - began:.0f} s")

    def _keep(self, row: Row) -> None:
        if row.target in self._options.only:
            self.results.rows.append(row)
            self._tell(f"  {row.target:5} {row.what}: {_short(row)}")

    def _remark(self, line: str) -> None:
        if line not in self.results.remarks:
            self.results.remarks.append(line)
            self._tell(line)


def _short(row: Row) -> str:
    if row.failed:
        return row.failed
    reached = f"{row.value:.4g} {row.unit}" + (
        "" if row.ratio is None else f", {row.ratio:.3g} × {row.beside}"
    )
    return f"{reached} {row.verdict}"


def run(options: Options, tell: Tell) -> Results:
    """Measure what the options ask for. `tell` hears of progress."""
    # Short path: PostgreSQL's Unix socket name holds 107 characters.
    with tempfile.TemporaryDirectory(prefix="sbb") as scratch, hello() as hello_:
        bench = _Bench(options, tell, Path(scratch), hello_)
        bench.whole()
    if options.add and options.file.exists():
        return _added(Results.of_dict(json.loads(options.file.read_text())), bench.results)
    return bench.results


def _added(before: Results, now: Results) -> Results:
    """The rows of an earlier run, with those measured again in their place."""
    new = {(row.target, row.what, row.backend, row.agents, row.beside) for row in now.rows}
    kept = [r for r in before.rows if (r.target, r.what, r.backend, r.agents, r.beside) not in new]
    earlier = [
        *before.machine.get("earlier", []),
        {k: v for k, v in before.machine.items() if k != "earlier"},
    ]
    remarks = list(dict.fromkeys([*before.remarks, *now.remarks]))
    return Results({**now.machine, "earlier": earlier}, [*kept, *now.rows], remarks)
