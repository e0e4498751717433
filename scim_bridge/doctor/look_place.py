"""Looking at settings, files and the disk. Changes nothing, makes no call but to the database's own server."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

from scim_bridge.app import KEY_FILE
from scim_bridge.doctor.model import Place
from scim_bridge.kernel.errors import BridgeError
from scim_bridge.migrations import head, revision
from scim_bridge.settings.model import Settings

MOUNTS = Path("/proc/self/mounts")


def look_at_place(settings: Settings, told_url: str = "") -> Place:
    """The settings and the files beside the database, as they are."""
    sqlite = settings.database_url.startswith("sqlite")
    key = settings.data_dir / KEY_FILE
    found, trouble = _schema(settings.database_url)
    file = Path(settings.database_url.removeprefix("sqlite:///")) if sqlite else None
    return Place(
        public_url=settings.public_url,
        public_url_set="public_url" in settings.origins,
        told_url=told_url,
        log_level=settings.log_level,
        allow_networks=settings.allow_networks,
        sqlite=sqlite,
        database=str(file) if file is not None else "PostgreSQL",
        key_in_settings=bool(settings.secret_key),
        key_file=str(key),
        mode=_mode(key),
        schema=found,
        head=head(),
        schema_trouble=trouble,
        writable=file is None or _writable(file),
        free=None if file is None else _free(file),
        filesystem=None if file is None else filesystem(file, _mounts()),
        notices=bool(settings.notify_url or settings.notify_targets),
    )


def _schema(url: str) -> tuple[str | None, tuple[str, str] | None]:
    """The database's revision, or why it cannot be told and what mends that."""
    try:
        return revision(url), None
    except BridgeError as error:
        return None, (error.message, error.fix or "Start the database server, and check database_url.")


def _mode(file: Path) -> int | None:
    try:
        return stat.S_IMODE(file.stat().st_mode)
    except OSError:
        return None


def _writable(file: Path) -> bool:
    """True when the file, and SQLite's own beside it, can be written."""
    return os.access(file.parent, os.W_OK) and (not file.exists() or os.access(file, os.W_OK))


def _free(file: Path) -> int | None:
    try:
        return shutil.disk_usage(file.parent).free
    except OSError:
        return None


def _mounts() -> str:
    try:
        return MOUNTS.read_text()
    except OSError:
        return ""


def filesystem(file: Path, mounts: str) -> str | None:
    """The type of the filesystem a file is on, by a table of mounts as Linux writes it; None when it is not told."""
    best, kind, place = -1, None, file.absolute()
    for line in mounts.splitlines():
        parts = line.split()
        if len(parts) < 3:
            continue
        at = Path(parts[1].replace("\\040", " "))
        if (at == place or at in place.parents) and len(at.parts) >= best:
            best, kind = len(at.parts), parts[2]
    return kind
