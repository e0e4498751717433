"""Every room's tables, imported so that the metadata is complete."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

from scim_bridge.kernel.columns import metadata

ROOMS = (
    "kernel",
    "audit",
    "registry",
    "sync",
    "signals",
    "signals.idp",
    "credentials.leaks",
    "departures",
    "attestations",
    "credentials",
    "access",
    "watch",
    "oauth",
    "api",
)

for room in ROOMS:
    if find_spec(f"scim_bridge.{room}") and find_spec(f"scim_bridge.{room}.tables"):
        import_module(f"scim_bridge.{room}.tables")

__all__ = ["metadata"]
