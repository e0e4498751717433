"""What goes on at a connection right now: what a worker was asked for, and the run that is being written."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from scim_bridge.console.asked import Asked, asked_for, newest_of
from scim_bridge.console.session import PATH
from scim_bridge.kernel.database import Reader
from scim_bridge.registry.connections import Connection
from scim_bridge.sync.asked import ADOPT, APPLY, PLAN, lane_of
from scim_bridge.sync.run import Run, open_run
from scim_bridge.sync.service import next_try

HERE = f"{PATH}/sync"
WORDS = {PLAN: "Reading the IdP for a plan", APPLY: "Beginning to apply the plan", ADOPT: "Adopting"}


def at(there: Connection, *more: str) -> str:
    """The address of a connection's page, or of one below it."""
    return "/".join((f"{HERE}/{quote(there.name, safe='')}", *more))


@dataclass(frozen=True, slots=True)
class Now:
    """`asked` is what this page waits for, `go` where to go on when that is over; `run` is being written."""

    asked: Asked | None
    run: Run | None
    waits: tuple[int, str] | None
    go: str

    @property
    def again(self) -> bool:
        """True while there is something to wait for."""
        return self.run is not None or (self.asked is not None and self.asked.open)

    @property
    def words(self) -> str:
        """What the worker does."""
        return "" if self.asked is None else WORDS.get(self.asked.kind, "Working")


async def now_of(reader: Reader, there: Connection, effect_id: str) -> Now:
    """How things are; `effect_id` is what this page asked for, empty for whatever is being done."""
    asked = await asked_for(reader, effect_id, lane_of(there.id)) if effect_id else None
    if asked is None:
        newest = await newest_of(reader, there.id, (PLAN, APPLY, ADOPT))
        asked = next((one for one in newest.values() if one.open), None)
    run = await open_run(reader, there.id)
    waits = await next_try(reader, run.id) if run is not None else None
    return Now(asked, run, waits, _onward(there, asked))


def _onward(there: Connection, asked: Asked | None) -> str:
    if asked is None or asked.state != "done":
        return ""
    if asked.kind == PLAN and "plan" in asked.result:
        return at(there, "plans", str(asked.result["plan"]))
    if asked.kind == ADOPT:
        return f"{at(there)}?adopted={quote(str(asked.result.get('agent', '')), safe='')}"
    return at(there)
