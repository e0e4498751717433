"""A rotation as rows: begun, moved from step to step, called off. Every move is one transaction.

preparing → creating → delivering → confirming → overlapping → revoking → done
A rotation that cannot go on goes back: withdrawing → unmaking → undone. One that cannot do that either is
stuck: it says what is left, and a person lets it try again. `refused` ended before anything was made.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import orjson

from scim_bridge.audit.record import record
from scim_bridge.credentials.clients import Client
from scim_bridge.credentials.model import Target
from scim_bridge.credentials.policy import LEAK, Policy, kind_of, layered, target_of, unconfirmable
from scim_bridge.kernel.clock import SECOND
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import Conflict, NotFound, Refused, UniqueViolation
from scim_bridge.kernel.work import Work
from scim_bridge.registry import outward
from scim_bridge.registry.keeper import LABEL

CREDENTIAL_ROTATE = "credential.rotate"
PREPARING, CREATING, DELIVERING = "preparing", "creating", "delivering"
CONFIRMING, OVERLAPPING, REVOKING, DONE = "confirming", "overlapping", "revoking", "done"
WITHDRAWING, UNMAKING, UNDONE = "withdrawing", "unmaking", "undone"
STUCK, REFUSED = "stuck", "refused"
FORWARD = (PREPARING, CREATING, DELIVERING, CONFIRMING)
ENDED = (DONE, UNDONE, REFUSED)
DEMAND, SCHEDULE, REACTIVATED = "demand", "schedule", "reactivated"
SOONEST_POLL, LATEST_POLL = 2 * SECOND, 60 * SECOND


@dataclass(frozen=True, slots=True)
class Rotation:
    """One rotation as its row says. Instants in microseconds."""

    row: Any
    policy: Policy
    public: dict[str, str]

    @property
    def id(self) -> str:
        """Its id."""
        return str(self.row["id"])

    @property
    def state(self) -> str:
        """The step it is at."""
        return str(self.row["state"])

    @property
    def label(self) -> str:
        """What the new credential is called at the IdP."""
        return f"{LABEL}{self.id}"

    @property
    def target(self) -> Target | None:
        """Where the new credential goes."""
        r = self.row
        words = {"slug": r["slug"] or r["remote_id"], "agent": r["agent_id"], "client": r["client_id"]}
        return target_of(self.policy, {**words, "kind": r["kind"]})

    @property
    def place(self) -> str:
        """What a sealed value of this rotation is bound to."""
        return f"sb_rotation:{self.id}:sealed"


def rotation_of(row: Any) -> Rotation:
    """A row as a value."""
    return Rotation(row, layered([orjson.loads(row["policy"])]), orjson.loads(row["public"]))


async def rotation(reader: Reader, rotation_id: str) -> Rotation:
    """One rotation; NotFound when there is none."""
    row = await reader.one("SELECT * FROM sb_rotation WHERE id = ?", rotation_id)
    if row is None:
        raise NotFound(
            "rotation-unknown", f"There is no rotation {rotation_id!r}.", "See `credentials rotations`."
        )
    return rotation_of(row)


async def begin(
    work: Work, client: Client, slug: str, policy: Policy, old: Any, cause: str, reason: str
) -> str:
    """Begin to replace a credential (None: give the client a new one); the rotation's id.

    Conflict while another rotation of the same client is under way; Invalid or Refused for what cannot be.
    """
    kind = kind_of(policy, old["kind"] if old is not None else "", client.remote.kinds)
    if old is not None and old["state"] not in ("active", "inactive"):
        raise Refused(
            "credential-state",
            f"This credential is {old['state']}: there is nothing to replace.",
            "A reactivated agent gets a new one: `credentials rotate --client ID`.",
        )
    if not policy.store:
        raise Refused(
            "rotation-target",
            f"No policy says where a new credential of {client.remote.name} is kept.",
            "Set one: `scim-bridge credentials policy set SUBJECT --store NAME --address path=…`.",
        )
    if why := unconfirmable(policy):
        raise Refused(
            "rotation-confirm",
            f"A new credential of {client.remote.name} could never be confirmed: {why}.",
            "Change the policy: `credentials policy set`.",
        )
    rotation_id = work.ids.new()
    remote = client.remote
    if cause == LEAK:
        # Who found it can use it: nothing is waited for that need not be.
        policy = replace(policy, overlap_seconds=0, window="")
    try:
        await work.tx.run(
            "INSERT INTO sb_rotation (id, connection_id, client_kind, remote_id, client_name, client_id, agent_id,"
            " slug, kind, old_id, old_reference, old_kind, cause, reason, state, created, step_at, policy, public,"
            " note, tries) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '{}', '', 0)",
            rotation_id,
            client.connection_id,
            remote.kind,
            remote.remote_id,
            remote.name,
            remote.client_id,
            remote.agent_id,
            slug,
            kind,
            *((old["id"], old["reference"], old["kind"]) if old is not None else (None, None, None)),
            cause,
            reason,
            PREPARING,
            work.now,
            work.now,
            orjson.dumps(_content(policy)).decode(),
        )
    except UniqueViolation as error:
        raise Conflict(
            "rotation-open",
            f"Another rotation of {remote.name} is under way.",
            "See `credentials rotations`; wait for it, or settle it when it is stuck.",
        ) from error
    detail = {"client": remote.remote_id, "kind": kind, "cause": cause, "reason": reason}
    if old is not None:
        detail["replaces"] = old["id"]
    await record(
        work, "credential.rotation_begun", "rotation", rotation_id, detail, connection_id=client.connection_id
    )
    await go_on(work, rotation_id, client.connection_id, remote.remote_id, PREPARING)
    return rotation_id


def _content(policy: Policy) -> dict[str, Any]:
    return {**asdict(policy), "signals": list(policy.signals), "address": dict(policy.address)}


async def go_on(
    work: Work, rotation_id: str, connection_id: str, remote_id: str, step: str, delay: int = 0
) -> str:
    """Have a step done after the commit, `delay` microseconds later; all of one client's in their order."""
    return await work.effect(
        CREDENTIAL_ROTATE,
        {"rotation_id": rotation_id, "step": step},
        lane=f"rotate:{connection_id}:{remote_id}",
        subject_id=rotation_id,
        delay=delay,
    )


async def move(
    work: Work,
    of: Rotation,
    to: str,
    *,
    note: str | None = None,
    delay: int = 0,
    ahead: bool = True,
    **columns: Any,
) -> bool:
    """Move a rotation from the step it is at; False (and nothing changed) when it is no longer there.

    With `ahead` the next step's effect is written. Ends wipe the sealed value.
    """
    ended = to in ENDED
    changes: dict[str, Any] = {"state": to, "step_at": work.now, **columns}
    if note is not None:
        changes["note"] = note[:1000]
    if ended:
        changes |= {"finished": work.now, "sealed": None}
    names = ", ".join(f"{name} = ?" for name in changes)
    moved = await work.tx.run(
        f"UPDATE sb_rotation SET {names} WHERE id = ? AND state = ?", *changes.values(), of.id, of.state
    )
    if not moved:
        work.bookkeeping("the rotation moved on meanwhile")
        return False
    detail = {"from": of.state, "to": to, **({"note": changes["note"]} if note else {})}
    row = of.row
    bad = to in (STUCK, UNDONE, REFUSED)
    await record(
        work,
        "credential.rotation_moved",
        "rotation",
        of.id,
        detail,
        outcome="failed" if bad else "success",
        connection_id=row["connection_id"],
    )
    if bad:
        await _tell(work, of, changes.get("note", row["note"]))
    if ahead and not ended and to != STUCK:
        await go_on(work, of.id, row["connection_id"], row["remote_id"], to, delay)
    return True


async def _tell(work: Work, of: Rotation, note: str) -> None:
    row = of.row
    there: Any = await work.tx.one("SELECT name FROM sb_connection WHERE id = ?", row["connection_id"])
    data = {
        "rotation": of.id,
        "agent": row["slug"],
        "client": row["client_name"],
        "kind": row["kind"],
        "connection": there["name"] if there is not None else row["connection_id"],
        "note": note,
    }
    await outward.notify(work, "rotation-failed", None, data, subject_id=row["agent_id"] or of.id)


async def go_back(work: Work, of: Rotation, why: str) -> bool:
    """Turn a rotation round: what was delivered is withdrawn, what was made is unmade, the old one stays."""
    to = WITHDRAWING if of.row["version"] is not None else UNMAKING
    return await move(work, of, to, note=why)


async def hasten(work: Work, of: Rotation, *, cause: str = "") -> None:
    """Somebody else knows one of the two: no overlap any more, and no window is waited for.

    `cause`, where it is another one now: an old one that leaked goes even when nothing can replace it.
    """
    policy = replace(of.policy, overlap_seconds=0, window="")
    await work.tx.run(
        "UPDATE sb_rotation SET policy = ?, cause = ? WHERE id = ?",
        orjson.dumps(_content(policy)).decode(),
        cause or of.row["cause"],
        of.id,
    )
    detail = {"at": of.state}
    await record(work, "credential.rotation_hastened", "rotation", of.id, detail)
    if of.state in (OVERLAPPING, UNMAKING):
        await go_on(work, of.id, of.row["connection_id"], of.row["remote_id"], of.state)


async def confirm(work: Work, rotation_id: str, by: str) -> Rotation:
    """Note that whoever uses the new credential has it. Twice is once; Refused when it comes too late."""
    found = await rotation(work.tx, rotation_id)
    if found.row["confirmed"] is not None:
        work.bookkeeping("confirmed before")
        return found
    # Told so only when it was moved: another process may turn it round at this moment.
    if found.state != CONFIRMING or not await move(
        work, found, OVERLAPPING, delay=found.policy.overlap, confirmed=work.now, confirmed_by=by[:200]
    ):
        state = (await rotation(work.tx, rotation_id)).state
        raise Refused(
            "rotation-state",
            f"This rotation is {state}: nothing waits for a confirmation.",
            "See `credentials show` for what became of it.",
        )
    await record(work, "credential.rotation_confirmed", "rotation", rotation_id, {"by": by[:200]})
    return found


async def open_of_agent(reader: Reader, agent_id: str) -> list[Rotation]:
    """The rotations of an agent that are under way."""
    rows = await reader.all(
        "SELECT * FROM sb_rotation WHERE agent_id = ? AND finished IS NULL ORDER BY created, id", agent_id
    )
    return [rotation_of(row) for row in rows]


async def settle(work: Work, rotation_id: str) -> str:
    """Let a stuck rotation try again what it was stuck at; the step. Refused when it is not stuck."""
    found = await rotation(work.tx, rotation_id)
    if found.state != STUCK:
        raise Refused(
            "rotation-state", f"This rotation is {found.state}, not stuck.", "There is nothing to settle."
        )
    fresh: Any = await work.tx.one("SELECT state FROM sb_credential WHERE id = ?", found.row["fresh_id"])
    # Of a new one that is gone nothing can be finished: the store gets back what it had.
    there = fresh is not None and fresh["state"] in ("active", "inactive")
    forward = found.row["confirmed"] is not None and there
    to = OVERLAPPING if forward else (WITHDRAWING if found.row["version"] is not None else UNMAKING)
    await move(work, found, to, note=f"tried again by {work.actor.name}")
    return to
