"""Importing a file of lines: checked whole, then applied portion by portion, and gone on with when stopped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from scim_bridge.inventory.lines.applying import Applying, stopped_at
from scim_bridge.inventory.lines.checking import checked
from scim_bridge.inventory.lines.ledger import Ledger
from scim_bridge.inventory.lines.portions import portions, to_apply
from scim_bridge.inventory.lines.progress import Progress, Unwatched
from scim_bridge.inventory.lines.statistics import count_again
from scim_bridge.inventory.lines.stream import LineFile
from scim_bridge.kernel.errors import Conflict
from scim_bridge.kernel.work import Actor, Store

PORTION = 1_000
ENDINGS = (".jsonl", ".ndjson")
COUNTED = ("created", "updated", "unchanged", "joined", "left")


@dataclass(frozen=True, slots=True)
class LinesResult:
    """What an import of lines did, or with `dry_run` would do.

    `entries` are those of the file; `counts` are created, updated, unchanged, joined and left; of
    `portions` so many are `applied`. `digest` is the SHA-256 of the file.
    """

    source: str
    digest: str
    dry_run: bool
    entries: int
    counts: dict[str, int]
    portions: int
    applied: int

    @property
    def complete(self) -> bool:
        """True when nothing of the file is left to do."""
        return self.applied == self.portions

    def as_dict(self) -> dict[str, object]:
        """The result as JSON-ready values."""
        return {
            "source": self.source,
            "digest": self.digest,
            "dryRun": self.dry_run,
            "entries": self.entries,
            **self.counts,
            "portions": self.portions,
            "applied": self.applied,
            "complete": self.complete,
        }


def is_lines(path: Path) -> bool:
    """True for a file that is read as lines, by its ending."""
    return path.suffix.lower() in ENDINGS


async def import_lines(
    store: Store,
    actor: Actor,
    path: Path,
    *,
    size: int = PORTION,
    dry_run: bool = False,
    progress: Progress | None = None,
    stopping: Callable[[], bool] = lambda: False,
) -> LinesResult:
    """Import a file with one entry a line, `size` entries in one transaction.

    ManifestProblems with every problem, and nothing is changed then. When `stopping` answers true the
    import ends after the portion under way; the same import later goes on with what is not in. Stopped
    when that happens while the file is still being checked. Memory does not grow with the file.
    """
    watched = progress or Unwatched()
    with closing(LineFile(path)) as file, closing(Ledger()) as ledger:
        found = await checked(store.reads, file, ledger, watched, stopping)
        todo = to_apply(ledger)
        total = sum(-(-count // size) for count in todo.values())
        planned = _counted(found.counts)
        if dry_run or not total:
            applied = 0 if dry_run else total
            return LinesResult(file.name, file.digest, dry_run, found.entries, planned, total, applied)
        watched.begin("applying", sum(todo.values()))
        counts = Counter(unchanged=planned["unchanged"])
        applying = Applying(store, actor, file, ledger, total)
        applied = 0
        for portion in portions(ledger, size):
            if stopping():
                break
            try:
                did = await applying.apply(portion, applied + 1)
            except Conflict as conflict:
                raise stopped_at(conflict, applied + 1, total) from conflict
            applied += 1
            counts.update(did)
            watched.advance(len(portion.rows))
            watched.applied(applied, total, len(portion.rows), _counted(did))
            await count_again(store, applied)
        return LinesResult(file.name, file.digest, False, found.entries, _counted(counts), total, applied)


def _counted(counts: Counter[str]) -> dict[str, int]:
    return {name: counts[name] for name in COUNTED}
