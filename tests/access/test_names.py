"""What finds an agent in a decision goes on finding it, whatever anybody else is called."""

from __future__ import annotations

import pytest

from scim_bridge.access.facts import facts_about
from scim_bridge.kernel.errors import Conflict
from scim_bridge.kernel.work import Store, Work
from scim_bridge.registry.agent_creation import create_agent
from scim_bridge.registry.agent_facts import find_agent
from scim_bridge.registry.agents import delete_agent, update_agent
from scim_bridge.registry.graves import bring_back, buried, check_rename
from scim_bridge.registry.model import AGENT, AGENT_URN, Doc, Resource
from tests.access.gateway import OnStore
from tests.conftest import TESTER

WORKLOAD = "spiffe://corp.example/agents/payments"


def document(name: str, workload_id: str | None = None) -> Doc:
    """An agent with an owner nobody asks about."""
    return {"userName": name, AGENT_URN: {} if workload_id is None else {"workloadId": workload_id}}


async def made(store: Store, name: str, workload_id: str | None = None, slug: str | None = None) -> Resource:
    """A new agent."""
    doc = document(name, workload_id)
    return await store.transact(TESTER, lambda work: create_agent(work, doc, origin="test", slug=slug))


async def who(store: Store, name: str) -> list[str]:
    """Whom a decision finds; the command line and the console find the same."""
    found = [facts.id for facts in await facts_about(store.reads, name)]
    one = await find_agent(store.reads, name)
    assert (found if len(found) == 1 else []) == ([] if one is None else [one.resource.id])
    return found


def test_who_takes_anothers_names_as_a_user_name_finds_only_themselves_never_the_other_unclear(
    on_store: OnStore,
) -> None:
    async def body(store: Store) -> None:
        bot = await made(store, "payments-bot@corp.example", WORKLOAD)
        ways = (bot.id, "payments-bot", "payments-bot@corp.example", WORKLOAD)
        for name in (bot.id, "payments-bot", WORKLOAD):
            await made(store, name)
        for name in ways:
            assert await who(store, name) == [bot.id], name

    on_store(body)


def test_a_workload_id_that_finds_another_agent_is_refused(on_store: OnStore) -> None:
    async def body(store: Store) -> None:
        bot = await made(store, "payments-bot", WORKLOAD)
        evil = await made(store, "evil")
        for workload_id in (WORKLOAD, "payments-bot", "PAYMENTS-BOT"):
            with pytest.raises(Conflict) as refused:
                await made(store, "evil2", workload_id)
            assert refused.value.code == "workload-id-taken"
            with pytest.raises(Conflict):
                changed = document("evil", workload_id)
                await store.transact(TESTER, lambda work, doc=changed: update_agent(work, evil.id, doc))
        await made(store, "evil3", bot.id)
        assert await who(store, bot.id) == [bot.id] and await who(store, WORKLOAD) == [bot.id]
        own = document("payments-bot", "payments-bot")
        assert await store.transact(TESTER, lambda work: update_agent(work, bot.id, own))
        await store.transact(TESTER, lambda work: update_agent(work, evil.id, document("evil", WORKLOAD)))
        assert await who(store, WORKLOAD) == [evil.id], "given up, it is free"

    on_store(body)


def test_nobody_is_renamed_to_anothers_slug_or_workload_id(on_store: OnStore) -> None:
    async def body(store: Store) -> None:
        evil = await made(store, "evil")
        await made(store, "payments-bot@corp.example", WORKLOAD)
        for name in ("Payments-Bot", WORKLOAD):
            with pytest.raises(Conflict):
                await store.transact(TESTER, lambda work, name=name: check_rename(work, evil, name))

    on_store(body)


def test_a_word_that_is_later_a_name_finds_who_has_the_name_not_who_squats_it_as_workload_id(
    on_store: OnStore,
) -> None:
    async def body(store: Store) -> None:
        await made(store, "evil", "payments-bot")
        bot = await made(store, "payments-bot")
        assert await who(store, "payments-bot") == [bot.id]

    on_store(body)


def test_who_comes_back_leaves_a_workload_id_that_has_become_anothers(on_store: OnStore) -> None:
    async def body(store: Store) -> None:
        old = await made(store, "old", WORKLOAD)
        await store.transact(TESTER, lambda work: delete_agent(work, old.id, "test"))
        new = await made(store, "new", WORKLOAD)

        async def back(work: Work) -> str:
            grave = await buried(work.tx, AGENT, "old")
            assert grave is not None
            work.bookkeeping("whoever asks for it says so")
            return (await bring_back(work, grave, "old", "test", "")).resource.id

        assert await store.transact(TESTER, back) == old.id
        assert await who(store, WORKLOAD) == [new.id]
        assert await who(store, "old") == [old.id]

    on_store(body)


def test_two_that_shared_a_workload_id_before_that_was_refused_are_not_told_apart_by_it(
    on_store: OnStore,
) -> None:
    async def body(store: Store) -> None:
        one, two = await made(store, "one", WORKLOAD), await made(store, "two")

        async def as_it_was(work: Work) -> None:
            work.bookkeeping("an old row")
            await work.tx.run("UPDATE sb_agent SET workload_id = ? WHERE id = ?", WORKLOAD, two.id)

        await store.transact(TESTER, as_it_was)
        assert sorted(await who(store, WORKLOAD)) == sorted([one.id, two.id])
        assert await who(store, "one") == [one.id]

    on_store(body)
