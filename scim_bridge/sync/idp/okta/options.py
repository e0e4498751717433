"""What a connection's settings ask of the Okta adapter, read once when it is opened."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scim_bridge.sync.groups import SETTING as PUSH_GROUPS

USERS = "users"
AI_AGENTS = "ai-agents"
AUTO = "auto"

Names = Callable[[], Awaitable[Sequence[str]]]
"""Asks which groups of the registry this connection is told of."""


async def no_groups() -> Sequence[str]:
    """The answer where no group is pushed."""
    return ()


@dataclass(frozen=True, slots=True)
class Options:
    """Settings of one connection. `groups` is None where no group is pushed."""

    agents_as: str = USERS
    stop_by_deactivation: bool = False
    delete_retired: bool = False
    create_groups: bool = False
    applications: tuple[str, ...] = ()
    groups: Names | None = None


def options_of(settings: Mapping[str, Any], groups: Names) -> Options:
    """The options a connection's settings name; their values were checked when they were set."""
    apps = str(settings.get("app_assignment") or "").replace(";", " ").replace(",", " ").split()
    return Options(
        agents_as=str(settings.get("agents_as") or USERS),
        stop_by_deactivation=settings.get("stop_action") == "deactivate",
        delete_retired=settings.get("retire_action") == "delete",
        create_groups=settings.get("create_groups") == "yes",
        applications=tuple(sorted(set(apps))),
        groups=groups if settings.get(PUSH_GROUPS) else None,
    )
