"""How it is known that a consumer has its new credential: it says so, its health or its store says so, or time.

An acknowledgement comes by a link that only this rotation has, or with a token of the API.
"""

from __future__ import annotations

from typing import Any

import orjson

from scim_bridge.credentials import rotation as rows
from scim_bridge.credentials.model import Delivered, Delivery, DeliveryFailed
from scim_bridge.credentials.policy import ACK, HEALTH, STORE, TIME
from scim_bridge.credentials.rotation import Rotation, move
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.effects import Done, Outcome
from scim_bridge.kernel.outbound_error import OutboundError
from scim_bridge.kernel.work import Work

PATH = "/credentials/v1/rotations"
ACK_LINK = "rotation-ack"


class Confirming:
    """Looks whether a new credential is in use, and knows the link by which that is said."""

    def __init__(self, ctx: Context, delivery: Delivery) -> None:
        self._ctx = ctx
        self._delivery = delivery

    def link(self, rotation_id: str) -> str:
        """The address a consumer calls (POST) when it uses the new credential."""
        return f"{self._ctx.public_url}{PATH}/{rotation_id}/ack?sig={self._signature(rotation_id)}"

    def genuine(self, rotation_id: str, signature: str) -> bool:
        """True for the signature of this rotation's link."""
        return self._ctx.master.matches(ACK_LINK, rotation_id, signature)

    def _signature(self, rotation_id: str) -> str:
        return self._ctx.master.digest(ACK_LINK, rotation_id)

    def first_look(self, of: Rotation) -> int:
        """Microseconds until something can be seen: at the end where nothing but a call or time tells."""
        if of.policy.confirm in (ACK, TIME):
            return of.policy.patience
        return self._pause(of)

    def _pause(self, of: Rotation) -> int:
        return min(rows.LATEST_POLL, max(rows.SOONEST_POLL, of.policy.patience // 20))

    async def look(self, of: Rotation) -> Outcome:
        """Go on when it is confirmed, look again later, or go back when it took too long."""
        now = self._ctx.store.clock.now()
        late = now >= int(of.row["step_at"]) + of.policy.patience
        how = of.policy.confirm
        if how == TIME:
            by = "time" if late else ""
        elif how == HEALTH:
            by = await self._healthy(of)
        else:
            by = await self._in_store(of) if how == STORE else ""

        async def go(work: Work) -> None:
            if by:
                await move(
                    work, of, rows.OVERLAPPING, delay=of.policy.overlap, confirmed=work.now, confirmed_by=by
                )
            elif late:
                waited = f"{of.policy.confirm_seconds} seconds"
                await rows.go_back(work, of, f"Nobody confirmed the new credential within {waited} ({how}).")
            else:
                work.bookkeeping("a rotation waits for its confirmation")
                until_late = int(of.row["step_at"]) + of.policy.patience - work.now
                pause = until_late if how in (ACK, TIME) else min(self._pause(of), max(until_late, 0))
                await rows.go_on(
                    work, of.id, of.row["connection_id"], of.row["remote_id"], of.state, max(pause, 0)
                )

        return Done({"outcome": by or ("late" if late else "not yet")}, go)

    async def _in_store(self, of: Rotation) -> str:
        target = of.target
        if target is None or of.row["version"] is None:
            return ""
        try:
            told = await self._delivery.confirmed(
                target, Delivered(of.row["version"]), int(of.row["delivered"])
            )
        except DeliveryFailed:
            return ""
        return f"the store {target.name}" if told else ""

    async def _healthy(self, of: Rotation) -> str:
        """The consumer's health address: 200 and the reference (or kid) of the credential it uses."""
        if not of.policy.health_url:
            return ""
        try:
            answer = await self._ctx.outbound.send(
                "GET", of.policy.health_url, headers={"accept": "application/json"}
            )
            said: Any = orjson.loads(answer.body)
        except (OutboundError, orjson.JSONDecodeError):
            return ""
        if answer.status != 200 or not isinstance(said, dict):
            return ""
        known = {of.row["fresh_reference"], of.public.get("kid"), of.public.get("thumbprint")} - {None}
        # A list of them, for instance: whatever comes, only a text can be one.
        told = said.get("credential")
        return "its health address" if isinstance(told, str) and told in known else ""
