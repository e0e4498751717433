"""Promises of campaigns that open by themselves: on schedule, after a lapse with grace, and when facts changed."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from scim_bridge.attestations.campaign_view import campaigns
from scim_bridge.attestations.chasing import chase
from scim_bridge.attestations.facts import facts_together
from scim_bridge.attestations.lapsing import lapse
from scim_bridge.attestations.model import canonical, digest_of
from scim_bridge.attestations.schedules import Watcher, open_due
from scim_bridge.attestations.service import ask
from scim_bridge.kernel.clock import DAY
from scim_bridge.kernel.errors import ConfigurationError
from scim_bridge.kernel.work import Store, Work
from scim_bridge.registry.agent_facts import facts_of
from scim_bridge.registry.agents import set_attestation, update_agent
from scim_bridge.registry.groups import add_members, create_group
from scim_bridge.registry.model import AGENT_URN, Attestation
from scim_bridge.settings.attestations import AttestationSettings, CampaignSettings, check_attestations
from scim_bridge.settings.load import load_settings
from tests.attestations.crowd import answer, browser, company, mails
from tests.attestations.scene import SETTINGS, context, scene
from tests.conftest import TESTER, run_with_store

QUARTERLY = replace(
    SETTINGS, campaigns=(CampaignSettings("Quarterly", 90, "environment=production", 14),), grace_days=7
)


@pytest.fixture
def on_sqlite(sqlite_url, clock):
    """Run an async test body with a store on SQLite."""
    return lambda body: run_with_store(sqlite_url, clock, body)


async def confirmed(store: Store, ctx) -> None:
    link = urlsplit((await ask(ctx, SETTINGS, TESTER, "triage")).link).path
    async with browser(ctx, SETTINGS) as web:
        assert (await answer(web, link, "confirm")).status_code == 200


async def held(store: Store, agent_id: str) -> list[str]:
    return [hold.code for hold in (await facts_of(store.reads, [agent_id]))[agent_id].holds]


def test_a_schedule_opens_its_campaign_and_the_next_one_after_its_days_and_not_while_one_is_open(
    on_sqlite, clock
) -> None:
    async def body(store: Store) -> None:
        ctx = context(store)
        assert await open_due(ctx, QUARTERLY) == 0
        await company(store, 6, 2)
        assert await open_due(ctx, QUARTERLY) == 1
        assert await open_due(ctx, QUARTERLY) == 0
        (first,) = await campaigns(store.reads)
        assert (first["name"], first["agents"]) == ("Quarterly", 3)
        clock.advance(days=90)
        assert await open_due(ctx, QUARTERLY) == 0
        # No worker ran in between: whoever is asked that late has a day.
        await chase(ctx)
        assert await open_due(ctx, QUARTERLY) == 0
        clock.advance(days=1)
        await chase(ctx)
        assert await open_due(ctx, QUARTERLY) == 1
        assert [found["state"] for found in await campaigns(store.reads)] == ["open", "closed"]

    on_sqlite(body)


def test_with_grace_a_lapsed_agent_goes_on_is_asked_about_and_held_when_the_grace_is_over(
    on_sqlite, clock
) -> None:
    async def body(store: Store) -> None:
        ctx = context(store)
        made = await scene(store)
        await confirmed(store, ctx)
        clock.advance(days=90)
        assert await lapse(ctx, QUARTERLY) == 1
        assert await held(store, made.agent) == []
        await chase(ctx)
        assert len(await mails(store, "campaign-request")) == 1
        clock.advance(days=7)
        await chase(ctx)
        assert await held(store, made.agent) == ["attestation-missing"]

    on_sqlite(body)


def test_a_statement_ends_when_a_group_comes_and_stays_when_a_comment_on_it_changes(on_sqlite, clock) -> None:
    async def body(store: Store) -> None:
        ctx = context(store)
        made = await scene(store)
        await confirmed(store, ctx)
        watcher = Watcher(ctx, SETTINGS)

        async def renamed(work: Work) -> None:
            found = (await facts_of(work.tx, [made.agent]))[made.agent]
            doc = {**found.resource.doc, "displayName": "Triage two"}
            doc[AGENT_URN] = {**doc[AGENT_URN], "version": "2"}
            await update_agent(work, made.agent, doc)

        await store.transact(TESTER, renamed)
        assert await watcher.look() == 0

        async def joined(work: Work) -> None:
            group = await create_group(work, {"displayName": "payments"}, origin="test")
            await add_members(work, group.id, [(made.agent, None)])

        await store.transact(TESTER, joined)
        assert await watcher.look() == 1
        assert await watcher.look() == 0
        found = (await facts_of(store.reads, [made.agent]))[made.agent]
        assert found.attestation.state == "lapsed" and not found.holds
        (event,) = await campaigns(store.reads, events=True)
        assert (event["kind"], event["waiting"]) == ("event", 1)
        await chase(ctx)
        (mail,) = await mails(store, "campaign-request")
        assert "groups changed since olga@corp.test" in mail["data"]["reason"]
        async with browser(ctx, SETTINGS) as web:
            assert (await answer(web, mail["links"][0], "confirm")).status_code == 200
        assert await watcher.look() == 0

    on_sqlite(body)


async def stated(store: Store, agents: list[str]) -> None:
    """Valid statements about these agents as they are now, as their owners' answers leave them."""

    async def some(work: Work, ids: list[str]) -> None:
        work.bookkeeping("statements of a test")
        until = work.now + 90 * DAY
        for agent_id, (_, facts) in (await facts_together(work.tx, ids)).items():
            await work.tx.run(
                "INSERT INTO sb_attestation (id, request_id, agent_id, person_id, verdict, comment, at, until,"
                " digest, facts, statement) VALUES (?, '', ?, '', 'confirm', '', ?, ?, ?, ?, '')",
                f"s-{agent_id}",
                agent_id,
                work.now,
                until,
                digest_of(facts),
                canonical(facts).decode(),
            )
            said = Attestation("valid", f"s-{agent_id}", "o0@corp.test", work.now, until)
            await set_attestation(work, agent_id, said)

    for start in range(0, len(agents), 100):
        await store.transact(TESTER, lambda work, s=start: some(work, agents[s : s + 100]))


def test_hundreds_that_change_at_once_are_found_in_one_round_and_told_in_one_mail_a_person(on_store) -> None:
    async def body(store: Store) -> None:
        ctx = context(store)
        made = await company(store, 240, 3)
        await stated(store, made.agents)

        async def joined(work: Work) -> None:
            for name, part in (("payments", made.agents[:200]), ("refunds", made.agents[200:])):
                group = await create_group(work, {"displayName": name}, origin="test")
                await add_members(work, group.id, [(agent_id, None) for agent_id in part])
            found = await facts_of(work.tx, made.agents[:1])
            doc = dict(found[made.agents[0]].resource.doc)
            doc[AGENT_URN] = {**doc[AGENT_URN], "purpose": "something else"}
            await update_agent(work, made.agents[0], doc)

        await store.transact(TESTER, joined)
        assert await Watcher(ctx, SETTINGS).look() == 240, "one round over all finds them"
        assert await chase(ctx) == 240
        sent = await mails(store, "campaign-request")
        assert sorted(len(mail["links"]) for mail in sent) == [80, 80, 80]
        assert len({mail["to"]["id"] for mail in sent}) == 3
        (odd,) = [mail for mail in sent if not mail["data"]["reason"]]
        assert odd["data"]["campaign"] == "Changed" and odd["data"]["count"] == 80
        assert all("groups changed" in mail["data"]["reason"] for mail in sent if mail is not odd)
        async with browser(ctx, SETTINGS) as web:
            assert (await answer(web, sent[0]["links"][79], "confirm")).status_code == 200
        assert await chase(ctx) == 0
        assert len(await campaigns(store.reads, events=True, limit=500)) == 240, "each has its own dates"

    on_store(body)


def test_what_another_process_changed_is_found_in_the_round_over_all(on_sqlite) -> None:
    async def body(store: Store) -> None:
        ctx = context(store)
        made = await scene(store)
        await confirmed(store, ctx)

        async def joined(work: Work) -> None:
            group = await create_group(work, {"displayName": "payments"}, origin="test")
            await add_members(work, group.id, [(made.agent, None)])

        await store.transact(TESTER, joined)
        # This one begins afterwards, so nobody told it.
        assert await Watcher(ctx, SETTINGS).look() == 1

    on_sqlite(body)


@pytest.mark.parametrize(
    ("lines", "key"),
    [
        ("[[attestations.campaigns]]\nname='x'\nevery_days=0", "attestations.campaigns.x.every_days"),
        ("[[attestations.campaigns]]\nname=' '\nevery_days=9", "attestations.campaigns. .name"),
        (
            "[[attestations.campaigns]]\nname='x'\nevery_days=9\nscope='moon=1'",
            "attestations.campaigns.x.scope",
        ),
        ("[attestations]\nmaterial=['owners']", "attestations.material"),
        ("[attestations]\nremind_days=['soon']", "attestations.remind_days"),
        ("[attestations]\ngrace_days=-1", "attestations.grace_days"),
    ],
)
def test_a_setting_that_cannot_be_meant_refuses_to_start_and_is_named(tmp_path, lines, key) -> None:
    file = tmp_path / "bridge.toml"
    file.write_text(lines)
    with pytest.raises(ConfigurationError, match=key.replace(".", r"\.")):
        load_settings(file, {})


@pytest.mark.parametrize(
    ("told", "key"),
    [
        (AttestationSettings(valid_days=10_000_000), "attestations.valid_days"),
        (AttestationSettings(remind_days=("99999999",)), "attestations.remind_days"),
        (
            AttestationSettings(campaigns=(CampaignSettings("Q", 9), CampaignSettings("Q", 30))),
            "attestations.campaigns.Q.name",
        ),
        (
            AttestationSettings(campaigns=(CampaignSettings("n" * 81, 9),)),
            f"attestations.campaigns.{'n' * 81}.name",
        ),
        (
            AttestationSettings(campaigns=(CampaignSettings("Q", 10_000_000),)),
            "attestations.campaigns.Q.every_days",
        ),
    ],
)
def test_a_schedule_that_could_never_open_is_refused_at_start(told, key) -> None:
    with pytest.raises(ConfigurationError) as refused:
        check_attestations(told)
    assert refused.value.key == key
