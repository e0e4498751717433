"""Revoking a credential at the IdP that keeps it: taken away, read again, and only then believed."""

from __future__ import annotations

from typing import Any

import orjson

from scim_bridge.audit.record import record
from scim_bridge.credentials.discarding import discard
from scim_bridge.credentials.rotation import FORWARD, go_back, open_of_agent
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.effects import Dead, Done, Effect, Outcome, Retry
from scim_bridge.kernel.errors import NotFound, Refused
from scim_bridge.kernel.work import SYSTEM, Work
from scim_bridge.registry.credentials import confirm_revoked
from scim_bridge.registry.keeper import KeeperOf
from scim_bridge.registry.news import Unanswered

ALL_REVOKED = "Every credential of the agent was revoked meanwhile."


class Revoker:
    """Performs credential.revoke for what an IdP keeps."""

    def __init__(self, ctx: Context, keeper_of: KeeperOf) -> None:
        self._ctx = ctx
        self._keeper_of = keeper_of

    async def revoke(self, effect: Effect) -> Outcome:
        """Done only when the IdP no longer has it, or has it off."""
        try:
            return await self._revoke(effect)
        except Unanswered as error:
            if error.transient or getattr(error, "refuses_us", False):
                after = None if error.retry_after is None else float(error.retry_after)
                return Retry(error.message, after, asked=after is not None)
            return Dead(error.text())
        except (NotFound, Refused) as error:
            return Dead(error.text())

    async def _revoke(self, effect: Effect) -> Outcome:
        said = effect.payload
        credential_id = str(said["credential_id"])
        row: Any = await self._ctx.store.reads.one(
            "SELECT c.state, c.public, k.kind FROM sb_credential c LEFT JOIN sb_credential_client k"
            " ON k.connection_id = c.connection_id AND k.remote_id = c.client_id WHERE c.id = ?",
            credential_id,
        )
        if row is None or row["state"] == "revoked":
            return Done({"outcome": "revoked before"})
        _, keeper = await self._keeper_of(str(said["connection_id"]))
        client = await keeper.client(str(row["kind"] or ""), str(said["client_id"]))
        placeholder = ""
        if client is not None:
            placeholder = await keeper.revoke(client, str(said["kind"]), str(said["reference"]))
            there = {one.reference: one for one in await keeper.credentials(client)}
            found = there.get(str(said["reference"]))
            if found is not None and found.active:
                return Retry("the IdP still has it")

        async def confirm(work: Work) -> None:
            await confirm_revoked(work, credential_id)
            if row["public"]:
                await discard(work, credential_id, orjson.loads(row["public"]))
            if placeholder:
                await keep_placeholder(work, said, placeholder)

        return Done({"outcome": "revoked", "placeholder": bool(placeholder)}, confirm)

    async def stop_rotations(self, agent_id: str) -> None:
        """Turn round what is being made for an agent all of whose credentials are revoked."""
        found = await open_of_agent(self._ctx.store.reads, agent_id)
        if any(each.state in FORWARD for each in found):
            await self._ctx.store.transact(SYSTEM, lambda work: turn_round(work, agent_id))


async def turn_round(work: Work, agent_id: str) -> int:
    """The same in a transaction, at once, and where there is nothing yet to revoke; how many."""
    turned = 0
    for found in await open_of_agent(work.tx, agent_id):
        if found.state in FORWARD:
            turned += await go_back(work, found, ALL_REVOKED)
    if not turned:
        work.bookkeeping("no rotation of the agent goes forward")
    return turned


async def keep_placeholder(work: Work, said: Any, reference: str) -> None:
    """Keep the placeholder in the inventory, so that a scan knows it and the next new credential removes it.

    `said` has agent_id, kind, connection_id and client_id of what it took the place of.
    """
    credential_id = work.ids.new()
    there: Any = await work.tx.one("SELECT name FROM sb_connection WHERE id = ?", said["connection_id"])
    await work.tx.run(
        "INSERT INTO sb_credential (id, agent_id, label, kind, system, reference, state, created, connection_id,"
        " client_id, origin) VALUES (?, ?, 'placeholder', ?, ?, ?, 'void', ?, ?, ?, 'rotation')",
        credential_id,
        said["agent_id"],
        said["kind"],
        there["name"],
        reference,
        work.now,
        said["connection_id"],
        said["client_id"],
    )
    detail = {"reference": reference, "client": said["client_id"]}
    await record(work, "credential.placeholder", "credential", credential_id, detail)
