"""The sandbox tenant as tests of the Entra adapter use it: real msal and Graph over HTTPS, our eyes inside."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scim_bridge.cli.story.opening import ENTRA_ROLES
from scim_bridge.kernel.clock import ManualClock
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.outbound import Outbound
from scim_bridge.kernel.work import Store, Work
from scim_bridge.registry.agents import set_attestation, set_owners
from scim_bridge.registry.connections import Connection, create_connection
from scim_bridge.registry.model import Attestation, Owners
from scim_bridge.registry.people_refs import people
from scim_bridge.sync.idp.entra.adapter import open_entra
from tests.conftest import MASTER, TESTER, run_with_store
from tests.sandbox.servers import Running
from tests.sync.bench import Bench

PEOPLE = ("maria", "bob", "carol", "dave")


def upn(name: str) -> str:
    return f"{name}@corp.test"


@dataclass
class Tenant:
    """A fresh tenant: an app registration with the demo's roles, four people."""

    running: Running
    settings: dict[str, Any]
    secrets: dict[str, Any]

    @classmethod
    def fresh(cls, running: Running, **registration: Any) -> Tenant:
        running.control.post("/reset").raise_for_status()
        wish = {"secret": True, "roles": ENTRA_ROLES, **registration}
        answer = running.control.post("/app-registrations", json=wish)
        made = answer.raise_for_status().json()
        users = [{"userPrincipalName": upn(name), "mail": upn(name)} for name in PEOPLE]
        running.control.post("/directory", json={"users": users}).raise_for_status()
        settings = {
            "tenant_id": made["tenant_id"],
            "authority": f"{running.url}/{made['tenant_id']}",
            "graph_url": running.url,
            "ca_file": running.ca_file,
        }
        secrets = {"client_id": made["client_id"], "client_secret": made.get("client_secret", "")}
        return cls(running, settings, secrets)

    def objects(self, kind: str) -> list[dict[str, Any]]:
        found = self.running.control.get(f"/objects/{kind}").raise_for_status().json()
        return [one["value"] for one in found["objects"]]

    def identities(self) -> list[dict[str, Any]]:
        return [one for one in self.objects("servicePrincipal") if one.get("agentIdentityBlueprintId")]

    def identity(self, name: str) -> dict[str, Any]:
        (found,) = [one for one in self.identities() if one["displayName"] == name]
        return found

    def people_of(self, name: str, relation: str) -> list[str]:
        users = {user["id"]: user["userPrincipalName"] for user in self.objects("user")}
        return sorted(users[one].split("@")[0] for one in self.identity(name)["$"].get(relation, []))

    def facts(self, name: str) -> dict[str, Any]:
        return self.identity(name)["$"]["attributes"]["scimBridge"]

    def calls(self) -> list[dict[str, Any]]:
        found = self.running.control.get("/journal", params={"direction": "in"}).raise_for_status().json()
        return list(found["calls"])

    def writes(self, path: str = "") -> list[str]:
        """Method and path of every write that arrived at Graph, oldest first."""
        lines = [f"{call['method']} {call['url']}" for call in self.calls() if call["method"] != "GET"]
        return [line for line in lines if "$batch" not in line and "/oauth2/" not in line and path in line]

    def faults(self, *faults: dict[str, Any]) -> None:
        self.running.control.put("/faults", json={"faults": list(faults)}).raise_for_status()

    def configure(self, **settings: Any) -> None:
        self.running.control.post("/settings", json=settings).raise_for_status()

    def open(self, store: Store, there: Connection | None = None, **settings: Any) -> Any:
        """The adapter over a way out that may reach this machine."""
        ctx = Context(store, MASTER, Outbound(allow=["127.0.0.0/8"]), "https://bridge.example", Path())
        chosen = Connection("c1", "entra", "entra", "entra", {**self.settings, **settings}, True)
        return open_entra(there or chosen, self.secrets, ctx)


def on_bench(
    url: str, clock: ManualClock, tenant: Tenant, body: Callable[[Bench], Awaitable[None]], **settings: Any
) -> None:
    """Run a test with a bench whose IdP is the adapter over the sandbox tenant."""

    async def main(store: Store) -> None:
        chosen = {**tenant.settings, **settings}
        there = await store.transact(
            TESTER,
            lambda work: create_connection(
                work, MASTER, "there", "entra", settings=chosen, secrets=tenant.secrets
            ),
        )
        idp = tenant.open(store, there)
        try:
            await body(Bench(store, idp, there))
        finally:
            await idp.close()

    run_with_store(url, clock, main)


async def answer_for(
    bench: Bench,
    agent_id: str,
    owner: str | None,
    co_owners: tuple[str, ...] = (),
    sponsors: tuple[str, ...] = (),
) -> None:
    """Make these people (ids) answerable for an agent."""
    known = await people(bench.store.reads, [p for p in (owner, *co_owners, *sponsors) if p])
    wanted = Owners(
        known[owner] if owner else None,
        tuple(known[one] for one in co_owners),
        tuple(known[one] for one in sponsors),
    )
    await bench.store.transact(TESTER, lambda work: set_owners(work, agent_id, wanted))


async def attested(bench: Bench, agent_id: str, statement: str, state: str = "valid") -> None:
    """Record a statement of an owner, as the attestations room does."""
    now = bench.store.clock.now()

    async def body(work: Work) -> None:
        work.bookkeeping("test")
        await set_attestation(
            work, agent_id, Attestation(state, statement, "maria@corp.test", now, now + 90 * 86_400_000_000)
        )

    await bench.store.transact(TESTER, body)
