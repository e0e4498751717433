"""What a database is before anything touches it: ours, nobody's yet, or another program's."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from contextlib import closing
from functools import lru_cache
from pathlib import Path

from scim_bridge.kernel.errors import ConfigurationError, NotFound, StoreUnavailable

HERE = Path(__file__).parent
VERSION_TABLE = "alembic_version"
OURS = "sb_"


@lru_cache(maxsize=1)
def revisions() -> tuple[str, ...]:
    """Every revision this version knows, in order: files are named after their revision."""
    return tuple(sorted(file.name.split("_", 1)[0] for file in (HERE / "versions").glob("[0-9]*.py")))


def head() -> str:
    """The newest revision this version knows."""
    return revisions()[-1]


def workable(revision: str | None) -> bool:
    """True for the schema of this version, and for one of a newer release that this version can work on.

    Releases that follow one another run side by side while replicas are replaced, and one step back must be
    possible: a migration only adds what the code before it need not know (docs/how-to/upgrade.md). One that takes
    something away begins an era, which is the revision's first digit, and code of an earlier era refuses it.
    """
    return revision is not None and (revision == head() or _newer(revision))


def _newer(revision: str) -> bool:
    known = head()
    same_form = revision.isdecimal() and len(revision) == len(known)
    return same_form and revision[0] == known[0] and revision > known


def no_database(place: str) -> NotFound:
    """The refusal of a command that only works on what exists."""
    return NotFound(
        "database-missing",
        f"There is no database of scim-bridge in {place}.",
        "Name the right one (--database-url, SCIM_BRIDGE_DATABASE_URL), or make it: scim-bridge agents import FILE,"
        " scim-bridge connections create NAME or scim-bridge serve.",
    )


def revision_in(place: str, tables: Collection[str], versions: Sequence[str]) -> str | None:
    """The revision found among a database's tables; None when it has none of ours.

    ConfigurationError when it is a version's this one cannot work on, or when Alembic works there for somebody else.
    """
    ours = any(name.startswith(OURS) for name in tables)
    for version in versions:
        if version in revisions() or (ours and _newer(version)):
            return version
        if ours:
            raise ConfigurationError(
                "database_url",
                f"{place} was made by a newer version (schema {version}, this one knows {head()})",
                "Run the newer version, or restore a backup from before it.",
            )
        raise _of_another(place, tables)
    return "" if ours else None


def revision_of_file(path: Path) -> str | None:
    """The revision of a SQLite file; None when it is not there or empty, "" when it is being made.

    ConfigurationError when it is not a database, or another program's. Changes and creates nothing.
    """
    if not path.exists() or (path.is_file() and path.stat().st_size == 0):
        return None
    try:
        with closing(sqlite3.connect(path, timeout=5)) as connection:
            found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            tables = {name for (name,) in found if not name.startswith("sqlite_")}
            versions = []
            if VERSION_TABLE in tables:
                versions = [str(v) for (v,) in connection.execute(f"SELECT version_num FROM {VERSION_TABLE}")]
    except sqlite3.OperationalError as error:
        raise StoreUnavailable(f"The database file {path} cannot be opened ({error}).") from error
    except sqlite3.DatabaseError as error:
        raise ConfigurationError(
            "database_url",
            f"{path} is not a SQLite database ({error})",
            "Name another file, or restore it from a backup.",
        ) from error
    revision = revision_in(str(path), tables, versions)
    if revision is None and tables - {VERSION_TABLE}:
        raise _of_another(str(path), tables)
    return revision


def _of_another(place: str, tables: Collection[str]) -> ConfigurationError:
    shown = ", ".join(sorted(tables)[:3]) + (", …" if len(tables) > 3 else "")
    return ConfigurationError(
        "database_url",
        f"{place} holds the data of another program (tables {shown})",
        "Name a database of its own.",
    )
