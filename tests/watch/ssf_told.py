"""Events by the beginnings of their types, and what a stop is told as."""

from __future__ import annotations

from typing import Any

RISC = "https://schemas.openid.net/secevent/risc/event-type/"
CAEP = "https://schemas.openid.net/secevent/caep/event-type/"
PROV = "urn:ietf:params:scim:event:prov:"


def short(found: list[Any]) -> list[str]:
    return [one.event.rpartition("/")[2].removeprefix(PROV) for one in found]


STOPPED = ["account-disabled", "session-revoked", "deactivate", "patch:notice"]
