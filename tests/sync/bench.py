"""A bridge with one connection and its agents, and hands to plan, apply and perform effects at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from scim_bridge.audit.record import effect_settled
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.effects import Effects
from scim_bridge.kernel.outbound import Outbound
from scim_bridge.kernel.work import Store, Work
from scim_bridge.registry.agent_creation import create_agent
from scim_bridge.registry.connections import (
    Connection,
    configure_connection,
    connection,
    create_connection,
)
from scim_bridge.registry.holds import place_hold, release_hold
from scim_bridge.registry.model import AGENT_URN
from scim_bridge.registry.people import create_person
from scim_bridge.sync.apply import apply_now, apply_plan
from scim_bridge.sync.effects import handlers, settled
from scim_bridge.sync.idp.port import Idp
from scim_bridge.sync.plan import Plan, make_plan
from scim_bridge.sync.run import Run, run
from tests.conftest import MASTER, TESTER


class OneIdp:
    """Stands where `Idps` stands: always the tenant the test opened."""

    def __init__(self, store: Store, idp: Idp) -> None:
        self._store = store
        self._idp = idp

    async def of(self, connection_id: str) -> tuple[Connection, Idp]:
        return await connection(self._store.reads, connection_id), self._idp

    async def close(self) -> None:
        await self._idp.close()


class Bench:
    """What a test of the engine needs at hand."""

    def __init__(self, store: Store, idp: Idp, there: Connection) -> None:
        self.store = store
        self.connection = there
        self.ctx = Context(store, MASTER, Outbound(), "http://127.0.0.1", Path())
        self._opening: Callable[[Connection], Idp] | None = None
        self._use(idp)

    def _use(self, idp: Idp) -> None:
        self.idp = idp
        self.effects = Effects(
            self.store,
            handlers(self.ctx, OneIdp(self.store, idp)),  # type: ignore[arg-type]
            [effect_settled, settled],
        )

    @classmethod
    async def open(cls, store: Store, idp: Idp, **settings: Any) -> Bench:
        """A bench with the connection "there" of kind okta."""

        async def body(work: Work) -> Connection:
            return await create_connection(
                work, MASTER, "there", "okta", settings=settings, secrets={"ssws_token": "x"}
            )

        return cls(store, idp, await store.transact(TESTER, body))

    @classmethod
    async def opened(cls, store: Store, opening: Callable[[Connection], Idp], **settings: Any) -> Bench:
        """The same with an adapter that is opened with the connection, as its settings say."""
        bench = await cls.open(store, None, **settings)  # type: ignore[arg-type]
        bench._opening = opening
        bench._use(opening(bench.connection))
        return bench

    async def configure(self, **settings: Any) -> None:
        """Set more on the connection, and open its adapter anew."""

        async def body(work: Work) -> Connection:
            return await configure_connection(work, MASTER, "there", settings=settings)

        self.connection = await self.store.transact(TESTER, body)
        assert self._opening is not None
        await self.idp.close()
        self._use(self._opening(self.connection))

    async def person(self, user_name: str) -> str:
        """A person; their id."""
        doc = {"userName": user_name, "displayName": user_name.split("@")[0].title()}
        made = await self.store.transact(TESTER, lambda work: create_person(work, doc, origin="test"))
        return made.id

    async def agent(
        self, slug: str, owner: str | None = None, *, user_name: str = "", **extension: Any
    ) -> str:
        """An agent; its id."""
        facts = {"purpose": f"the {slug}", "platform": "in-house", "riskTier": "high", **extension}
        if owner is not None:
            facts["owner"] = {"value": owner}
        doc = {"userName": user_name or f"{slug}@agents.test", "displayName": slug.title(), AGENT_URN: facts}
        made = await self.store.transact(
            TESTER, lambda work: create_agent(work, doc, origin="test", slug=slug)
        )
        return made.id

    async def hold(self, agent_id: str, source: str, *, release: bool = False) -> None:
        """Place or release a hold."""

        async def body(work: Work) -> None:
            if release:
                await release_hold(work, agent_id, source, "over")
            else:
                await place_hold(
                    work, agent_id, source, "test", f"held by {source.split(':')[0]}", "the test"
                )

        # A push is written once for an agent and instant: two instants are two pushes.
        self.store.clock.advance(seconds=1)  # type: ignore[attr-defined]
        await self.store.transact(TESTER, body)

    async def plan(self) -> Plan:
        """A new plan."""
        return await make_plan(self.ctx, TESTER, self.connection, self.idp)

    async def apply(self, plan: Plan | None = None, *, release: str = "", perform: bool = True) -> Run:
        """Apply a plan (or a new one), perform its effects, and the run as it then stands."""
        if plan is None:
            run_id = await apply_now(self.ctx, TESTER, self.connection, self.idp, release=release)
        else:
            run_id = await apply_plan(self.ctx, TESTER, self.connection, self.idp, plan, release=release)
        if perform:
            await self.perform()
        return await run(self.store.reads, run_id)

    async def perform(
        self, kinds: tuple[str, ...] = ("sync.change", "idp.push"), tries: int = 3
    ) -> list[float]:
        """Attempt every open effect of these kinds, again while it asks for that; the pauses it asked for."""
        pauses = []
        rows = await self.store.reads.all(
            "SELECT id, kind FROM sb_effect WHERE state IN ('pending', 'handed') ORDER BY created, id"
        )
        for row in rows:
            if row["kind"] not in kinds:
                continue
            for _ in range(tries):
                pause = await self.effects.attempt(row["id"])
                if pause is None:
                    break
                pauses.append(pause)
        return pauses
