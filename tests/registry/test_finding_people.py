"""Finding the person a text means: by id, userName or e-mail, and never by looking at everybody."""

from __future__ import annotations

from scim_bridge.kernel.clock import ManualClock
from scim_bridge.kernel.work import Store, Work
from scim_bridge.registry.people import create_person, set_employed
from scim_bridge.registry.people_refs import FIND, accountable, find_person
from tests.conftest import TESTER, Runner, run_with_store
from tests.console.browser import company


def test_a_person_is_found_by_id_by_user_name_and_by_an_address_only_one_has(on_store: Runner[None]) -> None:
    async def body(store: Store) -> None:
        async def change(work: Work) -> list[str]:
            shared = {"value": "team@corp.test"}
            return [
                (
                    await create_person(
                        work,
                        {
                            "userName": f"{name}@corp.test",
                            "emails": [{"value": f"{name}.p@corp.test"}, shared],
                        },
                        origin="test",
                    )
                ).id
                for name in ("ana", "bo")
            ]

        ana, bo = await store.transact(TESTER, change)
        for name, found in ((ana, ana), ("ANA@corp.test", ana), ("Bo.P@corp.test", bo)):
            person = await find_person(store.reads, name)
            assert person is not None and person.id == found
        for nobody in ("team@corp.test", "ana", ""):
            assert await find_person(store.reads, nobody) is None

    on_store(body)


def test_sqlite_finds_a_person_by_keys_alone(sqlite_url: str, clock: ManualClock) -> None:
    async def body(store: Store) -> None:
        rows = await store.reads.all(f"EXPLAIN QUERY PLAN {FIND}", *["x"] * FIND.count("?"))
        told = [row["detail"] for row in rows]
        assert any("sb_attr_lookup" in line for line in told), told
        assert not any("(kind=?)" in line or "SCAN " in line for line in told), told

    run_with_store(sqlite_url, clock, body)


def test_who_answers_for_agents_are_those_of_any_role_who_are_here_and_no_more_than_asked_for(
    on_store: Runner[None],
) -> None:
    async def body(store: Store) -> None:
        ids = await company(store, agents=2)

        async def change(work: Work) -> None:
            await create_person(work, {"userName": "idle@corp.test"}, origin="test")

        await store.transact(TESTER, change)
        assert [one.user_name for one in await accountable(store.reads, 9)] == [
            "carl@corp.test",
            "olga@corp.test",
        ]
        assert len(await accountable(store.reads, 1)) == 1
        await store.transact(TESTER, lambda work: set_employed(work, ids["carl"], False))
        assert [one.user_name for one in await accountable(store.reads, 9)] == ["olga@corp.test"]

    on_store(body)
