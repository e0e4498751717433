"""Opens the adapter of a connection; vendors' libraries are imported only then."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from scim_bridge.kernel.context import Context
from scim_bridge.kernel.errors import Refused
from scim_bridge.kernel.outbound_error import OutboundError
from scim_bridge.registry.connections import Connection, connection, connection_secrets
from scim_bridge.registry.rehearsed import BACK, OVER, rehearsed
from scim_bridge.sync.digests import canonical
from scim_bridge.sync.idp.port import Idp

if TYPE_CHECKING:
    from scim_bridge.kernel.outbound import Outbound

ADAPTERS = {
    "okta": ("scim_bridge.sync.idp.okta.opening", "open_okta"),
    "entra": ("scim_bridge.sync.idp.entra.adapter", "open_entra"),
    "generic": ("scim_bridge.sync.idp.scim.adapter", "open_scim"),
}


async def open_idp(ctx: Context, chosen: Connection, secrets: dict[str, Any]) -> Idp:
    """The tenant behind a connection, opened; Refused when it has no push side.

    The caller closes it. Nothing is sent before the first question is asked.
    """
    if chosen.kind not in ADAPTERS:
        raise Refused(
            "sync-kind",
            f"Nothing can be pushed to {chosen.name}: its kind is {chosen.kind}.",
            f"Sync knows {', '.join(ADAPTERS)}.",
        )
    if not secrets:
        raise Refused(
            "sync-secrets",
            f"{chosen.name} has no credentials to push with.",
            f"Give them: connections configure {chosen.name} --secrets-file FILE.",
        )
    module, name = ADAPTERS[chosen.kind]
    # Vendors' libraries take their time to import: not on the event loop.
    opened = getattr(await asyncio.to_thread(import_module, module), name)
    made: Idp = opened(chosen, secrets, ctx)
    return made


class Idps:
    """The open adapters of one process, one per connection, made anew when its settings changed."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._open: dict[str, tuple[str, Idp]] = {}
        # A replaced adapter may still be in use by an effect; it is closed with the rest.
        self._replaced: list[Idp] = []
        self._lock = asyncio.Lock()
        self._own: set[str] = set()
        self._ways: list[Outbound] = []

    def reach(self, place: str) -> None:
        """Let connections whose settings name this host:port call it, though it is inside: a sandbox of ours."""
        self._own.add(place)

    def _named(self, chosen: Connection) -> list[str]:
        if not self._own:
            return []
        told = (urlsplit(each).netloc for each in chosen.settings.values() if isinstance(each, str))
        return sorted(self._own.intersection(told))

    def _ctx_reaching(self, own: list[str]) -> Context:
        if not own:
            return self._ctx
        way = self._ctx.outbound.reaching(own)
        self._ways.append(way)
        return replace(self._ctx, outbound=way)

    async def _still_played(self, chosen: Connection) -> None:
        """Refused when the tenant is a sandbox of an earlier server: what mends that is no setting."""
        told = urlsplit(str(chosen.settings.get("org_url") or chosen.settings.get("graph_url") or ""))
        try:
            await self._ctx.outbound.judged(told.hostname or "", told.port or 443)
        except OutboundError as error:
            raise Refused(
                "rehearsal-over", f"{chosen.name} is rehearsed. {OVER}", BACK.format(name=chosen.name)
            ) from error

    async def of(self, connection_id: str) -> tuple[Connection, Idp]:
        """A connection (by id or name) and its adapter; NotFound or Refused when there is none."""
        reads = self._ctx.store.reads
        chosen = await connection(reads, connection_id)
        secrets = await connection_secrets(reads, self._ctx.master, chosen.id)
        own = self._named(chosen)
        if not own and rehearsed(chosen, self._ctx.data_dir):
            await self._still_played(chosen)
        version = hashlib.sha256(canonical([chosen.kind, chosen.settings, secrets, own])).hexdigest()
        async with self._lock:
            known = self._open.get(chosen.id)
            if known is not None and known[0] == version:
                return chosen, known[1]
            made = await open_idp(self._ctx_reaching(own), chosen, secrets)
            if known is not None:
                self._replaced.append(known[1])
            self._open[chosen.id] = (version, made)
            return chosen, made

    async def news(self, connection_id: str) -> tuple[Connection, Any]:
        """A connection and its tenant's news of people (`registry.news`); Refused when it tells none."""
        chosen, idp = await self.of(connection_id)
        told = getattr(idp, "news", None)
        if told is None:
            raise Refused("news-kind", f"{chosen.name} tells no news of people: its kind is {chosen.kind}.")
        return chosen, told

    async def keeper(self, connection_id: str) -> tuple[Connection, Any]:
        """A connection and its tenant as keeper of credentials (`registry.keeper`); Refused when it is none."""
        chosen, idp = await self.of(connection_id)
        found = getattr(idp, "keeper", None)
        if found is None:
            raise Refused(
                "keeper-kind", f"{chosen.name} keeps no credentials of agents: its kind is {chosen.kind}."
            )
        return chosen, found

    async def close(self) -> None:
        """Close every adapter."""
        adapters = [*self._replaced, *(idp for _, idp in self._open.values())]
        self._replaced.clear()
        self._open.clear()
        for idp in adapters:
            await idp.close()
        for way in self._ways:
            await way.aclose()
        self._ways.clear()
