"""Effects: outward calls that a transaction decided and a worker makes, at least once each.

Every call carries the effect's id as idempotency key, so the receiver can make it exactly once.
A failed call is tried again with growing pauses; what cannot succeed is kept as `dead` and shown.
"""

from __future__ import annotations

import zlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
import structlog

from scim_bridge.kernel import tracing
from scim_bridge.kernel.clock import SECOND
from scim_bridge.kernel.errors import NotFound, Refused, StoreUnavailable
from scim_bridge.kernel.sql import marks
from scim_bridge.kernel.work import ORDINARY, SYSTEM, Actor, Store, Work

log = structlog.get_logger("scim_bridge.effects")

MAX_ATTEMPTS = 14
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 600.0
LANES = 8
DEADLY = "gave up: its worker died each time while this was under way"
# After a defect in our own settling code: long enough not to spin, short enough to heal.
UNSETTLED_PAUSE = 30.0
# So many attempts a peer's rate limit may count for; the rest is kept for failures.
MOST_ASKED = MAX_ATTEMPTS // 2


@dataclass(frozen=True, slots=True)
class Effect:
    """One outward call to make."""

    id: str
    kind: str
    lane: str
    subject_id: str | None
    case_id: str | None
    payload: Mapping[str, Any]
    attempts: int
    created: int
    rank: int = ORDINARY
    # The trace it was decided in (W3C traceparent), where traces are on.
    trace: str | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """The call was made. `commit` runs in the transaction that marks the effect done."""

    result: Mapping[str, Any] = field(default_factory=dict)
    commit: Callable[[Work], Awaitable[None]] | None = None


@dataclass(frozen=True, slots=True)
class Retry:
    """The call failed in a way that may pass; `after` in seconds when the peer said so.

    `asked` says that the peer only asked to come later (a rate limit): however often it does so, that
    alone never makes an effect dead.
    """

    reason: str
    after: float | None = None
    asked: bool = False


@dataclass(frozen=True, slots=True)
class Dead:
    """The call can never succeed as it is; a person has to look."""

    reason: str


Outcome = Done | Retry | Dead
Handler = Callable[[Effect], Awaitable[Outcome]]
Settled = Callable[[Work, Effect, str, str], Awaitable[None]]


def lane(kind: str, subject_id: str) -> str:
    """One of a few lanes for a subject: its effects stay in order, others run beside them."""
    return f"{kind}:{zlib.crc32(subject_id.encode()) % LANES}"


def pause(attempts: int) -> float:
    """Seconds to wait after the given number of failed attempts: 1, 2, 4, ... at most 600."""
    return min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(attempts - 1, 20))


async def _load(reader: Any, effect_id: str) -> tuple[Effect, str] | None:
    row = await reader.one(
        "SELECT id, kind, lane, subject_id, case_id, payload, state, attempts, created,"
        " rank, trace FROM sb_effect WHERE id = ?",
        effect_id,
    )
    if row is None:
        return None
    effect = Effect(
        row["id"],
        row["kind"],
        row["lane"],
        row["subject_id"],
        row["case_id"],
        orjson.loads(row["payload"]),
        row["attempts"],
        row["created"],
        row["rank"],
        row["trace"],
    )
    return effect, row["state"]


class Effects:
    """Performs effects with the handlers the rooms registered.

    `settled` hooks run inside the transaction that settles an effect (audit row, case progress).
    """

    def __init__(self, store: Store, handlers: Mapping[str, Handler], settled: Sequence[Settled]) -> None:
        self._store = store
        self._handlers = handlers
        self._settled = settled

    async def attempt(self, effect_id: str) -> float | None:
        """Try one effect once. None when it is settled, else the seconds to wait before the next try.

        Never raises: a job that failed for good would strand its effect.
        """
        try:
            return await self._attempt(effect_id)
        except StoreUnavailable as error:
            log.warning("effect.waiting", action="effect.waiting", effect=effect_id, reason=error.message)
            return float(error.retry_after or 5)
        except Exception:
            log.exception("effect.unsettled", action="effect.unsettled", effect=effect_id)
            return UNSETTLED_PAUSE

    async def _attempt(self, effect_id: str) -> float | None:
        loaded = await _load(self._store.reads, effect_id)
        if loaded is None or loaded[1] not in ("pending", "handed"):
            return None
        effect = loaded[0]
        if effect.attempts >= MAX_ATTEMPTS:
            # Failures never come so far: it was under way whenever its worker died, and may be why.
            await self._settle(effect, effect.attempts, Dead(DEADLY))
            return None
        if not tracing.on():
            return await self._tried(effect)
        told = {"scim_bridge.effect": effect.id, "scim_bridge.attempt": effect.attempts + 1}
        with tracing.span(f"effect {effect.kind}", tracing.CONSUMER, told, carried=effect.trace) as span:
            return await self._tried(effect, span)

    async def _tried(self, effect: Effect, span: tracing.Off = tracing.OFF) -> float | None:
        outcome = await self._call(effect)
        if not isinstance(outcome, Done):
            span.failed(type(outcome).__name__.casefold())
        attempts = effect.attempts + 1
        if isinstance(outcome, Retry) and outcome.asked:
            attempts = max(effect.attempts, min(attempts, MOST_ASKED))
        if isinstance(outcome, Retry) and not outcome.asked and attempts >= MAX_ATTEMPTS:
            outcome = Dead(f"gave up after {attempts} attempts: {outcome.reason}")
        if isinstance(outcome, Retry):
            wait = pause(attempts) if outcome.after is None else max(outcome.after, 0.05)
            await self._postpone(effect, attempts, outcome, wait)
            return wait
        await self._settle(effect, attempts, outcome)
        return None

    async def give_back(self, effect_id: str, round_: int, wait: float) -> bool:
        """Let an effect that has to wait do so without holding up others; the relay hands it over anew.

        `round_` is the one it was handed over in: what moved on since is left alone. False (and nothing
        changed) when the store is away; never raises.
        """

        async def body(work: Work) -> None:
            work.bookkeeping("an effect waits for its next try")
            await work.tx.run(
                "UPDATE sb_effect SET state = 'pending', round = round + 1, next_at = ?"
                " WHERE id = ? AND round = ? AND state IN ('pending', 'handed')",
                work.now + int(wait * SECOND),
                effect_id,
                round_,
            )

        try:
            await self._store.transact(SYSTEM, body)
        except StoreUnavailable as error:
            log.warning("effect.waiting", action="effect.waiting", effect=effect_id, reason=error.message)
            return False
        except Exception:
            log.exception("effect.kept", action="effect.kept", effect=effect_id)
            return False
        return True

    async def _call(self, effect: Effect) -> Outcome:
        handler = self._handlers.get(effect.kind)
        if handler is None:
            return Dead(f"no handler for effects of kind {effect.kind!r}")
        try:
            return await handler(effect)
        except StoreUnavailable as error:
            return Retry(error.message, float(error.retry_after or 1))
        except Exception as error:
            # A defect in one handler must neither stop the worker nor lose the effect.
            log.exception("effect.failed", action="effect.failed", effect=effect.id, kind=effect.kind)
            return Retry(f"unexpected {type(error).__name__}")

    async def _postpone(self, effect: Effect, attempts: int, outcome: Retry, wait: float) -> None:
        async def body(work: Work) -> None:
            work.bookkeeping("an effect will be tried again")
            await work.tx.run(
                "UPDATE sb_effect SET attempts = ?, last_error = ?, next_at = ? WHERE id = ?",
                attempts,
                outcome.reason[:500],
                work.now + int(wait * SECOND),
                effect.id,
            )

        await self._store.transact(SYSTEM, body)
        # Waiting because the other side's limit is kept is how it should be: nobody has to be warned of it.
        told, name = (log.info, "effect.paced") if outcome.asked else (log.warning, "effect.retry")
        told(name, action=name, effect=effect.id, kind=effect.kind, reason=outcome.reason, wait=wait)

    async def _settle(self, effect: Effect, attempts: int, outcome: Done | Dead) -> None:
        done = isinstance(outcome, Done)
        state = "done" if done else "dead"
        reason = "" if isinstance(outcome, Done) else outcome.reason
        result = orjson.dumps(outcome.result).decode() if isinstance(outcome, Done) else None

        async def body(work: Work) -> None:
            moved = await work.tx.run(
                "UPDATE sb_effect SET state = ?, attempts = ?, settled = ?, last_error = ?, result = ?"
                " WHERE id = ? AND state IN ('pending', 'handed')",
                state,
                attempts,
                work.now,
                reason[:500] or None,
                result,
                effect.id,
            )
            if not moved:
                work.bookkeeping("another worker settled this effect")
                return
            if isinstance(outcome, Done) and outcome.commit is not None:
                await outcome.commit(work)
            for hook in self._settled:
                await hook(work, effect, state, reason)

        await self._store.transact(SYSTEM, body)


async def under_way(store: Store, effect_ids: Sequence[str]) -> int:
    """Count an attempt for effects whose worker died with them; how many. Those that slept are innocent.

    Otherwise one that kills whoever performs it would do so for ever.
    """
    if not effect_ids:
        return 0

    async def body(work: Work) -> int:
        work.bookkeeping("effects that were under way when a worker died")
        return await work.tx.run(
            "UPDATE sb_effect SET attempts = attempts + 1, last_error = ?"
            f" WHERE id IN ({marks(len(effect_ids))}) AND state IN ('pending', 'handed') AND next_at <= ?",
            "its worker died while this was under way",
            *effect_ids,
            work.now,
        )

    return await store.transact(SYSTEM, body)


async def from_the_future(store: Store) -> int:
    """Make due in their turn what was written by a clock that has been set back since; how many.

    They would wait for as long as the clock was ahead.
    """

    async def body(work: Work) -> int:
        work.bookkeeping("effects of a clock that was ahead")
        return await work.tx.run(
            "UPDATE sb_effect SET next_at = ? + (next_at - created), created = ?"
            " WHERE state = 'pending' AND created > ?",
            work.now,
            work.now,
            work.now,
        )

    return await store.transact(SYSTEM, body)


async def revive(
    store: Store, actor: Actor, effect_id: str, record: Callable[[Work], Awaitable[None]]
) -> None:
    """Give a dead effect a fresh row of attempts; NotFound or Refused otherwise."""

    async def body(work: Work) -> None:
        await revive_within(work, effect_id)
        await record(work)

    await store.transact(actor, body)


async def revive_within(work: Work, effect_id: str) -> None:
    """The same, inside a transaction that writes the audit row."""
    loaded = await _load(work.tx, effect_id)
    if loaded is None:
        raise NotFound("effect-unknown", f"There is no effect {effect_id}.")
    if loaded[1] != "dead":
        raise Refused("effect-not-dead", f"The effect is {loaded[1]}.", "Only dead effects can be retried.")
    await work.tx.run(
        "UPDATE sb_effect SET state = 'pending', attempts = 0, round = round + 1, next_at = ?,"
        " settled = NULL WHERE id = ?",
        work.now,
        effect_id,
    )
    work.effects += 1
