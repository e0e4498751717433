"""Whom a connection of ours trusts: the usual authorities, and those of files that are named."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import httpx2


def trusting(files: Iterable[str | Path]) -> ssl.SSLContext:
    """What trusts the usual authorities and those of these files, read again when a file has changed.

    Raises OSError (or ssl.SSLError, which is one) when a file holds no certificates. Shared: do not change it.
    """
    stats = [(str(file), os.stat(file)) for file in files]
    return _read(tuple((file, stat.st_ino, stat.st_mtime_ns, stat.st_size) for file, stat in stats))


# Reading the usual authorities takes 20 ms and a megabyte.
@lru_cache(maxsize=32)
def _read(files: tuple[tuple[str, int, int, int], ...]) -> ssl.SSLContext:
    context = httpx2.create_ssl_context(verify=True, trust_env=False)
    for file, *_ in files:
        context.load_verify_locations(cafile=file)
    return context
