"""The AI-agents API of an org (Okta for AI Agents): agents, operations that are polled, keys.

The okta SDK (3.4.6) has no methods for it; its executor signs and sends what is written here. Every change
is accepted (202) as an operation and done later; `resource` ids are believed, never addresses.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any
from urllib.parse import urlencode

from scim_bridge.sync.idp.okta.errors import OktaRefusal
from scim_bridge.sync.idp.okta.patience import patiently
from scim_bridge.sync.idp.okta.session import Reply, Session
from scim_bridge.sync.idp.okta.vocabulary import text_literal
from scim_bridge.sync.idp.port import IdpError

BASE = "/workload-principals/api/v1"
AGENTS = f"{BASE}/ai-agents"
MERGE_PATCH = "application/merge-patch+json"
PAGE = 200
# An operation takes moments; one that takes longer is waited for by trying the whole change again later.
POLL_SECONDS = 0.25
POLL_MOST = 1.0
PATIENCE = 8.0
LATER = 10

Agent = dict[str, Any]


async def data_pages(
    session: Session, what: str, path: str
) -> AsyncIterator[tuple[list[dict[str, Any]], bool]]:
    """Each page of a listing in the form of the newer APIs (`data`, `_links.next`), and whether it is the last."""
    following = path
    while following:
        reply = await patiently(partial(session.send, what, "GET", following))
        content = reply.content or {}
        following = str(((content.get("_links") or {}).get("next") or {}).get("href") or "")
        yield content.get("data") or [], not following


class Workloads:
    """AI agents of one org by id, and what may be done to them. Every call may be made twice."""

    def __init__(
        self, session: Session, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._session = session
        self._sleep = sleep

    def listing(self) -> AsyncIterator[tuple[list[Agent], bool]]:
        """Every agent, page by page, in whatever status."""
        return data_pages(self._session, "list AI agents", f"{AGENTS}?limit={PAGE}")

    async def agent(self, agent_id: str) -> Agent | None:
        """The agent with this id; None when there is none."""
        try:
            reply = await self._session.send("read the AI agent", "GET", f"{AGENTS}/{agent_id}")
        except OktaRefusal as error:
            if error.absent:
                return None
            raise
        found: Agent = reply.content
        return found

    async def named(self, name: str) -> Agent | None:
        """The agent of this name, in any case; names are unique in an org."""
        query = urlencode({"search": f"profile.name eq {text_literal(name)}", "limit": 2})
        async for agents, _ in data_pages(self._session, "look for the AI agent", f"{AGENTS}?{query}"):
            for agent in agents:
                if str(agent["profile"]["name"]).casefold() == name.casefold():
                    return agent
        return None

    async def register(self, name: str, description: str | None) -> str:
        """A new agent, STAGED; its id."""
        profile = {"name": name, **({"description": description} if description else {})}
        what = f"register the AI agent {name}"
        return await self._done(what, await self._session.send(what, "POST", AGENTS, {"profile": profile}))

    async def patch(self, agent_id: str, profile: dict[str, Any]) -> None:
        """Change parts of a profile; null takes a value away."""
        what = "update the AI agent"
        path = f"{AGENTS}/{agent_id}"
        reply = await self._session.send(what, "PATCH", path, {"profile": profile}, media=MERGE_PATCH)
        await self._done(what, reply)

    async def activate(self, agent_id: str) -> None:
        """Let it act; Okta wants an owner first."""
        await self._lifecycle(agent_id, "activate")

    async def deactivate(self, agent_id: str) -> None:
        """Stop it: no new tokens, and its keys off as far as Okta allows (never the only one)."""
        await self._lifecycle(agent_id, "deactivate")
        await self._keys_off(agent_id)

    async def delete(self, agent_id: str) -> None:
        """Delete an inactive agent for good."""
        what = "delete the AI agent"
        try:
            await self._done(what, await self._session.send(what, "DELETE", f"{AGENTS}/{agent_id}"))
        except OktaRefusal as error:
            if not error.absent:
                raise

    async def _lifecycle(self, agent_id: str, verb: str) -> None:
        what = f"{verb} the AI agent"
        reply = await self._session.send(what, "POST", f"{AGENTS}/{agent_id}/lifecycle/{verb}")
        await self._done(what, reply)

    async def _keys_off(self, agent_id: str) -> None:
        here = f"{AGENTS}/{agent_id}/credentials/jwks"
        reply = await self._session.send("list the agent's keys", "GET", here)
        for key in (reply.content or {}).get("data") or []:
            if key.get("status") != "ACTIVE":
                continue
            try:
                path = f"{here}/{key['id']}/lifecycle/deactivate"
                await self._session.send("switch the agent's key off", "POST", path)
            except OktaRefusal as error:
                # The only active one stays: Okta refuses that, and the agent is off already.
                if error.transient or error.http not in (400, 403, 404):
                    raise

    async def _done(self, what: str, accepted: Reply) -> str:
        """Wait until an operation is done; the id of what it was done to. IdpError when it failed."""
        operation = accepted.location.rstrip("/").rsplit("/", 1)[-1]
        if not operation:
            raise IdpError("okta-operation", f"Okta did not say how to {what} goes on.", transient=True)
        until, pause = time.monotonic() + PATIENCE, POLL_SECONDS
        while True:
            reply = await self._session.send(
                f"see how to {what} goes", "GET", f"{BASE}/operations/{operation}"
            )
            found = reply.content or {}
            if found.get("status") == "COMPLETED":
                return str((found.get("resource") or {}).get("id") or "")
            if found.get("status") == "FAILED":
                details = found.get("errorDetails") or {}
                code, message = (
                    str(details.get("code") or "FAILED"),
                    str(details.get("message") or "no reason given"),
                )
                raise OktaRefusal(code, 400, f"Okta could not {what}: {code} {message.rstrip('.')}.")
            if time.monotonic() > until:
                raise IdpError(
                    "okta-operation",
                    f"Okta has accepted to {what} but not done it yet.",
                    transient=True,
                    retry_after=LATER,
                )
            await self._sleep(pause)
            pause = min(POLL_MOST, pause * 2)
