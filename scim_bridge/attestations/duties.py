"""What this room does by itself, again and again; each duty is safe on every replica."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from scim_bridge.attestations.chasing import chase
from scim_bridge.attestations.lapsing import lapse, warn
from scim_bridge.attestations.schedules import Watcher, open_due
from scim_bridge.kernel.context import Context
from scim_bridge.settings.attestations import AttestationSettings

Duty = tuple[str, float, Callable[[], Awaitable[object]]]


def duties(ctx: Context, settings: AttestationSettings) -> list[Duty]:
    """Name, seconds between two rounds, and what is done."""
    watcher = Watcher(ctx, settings)
    return [
        ("attestations-lapse", 30.0, lambda: lapse(ctx, settings)),
        ("attestations-warn", 300.0, lambda: warn(ctx, settings)),
        ("attestations-watch", 10.0, watcher.look),
        ("campaigns-open", 60.0, lambda: open_due(ctx, settings)),
        ("campaigns-chase", 5.0, lambda: chase(ctx)),
    ]
