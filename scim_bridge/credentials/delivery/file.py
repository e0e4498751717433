"""A file for one value: replaced whole or not at all, on disk before we say so, for its owner's eyes only.

A place is {"path"} below the store's directory. Every folder on the way is opened by its parent without
following links, and refused when others could write to it: between two looks nothing can be swapped.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scim_bridge.credentials.delivery.failures import away, misplaced, refused
from scim_bridge.credentials.delivery.places import only_keys, path_of, version_of
from scim_bridge.credentials.model import Delivered, Fresh, Target
from scim_bridge.settings.stores import Options

CANARY = "scim-bridge-canary"
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
PASSING = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE, errno.EBUSY, errno.ESTALE)
PRIVATE = "chmod go-w it, and let it belong to the bridge's user or root."


class Files:
    """One directory on this machine."""

    def __init__(self, options: Options) -> None:
        self._options = options

    async def deliver(self, target: Target, fresh: Fresh, idempotency: str) -> Delivered:
        """Replace the file; the one before stays beside it as .NAME.previous."""
        path, version = self._place(target), version_of(idempotency)
        await asyncio.to_thread(self._write, path, fresh.value.reveal().encode(), version)
        return Delivered(version)

    async def confirmed(self, target: Target, delivered: Delivered, since: int) -> bool | None:
        """None: a file does not tell who read it."""
        return None

    async def withdraw(self, target: Target, delivered: Delivered) -> None:
        """Put the file before it back, or none when there was none, unless another delivery came since."""
        await asyncio.to_thread(self._back, self._place(target), delivered.version)

    async def probe(self) -> None:
        """Write a file and remove it."""
        prefix = self._options["prefix"]
        path = f"{prefix}/{CANARY}" if prefix else CANARY

        def round_trip() -> None:
            self._write(path, b"scim-bridge", "canary")
            self._back(path, "canary")

        await asyncio.to_thread(round_trip)

    async def close(self) -> None:
        """Nothing is kept open."""

    def _place(self, target: Target) -> str:
        only_keys(self._options, target, "path")
        path = path_of(self._options, target, "path")
        if path.rpartition("/")[2].startswith("."):
            raise misplaced(self._options.name, f"{path!r} is hidden", "Let the name begin with no dot.")
        return path

    def _write(self, path: str, value: bytes, version: str) -> None:
        with self._folder(path) as (folder, name):
            if _read(folder, _version(name)) == version.encode():
                return
            before = _read(folder, name)
            # After a death between the two replacements below, what is there is this delivery already.
            if before != value:
                if before is None:
                    _remove(folder, _previous(name))
                else:
                    _replace(folder, _previous(name), before)
                _replace(folder, name, value)
            _replace(folder, _version(name), version.encode())

    def _back(self, path: str, version: str) -> None:
        with self._folder(path) as (folder, name):
            if _read(folder, _version(name)) != version.encode():
                return
            before = _read(folder, _previous(name))
            if before is None:
                _remove(folder, name)
            else:
                _replace(folder, name, before)
            _remove(folder, _version(name))
            _remove(folder, _previous(name))

    @contextmanager
    def _folder(self, path: str) -> Iterator[tuple[int, str]]:
        """(the open folder a path lies in, the file's name), each folder on the way looked at."""
        *folders, name = [*Path(self._options["directory"]).parts[1:], *path.split("/")]
        store = self._options.name
        here = os.open("/", FOLDER)
        try:
            for folder in folders:
                try:
                    inner = os.open(folder, FOLDER, dir_fd=here)
                except OSError as error:
                    raise refused(
                        store,
                        f"{folder!r} on the way to {path!r} is no folder that can be opened ({error.strerror})",
                        "Make it, and let no part of the path be a symbolic link.",
                    ) from None
                os.close(here)
                here = inner
                self._safe(here, folder)
            yield here, name
        except OSError as error:
            what = f"could not be written ({error.strerror})"
            if error.errno in PASSING:
                raise away(store, what) from None
            raise refused(
                store, what, "Look at the folder and at what stands in it under that name."
            ) from None
        finally:
            os.close(here)

    def _safe(self, folder: int, name: str) -> None:
        """Refuse a folder in which somebody else could put another file in the place of ours."""
        found = os.fstat(folder)
        # In a sticky folder (/tmp) others make entries, but do not replace ours.
        shared = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not found.st_mode & stat.S_ISVTX
        if shared or found.st_uid not in (0, os.geteuid()):
            raise refused(self._options.name, f"has a folder others may write to ({name!r})", PRIVATE)


def _previous(name: str) -> str:
    return f".{name}.previous"


def _version(name: str) -> str:
    return f".{name}.version"


def _read(folder: int, name: str) -> bytes | None:
    """The content of a regular file; None when there is none. OSError for a link or anything else."""
    try:
        file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except FileNotFoundError:
        return None
    with os.fdopen(file, "rb") as opened:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise OSError(0, f"{name} is no regular file")
        return opened.read()


def _replace(folder: int, name: str, content: bytes) -> None:
    """A file with this content in the place of what was there: readers see the one or the other."""
    made = f".{name}.{os.urandom(6).hex()}"
    file = os.open(
        made, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder
    )
    try:
        with os.fdopen(file, "wb") as opened:
            os.fchmod(file, 0o600)
            opened.write(content)
            opened.flush()
            os.fsync(file)
        os.rename(made, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(made, dir_fd=folder)
        raise
    os.fsync(folder)


def _remove(folder: int, name: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)
        os.fsync(folder)
