"""Saved views: searches of agents under a name, somebody's own or everybody's."""

from __future__ import annotations

from dataclasses import dataclass

from scim_bridge.audit.record import record
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import Conflict, Invalid, NotFound
from scim_bridge.kernel.work import Actor, Work

LONGEST, MOST = 60, 50
SHARED = ""


@dataclass(frozen=True, slots=True)
class View:
    """A search under a name. `holder` is whose it is; empty: everybody's."""

    id: str
    name: str
    query: str
    holder: str
    by: str

    @property
    def shared(self) -> bool:
        """True when everybody sees it."""
        return self.holder == SHARED


def holder_of(actor: Actor) -> str:
    """Whose own views an actor sees: the person's, or those of the admin's token."""
    return f"{actor.kind}:{actor.id}"


async def views(reader: Reader, holder: str) -> list[View]:
    """The views that somebody sees, their own first, by name."""
    rows = await reader.all(
        "SELECT id, name, query, holder, made_by FROM sb_view WHERE holder = ? OR holder = ?"
        " ORDER BY CASE WHEN holder = ? THEN 1 ELSE 0 END, name LIMIT ?",
        holder,
        SHARED,
        SHARED,
        2 * MOST,
    )
    return [View(row["id"], row["name"], row["query"], row["holder"], row["made_by"]) for row in rows]


async def save_view(work: Work, name: str, query: str, *, shared: bool) -> str:
    """Keep a search under a name; one of the same name is replaced. Its id."""
    holder = SHARED if shared else holder_of(work.actor)
    if not name or len(name) > LONGEST:
        raise Invalid("view-name", "A view needs a name.", f"Give it one of at most {LONGEST} characters.")
    rows = await work.tx.all("SELECT id, name FROM sb_view WHERE holder = ?", holder)
    there = next((row["id"] for row in rows if row["name"] == name), None)
    if there is None and len(rows) >= MOST:
        raise Conflict("views-many", f"There are {MOST} views already.", "Delete one you do not need.")
    view_id = there or work.ids.new()
    if there is None:
        await work.tx.run(
            "INSERT INTO sb_view (id, name, query, holder, made_by, created) VALUES (?, ?, ?, ?, ?, ?)",
            view_id,
            name,
            query,
            holder,
            work.actor.name,
            work.now,
        )
    else:
        await work.tx.run("UPDATE sb_view SET query = ? WHERE id = ?", query, view_id)
    await record(work, "view.saved", "view", view_id, {"name": name, "query": query, "shared": shared})
    return view_id


async def delete_view(work: Work, view_id: str, *, shared: bool) -> None:
    """Delete one's own view, or one of everybody's; NotFound for any other."""
    holder = SHARED if shared else holder_of(work.actor)
    if not await work.tx.run("DELETE FROM sb_view WHERE id = ? AND holder = ?", view_id, holder):
        raise NotFound("view-unknown", "There is no such view.", "Load the list again.")
    await record(work, "view.deleted", "view", view_id, {"shared": shared})
