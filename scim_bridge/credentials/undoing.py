"""The steps of a rotation that goes back: out of the store, then out of the IdP."""

from __future__ import annotations

from scim_bridge.credentials import rotation as rows
from scim_bridge.credentials.model import Delivered, Delivery
from scim_bridge.credentials.outcomes import done, kept_by, state_of, unmade
from scim_bridge.credentials.revoking import keep_placeholder
from scim_bridge.credentials.rotation import Rotation, move
from scim_bridge.credentials.there import There
from scim_bridge.kernel.effects import Outcome, Retry
from scim_bridge.kernel.errors import NotFound
from scim_bridge.kernel.work import Work


class Undoing:
    """Takes back what a rotation made; every step may be done twice."""

    def __init__(self, there: There, delivery: Delivery) -> None:
        self._there = there
        self._delivery = delivery

    async def withdraw(self, of: Rotation) -> Outcome:
        """Put back into the store what was there; who read the new one may use it a little longer."""
        target = of.target
        if target is not None and of.row["version"] is not None:
            await self._delivery.withdraw(target, Delivered(of.row["version"]))

        async def withdrawn(work: Work) -> None:
            # What was revoked already is used by nobody: nothing is waited for.
            used = await state_of(work, of.row["fresh_id"]) in ("active", "inactive")
            delay = of.policy.overlap if used else 0
            await move(work, of, rows.UNMAKING, delay=delay, version=None)

        return done(withdrawn, "withdrawn")

    async def unmake(self, of: Rotation) -> Outcome:
        """Revoke the new one at the IdP, also when nobody ever learnt its reference."""
        try:
            keeper, client = await self._there.keeper(of)
        except NotFound:
            return done(lambda work: unmade(work, of), "undone")
        reference = of.row["fresh_reference"]
        if reference is None and (of.row["sealed"] is not None or keeper.generates(of.row["kind"])):
            found = await keeper.find(client, self._there.material(of, keeper.generates(of.row["kind"])))
            reference = None if found is None else found.reference
        placeholder = ""
        if reference is not None:
            placeholder = await keeper.revoke(client, of.row["kind"], reference)
            if any(one.active and one.reference == reference for one in await keeper.credentials(client)):
                return Retry("the new credential is still there")

        async def gone(work: Work) -> None:
            await unmade(work, of)
            if placeholder:
                await keep_placeholder(work, kept_by(of), placeholder)

        return done(gone, "undone")
