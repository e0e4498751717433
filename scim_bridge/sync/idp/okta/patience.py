"""Reading that waits out a limit: a listing may take its time, a write is tried again later instead."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any

from scim_bridge.sync.idp.okta.errors import OktaRefusal
from scim_bridge.sync.idp.okta.session import Reply, Session
from scim_bridge.sync.idp.port import IdpError, ListingLost

# Reading a whole org may wait out one window of Okta's rate limit at a time.
LISTING_PATIENCE = 120


async def patiently(act: Callable[[], Awaitable[Reply]]) -> Reply:
    """Act; again after the pause Okta asks for, while the pauses add up to less than two windows."""
    waited = 0
    while True:
        try:
            return await act()
        except IdpError as error:
            pause = error.retry_after or 2
            if not error.transient or waited + pause > LISTING_PATIENCE:
                raise
            waited += pause
            await asyncio.sleep(pause)


async def pages(
    session: Session, what: str, first: Callable[[], Awaitable[Reply]]
) -> AsyncIterator[tuple[list[dict[str, Any]], bool]]:
    """Each page of a listing and whether it is the last, following the links Okta gives."""
    reply = await patiently(first)
    while True:
        yield reply.content or [], not reply.next
        if not reply.next:
            return
        reply = await patiently(partial(_following, session, what, reply.next))


async def _following(session: Session, what: str, link: str) -> Reply:
    try:
        return await session.send(what, "GET", link)
    except OktaRefusal as error:
        if error.http not in (400, 404, 410):
            raise
        raise ListingLost("okta-listing-lost", error.message) from error
