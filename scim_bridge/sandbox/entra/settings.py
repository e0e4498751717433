"""What the control API may set about the tenant: its delays, limits and features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from scim_bridge.sandbox.kit.store import Store

KIND = "setting"
KEY = "tenant"


class BadSetting(ValueError):
    """A setting nobody knows, or of the wrong type; the message names it."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Delays, limits and features of the tenant; the defaults are Microsoft's where they are published.

    `settle_misses` and `settle_seconds`: how often, and how long, a fresh object is not found yet by calls
    that need it (eventual consistency; 0 = at once). `throttle_units` resource units per `throttle_seconds`
    and application; `throttle_writes` writes per `throttle_write_seconds`. `attest_versions`: the API
    versions in which agent identities can be attested. `delta_days`: how long a delta token is good for.
    `cascade_users`: whether an agent's user account goes with its identity (Microsoft's pages disagree).
    `attributes_licensed`: whether the tenant has custom security attributes at all (they need a licence).
    `agent_registry`: whether the tenant has Agent 365, in whose registry agents can be entered.
    `passwords_allowed` and `password_days` (0: no cap): the tenant's app management policy for new secrets.
    """

    settle_misses: int = 0
    settle_seconds: float = 0.0
    throttle_units: int = 3500
    throttle_seconds: float = 10.0
    throttle_writes: int = 3000
    throttle_write_seconds: float = 150.0
    token_seconds: int = 3599
    max_blueprints: int = 250
    max_identities_per_blueprint: int = 250
    attest_versions: tuple[str, ...] = ("v1.0", "beta")
    delta_days: float = 7.0
    cascade_users: bool = True
    attributes_licensed: bool = True
    agent_registry: bool = True
    passwords_allowed: bool = True
    password_days: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """The settings as JSON-ready values."""
        return {**asdict(self), "attest_versions": list(self.attest_versions)}


def changed(settings: Settings, wish: Mapping[str, Any]) -> Settings:
    """The settings with some members replaced; BadSetting when one is unknown or of the wrong type."""
    known = {one.name: getattr(settings, one.name) for one in fields(Settings)}
    for name, value in wish.items():
        if name not in known:
            raise BadSetting(f"There is no setting {name!r}; known are {', '.join(known)}.")
        known[name] = _read(name, known[name], value)
    return Settings(**known)


def _read(name: str, current: object, value: object) -> object:
    if isinstance(current, tuple):
        if isinstance(value, list) and all(one in ("v1.0", "beta") for one in value):
            return tuple(value)
        raise BadSetting(f"{name!r} is a list of v1.0 and beta.")
    if isinstance(current, bool):
        if isinstance(value, bool):
            return value
        raise BadSetting(f"{name!r} is true or false.")
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise BadSetting(f"{name!r} is a number of at least 0.")
    return int(value) if isinstance(current, int) else float(value)


def load(store: Store) -> Settings:
    """The settings as they are."""
    kept = store.get(KIND, KEY)
    return Settings() if kept is None else changed(Settings(), kept)


def save(store: Store, settings: Settings) -> None:
    """Keep the settings."""
    store.put(KIND, KEY, settings.as_dict())
