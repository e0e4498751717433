"""Promises about what the transmitter tells: all that matters, once, in order, to whom it concerns, and no more."""

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
from scim_bridge.watch import ssf_fill
from scim_bridge.watch.ssf_fill import fill
from scim_bridge.watch.ssf_poll import Polling
from scim_bridge.watch.ssf_push import given_up
from scim_bridge.watch.ssf_streams import set_status
from tests.conftest import TESTER, run_with_store
from tests.watch.receiver import receiver
from tests.watch.ssf_client import Client
from tests.watch.ssf_house import House, house

RISC = "https://schemas.openid.net/secevent/risc/event-type/"
CAEP = "https://schemas.openid.net/secevent/caep/event-type/"
PROV = "urn:ietf:params:scim:event:prov:"


def short(found: list[Any]) -> list[str]:
    return [one.event.rpartition("/")[2].removeprefix(PROV) for one in found]


STOPPED = ["account-disabled", "session-revoked", "deactivate", "patch:notice"]


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


def test_what_is_not_acknowledged_comes_again_and_what_is_refused_is_kept_with_its_reason(on_store) -> None:
    async def body(store: Store) -> None:
        async with house(store) as home:
            agent = await home.agent("one")
            client = await home.listener()
            await home.hold(agent)
            first, more = await client.poll(maxEvents=2)
            assert len(first) == 2 and more
            again, _ = await client.poll(maxEvents=2)
            assert list(again) == list(first)
            one, two = first
            errors = {two: {"err": "invalid_request", "description": "no\nsuch thing"}}
            rest, more = await client.poll(ack=[one, "unknown"], setErrs=errors)
            assert len(rest) == 2 and not more and not set(rest) & set(first)
            assert await client.poll(maxEvents=0, ack=list(rest)) == ({}, False)
            kept = await store.reads.all("SELECT jti, state, err, description FROM sb_tx_set")
            assert [tuple(row) for row in kept] == [(two, "refused", "invalid_request", "nosuch thing")]
            for wrong in (
                {"maxEvents": -1},
                {"maxEvents": "1"},
                {"ack": "x"},
                {"setErrs": []},
                {"setErrs": {"a": 1}},
            ):
                answer = await client.call("POST", client.stream["delivery"]["endpoint_url"], wrong)
                assert answer.status_code == 400

    on_store(body)


def test_a_poll_that_may_wait_is_answered_when_something_happens_or_its_time_is_over(
    sqlite_url, clock
) -> None:
    async def body(store: Store) -> None:
        async with house(store) as home:
            client = await home.listener()
            found = await ssf_fill_stream(store, client)
            polling = Polling(home.ctx, wait=0.0)
            from scim_bridge.watch.ssf_poll import Poll

            assert await polling.answer(TESTER, found, Poll()) == {"sets": {}, "moreAvailable": False}
            agent = await home.agent("one")
            assert agent and len((await polling.answer(TESTER, found, Poll()))["sets"]) == 1

    run_with_store(sqlite_url, clock, body)


async def ssf_fill_stream(store: Store, client: Client) -> Any:
    from scim_bridge.watch.ssf_streams import stream

    return await stream(store.reads, client.stream["stream_id"])


async def pushed(home: House, url: str) -> Client:
    client = await home.client()
    method = {"method": "urn:ietf:rfc:8935", "endpoint_url": url, "authorization_header": "Bearer agreed"}
    await client.create(delivery=method)
    await client.fetch_keys()
    return client


def test_pushes_go_one_after_the_other_and_wait_for_a_receiver_that_is_away(on_store) -> None:
    async def body(store: Store) -> None:
        with receiver() as there:
            async with house(store) as home:
                agent = await home.agent("one")
                client = await pushed(home, there.url)
                there.answers = [(202, {}), (503, {}), (202, {})]
                await home.hold(agent)
                assert await home.told() == [None, 1.0]
                store.clock.advance(seconds=2)
                await home.perform()
                bodies = [call.body.decode() for call in there.seen]
                assert len(bodies) == 5 and client.checked(bodies[1]).jti == client.checked(bodies[2]).jti
                heard = [one for one in map(client.heard, bodies) if one is not None]
                assert short(heard) == STOPPED
                call = there.seen[0].headers
                assert (
                    call["content-type"] == "application/secevent+jwt"
                    and call["accept"] == "application/json"
                )
                assert call["authorization"] == "Bearer agreed"
                assert await store.reads.all("SELECT 1 FROM sb_tx_set") == []
                found = await ssf_fill_stream(store, client)
                assert found.delivered == 4

    on_store(body)


def test_an_event_that_is_refused_is_kept_and_a_stream_that_is_refused_waits_until_it_is_resumed(
    on_store, monkeypatch
) -> None:
    from scim_bridge.kernel.outbound import Answer, Outbound

    turns: list[bytes | None] = []
    sent: list[bytes] = []
    real = Outbound.send

    async def send(self: Outbound, method: str, url: str, **said: Any) -> Answer:
        # The receiver on this machine answers no bodies: what it says in them is put in here, after the call.
        answer = await real(self, method, url, **said)
        sent.append(said["body"])
        body = turns.pop(0) if turns else None
        return answer if body is None else Answer(400, {}, body)

    monkeypatch.setattr(Outbound, "send", send)

    async def body(store: Store) -> None:
        sent.clear()
        with receiver() as there:
            async with house(store) as home:
                agent = await home.agent("one")
                client = await pushed(home, there.url)
                turns[:] = [b'{"err":"invalid_request","description":"what?"}', b'{"err":"invalid_key"}']
                await home.hold(agent)
                await home.told()
                found = await ssf_fill_stream(store, client)
                assert found.status == "paused" and "invalid_key" in found.reason and len(sent) == 2
                states = await store.reads.all("SELECT state, err FROM sb_tx_set ORDER BY position")
                assert [tuple(row) for row in states] == [
                    ("refused", "invalid_request"),
                    *[("queued", "")] * 3,
                ]
                dead = await store.reads.all(
                    "SELECT 1 FROM sb_effect WHERE kind = 'ssf.push' AND state = 'dead'"
                )
                assert len(dead) == 2
                await store.transact(
                    TESTER,
                    lambda work: set_status(
                        work, "https://bridge.test", found, "enabled", "", by_receiver=False
                    ),
                )
                await home.perform()
                told = [client.checked(one.decode()) for one in sent[2:]]
                # Nothing was lost, nothing changed places; that it goes on is told as well.
                assert [one for one in short(told) if one != "stream-updated"] == STOPPED[1:]
                assert "stream-updated" in short(told)

    on_store(body)


def test_an_event_that_an_admin_gives_up_does_not_stand_in_the_way_of_the_next(sqlite_url, clock) -> None:
    async def body(store: Store) -> None:
        with receiver() as there:
            async with house(store) as home:
                agent = await home.agent("one")
                client = await pushed(home, there.url)
                there.answers[:] = [(413, {})]
                await home.hold(agent)
                await home.told()
                there.answers[:] = [(202, {})]
                there.seen.clear()
                stopped = await ssf_fill_stream(store, client)
                assert stopped.status == "paused" and "413" in stopped.reason
                dead = await store.reads.one("SELECT id FROM sb_effect WHERE state = 'dead'")
                await store.transact(TESTER, lambda work: dropped(work, dead["id"]))
                await store.transact(
                    TESTER,
                    lambda work: set_status(
                        work, home.ctx.public_url, stopped, "enabled", "", by_receiver=True
                    ),
                )
                await home.perform()
                assert short([client.checked(one.body.decode()) for one in there.seen]) == STOPPED[1:]
                kept = await store.reads.all("SELECT state, err, description FROM sb_tx_set")
                assert [tuple(row) for row in kept] == [("refused", "dropped", "it is too large for them")]

    async def dropped(work: Work, effect_id: str) -> None:
        await given_up(work, effect_id, "it is too large for them")
        await record(work, "effect.dropped", "effect", effect_id, {})

    run_with_store(sqlite_url, clock, body)


def test_a_paused_streams_verification_is_fetched_before_all_that_waits(sqlite_url, clock) -> None:
    async def body(store: Store) -> None:
        async with house(store) as home:
            client = await home.listener()
            for number in range(3):
                await home.hold(await home.agent(f"a{number}"))
            await client.poll(maxEvents=1)
            stream_id = client.stream["stream_id"]
            await client.call("POST", "/ssf/status", {"stream_id": stream_id, "status": "paused"})
            await client.call("POST", "/ssf/verify", {"stream_id": stream_id, "state": "s"})
            found, more = await client.poll(maxEvents=1)
            assert short(list(found.values())) == ["verification"] and not more

    run_with_store(sqlite_url, clock, body)


def test_a_stream_that_nobody_empties_keeps_the_rest_in_the_audit_and_loses_nothing(
    on_store, monkeypatch
) -> None:
    monkeypatch.setattr(ssf_fill, "WINDOW", 4)
    monkeypatch.setattr(ssf_fill, "PAGE", 3)

    async def body(store: Store) -> None:
        async with house(store) as home:
            agents = [await home.agent(f"a{n}") for n in range(12)]
            client = await home.listener(events_requested=[f"{RISC}account-disabled"])
            for agent in agents:
                await home.hold(agent)
            await fill(home.ctx)
            await fill(home.ctx)
            row = await store.reads.one("SELECT COUNT(*) AS n FROM sb_tx_set")
            assert 4 <= row["n"] < 8
            assert [one.sub_id["sub"] for one in await client.everything()] == agents

    on_store(body)


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
