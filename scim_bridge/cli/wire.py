"""How requests come off the wire: the limits of the settings, and refusals in the language of the door."""

from __future__ import annotations

from functools import partial
from typing import Any

import orjson

from scim_bridge.kernel.connection import Connection, Limits
from scim_bridge.kernel.errors import BridgeError
from scim_bridge.kernel.web import PROBLEM
from scim_bridge.scim.errors import body_of
from scim_bridge.settings.model import HttpSettings


def connection(settings: HttpSettings) -> Any:
    """What uvicorn makes a connection with; it can be sent to other processes."""
    limits = Limits(settings.header_seconds, settings.body_seconds, settings.max_header_kib * 1024)
    return partial(Connection, limits=limits, refused=refused)


def refused(url: bytes, error: BridgeError) -> tuple[str, bytes]:
    """Media type and body: SCIM's below /scim, a problem (RFC 9457) everywhere else."""
    if url.startswith((b"/scim/", b"/scim?")) or url == b"/scim":
        return "application/scim+json; charset=utf-8", body_of(error)
    return PROBLEM, orjson.dumps(error.problem())
