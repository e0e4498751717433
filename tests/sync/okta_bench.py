"""What tests of the Okta adapter do again and again: agents made, changed, given away, applied."""

from __future__ import annotations

from scim_bridge.registry.agents import refresh, set_owners
from scim_bridge.registry.groups import add_members, create_group
from scim_bridge.registry.model import AGENT_URN, Owners
from scim_bridge.registry.people_refs import find_person
from scim_bridge.registry.resources import load
from scim_bridge.sync.features import features_of
from scim_bridge.sync.idp.port import Feature
from scim_bridge.sync.plan import changes_of
from scim_bridge.sync.service import status
from tests.conftest import TESTER
from tests.sync.bench import Bench
from tests.sync.okta_org import Org


async def owned(bench: Bench, slug: str, owner: str = "maria@corp.test", **facts) -> str:
    person = await find_person(bench.store.reads, owner)
    assert person is not None
    return await bench.agent(slug, person.id, **facts)


async def redescribe(bench: Bench, agent_id: str, **facts) -> None:
    async def body(work) -> None:
        work.bookkeeping("test")
        doc = (await load(work, agent_id, "agent")).doc
        merged = {name: value for name, value in {**doc[AGENT_URN], **facts}.items() if value is not None}
        await refresh(work, agent_id, {**doc, AGENT_URN: merged})

    await bench.store.transact(TESTER, body)


async def give(bench: Bench, agent_id: str, owner: str | None) -> None:
    async def body(work) -> None:
        person = None if owner is None else await find_person(work.tx, owner)
        await set_owners(work, agent_id, Owners(person))

    await bench.store.transact(TESTER, body)


async def applied(bench: Bench) -> None:
    """Apply, and show that nothing is left to plan."""
    done = await bench.apply()
    troubles = (await status(bench.store.reads, bench.connection)).troubles
    assert done.state == "OK", (done.reason, [trouble.reason for trouble in troubles])
    plan = await bench.plan()
    left = [
        (k.change.slug, k.change.before, k.change.after) for k in await changes_of(bench.store.reads, plan.id)
    ]
    assert plan.changes == 0, left


def links(org: Org) -> list[tuple[str, str]]:
    """(agent's login, owner's login) of every linked object."""
    logins = {user["id"]: user["profile"]["login"] for user in org.objects("user")}
    return sorted((logins[link["associated"]], logins[link["primary"]]) for link in org.objects("link"))


async def grouped(bench: Bench, name: str, *members: str) -> str:
    """A group of the registry with these members; its id."""

    async def body(work) -> str:
        made = await create_group(work, {"displayName": name}, origin="test")
        await add_members(work, made.id, [(member, None) for member in members])
        return made.id

    return await bench.store.transact(TESTER, body)


async def features(bench: Bench) -> dict[str, Feature]:
    """What is kept of the tenant, by name."""
    found = await features_of(bench.store.reads, bench.connection.id)
    return {feature.name: feature for feature, _ in found}


def inside(org: Org, group: str) -> set[str]:
    """The logins of everybody in a group of the org."""
    logins = {user["id"]: user["profile"]["login"] for user in org.objects("user")}
    (found,) = [item for item in org.objects("group") if item["profile"]["name"] == group]
    return {logins[item["user"]] for item in org.objects("membership") if item["group"] == found["id"]}
