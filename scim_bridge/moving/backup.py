"""Backups: a SQLite file copied while servers write, a PostgreSQL database by its own tools; and back again."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from scim_bridge.kernel.errors import Conflict, NotFound, Refused, StoreUnavailable
from scim_bridge.kernel.master_key import MasterKey
from scim_bridge.kernel.work import Actor
from scim_bridge.migrations import revision
from scim_bridge.moving import checks
from scim_bridge.moving.copying import (
    Different,
    Progress,
    Unfinished,
    finish,
    hand_over_again,
    note,
    part_of,
    silent,
)
from scim_bridge.moving.sides import file_of, opened, told_plainly

PAGES = 4096


@told_plainly()
def backup(
    url: str, file: Path, master: MasterKey, place: str, progress: Progress = silent
) -> dict[str, Any]:
    """Write the state of this moment into a new file and verify it; servers go on writing meanwhile.

    SQLite: one SQLite file. PostgreSQL: what `pg_dump --format=custom` writes; Refused, naming the command, when it
    is not installed. Conflict when the file is there already. The master key is in no backup.
    """
    if file.exists():
        raise Conflict("file-exists", f"{file} exists already.", "Name a new file.")
    schema = revision(url)
    if not schema:
        raise NotFound("database-missing", "There is no database to back up.", "Name it with --database-url.")
    with closing(opened(url)) as side:
        key = checks.key_fits(side, master, place)
    if file_of(url) is None:
        return {**_dump(url, file), "schema": schema, "key": key}
    found = _copied(url, f"sqlite:///{file}", progress)
    return {"file": str(file), "bytes": file.stat().st_size, "schema": schema, "key": key, "audit": found}


@told_plainly()
def restore(
    url: str,
    file: Path,
    master: MasterKey,
    place: str,
    actor: Actor,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Bring a backup to an address where no database is yet, and verify it there before it counts.

    A backup of an older schema is migrated by the next command. Conflict when something is there already; Different
    when the backup is damaged. Effects that were on their way at the time of the backup are made again.
    """
    if not file.exists():
        raise NotFound("file-missing", f"{file} is not there.", "Check the path.")
    if revision(url) is not None:
        raise Conflict(
            "target-not-empty",
            "There is a database of scim-bridge already.",
            "Move it away, or name another.",
        )
    if file_of(url) is None:
        return _restore_dump(url, file, master, place, actor)
    source = f"sqlite:///{file}"
    schema = revision(source)
    if not schema:
        raise NotFound("backup-empty", f"{file} holds no database of scim-bridge.", "Name a backup.")
    with closing(opened(source)) as side:
        key = checks.key_fits(side, master, place)
    again = 0

    def settle(made: str) -> None:
        nonlocal again
        with closing(opened(made, fill=True)) as side:
            again = hand_over_again(side)
            note(side, actor, "database.restored", {"from": file.name, "effects_handed": again})
            side.commit()

    found = _copied(source, url, progress, settle)
    return {
        "database": str(file_of(url)),
        "schema": schema,
        "key": key,
        "audit": found,
        "effects_handed": again,
    }


def _copied(source: str, target: str, progress: Progress, settle: Any = None) -> dict[str, Any]:
    """Copy a file page by page from one snapshot; it has its name when it is verified and on the disk."""
    path, file = file_of(source), file_of(target)
    assert path is not None
    assert file is not None
    part = part_of(file)
    os.close(os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    made = f"sqlite:///{part}"
    with Unfinished(made):
        try:
            with (
                closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as read,
                closing(sqlite3.connect(part)) as written,
            ):
                # What is written meanwhile is not in this snapshot, and does not make the copy begin anew.
                read.execute("BEGIN")
                read.execute("SELECT 1 FROM sqlite_master").fetchone()
                read.backup(
                    written,
                    pages=PAGES,
                    progress=lambda _, left, total: progress("copying", "pages", total - left, total),
                )
        except sqlite3.Error as error:
            raise StoreUnavailable(f"The copy stopped ({error}).") from error
        found = _verified(made, progress)
        if settle is not None:
            settle(made)
        finish(made, target)
    return found


def _verified(url: str, progress: Progress) -> dict[str, Any]:
    path = file_of(url)
    progress("verifying", str(path), 0, 1)
    sound = checks.sound_file(str(path))
    if sound != "ok":
        raise Different(
            "backup-damaged", f"The copy is damaged ({sound}).", "Look at the disk; use another backup."
        )
    with closing(opened(url)) as side:
        found = checks.chain(side)
    if found["findings"]:
        raise Different(
            "chain-broken",
            f"The audit chain of the copy does not verify: {found['findings'][0]}.",
            "Run `scim-bridge audit verify` on the original.",
        )
    return {name: found[name] for name in ("rows", "checkpoints", "unsealed")}


def without_password(url: str) -> tuple[str, dict[str, str]]:
    """An address for the command line of PostgreSQL's tools, and its password for their environment."""
    parts = urlsplit(url)
    if parts.password is None:
        return url, {}
    name = parts.netloc.rpartition("@")[0].split(":", 1)[0]
    netloc = f"{name}@{parts.netloc.rpartition('@')[2]}"
    return urlunsplit(parts._replace(netloc=netloc)), {"PGPASSWORD": unquote(parts.password)}


def _tool(name: str, arguments: Sequence[str], environment: dict[str, str], instead: str) -> None:
    found = shutil.which(name)
    if found is None:
        raise Refused(
            "tool-missing",
            f"{name} is not installed here.",
            f"Where it is: {name} {' '.join(arguments)} — or without it: {instead}",
        )
    done = subprocess.run(
        [found, *arguments], env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = " ".join(done.stderr.split())[:400]
        raise Refused("tool-failed", f"{name} failed: {said}", f"Without it: {instead}")


def _dump(url: str, file: Path) -> dict[str, Any]:
    address, environment = without_password(url)
    part = part_of(file)
    os.close(os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    instead = f"scim-bridge db copy --online {address} sqlite:///{file}.db"
    arguments = ["--format=custom", "--no-owner", "--no-privileges", f"--file={part}", f"--dbname={address}"]
    with Unfinished(f"sqlite:///{part}"):
        _tool("pg_dump", arguments, environment, instead)
        # A list of what is in it can only be read when the file is whole.
        _tool("pg_restore", ["--list", str(part)], {}, instead)
        finish(f"sqlite:///{part}", f"sqlite:///{file}")
    return {"file": str(file), "bytes": file.stat().st_size, "audit": "verified when it is restored"}


def _restore_dump(url: str, file: Path, master: MasterKey, place: str, actor: Actor) -> dict[str, Any]:
    with file.open("rb") as handle:
        if handle.read(5) != b"PGDMP":
            raise Refused(
                "not-a-dump",
                f"{file} is not what pg_dump writes.",
                f"A portable backup comes back by: scim-bridge db copy sqlite:///{file} postgresql://…",
            )
    address, environment = without_password(url)
    arguments = ["--exit-on-error", "--single-transaction", "--no-owner", "--no-privileges"]
    instead = "restore it where that version of PostgreSQL's tools is installed"
    _tool("pg_restore", [*arguments, f"--dbname={address}", str(file)], environment, instead)
    with closing(opened(url, fill=True)) as side:
        key = checks.key_fits(side, master, place)
        found = checks.chain(side)
        if found["findings"]:
            raise Different(
                "chain-broken",
                f"The audit chain of the backup does not verify: {found['findings'][0]}.",
                "It was restored all the same: drop that database, and use another backup.",
            )
        note(side, actor, "database.restored", {"from": file.name})
        side.commit()
    told = {name: found[name] for name in ("rows", "checkpoints", "unsealed")}
    return {"database": address, "schema": revision(url), "key": key, "audit": told}
