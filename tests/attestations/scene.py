"""A small company for these tests: an owner, a co-owner, a sponsor, and an agent with groups and a key."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from scim_bridge.attestations.service import Asked, ask
from scim_bridge.kernel.clock import SECOND
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.outbound import Outbound
from scim_bridge.kernel.throttle import Throttle
from scim_bridge.kernel.work import Actor, Store, Work
from scim_bridge.registry.agent_creation import create_agent
from scim_bridge.registry.credentials import register_credential
from scim_bridge.registry.groups import add_members, create_group
from scim_bridge.registry.model import AGENT_URN, GROUP_EXTENSION_URN
from scim_bridge.registry.people import create_person
from scim_bridge.settings.attestations import AttestationSettings
from tests.conftest import MASTER, TESTER

SETTINGS = AttestationSettings(valid_days=90, link_days=14)
VISITOR = Actor("person", "unknown", "unknown", None, "req-1", "192.0.2.7")


def context(store: Store) -> Context:
    """A context around a store, with a public address."""
    return Context(store, MASTER, Outbound(), "https://bridge.test", Path("/nonexistent"))


def throttle(ctx: Context) -> Throttle:
    """A generous throttle of refused links."""
    return Throttle(ctx.store.clock, 1000, 300)


def person(user_name: str) -> dict:
    name = user_name.split("@")[0].title()
    return {
        "userName": user_name,
        "name": {"givenName": name, "familyName": "Tester"},
        "emails": [{"value": user_name, "type": "work", "primary": True}],
    }


@dataclass(frozen=True)
class Scene:
    """Ids of everybody and everything."""

    agent: str
    owner: str
    co_owner: str
    sponsor: str
    stranger: str
    group: str


async def scene(store: Store) -> Scene:
    """Create the company."""

    async def body(work: Work) -> Scene:
        owner, co_owner, sponsor, stranger = [
            (await create_person(work, person(f"{name}@corp.test"), origin="test")).id
            for name in ("olga", "carl", "susan", "mallory")
        ]
        extension = {
            "purpose": "Sorts tickets",
            "platform": "in-house",
            "model": "m-1",
            "environment": "production",
            "riskTier": "high",
            "tools": ["tickets.read"],
            "resources": ["tickets:all"],
            "owner": {"value": owner},
            "coOwners": [{"value": co_owner}],
            "sponsors": [{"value": sponsor}],
        }
        doc = {"userName": "triage@agents.test", "displayName": "Triage <b>bot</b>", AGENT_URN: extension}
        agent = await create_agent(work, doc, origin="test", slug="triage")
        described = {"description": "Read and answer tickets."}
        group = await create_group(
            work, {"displayName": "support-tools", GROUP_EXTENSION_URN: described}, origin="test"
        )
        await add_members(work, group.id, [(agent.id, None)])
        await register_credential(
            work,
            agent.id,
            label="tickets-key",
            kind="api_key",
            system="vault",
            reference="kv/triage",
            expires=work.now + 30 * 86400 * SECOND,
        )
        return Scene(agent.id, owner, co_owner, sponsor, stranger, group.id)

    return await store.transact(TESTER, body)


async def asked(ctx: Context, to: str | None = None) -> tuple[Asked, str]:
    """Ask about the agent; the request and the token of its link."""
    made = await ask(ctx, SETTINGS, TESTER, "triage", to)
    return made, urlsplit(made.link).path.removeprefix("/attest/")


async def refusals(store: Store) -> list[str]:
    """The codes of the refused links in the audit log, oldest first."""
    import orjson

    rows = await store.reads.all(
        "SELECT detail, outcome FROM sb_audit WHERE action = 'attestation.link_refused' ORDER BY id"
    )
    assert all(row["outcome"] == "refused" for row in rows)
    return [orjson.loads(row["detail"])["code"] for row in rows]
