"""Everything a departure is decided by that is data: the brake's limits and the policies."""

from __future__ import annotations

from dataclasses import dataclass

from scim_bridge.departures.brake import BRAKE, Brake
from scim_bridge.departures.succession import POLICIES, Policies


@dataclass(frozen=True, slots=True)
class Rules:
    """What an installation decided about departures; read once, at start."""

    brake: Brake = BRAKE
    policies: Policies = POLICIES


RULES = Rules()
