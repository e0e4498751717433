"""Every operation and every named shape, in the order the document shows them."""

from __future__ import annotations

from collections.abc import Mapping

from scim_bridge.api import (
    access,
    agents,
    alerts,
    attestations,
    bulk,
    connections,
    credentials,
    departures,
    drift,
    me,
    people,
    running,
    sync,
    throttles,
)
from scim_bridge.api.model import Operation
from scim_bridge.api.shapes import Schema

_PARTS = (
    me,
    agents,
    bulk,
    people,
    departures,
    attestations,
    connections,
    sync,
    drift,
    access,
    throttles,
    credentials,
    alerts,
    running,
)
OPERATIONS: tuple[Operation, ...] = tuple(each for part in _PARTS for each in part.OPERATIONS)
SCHEMAS: Mapping[str, Schema] = {name: shape for part in _PARTS for name, shape in part.SCHEMAS.items()}
