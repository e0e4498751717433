"""Promises of roles: every address of the console is in the table, and every role gets there what the table says."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from scim_bridge.attestations.service import ask
from scim_bridge.console import mine
from scim_bridge.console.permissions import NEEDS, PUBLIC, SIGNED_IN
from scim_bridge.console.routes import routes
from scim_bridge.kernel.clock import DAY, ManualClock
from scim_bridge.kernel.work import Store, Work
from scim_bridge.registry.holds import place_hold
from scim_bridge.registry.roles import ADMIN, OWNER, PERMISSIONS, ROLES, Reach, reach
from scim_bridge.registry.sessions import revoke_session, sessions
from scim_bridge.settings.attestations import AttestationSettings
from tests.conftest import TESTER, run_with_store
from tests.console.browser import company, context
from tests.console.idp import Idp, identity_provider
from tests.console.signed import at_desk


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Idp]:
    with identity_provider(ManualClock(), tmp_path_factory.mktemp("idp")) as idp:
        yield idp


@pytest.fixture
def idp(provider: Idp, clock: ManualClock) -> Idp:
    provider.reset(clock)
    return provider


def test_every_address_and_method_of_the_console_says_what_it_needs(sqlite_url, clock) -> None:
    async def body(store: Store) -> None:
        found = {
            (method, route.path)
            for route in routes(context(store))
            for method in route.endpoint.methods - {"HEAD"}
        }
        assert found == set(NEEDS), "list it in console/permissions.py"
        assert all(route.endpoint.guard is not None for route in routes(context(store)))
        assert set(NEEDS.values()) - {PUBLIC, SIGNED_IN} <= set(PERMISSIONS)

    run_with_store(sqlite_url, clock, body)


def test_an_admin_may_everything_an_auditor_changes_nothing_and_an_owner_only_their_own() -> None:
    for name, permission in PERMISSIONS.items():
        changes = not name.endswith((".read", ".list"))
        assert reach((ADMIN,), name) is (Reach.OWN if name == "attestations.answer" else Reach.ALL)
        assert reach((OWNER,), name) <= Reach.OWN and reach((), name) is Reach.NONE
        if changes and name != "attestations.answer":
            assert not permission.holders & {"viewer", "auditor"}
    assert reach((ADMIN,), "nobody.knows") is Reach.NONE
    assert {role for each in PERMISSIONS.values() for role in each.holders | each.own} <= set(ROLES)


def test_each_role_gets_at_each_address_what_the_table_says(sqlite_url, clock, idp) -> None:
    async def main(store: Store) -> None:
        async with at_desk(store, idp, owners=False, roles={role: role for role in ROLES}) as desk:
            ids = await company(store)
            # olga owns a-000 and a-002, carl a-001.
            for role in ROLES:
                idp.people[role] = {"sub": "x", "preferred_username": "olga@corp.test", "groups": [role]}
                assert (await desk.enter(role)).status_code == 303
                key = await desk.form_key("/console/mine")
                for (method, path), need in NEEDS.items():
                    if need in (PUBLIC, SIGNED_IN):
                        continue
                    for slug in ("a-000", "a-001"):
                        address = path.replace("{slug}", slug)
                        address = re.sub(r"\{\w+\}", "0-none", address)
                        if method == "GET":
                            answer = await desk.browser.get(address)
                        else:
                            answer = await desk.browser.post(address, form_key=key)
                        far = reach((role,), need)
                        lacks = answer.status_code == 403 and "role-lacks" in answer.text
                        where = (role, method, address, answer.status_code)
                        if far is Reach.ALL or (need == "attestations.answer"):
                            away = answer.headers.get("location", "")
                            assert not lacks and "/mine" not in away and "/sign-in" not in away, where
                        elif (method, far, role, need) == ("GET", Reach.NONE, OWNER, "agents.list"):
                            assert answer.headers["location"] == "/console/mine", where
                        elif far is Reach.NONE or "{slug}" not in path:
                            assert lacks, where
                        elif slug == "a-001":
                            assert answer.status_code == 404 and "agent-unknown" in answer.text, where
                        else:
                            assert not lacks and answer.status_code in (200, 400), where
            assert ids

    run_with_store(sqlite_url, clock, main)


def test_a_session_that_is_revoked_is_over_and_the_navigation_shows_only_what_one_may(
    database_url, clock, idp
) -> None:
    idp.people["olga"] = {"sub": "x", "preferred_username": "olga@corp.test", "groups": ["AI viewers"]}

    async def main(store: Store) -> None:
        async with at_desk(store, idp) as desk:
            await company(store)
            await desk.enter("olga")
            page = (await desk.browser.get("/console")).text
            assert 'href="/console/mine"' in page and 'href="/console/audit"' not in page
            others = (await desk.browser.get("/console/agents/a-001")).text
            own = (await desk.browser.get("/console/agents/a-000")).text
            assert "Stop this agent" in own and "Stop this agent" not in others
            (open_one,) = await sessions(store.reads, clock.now())
            assert open_one.roles == ("owner", "viewer") and open_one.name == "olga@corp.test"

            async def revoke(work: Work) -> None:
                await revoke_session(work, open_one.id)

            await store.transact(TESTER, revoke)
            assert (await desk.browser.get("/console")).status_code == 303
            assert await sessions(store.reads, clock.now()) == []
            clock.advance(days=31)
            await desk.enter("olga")
            row = await store.reads.one("SELECT COUNT(*) AS n FROM sb_session")
            assert row["n"] == 1 and open_one.created + 31 * DAY <= clock.now()

    run_with_store(database_url, clock, main)


def test_an_owner_of_many_agents_sees_each_on_one_page_and_counts_of_all(
    database_url, clock, idp, monkeypatch
) -> None:
    monkeypatch.setattr(mine, "SHOWN", 2)
    idp.people = {"olga": {"sub": "00u-olga", "preferred_username": "olga@corp.test"}}

    async def main(store: Store) -> None:
        async with at_desk(store, idp) as desk:
            ids = await company(store, 5)

            async def body(work: Work) -> None:
                await work.tx.run("DELETE FROM sb_owner")
                for n in range(5):
                    values = (ids[f"a-{n:03d}"], ids["olga"], work.now)
                    await work.tx.run(
                        "INSERT INTO sb_owner (agent_id, person_id, role, rank, since)"
                        " VALUES (?, ?, 'owner', 0, ?)",
                        *values,
                    )
                await place_hold(work, ids["a-004"], "admin", "admin", "Odd.", "an admin")

            await store.transact(TESTER, body)
            await desk.enter("olga")
            seen, address = list[str](), "/console/mine"
            while address:
                text = (await desk.browser.get(address)).text
                assert '<span class="count">5</span> <span class="label">agents' in text
                assert '<span class="count">1</span> <span class="label">may not act' in text
                seen += re.findall(r'href="/console/agents/(a-\d+)"', text)
                onward = re.search(r'href="([^"]+)" rel="next"', text)
                address = onward.group(1) if onward else ""
            assert seen == [f"a-{n:03d}" for n in range(5)]

    run_with_store(database_url, clock, main)


def test_an_owner_answers_in_the_console_and_the_statement_says_how_they_were_known(
    database_url, clock, idp
) -> None:
    claims = {"sub": "00u-olga", "preferred_username": "olga@corp.test", "acr": "phr", "amr": ["hwk", "mfa"]}
    idp.people = {"olga": claims, "carl": {"sub": "x", "preferred_username": "carl@corp.test"}}

    async def main(store: Store) -> None:
        async with at_desk(store, idp) as desk:
            await company(store)
            asked = await ask(desk.ctx, AttestationSettings(), TESTER, "a-000")
            await desk.enter("carl")
            stranger = await desk.browser.get(f"/console/mine/{asked.request_id}")
            assert stranger.status_code == 404 and "a-000" not in stranger.text
            await desk.enter("olga")
            assert (await desk.browser.get("/console")).headers["location"] == "/console/mine"
            page = (await desk.browser.get("/console/mine")).text
            assert f"/console/mine/{asked.request_id}" in page and "a-001" not in page
            assert 'href="/console/agents/a-000"' in page, "an owner gets from the list to the agent"
            assert (await desk.browser.get("/console/agents/a-000")).status_code == 200
            page = (await desk.browser.get(f"/console/mine/{asked.request_id}")).text
            digest = re.search(r'name="digest" value="(sha256:[0-9a-f]+)"', page)
            key = re.search(r'name="form_key" value="([0-9a-f]+)"', page)
            assert digest and key
            said = {"verdict": "confirm", "comment": "all right", "digest": digest.group(1)}
            address = f"/console/mine/{asked.request_id}"
            forged = await desk.browser.post(address, form_key="0" * 64, **said)
            assert forged.status_code == 403
            moved = await desk.browser.post(address, form_key=key.group(1), **{**said, "digest": "sha256:0"})
            assert moved.status_code == 409 and "all right" in moved.text
            done = await desk.browser.post(address, form_key=key.group(1), **said)
            assert done.status_code == 200
            again = await desk.browser.post(address, form_key=key.group(1), **said)
            assert again.status_code == 410
            statement = await desk.statement()
            assert statement["authentication"] == "oidc" and statement["by"]["userName"] == "olga@corp.test"
            proof = statement["authentication_proof"]
            assert (proof["acr"], proof["amr"]) == ("phr", ["hwk", "mfa"]) and proof["iss"] == idp.issuer

    run_with_store(database_url, clock, main)
