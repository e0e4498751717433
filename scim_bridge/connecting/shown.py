"""The token a form of the wizard makes: one, however often the form is sent, and for some minutes a page shows it.

Nothing keeps it meanwhile: it is derived from the form, so that whoever is signed in and comes back from a step
further on, or loads the page again, sees the same one.
"""

from __future__ import annotations

import hashlib

from scim_bridge.connecting.steps import LABEL, Standing, standing
from scim_bridge.kernel.clock import MINUTE
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.errors import Conflict
from scim_bridge.kernel.master_key import MasterKey
from scim_bridge.kernel.work import Actor, Work
from scim_bridge.registry.connections import Connection
from scim_bridge.registry.tokens import (
    CONNECTION_SCOPES,
    PREFIX,
    create_token,
    find_token,
    minted,
    revoke_token,
)

MINUTES = 10


def token_of(master: MasterKey, session_id: str, there: Connection, once: str) -> str:
    """The token that one form, shown in one session, makes."""
    drawn = master.digest("token of a form", f"{session_id}\0{there.id}\0{once}")
    return minted(PREFIX, bytes.fromhex(drawn))


def seen(stand: Standing) -> str:
    """What of a connection's tokens a page showed: another one as soon as one was made or ended."""
    return hashlib.sha256("\0".join(stand.tokens).encode()).hexdigest()[:16]


async def made_once(ctx: Context, actor: Actor, there: Connection, token: str, was: str) -> None:
    """Make this token, unless it is made already; unused ones it stands for are revoked with it.

    Conflict when the connection's tokens are not those somebody saw (`was`): one made elsewhere is not ended unseen.
    """

    async def body(work: Work) -> None:
        # Who sends the same form at the same time waits, and finds the token made.
        await work.tx.one(f"SELECT 1 AS x FROM sb_connection WHERE id = ?{work.tx.for_update}", there.id)
        if await find_token(work.tx, ctx.master, token) is not None:
            work.bookkeeping("this form was sent before")
            return
        stand = await standing(work.tx, there.id, work.now)
        if seen(stand) != was:
            raise Conflict(
                "token-moved",
                f"{there.name} has another token since you loaded the page: in another tab, or by somebody else.",
                "No token was made now. Load the page again; whoever made that one was shown it.",
            )
        for each in stand.unused:
            await revoke_token(work, each)
        await create_token(
            work, ctx.master, connection_id=there.id, scopes=CONNECTION_SCOPES, label=LABEL, token=token
        )

    await ctx.store.transact(actor, body)


async def still_shown(ctx: Context, there: Connection, token: str) -> bool:
    """True for the minutes in which the page of a token shows it, while it is not revoked."""
    row = await find_token(ctx.store.reads, ctx.master, token)
    if row is None or row["revoked"] is not None or row["connection_id"] != there.id:
        return False
    return bool(ctx.store.clock.now() < row["created"] + MINUTES * MINUTE)
