"""The composition root, lower half: an open bridge and who performs which effect.

Commands need only this; `duties.py` adds the worker, `doors.py` HTTP, `server.py` both. Rooms never import
each other: what one needs of another is handed over in these files.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from scim_bridge.audit.record import effect_settled
from scim_bridge.kernel.clock import Clock, SystemClock
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.crypto import MasterKey
from scim_bridge.kernel.database import Database, open_database
from scim_bridge.kernel.document_index import Indexes
from scim_bridge.kernel.effects import Effects, Handler
from scim_bridge.kernel.ids import UuidV7
from scim_bridge.kernel.master_key import KeyFile, create_key, load_keys, meanings
from scim_bridge.kernel.outbound import Outbound
from scim_bridge.kernel.ownership import claim, may_have_new_key, meant
from scim_bridge.kernel.work import Store, Work
from scim_bridge.migrations import upgrade
from scim_bridge.registry.employee_numbers import EMPLOYEE_NUMBER
from scim_bridge.registry.rehearsed import FOLDER
from scim_bridge.registry.signal import Signal
from scim_bridge.settings.attributes import indexes_of
from scim_bridge.settings.model import Settings

if TYPE_CHECKING:
    from scim_bridge.connecting.stage import Stage
    from scim_bridge.credentials.delivery.stores import Stores
    from scim_bridge.credentials.leaks.intake import Intake
    from scim_bridge.departures.rules import Rules
    from scim_bridge.sync.idp.open import Idps

KEY_FILE = "scim-bridge.key"
# What is worth nothing without the master key it was stored with.
BOUND = (
    "sb_key",
    "sb_token",
    "sb_oauth_secret",
    "sb_connection WHERE secrets IS NOT NULL",
    "sb_tx_stream WHERE secrets IS NOT NULL",
    "sb_ssf_stream WHERE secrets IS NOT NULL OR push_digest IS NOT NULL",
)


@dataclass(slots=True)
class Bridge:
    """An open bridge: settings and what rooms share."""

    settings: Settings
    ctx: Context
    idps: Idps
    _rules: Rules | None = None
    _stores: Stores | None = None
    _stage: Stage | None = None

    @property
    def stage(self) -> Stage:
        """Where rehearsals are played; only a server has something to play."""
        if self._stage is None:
            from scim_bridge.connecting.stage import Stage

            self._stage = Stage(self.ctx.data_dir / FOLDER, self.idps.reach)
        return self._stage

    @property
    def stores(self) -> Stores:
        """Where credentials of agents are delivered to (`[stores.NAME]`); opened when first used."""
        if self._stores is None:
            from scim_bridge.credentials.delivery.stores import Stores

            self._stores = Stores(self.settings.stores, self.ctx.outbound, self.ctx.store.clock)
        return self._stores

    @property
    def rules(self) -> Rules:
        """What the installation decided about departures, read when first asked for (a server asks at start)."""
        if self._rules is None:
            from scim_bridge.departures.link import Links
            from scim_bridge.departures.policy_file import load_rules

            links = Links(self.ctx.master, self.ctx.public_url)
            self._rules = replace(load_rules(self.settings.departures.policies), links=links)
        return self._rules

    async def close(self) -> None:
        """Finish what is queued and let go of every connection."""
        if self._stage is not None:
            await self._stage.close()
        await self.idps.close()
        if self._stores is not None:
            await self._stores.close()
        await self.ctx.outbound.aclose()
        await self.ctx.store.database.close()


async def open_bridge(settings: Settings, *, create: bool = False, patience: float = 60.0) -> Bridge:
    """Open and migrate the database; with `create`, make it when there is none (else NotFound).

    `patience`: how many seconds a single read of a PostgreSQL server may take.

    StoreUnavailable when it is away, ConfigurationError when it is another program's or another key's.
    """
    from scim_bridge.signals.hr_mappings import mappings
    from scim_bridge.sync.idp.open import Idps

    mappings(settings.hr_mappings)
    clock = SystemClock()
    await upgrade(settings.database_url, create=create)
    database = await open_database(settings.database_url, patience=patience)
    try:
        master = await _master(settings, database, clock)
        outbound = Outbound(allow=settings.allow_networks, ca_file=settings.ca_file or None)
    except BaseException:
        await database.close()
        raise
    # Of use only to HR doors, and kept in step with every person that is written.
    numbers = (EMPLOYEE_NUMBER,) if settings.hr else ()
    indexes = Indexes((*indexes_of(settings.scim.attributes), *numbers))
    store = Store(database, clock, UuidV7(clock), indexes)
    public_url = settings.public_url.rstrip("/")
    ctx = Context(store, master, outbound, public_url, settings.data_dir)
    return Bridge(settings, ctx, Idps(ctx))


async def _master(settings: Settings, database: Database, clock: Clock) -> MasterKey:
    """The key this database belongs to: the setting, else the file beside it, made with a new database only."""
    file = settings.data_dir / KEY_FILE
    place = "the setting secret_key" if settings.secret_key else str(file)
    watched = KeyFile(file)
    filed = load_keys(file)
    if not settings.secret_key and not filed:
        await may_have_new_key(database, place, BOUND)
        filed = [create_key(file)]
    if settings.secret_key:
        # The file's are loaded beside it: an installation that moves to a setting rotates from the one to the other.
        first = await meant(database.reads, settings.secret_key)
        before = [key for each in settings.secret_key_previous for key in meanings(each)]
        master = MasterKey(first, [*before, *filed])
    else:
        master = MasterKey(filed[0], filed[1:], watched.changed)
    await claim(database, master, place, clock)
    return master


def handlers(bridge: Bridge) -> dict[str, Handler]:
    """Who performs which kind of effect."""
    from scim_bridge.attestations import certifying
    from scim_bridge.attestations import effects as attestations
    from scim_bridge.audit import anchors
    from scim_bridge.connecting import asked as connecting
    from scim_bridge.credentials import effects as credentials
    from scim_bridge.departures import canary
    from scim_bridge.departures import service as departures
    from scim_bridge.signals.idp import reading
    from scim_bridge.sync import asked
    from scim_bridge.sync import effects as sync
    from scim_bridge.watch import alert_delivery
    from scim_bridge.watch import effects as watch
    from scim_bridge.watch.ssf_push import handlers as event_handlers

    return {
        **reading.handlers(
            bridge.ctx,
            bridge.idps.news,
            departures.reactor(bridge.rules),
            certifying.taking(bridge.ctx, bridge.settings.attestations),
        ),
        **sync.handlers(bridge.ctx, bridge.idps),
        **asked.handlers(bridge.ctx, bridge.idps),
        **credentials.handlers(
            bridge.ctx, bridge.settings.revokers, bridge.idps.keeper, bridge.stores, bridge.stores
        ),
        **connecting.handlers(bridge.ctx, bridge.idps, bridge.stage),
        **watch.handlers(bridge.ctx, bridge.settings),
        **alert_delivery.handlers(bridge.ctx, bridge.settings.alerts),
        **canary.handlers(_probe(bridge)),
        **attestations.handlers(bridge.ctx, bridge.settings.attestations),
        **event_handlers(bridge.ctx),
        **anchors.handlers(bridge.ctx, bridge.settings.audit),
    }


def _probe(bridge: Bridge) -> Callable[[str], Awaitable[object]]:
    """Asks an IdP something harmless: what it lacks for our work."""

    async def ask(connection_id: str) -> object:
        return await (await bridge.idps.of(connection_id))[1].missing()

    return ask


def leak_intake(bridge: Bridge) -> Intake:
    """What is done about secrets that are found in public: ours end at once, an agent's is rotated."""
    from scim_bridge.credentials.leaked import rotate_leaked
    from scim_bridge.credentials.leaks.intake import Ended, Intake
    from scim_bridge.kernel.crypto import equal
    from scim_bridge.oauth.leaked import end_leaked_secret
    from scim_bridge.registry.own_secrets import configured, live_secrets

    ctx = bridge.ctx

    async def client_secret(work: Work, text: str) -> Ended | None:
        ended = await end_leaked_secret(work, ctx.master, text)
        return None if ended is None else Ended("client_secret", *ended)

    async def webhook_secret(work: Work, text: str) -> Ended | None:
        for name, value in configured(bridge.settings).items():
            live = await live_secrets(work.tx, ctx.master, name, value, work.now)
            if any(equal(each, text) for each in live):
                return Ended("webhook_secret", name, f"nothing yet: run `scim-bridge keys rotate {name}`")
        return None

    return Intake(ctx.master, rotate_leaked, (client_secret, webhook_secret))


def drill_accept(bridge: Bridge) -> Callable[[Work, Signal], Awaitable[object]]:
    """How a drill's news is taken: as every door's, by the installation's rules."""
    from scim_bridge.departures.service import reactor
    from scim_bridge.signals.service import accept

    async def told(work: Work, signal: Signal) -> object:
        return await accept(work, signal, reactor(bridge.rules))

    return told


def effects_of(bridge: Bridge) -> Effects:
    """The engine that performs effects, with what follows when one is settled."""
    from scim_bridge.credentials import outcomes as credentials
    from scim_bridge.departures import service as departures
    from scim_bridge.sync import effects as sync
    from scim_bridge.watch.ssf_push import settled as event_settled

    hooks = [effect_settled, departures.settled, sync.settled, credentials.settled, event_settled]
    return Effects(bridge.ctx.store, handlers(bridge), hooks)
