"""Copying a database to the other back end (or the same): all of it, verified, or nothing.

The source is read in one snapshot and changed in nothing. The target is filled in one transaction (PostgreSQL) or
under another name (SQLite), so whoever stops it in between finds the target as empty as before and starts again.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from scim_bridge.audit.record import INSERT
from scim_bridge.kernel.clock import SystemClock
from scim_bridge.kernel.errors import BridgeError, Conflict, Refused
from scim_bridge.kernel.ids import UuidV7
from scim_bridge.kernel.master_key import MasterKey
from scim_bridge.kernel.work import Actor
from scim_bridge.migrations import head, revision, upgrade
from scim_bridge.moving import checks
from scim_bridge.moving.digest import Digest
from scim_bridge.moving.quiet import no_server
from scim_bridge.moving.sides import Rows, Side, file_of, opened, quoted, told_plainly

# (step, table, rows done, rows in all)
Progress = Callable[[str, str, int, int], None]


def silent(_step: str, _table: str, _done: int, _total: int) -> None:
    """Tell nobody."""


class Different(BridgeError):
    """What arrived is not what was sent; nothing was kept."""

    status = 500


@dataclass(slots=True)
class Moved:
    """What a copy did: rows and digest of each table, the chain and the counters at the target."""

    source: str
    target: str
    schema: str
    key: str
    online: bool
    tables: dict[str, dict[str, Any]] = field(default_factory=dict)
    chain: dict[str, Any] = field(default_factory=dict)
    counters: dict[str, int] = field(default_factory=dict)
    handed_again: int = 0

    @property
    def rows(self) -> int:
        """How many rows there are in all."""
        return sum(int(table["rows"]) for table in self.tables.values())


def copy(
    source: str,
    target: str,
    master: MasterKey,
    place: str,
    actor: Actor,
    *,
    online: bool = False,
    progress: Progress = silent,
) -> Moved:
    """Copy every table of ours from one address to another and verify it there.

    The source must belong to a key that `master` has loaded, from `place`. Without `online`, Refused
    while a server works on the source. Refused when the target is not empty, or either is of another schema
    version; Different when the target does not hold what was read.
    """
    if source == target:
        raise Refused("same-database", "Source and target are the same database.", "Name another target.")
    _of_this_version(source, "the source")
    found = revision(target)
    if found not in (None, head()):
        raise _version("the target", found)
    with told_plainly(), no_server(source, allowed=online), closing(opened(source)) as read:
        key = checks.key_fits(read, master, place)
        moved = Moved(_shown(source), _shown(target), head(), key, online)
        part = _prepared(target, fresh=found is None)
        with Unfinished(part):
            with closing(opened(part or target, fill=True)) as written:
                _fill(read, written, moved, actor, progress)
                written.commit()
            if part is not None:
                finish(part, target)
    return moved


def _of_this_version(url: str, what: str) -> None:
    found = revision(url)
    if found != head():
        raise _version(what, found)


def _version(what: str, found: str | None) -> Refused:
    told = f"has schema {found}" if found else "holds no database of scim-bridge"
    return Refused(
        "schema-version",
        f"{what[0].upper()}{what[1:]} {told}, this version copies schema {head()} only.",
        "Bring it up to date by any command of this version (`scim-bridge audit verify`), or name another.",
    )


def _shown(url: str) -> str:
    """An address without its password."""
    start, at, rest = url.rpartition("@")
    return url if not at else f"{start.split('://', 1)[0]}://…@{rest}"


def _prepared(target: str, *, fresh: bool) -> str | None:
    """Make the tables of the target; the address it is filled under, when that is another one."""
    file = file_of(target)
    if not fresh:
        with closing(opened(target)) as side:
            checks.must_be_empty(side, _shown(target))
    if file is None:
        asyncio.run(upgrade(target))
        return None
    part = part_of(file)
    asyncio.run(upgrade(f"sqlite:///{part}"))
    return f"sqlite:///{part}"


def part_of(file: Path) -> Path:
    """Where a file is made before it has its name; what an earlier try left there is removed."""
    part = file.with_name(file.name + ".part")
    for left in (part, *(Path(f"{part}{end}") for end in ("-wal", "-shm", "-journal", ".migrate.lock"))):
        with suppress(FileNotFoundError):
            left.unlink()
    return part


class Unfinished:
    """Removes the unfinished file when its block fails."""

    def __init__(self, url: str | None) -> None:
        self._file = None if url is None else file_of(url)

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        if kind is not None and self._file is not None:
            part_of(self._file.with_name(self._file.name.removesuffix(".part")))


def finish(part: str, target: str) -> None:
    """Give a finished file its name, once it is on the disk; jobs of an earlier file of that name are set aside."""
    made, file = file_of(part), file_of(target)
    assert made is not None
    assert file is not None
    with made.open("rb") as handle:
        os.fsync(handle.fileno())
    jobs = Path(f"{file}.jobs")
    if jobs.exists():
        jobs.rename(f"{jobs}.before")
    for end in ("-wal", "-shm"):
        with suppress(FileNotFoundError):
            Path(f"{jobs}{end}").unlink()
    made.rename(file)
    part_of(file)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _fill(read: Side, written: Side, moved: Moved, actor: Actor, progress: Progress) -> None:
    tables = read.tables()
    if tables != written.tables():
        raise Refused("schema-version", "Source and target do not have the same tables.", "Check both.")
    # Looked at again, now that nobody else can write there.
    checks.must_be_empty(written, moved.target)
    indexes = written.without_indexes()
    for table, columns in tables.items():
        moved.tables[table] = _one(read, written, table, columns, progress)
    for number, statement in enumerate(indexes):
        progress("indexing", "", number, len(indexes))
        written.run(statement)
    for table, columns in tables.items():
        _same(written, table, columns, moved.tables[table], progress)
    progress("audit", "sb_audit", 0, moved.tables["sb_audit"]["rows"])
    moved.chain = checks.chain(written)
    if moved.chain["findings"]:
        raise Different(
            "chain-broken",
            f"The audit chain does not verify: {moved.chain['findings'][0]}.",
            "Run `scim-bridge audit verify` on the source; nothing was kept.",
        )
    moved.counters = checks.counters(written)
    if moved.counters != checks.counters(read):
        raise Different("counters-differ", "The counters are not those of the source.", "Nothing was kept.")
    moved.handed_again = hand_over_again(written)
    told = {
        "from": moved.source,
        "online": moved.online,
        "rows": moved.rows,
        "effects_handed": moved.handed_again,
    }
    note(written, actor, "database.copied", told)


def hand_over_again(written: Side) -> int:
    """Effects the old job engine had taken wait for the new one: it knows nothing of them; how many."""
    return written.run("UPDATE sb_effect SET state = 'pending' WHERE state = 'handed'")


def note(written: Side, actor: Actor, action: str, detail: Mapping[str, Any]) -> None:
    """Add an audit row that says where this database comes from; it is sealed as every other."""
    clock = SystemClock()
    text = orjson.dumps(detail, option=orjson.OPT_SORT_KEYS).decode()
    who = (actor.kind, actor.id, actor.name, None, action, "database", None, "success", text, "", None)
    written.run(INSERT, UuidV7(clock).new(), clock.now(), *who)


def _one(read: Side, written: Side, table: str, columns: Sequence[str], progress: Progress) -> dict[str, Any]:
    total = checks.counted(read, table)
    digest = Digest()

    def passing() -> Iterator[Rows]:
        for chunk in read.rows(f'SELECT {quoted(columns)} FROM "{table}"'):
            digest.add(chunk)
            yield chunk
            progress("copying", table, digest.rows, total)

    try:
        written.load(table, columns, passing())
    except (ValueError, TypeError, OverflowError) as error:
        raise _unfit(table, error) from error
    if digest.rows != total:
        raise Different("rows-differ", f"{table} gave {digest.rows} rows of {total}.", "Nothing was kept.")
    return {"rows": total, "digest": digest.hex}


def _unfit(table: str, error: Exception) -> Conflict:
    return Conflict(
        "value-unfit",
        f"A value of {table} cannot be kept by the target ({str(error).splitlines()[0]}).",
        "Nothing was kept. Mend that value at the source.",
    )


def _same(
    written: Side, table: str, columns: Sequence[str], wanted: dict[str, Any], progress: Progress
) -> None:
    digest = Digest()
    for chunk in written.rows(f'SELECT {quoted(columns)} FROM "{table}"'):
        digest.add(chunk)
        progress("verifying", table, digest.rows, wanted["rows"])
    if {"rows": digest.rows, "digest": digest.hex} != wanted:
        raise Different(
            "rows-differ",
            f"{table} holds {digest.rows} rows with another digest than the {wanted['rows']} that were read.",
            "Nothing was kept. Try again, and report it when it comes again.",
        )
