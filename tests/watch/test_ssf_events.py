"""Promises about what the transmitter tells: all that matters, once, to whom it concerns, and no more."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from scim_bridge.audit.record import record
from scim_bridge.credentials.leaks.intake import report_credential
from scim_bridge.kernel.work import Store, Work
from scim_bridge.registry.agents import delete_agent, update_agent
from scim_bridge.registry.credentials import confirm_revoked, register_credential
from scim_bridge.registry.groups import add_members, create_group, remove_members
from scim_bridge.registry.model import AGENT_URN
from scim_bridge.watch.ssf_fill import fill
from tests.conftest import TESTER, run_with_store
from tests.watch.ssf_house import house
from tests.watch.ssf_told import CAEP, PROV, RISC, STOPPED, short


def test_a_hold_is_told_once_when_the_agent_stops_and_a_release_when_it_may_act_again(on_store) -> None:
    async def body(store: Store) -> None:
        async with house(store) as home:
            agent = await home.agent("one")
            client = await home.listener()
            await home.hold(agent)
            stopped = await client.everything()
            assert short(stopped) == STOPPED
            # One change, one transaction number; and nothing that people wrote gets out.
            assert len({one.txn for one in stopped}) == 1 and len({one.jti for one in stopped}) == 4
            assert "Olga" not in str([one.claims for one in stopped])
            disabled, revoked, off, notice = stopped
            assert disabled.sub_id == {"format": "iss_sub", "iss": "https://bridge.test", "sub": agent}
            assert revoked.payload["reason_admin"] == {"en": "The agent was stopped (admin)."}
            assert revoked.payload["event_timestamp"] == store.clock.now() // 1_000_000
            assert (
                off.sub_id == {"format": "scim", "uri": f"/Users/{agent}", "id": agent} and off.payload == {}
            )
            assert notice.payload["attributes"] == ["active", f"{AGENT_URN}:holds"]
            assert notice.payload["version"] == 'W/"2"'
            await home.hold(agent, "watch")
            assert short(await client.everything()) == ["patch:notice"]
            await home.release(agent)
            assert short(await client.everything()) == ["patch:notice"]
            await home.release(agent, "watch")
            assert short(await client.everything()) == ["account-enabled", "activate", "patch:notice"]

    on_store(body)


def test_what_else_happens_to_agents_groups_and_credentials_is_told(on_store) -> None:
    async def body(store: Store) -> None:
        async with house(store) as home:
            client = await home.listener()
            agent = await home.agent("one")
            assert short(await client.everything()) == ["create:notice"]

            async def lives(work: Work) -> str:
                group = (await create_group(work, {"displayName": "Payments"}, origin="test")).id
                await add_members(work, group, [(agent, None)])
                await remove_members(work, group, [agent])
                await register_credential(
                    work, agent, label="key", kind="certificate", system="vault", reference="r1", expires=None
                )
                doc = {"userName": "one@agents.test", AGENT_URN: {"purpose": "sorts tickets"}}
                await update_agent(work, agent, doc)
                await record(work, "attestation.confirmed", "agent", agent, {"by": "Olga"})
                return group

            async def stopped(_work: Work, _credential: str, _why: str) -> str:
                return "nothing"

            group = await store.transact(TESTER, lives)
            row = await store.reads.one("SELECT id FROM sb_credential")
            await store.transact(TESTER, lambda work: confirm_revoked(work, row["id"]))
            await store.transact(TESTER, lambda work: report_credential(work, stopped, row["id"], "Olga"))
            # A token of ours that leaks is nobody's credential.
            await store.transact(TESTER, lambda work: record(work, "secret.leaked", "token", "t1", {}))
            await store.transact(TESTER, lambda work: delete_agent(work, agent, "retired"))
            await home.sealed()
            found = await client.everything()
            assert short(found) == [
                "create:notice",
                "patch:notice",
                "patch:notice",
                "credential-change",
                "patch:notice",
                "patch:notice",
                "credential-change",
                "credential-compromise",
                "account-purged",
                "session-revoked",
                "delete",
            ]
            assert found[1].sub_id["uri"] == f"/Groups/{group}" and found[1].payload["attributes"] == [
                "members"
            ]
            credential = found[3]
            assert credential.sub_id["sub"] == agent
            assert (credential.payload["credential_type"], credential.payload["change_type"]) == (
                "x509",
                "create",
            )
            assert found[6].payload["change_type"] == "revoke"
            assert found[5].payload["attributes"] == [f"{AGENT_URN}:attestation"]
            assert "Olga" not in str([one.claims for one in found])

    on_store(body)


def test_whole_documents_are_told_only_to_those_who_ask(sqlite_url, clock) -> None:
    async def body(store: Store) -> None:
        async with house(store) as home:
            client = await home.listener(events_requested=[f"{PROV}create:full", f"{PROV}put:full"])
            agent = await home.agent("one")
            await home.hold(agent)
            created, held = await client.everything()
            assert (
                created.event.endswith("create:full")
                and created.payload["data"]["userName"] == "one@agents.test"
            )
            assert held.event.endswith("put:full") and held.payload["data"]["active"] is False
            assert held.payload["version"] == 'W/"2"' and "attributes" not in held.payload

    run_with_store(sqlite_url, clock, body)


@pytest.mark.parametrize(
    ("form", "named"),
    [
        ("email", {"format": "email", "email": "one@mail.test"}),
        ("opaque", {"format": "opaque", "id": "AGENT"}),
        ("account", {"format": "account", "uri": "acct:one@agents.test"}),
        (
            "complex",
            {
                "format": "complex",
                "user": {"format": "iss_sub", "iss": "https://bridge.test", "sub": "AGENT"},
                "application": {"format": "iss_sub", "iss": "https://bridge.test", "sub": "AGENT"},
                "tenant": {"format": "opaque", "id": "bridge.test"},
            },
        ),
    ],
)
def test_an_agent_is_named_as_the_stream_wants(sqlite_url, clock, form, named) -> None:
    async def body(store: Store) -> None:
        async with house(store) as home:
            agent = await home.agent("one")
            client = await home.listener(events_requested=[f"{RISC}account-disabled"], format=form)
            await home.hold(agent)
            (told,) = await client.everything()
            assert told.sub_id == orjson.loads(orjson.dumps(named).replace(b"AGENT", agent.encode()))
            for included, status in (("remove", 204), ("add", 200)):
                said = {"stream_id": client.stream["stream_id"], "subject": told.sub_id}
                assert (await client.call("POST", f"/ssf/subjects/{included}", said)).status_code == status
                await home.release(agent)
                await home.hold(agent)
                assert len(await client.everything()) == (included == "add")

    run_with_store(sqlite_url, clock, body)


def test_oktas_receiver_gets_what_it_reads(sqlite_url, clock) -> None:
    async def body(store: Store) -> None:
        async with house(store) as home:
            agent = await home.agent("one")
            client = await home.listener(format="okta")
            await home.hold(agent)
            session, risk = await client.everything()
            assert session.event == f"{CAEP}session-revoked"
            assert risk.event == "https://schemas.okta.com/secevent/okta/event-type/user-risk-change"
            for one in (session, risk):
                # The login, inside of the event; seconds, although Okta itself tells milliseconds.
                assert one.payload["subject"] == {"user": {"format": "email", "email": "one@agents.test"}}
                assert one.payload["event_timestamp"] == clock.now() // 1_000_000
            assert (risk.payload["previous_level"], risk.payload["current_level"]) == ("low", "high")

    run_with_store(sqlite_url, clock, body)


def test_a_connections_receiver_hears_of_the_agents_it_sees_and_of_no_other(on_store) -> None:
    async def body(store: Store) -> None:
        async with house(store) as home:
            acme = await home.link("acme", {"scope": "environment=production"})
            seen, hidden = await home.agent("seen"), await home.agent("hidden", "test")
            await home.known_as(acme, seen, "00u-seen")
            client = await home.listener("acme")
            for agent in (hidden, seen):
                await home.hold(agent)
                await store.transact(TESTER, lambda work, agent=agent: delete_agent(work, agent, "gone"))
            await home.sealed()
            found = await client.everything()
            assert hidden not in str([one.claims for one in found]) and "delete" in short(found)
            assert {one.sub_id["externalId"] for one in found if one.event.startswith(PROV)} == {"00u-seen"}

    on_store(body)


def test_with_default_subjects_none_only_what_was_added_is_told(sqlite_url, clock) -> None:
    async def body(store: Store) -> None:
        async with house(store, default_subjects="NONE") as home:
            one, two = await home.agent("one"), await home.agent("two")
            client = await home.listener(events_requested=[f"{RISC}account-disabled"])
            assert client.metadata["default_subjects"] == "NONE"
            for subject in (
                {"format": "email", "email": "ONE@mail.test"},
                {"format": "email", "email": "no@where"},
            ):
                said = {"stream_id": client.stream["stream_id"], "subject": subject}
                # Whether somebody is known is not said.
                assert (await client.call("POST", "/ssf/subjects/add", said)).status_code == 200
            await home.hold(two)
            await home.hold(one)
            assert [told.sub_id["sub"] for told in await client.everything()] == [one]
            for wrong in (
                {},
                {"format": "did", "url": "did:x"},
                {"format": "iss_sub", "iss": "x", "sub": one},
                5,
            ):
                said = {"stream_id": client.stream["stream_id"], "subject": wrong}
                assert (await client.call("POST", "/ssf/subjects/add", said)).status_code == 400

    run_with_store(sqlite_url, clock, body)


def test_without_a_stream_a_change_writes_nothing_more_and_the_duty_looks_once(on_store) -> None:
    async def body(store: Store) -> None:
        async with house(store) as home:
            agent = await home.agent("one")
            writes: list[int] = []

            async def counted(work: Work) -> None:
                from scim_bridge.registry.holds import place_hold, release_hold

                await place_hold(work, agent, "admin", "admin", "r", "r")
                await work.tx.one("SELECT 1")
                await release_hold(work, agent, "admin", "r")
                await work.tx.one("SELECT 1")
                writes.append(work.tx.writes)

            await store.transact(TESTER, counted)
            await home.sealed()
            looks: list[str] = []
            reads = store.database.reads
            many = type(reads).all

            async def all_(self: Any, sql: str, *values: Any) -> Any:
                looks.append(sql)
                return await many(self, sql, *values)

            type(reads).all = all_
            try:
                assert await fill(home.ctx) == 0 and len(looks) == 1
            finally:
                type(reads).all = many
            client = await home.listener()
            await store.transact(TESTER, counted)
            assert writes[0] == writes[1]
            await home.sealed()
            assert len(await client.everything()) == 7

    on_store(body)
