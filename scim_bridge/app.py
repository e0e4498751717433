"""The composition root, lower half: an open bridge and who performs which effect.

Commands need only this; `server.py` adds the worker and HTTP. Rooms never import each other: what
one needs of another is handed over in these two files.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from scim_bridge.audit.record import effect_settled
from scim_bridge.declared import indexes_of
from scim_bridge.kernel.clock import SystemClock
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.crypto import MasterKey, load_or_create_key
from scim_bridge.kernel.database import open_database
from scim_bridge.kernel.document_index import Indexes
from scim_bridge.kernel.effects import Effects, Handler
from scim_bridge.kernel.ids import UuidV7
from scim_bridge.kernel.outbound import Outbound
from scim_bridge.kernel.work import Store
from scim_bridge.migrations import upgrade
from scim_bridge.settings import Settings

if TYPE_CHECKING:
    from scim_bridge.sync.idp.open import Idps


@dataclass(slots=True)
class Bridge:
    """An open bridge: settings and what rooms share."""

    settings: Settings
    ctx: Context
    idps: Idps

    async def close(self) -> None:
        """Finish what is queued and let go of every connection."""
        await self.idps.close()
        await self.ctx.outbound.aclose()
        await self.ctx.store.database.close()


async def open_bridge(settings: Settings) -> Bridge:
    """Open and migrate the database; StoreUnavailable or ConfigurationError when that cannot be."""
    from scim_bridge.sync.idp.open import Idps

    secret = settings.secret_key.encode() or load_or_create_key(settings.data_dir / "scim-bridge.key")
    master = MasterKey(secret)
    await upgrade(settings.database_url)
    database = await open_database(settings.database_url)
    clock = SystemClock()
    outbound = Outbound(allow=settings.allow_networks, ca_file=settings.ca_file or None)
    indexes = Indexes(indexes_of(settings.scim.attributes))
    store = Store(database, clock, UuidV7(clock), indexes)
    public_url = settings.public_url.rstrip("/")
    ctx = Context(store, master, outbound, public_url, settings.data_dir)
    return Bridge(settings, ctx, Idps(ctx))


def handlers(bridge: Bridge) -> dict[str, Handler]:
    """Who performs which kind of effect."""
    from scim_bridge.credentials import effects as credentials
    from scim_bridge.sync import effects as sync
    from scim_bridge.watch import effects as watch

    return {
        **sync.handlers(bridge.ctx, bridge.idps),
        **credentials.handlers(bridge.ctx, bridge.settings.revokers),
        **watch.handlers(bridge.ctx, bridge.settings),
    }


def effects_of(bridge: Bridge) -> Effects:
    """The engine that performs effects, with what follows when one is settled."""
    from scim_bridge.departures import service as departures
    from scim_bridge.sync import effects as sync

    hooks = [effect_settled, departures.settled, sync.settled]
    return Effects(bridge.ctx.store, handlers(bridge), hooks)
