"""Whom an API token speaks for, where a named person has to say something."""

from __future__ import annotations

from scim_bridge.departures.releasing import Approver
from scim_bridge.kernel.errors import Refused


def approver_of(label: str | None, token_id: str) -> Approver:
    """Whom a token speaks for: its label, however often it was rotated. Refused for a token without one."""
    if not label:
        raise Refused(
            "approver-nameless",
            f"The token {token_id[-6:]} says nobody's name.",
            "Make one for each person: scim-bridge tokens create --scope admin --label NAME.",
        )
    return Approver(label.casefold(), label, f"token …{token_id[-6:]}")
