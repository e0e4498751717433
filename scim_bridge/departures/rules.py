"""Everything a departure is decided by that is data: the brake's limits and the policies."""

from __future__ import annotations

from dataclasses import dataclass

from scim_bridge.departures.brake import BRAKE, Brake
from scim_bridge.departures.link import Links
from scim_bridge.departures.succession import POLICIES, Policies


@dataclass(frozen=True, slots=True)
class Rules:
    """What an installation decided about departures; read once, at start."""

    brake: Brake = BRAKE
    policies: Policies = POLICIES
    # How successors are given a link to answer with; without, they answer by the command line.
    links: Links | None = None


RULES = Rules()
