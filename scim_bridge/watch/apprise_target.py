"""Telling people through apprise: some hundred services (mail, chats, pagers) behind one address each.

Apprise makes its own connections: they do not pass our guard of outward calls. So its addresses come from
the settings alone, which only an admin writes, never from a request or the database.
"""

from __future__ import annotations

import asyncio
import logging
import warnings
from importlib.util import find_spec
from urllib.parse import quote

from scim_bridge.kernel.effects import Dead, Done, Outcome, Retry

SECONDS = 20.0
RECIPIENT = "{email}"
MISSING = "apprise is not installed. Install it (pip install 'scim-bridge[notify]'), then `scim-bridge effects retry`."


def installed() -> bool:
    """Whether apprise is there, without the time it takes to load."""
    return find_spec("apprise") is not None


def personal(target: str) -> bool:
    """Whether a target reaches one person: its address says where theirs goes, as `{email}`."""
    return RECIPIENT in target


def addressed(target: str, email: str) -> str:
    """The target for one person."""
    return target.replace(RECIPIENT, quote(email, safe=""))


async def deliver(target: str, title: str, text: str, *, to: str) -> Outcome:
    """Send one message through apprise, in a thread of its own; what became of it.

    `to` names the target in reasons: the address may hold a password and is never shown.
    """
    if not installed():
        return Dead(MISSING)
    try:
        sent = await asyncio.wait_for(asyncio.to_thread(_send, target, title, text), SECONDS)
    except TimeoutError:
        return Retry(f"{to} took no message within {SECONDS:g} seconds")
    if sent is None:
        return Dead(f"{to}: apprise does not understand its address")
    return Done({"delivered": True}) if sent else Retry(f"{to} did not take the message")


def _send(target: str, title: str, text: str) -> bool | None:
    """True when it was sent; None when the address means nothing to apprise."""
    import apprise

    # What it logs may hold what it sends.
    logging.getLogger("apprise").setLevel(logging.CRITICAL)
    made = apprise.Apprise()
    with warnings.catch_warnings():
        # It loads every service it knows, some with modules that Python is about to drop.
        warnings.simplefilter("ignore")
        understood = made.add(target)
    if not understood:
        return None
    return bool(made.notify(body=text, title=title, body_format=apprise.NotifyFormat.TEXT))
