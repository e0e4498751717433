"""Promises of the other answers: fewer groups, retiring, asking somebody else, handing over. All signed or audited."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from scim_bridge.attestations.evidence import verify_stored
from scim_bridge.attestations.lapsing import warn
from scim_bridge.attestations.service import ask
from scim_bridge.kernel.crypto import public_keys, verify
from scim_bridge.kernel.work import Store
from scim_bridge.registry.agent_facts import facts_of
from scim_bridge.registry.credentials import credentials_of
from scim_bridge.registry.groups import groups_of
from scim_bridge.registry.people import set_employed
from tests.attestations.crowd import answer, browser, mails, open_link
from tests.attestations.scene import SETTINGS, context, scene
from tests.conftest import TESTER, run_with_store


@pytest.fixture
def visiting(sqlite_url, clock):
    """Run a body with the scene, a browser, and the address of a link to somebody."""

    def run(body) -> None:
        async def main(store: Store) -> None:
            ctx = context(store)
            made = await scene(store)

            async def link(to: str | None = None) -> str:
                return urlsplit((await ask(ctx, SETTINGS, TESTER, "triage", to)).link).path

            async with browser(ctx, SETTINGS) as web:
                await body(store, made, web, link)

        run_with_store(sqlite_url, clock, main)

    return run


async def agent(store: Store, made):
    return (await facts_of(store.reads, [made.agent]))[made.agent]


def test_confirming_with_less_access_takes_the_group_away_and_signs_the_facts_as_they_are_then(
    visiting,
) -> None:
    async def body(store: Store, made, web, link) -> None:
        at = await link()
        before = await open_link(web, at)
        done = await answer(web, at, "reduce", drop=[made.group])
        assert done.status_code == 200
        said = done.json()
        assert said["state"] == "valid" and said["digest"] != before["digest"]
        assert said["changes"]["left_groups"] == [{"id": made.group, "name": "support-tools"}]
        assert (await groups_of(store.reads, [made.agent]))[made.agent] == []
        keys = await public_keys(store.reads, "attestation")
        signed = verify(said["statement"], keys, "scim-bridge-attestation+jwt")
        assert signed["facts_digest"] == said["digest"]
        assert signed["shown_facts_digest"] == before["digest"]
        assert (await agent(store, made)).attestation.state == "valid"
        assert (await verify_stored(store.database)).ok

    visiting(body)


@pytest.mark.parametrize("drop", [[], ["no-such-group"]])
def test_a_reduction_that_names_no_group_of_the_agent_changes_nothing(visiting, drop) -> None:
    async def body(store: Store, made, web, link) -> None:
        at = await link()
        refused = await answer(web, at, "reduce", drop=drop)
        assert refused.status_code == 400 and refused.json()["code"] == "answer-groups"
        assert (await groups_of(store.reads, [made.agent]))[made.agent] != []
        assert (await web.get(at)).status_code == 200

    visiting(body)


def test_a_retired_agent_is_held_and_its_credentials_are_revoked(visiting) -> None:
    async def body(store: Store, made, web, link) -> None:
        done = await answer(web, await link(), "retire")
        assert done.status_code == 200
        assert [hold.code for hold in (await agent(store, made)).holds] == ["attestation-retired"]
        assert {row["state"] for row in await credentials_of(store.reads, made.agent)} == {"revoking"}
        assert len(await mails(store, "attestation-retired")) == 1

    visiting(body)


def test_who_is_asked_instead_answers_as_a_delegate_and_the_first_link_is_spent(visiting) -> None:
    async def body(store: Store, made, web, link) -> None:
        at = await link()
        passed = await answer(web, at, "delegate", to="mallory@corp.test")
        assert passed.status_code == 200 and passed.json()["to"] == "mallory@corp.test"
        assert (await web.get(at)).json()["code"] == "link-passed-on"
        (mail,) = await mails(store, "attestation-passed-on")
        seen = await open_link(web, mail["links"][0])
        assert (seen["role"], seen["person"]) == ("delegate", "mallory@corp.test")
        again = await answer(web, mail["links"][0], "delegate", to="olga@corp.test")
        assert (again.status_code, again.json()["code"]) == (422, "passed-on-before")
        assert (await answer(web, mail["links"][0], "confirm")).status_code == 200
        found = await agent(store, made)
        assert found.attestation.by == "mallory@corp.test"
        assert found.owners.owner is not None and found.owners.owner.id == made.owner

    visiting(body)


def test_a_delegate_may_not_answer_any_more_when_whoever_asked_them_has_left(visiting) -> None:
    async def body(store: Store, made, web, link) -> None:
        await answer(web, await link(), "delegate", to="mallory@corp.test")
        await store.transact(TESTER, lambda work: set_employed(work, made.owner, False))
        (mail,) = await mails(store, "attestation-passed-on")
        assert (await web.get(mail["links"][0])).status_code == 403

    visiting(body)


def test_an_agent_is_handed_over_once_the_other_confirms_and_not_before(visiting) -> None:
    async def body(store: Store, made, web, link) -> None:
        await answer(web, await link(), "transfer", to="mallory@corp.test")
        owner = (await agent(store, made)).owners.owner
        assert owner is not None and owner.id == made.owner
        (mail,) = await mails(store, "attestation-passed-on")
        assert mail["data"]["transfer"] is True
        done = await answer(web, mail["links"][0], "confirm")
        assert done.json()["changes"]["new_owner"]["userName"] == "mallory@corp.test"
        owners = (await agent(store, made)).owners
        assert owners.owner is not None and owners.owner.id == made.stranger
        assert [person.id for person in owners.sponsors] == [made.sponsor]

    visiting(body)


def test_only_the_owner_hands_over_and_only_to_somebody_else_who_is_active(visiting) -> None:
    async def body(store: Store, made, web, link) -> None:
        sponsor = await link("susan@corp.test")
        refused = await answer(web, sponsor, "transfer", to="mallory@corp.test")
        assert (refused.status_code, refused.json()["code"]) == (422, "transfer-owner")
        owner = await link()
        for to, code in (
            ("olga@corp.test", "passed-to-self"),
            ("nobody", "person-unknown"),
            ("", "person-unknown"),
        ):
            assert (await answer(web, owner, "delegate", to=to)).json()["code"] == code
        await store.transact(TESTER, lambda work: set_employed(work, made.stranger, False))
        assert (await answer(web, owner, "delegate", to="mallory@corp.test")).json()[
            "code"
        ] == "person-unknown"
        assert (await web.get(owner)).status_code == 200

    visiting(body)


def test_an_owner_without_scripts_sees_every_way_to_answer(visiting) -> None:
    async def body(store: Store, made, web, link) -> None:
        at = await link()
        page = await web.get(at, headers={"accept": "text/html"})
        for verdict in ("confirm", "refuse", "reduce", "retire", "delegate", "transfer"):
            assert f'name="verdict" value="{verdict}"' in page.text
        digest = (await open_link(web, at))["digest"]
        form = {"verdict": "delegate", "to": "nobody@corp.test", "digest": digest, "comment": "on leave"}
        again = await web.post(at, data=form, headers={"accept": "text/html"})
        assert again.status_code == 404 and "No active person" in again.text
        form |= {"to": "mallory@corp.test"}
        done = await web.post(at, data=form, headers={"accept": "text/html"})
        assert done.status_code == 200 and "Mallory" in done.text

    visiting(body)


def test_the_owner_is_warned_once_before_a_statement_runs_out(visiting, clock) -> None:
    async def body(store: Store, made, web, link) -> None:
        ctx = context(store)
        await answer(web, await link(), "confirm")
        assert await warn(ctx, SETTINGS) == 0
        clock.advance(days=77)
        assert await warn(ctx, SETTINGS) == 1
        assert await warn(ctx, SETTINGS) == 0
        (mail,) = await mails(store, "attestation-expiring")
        assert (await answer(web, mail["links"][0], "confirm")).status_code == 200
        assert await warn(ctx, SETTINGS) == 0

    visiting(body)
