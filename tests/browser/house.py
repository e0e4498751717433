"""Harbor & Pine two weeks on: everything the console can show, made at once by the program's own verbs, and served.

Nothing waits: a clock that is moved by hand walks through the two weeks and ends at the real time of day.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from starlette.applications import Starlette

from scim_bridge.access.facts import facts_about
from scim_bridge.access.in_force import in_force
from scim_bridge.access.log import DecisionLog, Entry
from scim_bridge.access.model import Question
from scim_bridge.access.policies import load_policies
from scim_bridge.attestations import routes as attestation_routes
from scim_bridge.attestations.answering import answer
from scim_bridge.attestations.campaign_model import Policy
from scim_bridge.attestations.campaigns import open_campaign
from scim_bridge.attestations.opening import look
from scim_bridge.attestations.service import ask
from scim_bridge.audit.record import effect_settled
from scim_bridge.audit.seal import seal
from scim_bridge.console.known import Known
from scim_bridge.console.routes import routes
from scim_bridge.departures.brake import Brake, Limits
from scim_bridge.departures.receipt import sign_waiting
from scim_bridge.departures.rules import Rules
from scim_bridge.departures.service import reactor, settled
from scim_bridge.inventory.service import import_manifest
from scim_bridge.kernel.clock import DAY, HOUR, SECOND, SystemClock
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.database import open_database
from scim_bridge.kernel.edge import Edge, unexpected, unrouted
from scim_bridge.kernel.effects import Done, Effect, Effects
from scim_bridge.kernel.ids import UuidV7
from scim_bridge.kernel.outbound import Outbound
from scim_bridge.kernel.throttle import Throttle
from scim_bridge.kernel.work import Actor, Store, Work
from scim_bridge.registry.agent_facts import find_agent
from scim_bridge.registry.connections import Connection, create_connection
from scim_bridge.registry.credentials import confirm_revoked
from scim_bridge.registry.holds import place_hold
from scim_bridge.registry.outward import CREDENTIAL_REVOKE, IDP_PUSH, NOTIFY, RUNTIME_HOOK
from scim_bridge.registry.people_refs import find_person
from scim_bridge.registry.signal import LEFT, Signal
from scim_bridge.registry.tokens import create_token
from scim_bridge.settings.attestations import AttestationSettings
from scim_bridge.signals.doors import note_heard
from scim_bridge.signals.service import accept
from scim_bridge.sync.plan import make_plan
from scim_bridge.watch.alerts import add_alert
from scim_bridge.watch.baseline_model import Finding
from tests.browser.threaded import Serve, in_thread
from tests.conftest import MASTER, ManualClock
from tests.departures.house import drain
from tests.sync.bench import Bench
from tests.sync.memory_idp import MemoryIdp

MANIFEST = Path(__file__).parents[2] / "config/examples/agents.yaml"
ADA = Actor("cli", "ada", "Ada Park")
VISITOR = Actor("person", "visitor", "visitor", None, "r-1", "192.0.2.7")
HR = "hr:people-system"
DOMAIN = "harborpine.example"
# The second leaver within the hour is held, until one person says that it is true.
RULES = Rules(
    brake=Brake(limits=Limits(owners=1, owners_percent=0, people_percent=0), urgent=0, second_above=9)
)
ASKING = AttestationSettings()
DAYS = 14
ASKED = (
    ("support-triage", "read", "ticket", "T-1042"),
    ("refund-assistant", "payments.refund", "order", "O-77"),
    ("code-review", "repo.read", "repository", "storefront"),
    ("deploy-conductor", "deploy", "service", "checkout"),
    ("metrics-analyst", "query", "dataset", "sales"),
    ("invoice-matcher", "invoices.read", "ledger", "2026-11"),
)


@dataclass
class House:
    """The served console: its address, an admin's token, the link an owner was sent."""

    url: str
    token: str = ""
    link: str = ""
    problems: list[str] = field(default_factory=list)


class Furnishing:
    """Two weeks of a company, told to a store."""

    def __init__(self, store: Store, clock: ManualClock, ctx: Context) -> None:
        self.store = store
        self.clock = clock
        self.ctx = ctx
        self.effects = Effects(
            store,
            {IDP_PUSH: _told, NOTIFY: _told, RUNTIME_HOOK: _told, CREDENTIAL_REVOKE: _revoked},
            [effect_settled, settled],
        )

    async def everything(self) -> tuple[str, str]:
        """All of it; an admin's token and an owner's link."""
        store = self.store
        done = await import_manifest(store, ADA, MANIFEST.read_bytes(), MANIFEST.name)
        assert done.diff.counts()
        there = await store.transact(ADA, _connections)
        await self._attested("code-review", "metrics-analyst", "support-triage", "invoice-matcher")
        await self._decisions()
        await self._leaves("priya.nair", 3)
        await open_campaign(
            self.ctx, ADA, "Production agents, autumn", Policy(), reason="Twice a year, by the auditors."
        )
        await self._stopped()
        await self._plan(there)
        self.clock.advance(days=1)
        await self._leaves("aiko.tanaka", 1)
        await self._leaves("samuel.reyes", 0)
        made = await ask(self.ctx, ASKING, ADA, "finance-reports")
        token = await store.transact(
            ADA,
            lambda work: create_token(work, MASTER, connection_id=None, scopes=("admin",), label="Ada Park"),
        )
        await seal(store, MASTER)
        return token, made.link

    async def _attested(self, *slugs: str) -> None:
        throttle = Throttle(self.clock, 1000, 300)
        for slug in slugs:
            asked = await ask(self.ctx, ASKING, ADA, slug)
            link = asked.link.rsplit("/", 1)[1]
            seen = await look(self.ctx, VISITOR, throttle, link)
            await answer(
                self.ctx, ASKING, VISITOR, throttle, link, "confirm", "As it should be.", seen.digest, ()
            )

    async def _decisions(self) -> None:
        policies, log = load_policies(), DecisionLog(self.store)
        for number in range(DAYS * 12):
            slug, action, kind, name = ASKED[number % len(ASKED)]
            question = Question("agent", slug, action, kind, name)
            facts = (await facts_about(self.store.reads, slug))[0]
            now = self.clock.now()
            answered = policies.decide(facts, question, now)
            await log.keep(Entry(self.store.ids.new(), now, question, answered, ADA))
            self.clock.advance(seconds=(DAYS - 1) * DAY / SECOND / (DAYS * 12) * (0.4, 1, 1.6)[number % 3])
        await log.drained()

    async def _leaves(self, name: str, seconds: float) -> None:
        person = await find_person(self.store.reads, f"{name}@{DOMAIN}")
        assert person is not None
        now = self.clock.now()
        told = Signal(HR, f"left-{name}", LEFT, person.id, now, now, "left the company")

        async def body(work: Work) -> None:
            await note_heard(work, HR, "hr", event=now, events=1)
            await accept(work, told, reactor(RULES))

        await self.store.transact(ADA, body)
        self.clock.advance(seconds=seconds)
        if seconds:
            await drain(self.effects, self.store)
            await sign_waiting(self.ctx)

    async def _stopped(self) -> None:
        async def body(work: Work) -> None:
            campaign = await find_agent(work.tx, "campaign-writer")
            returns = await find_agent(work.tx, "returns-router")
            assert campaign is not None and returns is not None
            text = "It wrote to customers who had opted out; legal looks at it."
            await place_hold(work, campaign.resource.id, "admin", "admin", text, "legal says it is mended")
            odd = "480 events within the hour; 31 are usual at this hour of the week."
            found = Finding("volume", "high", odd, work.now // HOUR, "", {"events": 480, "expected": 31})
            await add_alert(work, returns.resource.id, found, ["gateway e-1", "gateway e-2"], None)

        await self.store.transact(ADA, body)

    async def _plan(self, there: Connection) -> None:
        bench = Bench(self.store, MemoryIdp(), there)
        await make_plan(self.ctx, ADA, there, bench.idp)


async def _told(_effect: Effect) -> Done:
    return Done({"delivered": True})


async def _revoked(effect: Effect) -> Done:
    credential_id = str(effect.payload["credential_id"])
    return Done({}, lambda work: confirm_revoked(work, credential_id))


async def _connections(work: Work) -> Connection:
    made = await create_connection(work, MASTER, "okta-workforce", "okta", secrets={"ssws_token": "x"})
    await create_connection(work, MASTER, "entra", "entra")
    return made


@contextmanager
def served(database_url: str) -> Iterator[House]:
    """The furnished house, served by a thread of its own until the block ends."""
    listener = socket.create_server(("127.0.0.1", 0))
    house = House(f"http://127.0.0.1:{listener.getsockname()[1]}")

    async def main(serve: Serve) -> None:
        database = await open_database(database_url, pool_size=2)
        try:
            clock = ManualClock(SystemClock().now() - DAYS * DAY)
            store = Store(database, clock, UuidV7(clock))
            ctx = Context(store, MASTER, Outbound(), house.url, Path("/nonexistent"))
            house.token, house.link = await Furnishing(store, clock, ctx).everything()
            force = in_force()
            known = Known(lambda: force.current, of_settings=lambda: force.settings)
            app = Starlette(
                routes=[
                    *attestation_routes.routes(ctx, ASKING),
                    *routes(ctx, RULES, known=known),
                ],
                exception_handlers={404: unrouted, 405: unrouted, Exception: unexpected},
            )
            await serve(Edge({}, app))
        finally:
            await database.close()

    with in_thread(listener, main, house.problems):
        yield house
