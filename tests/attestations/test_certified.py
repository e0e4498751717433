"""Promises of Okta's access reviews as statements here: read at Okta, signed as what they are, and never too much."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from scim_bridge.attestations.certifying import METHOD, taking
from scim_bridge.attestations.evidence import verify_stored
from scim_bridge.attestations.model import STATEMENT_TYPE
from scim_bridge.audit.record import effect_settled
from scim_bridge.departures.service import react, settled
from scim_bridge.kernel.clock import DAY, HOUR, MINUTE, SECOND, iso
from scim_bridge.kernel.crypto import public_keys, verify
from scim_bridge.kernel.effects import Effects
from scim_bridge.kernel.work import Store, Work
from scim_bridge.registry.agent_facts import AgentFacts, facts_of
from scim_bridge.registry.groups import add_members, create_group
from scim_bridge.registry.people import create_person
from scim_bridge.registry.resources import set_external_id
from scim_bridge.settings.attestations import AttestationSettings
from scim_bridge.signals.idp import okta_log, reading
from scim_bridge.sync import effects as sync
from scim_bridge.sync.apply import apply_now
from tests.conftest import TESTER, run_with_store
from tests.signals.idp_stage import OUTWARD, Stage, _elsewhere, real_time, stage
from tests.sync.okta_org import Org, okta_org

SECRETS = {"ssws_token": "00Tokenofthetests0000000000000000000000000"}
SETTINGS = AttestationSettings(valid_days=90)
BOT = "maria-bot@agents.test"
Body = Callable[[Stage], Awaitable[None]]


@pytest.fixture(scope="module")
def running_org(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Org]:
    """An org with Identity Governance that runs as long as this file's tests."""
    with okta_org(tmp_path_factory.mktemp("okta")) as made:
        yield made


@pytest.fixture
def reviewed(running_org: Org, request: pytest.FixtureRequest) -> Callable[..., None]:
    """Run a test with Maria, whose agent is in the org, and Omar, who is somebody else."""

    def runner(body: Body, url: str = "") -> None:
        clock = real_time()
        running_org.emptied(SECRETS["ssws_token"])
        running_org.control("POST", "/org", {"governance": True})
        running_org.people("maria@corp.test", "omar@corp.test", "nobody@corp.test")

        async def main(store: Store) -> None:
            settings = {"org_url": running_org.sandbox.url, "ca_file": running_org.sandbox.ca_file}
            async with stage(store, clock, running_org.sandbox, "okta", settings, SECRETS) as made:
                handlers = {
                    **reading.handlers(made.ctx, made.idps.news, react, taking(made.ctx, SETTINGS)),
                    **dict.fromkeys(OUTWARD, _elsewhere),
                    **sync.handlers(made.ctx, made.idps),
                }
                made.effects = Effects(store, handlers, [effect_settled, settled, sync.settled])
                await made.owner("maria", running_org.user("maria@corp.test")["id"])
                await store.transact(
                    TESTER, lambda work: create_person(work, {"userName": "omar@corp.test"}, origin="test")
                )
                connection, idp = await made.idps.of("acme")
                await apply_now(made.ctx, TESTER, connection, idp)
                await made.finish()
                await body(made)

        run_with_store(url or request.getfixturevalue("sqlite_url"), clock, main)

    return runner


async def decide(made: Stage, decision: str, reviewer: str = "maria", **more: Any) -> str:
    """A reviewer decides at Okta, and the log is read; the review's id."""
    wish = {"agent": BOT, "reviewer": f"{reviewer}@corp.test", "decision": decision, **more}
    made.clock.advance(seconds=okta_log.EVERY // SECOND)
    decided = {} if "decided" in more else {"decided": iso(made.clock.now())}
    told = await made.control("POST", "/certifications/decide", {**wish, **decided})
    await okta_log.poll(made.ctx, made.idps.news)
    await made.look()
    return str(told["review"])


async def agent(made: Stage) -> AgentFacts:
    """Maria's agent now."""
    return (await facts_of(made.store.reads, [made.ids["maria-bot"]]))[made.ids["maria-bot"]]


async def statements(made: Stage) -> list[dict[str, Any]]:
    """What was signed, oldest first, each proven with the public keys."""
    keys = await public_keys(made.store.reads, "attestation")
    rows = await made.store.reads.all("SELECT statement FROM sb_attestation ORDER BY at, id")
    return [dict(verify(row["statement"], keys, STATEMENT_TYPE)) for row in rows]


async def notes(made: Stage) -> list[str]:
    """What came of each decision, oldest first."""
    rows = await made.store.reads.all(
        "SELECT note FROM sb_news WHERE kind LIKE 'certification.%' ORDER BY received, id"
    )
    return [row["note"] for row in rows]


def test_an_owners_approval_is_a_signed_statement_with_its_method_and_counts_once(
    reviewed, database_url
) -> None:
    async def body(made: Stage) -> None:
        review = await decide(made, "APPROVE", note="still needed")
        found = await agent(made)
        assert (found.attestation.state, found.attestation.by) == ("valid", "maria@corp.test")
        (said,) = await statements(made)
        assert (said["authentication"], said["verdict"], said["by"]["role"]) == (METHOD, "confirm", "owner")
        assert said["certification"]["review"] == review and said["comment"] == "still needed"
        assert (await verify_stored(made.store.database)).ok
        (row,) = await made.audited("attestation.confirmed")
        assert row["certification"]["decision"] == "approve"
        # Told again by another event: the review is the same decision.
        decided = said["certification"]["decided"]
        await decide(made, "APPROVE", review=review, decided=decided)
        assert len(await statements(made)) == 1 and (await notes(made))[-1] == "known"

    reviewed(body, database_url)


def test_a_revocation_stops_the_agent_whoever_decided_and_no_later_approval_lets_it_go(reviewed) -> None:
    async def body(made: Stage) -> None:
        await decide(made, "APPROVE")
        await decide(made, "REVOKE", "omar", note="who needs this?")
        found = await agent(made)
        assert [hold.code for hold in found.holds] == ["attestation-refused"] and not found.resource.active
        assert (await statements(made))[-1]["by"]["role"] == "reviewer"
        await decide(made, "APPROVE")
        assert not (await agent(made)).resource.active and len(await statements(made)) == 2
        assert (await made.audited("attestation.certification_unused"))[-1]["why"].startswith(
            "somebody refused"
        )

    reviewed(body)


@pytest.mark.parametrize(
    ("reviewer", "decision", "ago", "note"),
    [
        ("omar", "APPROVE", 0, "no active owner"),
        ("nobody", "APPROVE", 0, "not known here"),
        ("nobody", "REVOKE", 0, "not known here"),
        ("maria", "APPROVE", 2 * DAY, "more than a day ago"),
        ("maria", "APPROVE", -HOUR, "in the future"),
        ("maria", "DELEGATE", 0, ""),
    ],
)
def test_what_is_no_consent_confirms_nothing(
    reviewed, reviewer: str, decision: str, ago: int, note: str
) -> None:
    async def body(made: Stage) -> None:
        await decide(made, decision, reviewer, decided=iso(made.clock.now() - ago))
        found = await agent(made)
        assert found.attestation.state == "none" and found.resource.active and await statements(made) == []
        assert note in "".join(await notes(made))

    reviewed(body)


def test_a_late_decision_changes_nothing_after_a_later_answer(reviewed) -> None:
    async def body(made: Stage) -> None:
        early = iso(made.clock.now() - 10 * MINUTE)
        await decide(made, "APPROVE")
        await decide(made, "REVOKE", decided=early)
        assert (await agent(made)).resource.active and "answered here since" in (await notes(made))[-1]

    reviewed(body)


@pytest.mark.parametrize(("reviewer", "verdicts"), [("maria", ["reduce"]), ("omar", [])])
def test_a_revoked_group_is_left_and_only_who_answers_confirms_the_rest(
    reviewed, reviewer: str, verdicts: list[str]
) -> None:
    async def body(made: Stage) -> None:
        async def joined(work: Work) -> None:
            group = await create_group(work, {"displayName": "payments"}, origin="test")
            await add_members(work, group.id, [(made.ids["maria-bot"], None)])
            set_external_id(work, group, made.connection.id, None, "00gpayments000000001")

        await made.store.transact(TESTER, joined)
        await decide(made, "REVOKE", reviewer, resource="00gpayments000000001")
        assert [said["verdict"] for said in await statements(made)] == verdicts
        rows = await made.store.reads.all(
            "SELECT 1 AS x FROM sb_member WHERE member_id = ?", made.ids["maria-bot"]
        )
        assert not rows and (await agent(made)).resource.active

    reviewed(body)


def test_an_event_alone_is_not_believed(reviewed) -> None:
    async def body(made: Stage) -> None:
        made.clock.advance(seconds=okta_log.EVERY // SECOND)
        forged = {"id": "icrnothing", "type": "CertificationReviewItem"}
        event = {"eventType": "certification.campaign.item.decide", "target": forged}
        await made.control("POST", "/log/add", event)
        await okta_log.poll(made.ctx, made.idps.news)
        await made.look()
        assert await notes(made) == ["there is no such review that may be read, or nobody decided"]
        assert await statements(made) == []

    reviewed(body)
