"""Promises about what leaves the house: signed, once by id, retried or given up for a reason one can read."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest

from scim_bridge.kernel.clock import SECOND
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.effects import Dead, Done, Effect, Effects, Outcome, Retry
from scim_bridge.kernel.outbound import Outbound
from scim_bridge.kernel.webhook import check
from scim_bridge.kernel.work import Store, Work
from scim_bridge.registry import outward
from scim_bridge.registry.agent_creation import create_agent
from scim_bridge.registry.holds import place_hold
from scim_bridge.registry.model import AGENT_URN, PersonRef
from scim_bridge.registry.people import create_person
from scim_bridge.sandbox.platform.runtime import STOPPED, acted, fresh
from scim_bridge.watch.effects import handlers
from tests.conftest import MASTER, TESTER, run_with_store
from tests.watch.receiver import receiver

SECRET = "whsec_" + "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA=="
OTHER = "whsec_" + "b3RoZXItb3RoZXItb3RoZXItb3RoZXItb3RoZXItb3RoZXI="
PERSON = PersonRef("p-1", "olga@corp.test", "Olga Tester", "olga@corp.test")


@dataclass(frozen=True)
class Settings:
    """What the room reads of the settings."""

    runtime_secret: str = SECRET
    notify_url: str = ""
    notify_secret: str = OTHER
    security_contact: str = "security@corp.test"
    templates: str = ""
    notify_targets: dict[str, str] = field(default_factory=dict)


def context(store: Store) -> Context:
    return Context(
        store, MASTER, Outbound(allow=["127.0.0.0/8"]), "https://bridge.test", Path("/nonexistent")
    )


def hook_effect(url: str, **payload: Any) -> Effect:
    said = {
        "url": f"{url}/hooks/agents/triage",
        "event": "agent.stop",
        "agent": {"id": "a-1", "slug": "triage"},
        "reason": "Its owner left.",
        "at": "2026-11-18T11:06:40.000Z",
        **payload,
    }
    return Effect("effect-1", outward.RUNTIME_HOOK, "runtime:1", "a-1", None, said, 0, 0)


def notice_effect(template: str, data: dict[str, Any], **payload: Any) -> Effect:
    said = {"template": template, "to": {"id": "p-1", "name": "Olga Tester", "email": "olga@corp.test"}}
    said |= {"data": data, "at": "2026-11-18T11:06:40.000Z", **payload}
    return Effect("effect-2", outward.NOTIFY, "notify:1", "a-1", None, said, 0, 0)


def perform(url: str, clock: Any, settings: Settings, effect: Effect) -> Outcome:
    """Perform one effect."""

    async def body(store: Store) -> Outcome:
        ctx = context(store)
        try:
            return await handlers(ctx, settings)[effect.kind](effect)
        finally:
            await ctx.outbound.aclose()

    return run_with_store(url, clock, body)


def test_a_runtime_hears_a_signed_stop_it_can_act_upon(sqlite_url, clock) -> None:
    with receiver() as platform:
        outcome = perform(sqlite_url, clock, Settings(), hook_effect(platform.url))
        assert isinstance(outcome, Done) and outcome.result == {"status": 200}
        [got] = platform.seen
    assert got.path == "/hooks/agents/triage"
    assert check(got.headers, got.body, [SECRET], clock.now()) == "effect-1"
    event = orjson.loads(got.body)
    assert event["type"] == "agent.stop" and event["timestamp"] == "2026-11-18T11:06:40.000Z"
    assert event["data"]["agent"]["slug"] == "triage"
    after = acted(fresh("triage", "before"), event, "now")
    assert after["state"] == STOPPED and after["reason"] == "Its owner left."


def test_a_change_of_owner_says_who_answers_now(database_url, clock) -> None:
    with receiver() as platform:

        async def body(store: Store) -> None:
            ctx = context(store)

            async def setup(work: Work) -> str:
                doc = {"userName": "olga@corp.test", "displayName": "Olga Tester"}
                owner = await create_person(work, doc, origin="test")
                agent = {"userName": "t@agents.test", AGENT_URN: {"owner": {"value": owner.id}}}
                made = await create_agent(work, agent, origin="test", runtime_url=f"{platform.url}/hook")
                await outward.tell_runtime(work, made.id, "t", "agent.owner_changed", "handed over")
                return made.id

            await store.transact(TESTER, setup)
            row = await store.reads.one("SELECT id FROM sb_effect WHERE kind = 'runtime.hook'")
            engine = Effects(store, handlers(ctx, Settings()), [_audited])
            assert await engine.attempt(row["id"]) is None
            await ctx.outbound.aclose()

        run_with_store(database_url, clock, body)
        event = orjson.loads(platform.seen[0].body)
    assert event["data"]["owner"]["userName"] == "olga@corp.test"
    assert acted(fresh("t", "before"), event, "now")["owner"] == "olga@corp.test"


@pytest.mark.parametrize(
    ("status", "headers", "kind", "after"),
    [
        (204, {}, Done, None),
        (299, {}, Done, None),
        (408, {}, Retry, None),
        (425, {}, Retry, None),
        (429, {"retry-after": "7"}, Retry, 7.0),
        (503, {"retry-after": "Wed, 18 Nov 2026 11:07:40 GMT"}, Retry, 60.0),
        (503, {"retry-after": "soon"}, Retry, None),
        (500, {}, Retry, None),
        (0, {}, Retry, None),
        (301, {"location": "http://127.0.0.1:1/elsewhere"}, Dead, None),
        (307, {"location": "http://127.0.0.1:1/elsewhere"}, Dead, None),
        (400, {}, Dead, None),
        (401, {}, Dead, None),
        (404, {}, Dead, None),
        (410, {}, Dead, None),
    ],
)
def test_each_answer_has_its_consequence(
    sqlite_url, clock, status: int, headers: dict[str, str], kind: type, after: float | None
) -> None:
    with receiver() as platform:
        platform.answers = [(status, headers)]
        outcome = perform(sqlite_url, clock, Settings(), hook_effect(platform.url))
        assert isinstance(outcome, kind), outcome
        assert len(platform.seen) == 1, "no redirect is followed"
    if isinstance(outcome, Retry):
        assert outcome.after == after
    if isinstance(outcome, Retry | Dead):
        assert "127.0.0.1" in outcome.reason


def test_nobody_listening_is_tried_again_and_a_forbidden_address_is_not(sqlite_url, clock) -> None:
    with receiver() as platform:
        gone = platform.url
    assert isinstance(perform(sqlite_url, clock, Settings(), hook_effect(gone)), Retry)
    for url in ("http://169.254.169.254", "ftp://127.0.0.1", "https://"):
        assert isinstance(perform(sqlite_url, clock, Settings(), hook_effect(url)), Dead)


def test_a_hook_that_cannot_be_signed_names_the_setting(sqlite_url, clock) -> None:
    outcome = perform(sqlite_url, clock, Settings(runtime_secret=""), hook_effect("http://127.0.0.1:1"))
    assert isinstance(outcome, Dead) and "runtime_secret" in outcome.reason


def test_a_notice_reaches_the_receiver_signed_and_in_words(sqlite_url, clock) -> None:
    with receiver() as inbox:
        settings = Settings(notify_url=f"{inbox.url}/inbox")
        data = {"agent": "triage", "reason": "Okta deactivated it", "holds": ["Okta deactivated it"]}
        assert isinstance(perform(sqlite_url, clock, settings, notice_effect("agent-held", data)), Done)
        [got] = inbox.seen
    assert check(got.headers, got.body, [OTHER], clock.now()) == "effect-2"
    event = orjson.loads(got.body)
    assert event["type"] == "notification" and event["data"]["template"] == "agent-held"
    assert event["data"]["to"]["email"] == "olga@corp.test"
    assert event["data"]["subject"] == "triage may not act"
    assert "Okta deactivated it" in event["data"]["text"] and "Hello Olga Tester," in event["data"]["text"]


def test_what_is_for_nobody_in_particular_goes_to_the_security_contact(sqlite_url, clock) -> None:
    for contact, to in (
        ("security@corp.test", {"id": "", "name": "", "email": "security@corp.test"}),
        ("", None),
    ):
        with receiver() as inbox:
            settings = Settings(notify_url=inbox.url, security_contact=contact)
            perform(
                sqlite_url, clock, settings, notice_effect("departure-stuck", {"person": "Olga"}, to=None)
            )
            assert orjson.loads(inbox.seen[0].body)["data"]["to"] == to


def test_a_sealed_link_is_opened_only_for_its_recipient(sqlite_url, clock) -> None:
    link = "https://bridge.test/attest/abc"
    private = outward.sealed_for(MASTER, PERSON, {"link": link})
    with receiver() as inbox:
        settings = Settings(notify_url=inbox.url)
        data = {"agent": "triage", "expires": "2026-12-01T00:00:00.000Z"}
        effect = notice_effect("attestation-request", data, private=private)
        assert isinstance(perform(sqlite_url, clock, settings, effect), Done)
        event = orjson.loads(inbox.seen[0].body)
        assert link in event["data"]["text"] and event["data"]["values"]["link"] == link
        assert "1 Dec 2026" in event["data"]["text"]
        foreign = notice_effect("attestation-request", data, private=private, to={"id": "p-2", "name": "M"})
        assert isinstance(perform(sqlite_url, clock, settings, foreign), Dead)
        broken = notice_effect("attestation-request", data, private={"link": "&&&"})
        assert isinstance(perform(sqlite_url, clock, settings, broken), Dead)
        assert len(inbox.seen) == 1


def test_without_an_address_for_notices_the_effect_says_so_and_keeps_no_link(sqlite_url, clock) -> None:
    private = outward.sealed_for(MASTER, PERSON, {"link": "https://bridge.test/attest/abc"})
    effect = notice_effect("attestation-request", {"agent": "triage"}, private=private)
    outcome = perform(sqlite_url, clock, Settings(), effect)
    assert isinstance(outcome, Done) and outcome.result["delivered"] is False
    assert "notify_url" in str(outcome.result["why"]) and "abc" not in str(outcome.result)


def test_a_hold_reaches_the_platform_and_a_failed_first_try_is_repeated_under_the_same_id(
    on_store, clock
) -> None:
    async def body(store: Store) -> None:
        ctx = context(store)
        with receiver() as platform:
            platform.answers = [(503, {"retry-after": "3"}), (200, {})]

            async def setup(work: Work) -> None:
                agent = await create_agent(
                    work, {"userName": "t@agents.test"}, origin="test", runtime_url=f"{platform.url}/hook"
                )
                await place_hold(work, agent.id, "admin", "admin", "Stop it", "an admin")

            await store.transact(TESTER, setup)
            row = await store.reads.one("SELECT id FROM sb_effect WHERE kind = 'runtime.hook'")
            engine = Effects(store, handlers(ctx, Settings()), [])

            assert await engine.attempt(row["id"]) == 3.0
            clock.advance(seconds=3)
            engine = Effects(store, handlers(ctx, Settings()), [_audited])
            assert await engine.attempt(row["id"]) is None
            assert [check(g.headers, g.body, [SECRET], clock.now()) for g in platform.seen] == [row["id"]] * 2
            stamps = [int(g.headers["webhook-timestamp"]) for g in platform.seen]
            assert stamps[1] - stamps[0] == 3 and platform.seen[0].body == platform.seen[1].body
            state = await store.reads.one("SELECT state FROM sb_effect WHERE id = ?", row["id"])
            assert state["state"] == "done"
        await ctx.outbound.aclose()

    on_store(body)


async def _audited(work: Work, effect: Effect, state: str, _reason: str) -> None:
    work.bookkeeping(f"{effect.kind} is {state}")


def test_the_clock_of_the_bridge_not_of_the_machine_stamps_a_message(sqlite_url, clock) -> None:
    with receiver() as platform:
        perform(sqlite_url, clock, Settings(), hook_effect(platform.url))
        assert int(platform.seen[0].headers["webhook-timestamp"]) == clock.now() // SECOND
