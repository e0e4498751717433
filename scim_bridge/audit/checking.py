"""A verification that runs beside the server: begun by a person, watched while it runs, kept with its result.

One at a time in the whole installation; whoever asks while one runs is shown that one. The walk has a thread and a
connection of its own, so that nobody who provisions waits for it.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from dataclasses import asdict, dataclass, replace

import orjson
import structlog

from scim_bridge.audit.model import Verdict
from scim_bridge.audit.record import record
from scim_bridge.audit.seal import seal
from scim_bridge.audit.verify import verify_database
from scim_bridge.kernel.clock import SECOND
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.database import Reader, open_database
from scim_bridge.kernel.errors import StoreUnavailable
from scim_bridge.kernel.work import Actor, Work

log = structlog.get_logger("scim_bridge.audit")

FACT = "audit.verification"
RUNNING, DONE, BROKEN = "running", "done", "broken"
# Seconds between two words of how far it is, and of silence after which nobody is believed to be at it.
BEAT, SILENT = 1.0, 60
FINDINGS = 20


@dataclass(frozen=True, slots=True)
class Check:
    """One verification. Instants in microseconds; `of` is how many rows there were when it began.

    `tip` is the hash of row `last`: with it somebody can tell later which chain was found sound.
    """

    id: str
    state: str
    by: str
    began: int
    beat: int
    rows: int = 0
    of: int = 0
    checkpoints: int = 0
    unsealed: int = 0
    last: int = 0
    tip: str = ""
    ok: bool = False
    findings: tuple[str, ...] = ()
    why: str = ""

    def running(self, now: int) -> bool:
        """True while somebody is at it."""
        return self.state == RUNNING and now - self.beat < SILENT * SECOND


async def last_check(reader: Reader) -> Check | None:
    """The verification that runs, or else the last one; None before the first."""
    row = await reader.one("SELECT value FROM sb_fact WHERE name = ?", FACT)
    if row is None:
        return None
    kept = orjson.loads(row["value"])
    return Check(**{**kept, "findings": tuple(kept["findings"])})


class Checking:
    """Begins verifications in this process."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self.task: asyncio.Task[None] | None = None

    async def begin(self, actor: Actor) -> Check:
        """The verification that runs now: a new one, unless one does already."""
        store = self._ctx.store
        total = await store.reads.one("SELECT COUNT(*) AS n FROM sb_audit")

        async def body(work: Work) -> tuple[Check, bool]:
            work.bookkeeping("a verification begins; its result is audited")
            there = await last_check(work.tx)
            if there is not None and there.running(work.now):
                return there, False
            of = 0 if total is None else int(total["n"])
            made = Check(work.ids.new(), RUNNING, actor.name, work.now, work.now, of=of)
            await _keep(work, made)
            return made, True

        made, new = await store.transact(actor, body)
        if new:
            self.task = asyncio.create_task(self._run(made, actor))
        return made

    async def _run(self, check: Check, actor: Actor) -> None:
        store, counted = self._ctx.store, [0]
        try:
            await seal(store, self._ctx.master)
            walk = self._walk(counted)
            while not (await asyncio.wait([walk], timeout=BEAT))[0]:
                await self._beat(replace(check, rows=counted[0]))
            verdict = walk.result()
        except Exception as error:
            log.exception("audit.verification", action="audit.verification", outcome="failed")
            words = f"It could not be carried through: {type(error).__name__}. See the log."
            # Where the server is ending, its silence says it.
            with suppress(StoreUnavailable):
                await self._beat(replace(check, state=BROKEN, rows=counted[0], why=words))
            return
        done = finished(check, verdict)

        async def body(work: Work) -> None:
            there = await last_check(work.tx)
            # Somebody took it for dead, and began another one.
            if there is None or there.id == check.id:
                await _keep(work, replace(done, beat=work.now))
            detail = {
                "rows": done.rows,
                "checkpoints": done.checkpoints,
                "last": done.last,
                "tip": done.tip,
                "ok": done.ok,
                "findings": list(done.findings),
            }
            await record(work, "audit.verified", "audit", None, detail)

        await store.transact(actor, body)

    async def _beat(self, check: Check) -> None:
        async def body(work: Work) -> None:
            work.bookkeeping("how far a verification is")
            there = await last_check(work.tx)
            if there is not None and there.id == check.id:
                await _keep(work, replace(check, beat=work.now))

        await self._ctx.store.transact(Actor("worker", "scim-bridge", "scim-bridge"), body)

    def _walk(self, counted: list[int]) -> asyncio.Future[Verdict]:
        """The walk in a thread that ends with the process, whatever it is at."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Verdict] = loop.create_future()
        url = self._ctx.store.database.url

        def tell(rows: int) -> None:
            counted[0] = rows

        async def main() -> Verdict:
            database = await open_database(url, pool_size=1)
            try:
                return await verify_database(database, tell=tell)
            finally:
                await database.close()

        def settle(verdict: Verdict | None, error: Exception | None) -> None:
            if future.done():
                return
            if error is not None:
                future.set_exception(error)
            elif verdict is not None:
                future.set_result(verdict)

        def run() -> None:
            verdict, failed = None, None
            try:
                verdict = asyncio.run(main())
            except Exception as error:
                failed = error
            # The server may have ended meanwhile.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(settle, verdict, failed)

        threading.Thread(target=run, name="audit-verification", daemon=True).start()
        return future


def finished(check: Check, verdict: Verdict) -> Check:
    """A verification with its result."""
    findings = tuple(
        f"row {one.seq}: {one.message}" if one.seq else one.message for one in verdict.findings[:FINDINGS]
    )
    return replace(
        check,
        state=DONE,
        rows=verdict.rows,
        checkpoints=verdict.checkpoints,
        unsealed=verdict.unsealed,
        last=verdict.last,
        tip=verdict.tip,
        ok=verdict.ok,
        findings=findings,
    )


async def _keep(work: Work, check: Check) -> None:
    await work.tx.run(
        "INSERT INTO sb_fact (name, value, changed) VALUES (?, ?, ?)"
        " ON CONFLICT (name) DO UPDATE SET value = excluded.value, changed = excluded.changed",
        FACT,
        orjson.dumps(asdict(check)).decode(),
        work.now,
    )
