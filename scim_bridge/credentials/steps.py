"""The steps of a rotation, one effect each: every one may be done twice, and commits what came of it.

A value lives in memory between two lines of these functions, and else sealed in the rotation's row until it
is delivered. Whatever may have been made is looked for before it is made.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import orjson

from scim_bridge.credentials import rotation as rows
from scim_bridge.credentials.certifying import Keys, Wish, certified
from scim_bridge.credentials.confirming import Confirming
from scim_bridge.credentials.material import Made, common_name, made
from scim_bridge.credentials.model import Delivery, DeliveryFailed, Fresh
from scim_bridge.credentials.outcomes import (
    created,
    done,
    failed,
    finished,
    missing,
    wait,
)
from scim_bridge.credentials.policy import STORE
from scim_bridge.credentials.rotation import Rotation, move, rotation_of
from scim_bridge.credentials.there import There
from scim_bridge.credentials.undoing import Undoing
from scim_bridge.credentials.windows import next_open, read_windows
from scim_bridge.kernel.clock import DAY, MINUTE
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.crypto import Tampered
from scim_bridge.kernel.effects import Done, Effect, Handler, Outcome, Retry
from scim_bridge.kernel.errors import Invalid, NotFound, Refused
from scim_bridge.kernel.work import Work
from scim_bridge.registry.credential_traces import leave_trace
from scim_bridge.registry.keeper import (
    CERTIFICATE,
    Issued,
    KeeperOf,
    LimitReached,
)
from scim_bridge.registry.news import Unanswered

# How long a store may be away before a rotation goes back, where the policy gives less.
STORE_PATIENCE = 15 * MINUTE


class Steps:
    """Performs credential.rotate. `delivery` puts what was made where the policy says."""

    def __init__(
        self, ctx: Context, keeper_of: KeeperOf, delivery: Delivery, keys: Keys | None = None
    ) -> None:
        self._ctx = ctx
        self._there = There(ctx, keeper_of)
        self._delivery = delivery
        self._keys = keys
        self._confirming = Confirming(ctx, delivery)
        undoing = Undoing(self._there, delivery)
        self._steps: dict[str, Callable[[Rotation], Awaitable[Outcome]]] = {
            rows.PREPARING: self._prepare,
            rows.CREATING: self._create,
            rows.DELIVERING: self._deliver,
            rows.CONFIRMING: self._confirming.look,
            rows.OVERLAPPING: self._overlap,
            rows.REVOKING: self._revoke_old,
            rows.WITHDRAWING: undoing.withdraw,
            rows.UNMAKING: undoing.unmake,
        }

    def handlers(self) -> dict[str, Handler]:
        """Who performs which effect."""
        return {rows.CREDENTIAL_ROTATE: self.perform}

    async def perform(self, effect: Effect) -> Outcome:
        """Do the step an effect names, unless the rotation is past it."""
        row = await self._ctx.store.reads.one(
            "SELECT * FROM sb_rotation WHERE id = ?", str(effect.payload["rotation_id"])
        )
        if row is None or row["state"] != effect.payload["step"]:
            return Done({"outcome": "moved on"})
        of = rotation_of(row)
        if of.state in rows.FORWARD and (why := await self._called_off(of)):
            return done(lambda work: rows.go_back(work, of, why), "called off")
        try:
            return await self._steps[of.state](of)
        except LimitReached as error:
            return self._cannot(of, error.text())
        except Unanswered as error:
            if error.transient or getattr(error, "refuses_us", False):
                after = None if error.retry_after is None else float(error.retry_after)
                return Retry(error.message, after, asked=after is not None)
            return self._cannot(of, error.text())
        except DeliveryFailed as error:
            if error.transient and not self._store_is_late(of):
                return Retry(error.message)
            return self._cannot(of, error.text())
        except (Invalid, NotFound, Refused, Tampered) as error:
            return self._cannot(of, error.text())

    def _store_is_late(self, of: Rotation) -> bool:
        waited = self._ctx.store.clock.now() - int(of.row["step_at"])
        return of.state == rows.DELIVERING and waited > max(of.policy.patience, STORE_PATIENCE)

    def _cannot(self, of: Rotation, why: str) -> Outcome:
        """A step that can never be done: forward steps go back, the others leave it to a person."""

        async def turn(work: Work) -> None:
            await failed(work, of, why)

        return done(turn, "cannot")

    async def _called_off(self, of: Rotation) -> str:
        """Why nothing more is to be made: the agent may not act, or what was to be replaced was revoked."""
        row: Any = await self._ctx.store.reads.one(
            "SELECT r.active, r.deleted, (SELECT c.state FROM sb_credential c WHERE c.id = ?) AS old"
            " FROM sb_resource r WHERE r.id = ?",
            of.row["old_id"],
            of.row["agent_id"],
        )
        if row is None:
            return ""
        if row["deleted"] is not None:
            return "The agent was deleted."
        if not row["active"] and row["old"] not in ("active", "inactive"):
            # A held agent keeps what it has, and is given nothing where it has nothing.
            return "The agent is held and has no credential left."
        return ""

    async def _prepare(self, of: Rotation) -> Outcome:
        """See that there is room, make the material and seal it: a crash later loses no value we made."""
        keeper, client = await self._there.keeper(of)
        keeper.room(client, of.row["kind"], await keeper.credentials(client))
        sealed: bytes | None = None
        public: dict[str, str] = {}
        if not keeper.generates(of.row["kind"]):
            found = await self._made(of)
            public = found.public
            sealed = self._ctx.master.seal(of.place, found.value.reveal().encode())
        told = orjson.dumps(public).decode()
        return done(lambda work: move(work, of, rows.CREATING, sealed=sealed, public=told), "prepared")

    async def _made(self, of: Rotation) -> Made:
        if of.row["kind"] != CERTIFICATE:
            return made(of.row["kind"], of.label)
        policy = of.policy
        wish = Wish(
            of.label,
            common_name(of.row["slug"] or of.row["client_name"]),
            policy.lifetime_days,
            policy.authority,
            policy.store if policy.key_in == STORE else "",
        )
        return await certified(self._keys, wish, self._now(), policy.patience + policy.overlap)

    def _now(self) -> int:
        return self._ctx.store.clock.now()

    async def _create(self, of: Rotation) -> Outcome:
        """Make it at the IdP, unless an answer that was lost did; what lost its value is made again."""
        keeper, client = await self._there.keeper(of)
        generates = keeper.generates(of.row["kind"])
        material = self._there.material(of, generates)
        issued: Issued | None = None
        found = await keeper.find(client, material)
        if found is not None and not generates:
            issued = Issued(found.reference, None, found.expires)
        elif found is not None:
            await keeper.revoke(client, of.row["kind"], found.reference)
        if issued is None:
            days = of.policy.lifetime_days
            issued = await keeper.add(client, material, self._now() + days * DAY if days else None)
        sealed = of.row["sealed"]
        if issued.value is not None:
            sealed = self._ctx.master.seal(of.place, issued.value.reveal().encode())
        issued = replace(issued, value=None)
        return done(lambda work: created(work, of, issued, sealed), "created")

    async def _deliver(self, of: Rotation) -> Outcome:
        """Put it where its agent reads it, then forget the value."""
        target = of.target
        if target is None:
            raise Refused("rotation-target", "The policy names no store any more.", "")
        row = of.row
        known = [name for name in ("kid", "thumbprint") if name in of.public]
        public: dict[str, str] = {name: of.public[name] for name in known}
        public |= {
            "client_id": row["client_id"],
            "rotation": of.id,
            "ack": self._confirming.link(of.id),
        }
        value = self._there.opened(of)
        fresh = Fresh(row["kind"], value, row["fresh_reference"], row["fresh_expires"], public)
        version = (await self._delivery.deliver(target, fresh, of.id)).version
        del fresh

        async def delivered(work: Work) -> None:
            if row["kind"] == "client_secret":
                # To know it again when it is found in public; a key is known by its public half.
                await leave_trace(work, self._ctx.master, str(row["fresh_id"]), value.reveal())
            soon = self._confirming.first_look(of)
            await move(
                work, of, rows.CONFIRMING, delay=soon, sealed=None, version=version, delivered=work.now
            )

        return done(delivered, "delivered")

    async def _overlap(self, of: Rotation) -> Outcome:
        """When both have worked long enough: the old one goes, if the new one is there and a window is open."""
        opens = next_open(read_windows(of.policy.window), self._now())
        if opens > self._now():
            return done(lambda work: wait(work, of, opens), "waits for its window")
        keeper, client = await self._there.keeper(of)
        there = {one.reference: one for one in await keeper.credentials(client)}
        fresh = there.get(of.row["fresh_reference"])
        if fresh is None or not fresh.active:
            return done(lambda work: missing(work, of, there=fresh is not None), "not there")
        return done(lambda work: move(work, of, rows.REVOKING), "overlapped")

    async def _revoke_old(self, of: Rotation) -> Outcome:
        """Take the old one away, the placeholders, and what a lost answer left; believe it when it is read."""
        keeper, client = await self._there.keeper(of)
        going = await self._superseded(of)
        there = await keeper.credentials(client)
        for one in there:
            if one.label == of.label and one.reference != of.row["fresh_reference"]:
                going[one.reference] = one.kind
        for reference, kind in going.items():
            await keeper.revoke(client, kind, reference)
        left = {one.reference for one in await keeper.credentials(client) if one.active}
        if still := left & set(going):
            return Retry(f"{len(still)} old credentials are still there")
        return done(lambda work: finished(work, of, list(going)), "done")

    async def _superseded(self, of: Rotation) -> dict[str, str]:
        """What the new one takes the place of, by reference: the old one, and placeholders of its client."""
        found: dict[str, str] = {}
        if of.row["old_reference"] is not None:
            found[of.row["old_reference"]] = of.row["old_kind"]
        for row in await self._ctx.store.reads.all(
            "SELECT reference, kind FROM sb_credential WHERE connection_id = ? AND client_id = ? AND state = 'void'",
            of.row["connection_id"],
            of.row["remote_id"],
        ):
            found[row["reference"]] = row["kind"]
        return found
