"""What a connection's IdP asked of us for the first time, by kind: what a wizard waits for."""

from __future__ import annotations

from collections.abc import Mapping

from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.work import Work

# A token by which we try ourselves: what comes with it is no call of the IdP.
PROOF = "connect: proof"
DISCOVERY, LOOK_UP, LISTING, CREATE, CHANGE, GROUPS = (
    "discovery",
    "look-up",
    "list",
    "create",
    "change",
    "groups",
)
_KINDS: Mapping[tuple[str, str], str] = {
    ("GET", "/ServiceProviderConfig"): DISCOVERY,
    ("GET", "/ResourceTypes"): DISCOVERY,
    ("GET", "/Schemas"): DISCOVERY,
    ("POST", "/Users"): CREATE,
    ("PUT", "/Users/{id}"): CHANGE,
    ("PATCH", "/Users/{id}"): CHANGE,
    ("POST", "/Groups"): GROUPS,
    ("PUT", "/Groups/{id}"): GROUPS,
    ("PATCH", "/Groups/{id}"): GROUPS,
}


def kind_of(method: str, template: str, *, filtered: bool) -> str | None:
    """Which kind of call this is; None for one that nobody waits for."""
    if method == "GET" and template == "/Users":
        return LOOK_UP if filtered else LISTING
    return _KINDS.get((method, template))


async def note_first(work: Work, connection_id: str, kind: str) -> None:
    """Keep when a kind of call came first; a later one changes nothing."""
    work.bookkeeping("the first call of its kind")
    await work.tx.run(
        "INSERT INTO sb_first_call (connection_id, kind, at) VALUES (?, ?, ?)"
        " ON CONFLICT (connection_id, kind) DO NOTHING",
        connection_id,
        kind,
        work.now,
    )


async def first_calls(reader: Reader, connection_id: str) -> dict[str, int]:
    """When each kind of call came first, for those that did."""
    rows = await reader.all("SELECT kind, at FROM sb_first_call WHERE connection_id = ?", connection_id)
    return {row["kind"]: row["at"] for row in rows}
