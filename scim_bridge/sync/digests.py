"""Digests of what sync compares: equal values give equal ones."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import orjson

from scim_bridge.sync.idp.port import DesiredAgent, ObjectChange


def canonical(value: Any) -> bytes:
    """JSON with sorted keys and no blanks: equal values give equal bytes."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def desired_digest(agent: DesiredAgent) -> str:
    """A digest of everything the registry says of an agent to a connection."""
    return hashlib.sha256(canonical(asdict(agent))).hexdigest()


def plan_digest(connection_id: str, changes: Iterable[ObjectChange]) -> str:
    """A digest of what a plan would do: the same changes in any order give the same one."""
    listed = [
        [c.agent_id, c.action, c.remote_id, dict(c.before), dict(c.after), dict(c.wanted)] for c in changes
    ]
    listed.sort(key=lambda item: (str(item[0]), str(item[1])))
    return hashlib.sha256(canonical([connection_id, listed])).hexdigest()
