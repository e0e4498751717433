"""How requests of the Postman collection are written down: steps, listings over several pages, relative totals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from scim_bridge.conformance.asking import Ask, asking
from scim_bridge.conformance.entra_postman_bodies import patch
from scim_bridge.conformance.expect import (
    Check,
    includes,
    note,
    status,
)
from scim_bridge.conformance.model import Notes, Step
from scim_bridge.conformance.reply import Reply, at, shown
from scim_bridge.conformance.run import Run

SOURCE: Final = "Microsoft's Postman collection, request {}"
MOST_PAGES: Final = 20

EITHER: Final = "status 204, or 200 with the resource (RFC 7644 section 3.5.2)"
LARGE: Final = f"the store is too large to be read in {MOST_PAGES} pages"

OK: Final = status(200)
MADE: Final = status(201)
GONE: Final = status(204)
WRONG: Final = status(400)
TAKEN: Final = (status(409), includes("detail"))
CHANGED: Final = Check(
    EITHER, lambda reply, _: None if reply.status in (200, 204) else f"status {reply.status}"
)


def more(path: str, count: int, kept: str) -> Check:
    """A total that is so many higher than before the run."""

    def test(reply: Reply, notes: Notes) -> str | None:
        before, found = note(notes, kept), at(reply.body, path)
        right = isinstance(found, int) and found == before + count
        return None if right else f"{path} is {shown(found)}, and was {before} before"

    text = f"{path} is {count} more than before" if count else f"{path} is as before: nothing of ours is left"
    return Check(text, test)


def step(
    number: int, title: str, ask: Ask, *checks: Check, needs: tuple[int, ...] = (), **saves: str
) -> Step:
    after = tuple(f"entra.postman.{n}" for n in needs)
    name = f"entra.postman.{number}"
    return asking(name, title, SOURCE.format(number), ask, *checks, saves=saves, needs=after)


def counted(number: int, title: str, path: str, kept: str) -> Step:
    """A first listing, whose total is what later ones are measured by."""

    async def body(run: Run) -> None:
        reply = await run.get(path)
        run.hold(reply, OK)
        total = reply.get("totalResults")
        if isinstance(total, int):
            run.keep(kept, total)

    return Step(f"entra.postman.{number}", title, SOURCE.format(number), body)


def listed(
    number: int, title: str, query: Mapping[str, str], checks: tuple[Check, ...], wanted: Check, *needs: int
) -> Step:
    """A listing that has to contain something of ours, on whichever of its pages."""

    async def body(run: Run) -> None:
        reply = await run.ask("GET", "/Users", query=query)
        run.hold(reply, *checks)
        for _ in range(MOST_PAGES):
            start, total, size = (
                _int(reply, name) for name in ("startIndex", "totalResults", "itemsPerPage")
            )
            last = size < 1 or start + size > total
            if last or wanted.test(reply, run.notes) is None:
                run.hold(reply, wanted)
                return
            reply = await run.ask("GET", "/Users", query={**query, "startIndex": start + size})
        run.hold(reply, wanted.unless(LARGE))

    after = tuple(f"entra.postman.{n}" for n in needs)
    return Step(f"entra.postman.{number}", title, SOURCE.format(number), body, after)


def _int(reply: Reply, name: str) -> int:
    found = reply.get(name)
    return found if isinstance(found, int) else 0


def get(path: str, **query: Any) -> Ask:
    """GET."""
    return Ask("GET", path, query)


def post(path: str, body: Any) -> Ask:
    """POST with the content type the collection sends."""
    return Ask("POST", path, body=body, headers={"content-type": "application/json"})


def put(path: str, body: Any) -> Ask:
    """PUT, likewise."""
    return Ask("PUT", path, body=body, headers={"content-type": "application/json"})


def patched(path: str, *operations: dict[str, Any], **members: Any) -> Ask:
    """PATCH, likewise."""
    headers = {"content-type": "application/json"}
    return Ask("PATCH", path, body=patch(*operations, **members), headers=headers)


def delete(path: str) -> Ask:
    """DELETE."""
    return Ask("DELETE", path)
