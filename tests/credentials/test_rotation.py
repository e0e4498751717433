"""Promises of rotation: the new one works before the old one goes, and what cannot be ends clean."""

from __future__ import annotations

import pytest
from joserfc.jwk import ECKey

from scim_bridge.credentials.begin import rotate_client
from scim_bridge.credentials.due import rotate_due
from scim_bridge.kernel.errors import Conflict
from scim_bridge.registry.agents import set_owners
from scim_bridge.registry.holds import release_hold
from scim_bridge.registry.keeper import LABEL
from scim_bridge.registry.model import Owners
from tests.conftest import TESTER
from tests.credentials.house import TOKEN, House
from tests.credentials.scenes import acknowledged, passes, rotate, stopped


def test_old_and_new_both_work_until_the_overlap_ends_and_then_only_the_new_one(at_both) -> None:
    async def scene(house: House) -> None:
        agent = await house.agent("refund")
        okta, entra = house.okta_app(agent), house.entra_app(agent)
        await house.policy("connection:okta", address={"path": "{slug}-okta"})
        await house.policy("connection:entra", address={"path": "{slug}-entra"})
        assert (await house.scan("okta")).new == 1
        assert (await house.scan("entra")).new == 1
        begun = await rotate(house, agent, "refund")
        await house.work()
        new = house.delivered("refund-okta"), house.delivered("refund-entra")
        assert okta.login(okta.secret) == okta.login(new[0]) == 200
        assert entra.login(entra.secret) and entra.login(new[1])
        house.clock.advance(seconds=3000)
        await house.work()
        await acknowledged(house, *begun)
        await house.work()
        assert okta.login(okta.secret) == 200, "confirmed, and the overlap goes on"
        house.clock.advance(seconds=1801)
        await house.work()
        assert okta.login(new[0]) == 200 and entra.login(new[1])
        assert okta.login(okta.secret) == 401 and not entra.login(entra.secret)
        found = await house.credentials(agent)
        assert sorted(one["state"] for one in found) == ["active", "active", "revoked", "revoked"]
        rotations = await house.store.reads.all("SELECT state, sealed FROM sb_rotation")
        assert [(one["state"], one["sealed"]) for one in rotations] == [("done", None)] * 2
        assert (await house.scan("okta")).new == 0, "what a rotation made is nobody's surprise"

    at_both(scene)


@pytest.mark.parametrize("kind", ["jwk", "certificate"])
def test_keys_are_made_here_and_only_their_public_half_reaches_the_idp(request, kind) -> None:
    async def at_the_org(house: House) -> None:
        agent = await house.agent("refund")
        first = {"kid": "k0", "kty": "EC", "crv": "P-256"}
        first |= ECKey.generate_key("P-256", {}).as_dict(private=False)
        app = house.okta_app(agent, jwk=first)
        await house.policy(confirm="time", confirm_seconds=60, overlap_seconds=60)
        await house.scan("okta")
        await rotate(house, agent, "refund")
        await house.work()
        private = house.delivered("refund")
        assert '"d"' in private and app.login(private) == 200
        await passes(house, 61, 2)
        (left,) = app.items("clientkey")
        assert left["kid"] == LABEL + (await house.rotation())["id"]
        assert "d" not in left
        assert app.login(private) == 200

    async def at_the_tenant(house: House) -> None:
        agent = await house.agent("refund")
        app = house.entra_app(agent)
        await house.policy(confirm="time", confirm_seconds=60, overlap_seconds=60, kind="key")
        await house.scan("entra")
        await rotate(house, agent, "refund")
        await house.work()
        private = house.delivered("refund")
        assert app.login(private)
        await passes(house, 61, 2)
        assert app.login(private) and not app.login(app.secret)
        (kept,) = app.shown()["keyCredentials"]
        assert kept["displayName"].startswith(LABEL)
        assert app.shown()["passwordCredentials"] == []

    if kind == "jwk":
        request.getfixturevalue("at_okta")(at_the_org)
    else:
        request.getfixturevalue("at_entra")(at_the_tenant)


def test_a_consumer_that_never_confirms_leaves_everything_as_it_was(at_both) -> None:
    async def scene(house: House) -> None:
        agent = await house.agent("refund")
        okta, entra = house.okta_app(agent), house.entra_app(agent)
        await house.policy("connection:okta", address={"path": "{slug}-okta"})
        await house.policy("connection:entra", address={"path": "{slug}-entra"})
        await house.scan("okta")
        await house.scan("entra")
        await rotate(house, agent, "refund")
        await house.work()
        new = house.delivered("refund-okta"), house.delivered("refund-entra")
        house.clock.advance(seconds=3600)
        await house.work()
        assert not (house.directory / "refund-okta").exists(), "there was none before"
        assert okta.login(new[0]) == 200 and entra.login(new[1]), "who read it may use it a little longer"
        house.clock.advance(seconds=1800)
        await house.work()
        assert okta.login(new[0]) == 401 and not entra.login(new[1])
        assert okta.login(okta.secret) == 200 and entra.login(entra.secret)
        ended = await house.store.reads.all("SELECT state, note FROM sb_rotation")
        assert {one["state"] for one in ended} == {"undone"}
        assert all("the old one stays" in one["note"] for one in ended)
        told = await house.store.reads.all("SELECT payload FROM sb_effect WHERE kind = 'notify'")
        assert sum("rotation-failed" in one["payload"] for one in told) == 2
        with pytest.raises(Exception, match="nothing waits"):
            await acknowledged(house, (await house.rotation())["id"])

    at_both(scene)


def test_a_third_secret_is_refused_by_okta_and_nothing_is_made(at_okta) -> None:
    async def scene(house: House) -> None:
        agent = await house.agent("refund")
        app = house.okta_app(agent)
        with house.org.sandbox.client(authorization=f"SSWS {TOKEN}") as client:
            assert client.post(f"/api/v1/apps/{app.id}/credentials/secrets", json={}).status_code == 201
        await house.policy()
        await house.scan("okta")
        await rotate(house, agent, "refund")
        await house.work()
        row = await house.rotation()
        assert row["state"] == "refused"
        assert "the most that Okta allows" in row["note"] and "the old one stays" in row["note"]
        assert app.login(app.secret) == 200
        assert len(app.items()) == 2 and not list(house.directory.iterdir())
        with pytest.raises(Conflict):
            # Ended, so another may begin; two at once may not.
            await rotate(house, agent, "refund")
            await house.store.transact(
                TESTER, lambda work: rotate_client(work, "okta", app.id, "demand", "twice")
            )

    at_okta(scene)


def test_a_tenant_that_forbids_secrets_ends_the_rotation_with_its_words(at_entra) -> None:
    async def scene(house: House) -> None:
        agent = await house.agent("refund")
        app = house.entra_app(agent)
        await house.policy()
        await house.scan("entra")
        house.tenant.configure(passwords_allowed=False)
        await rotate(house, agent, "refund")
        await house.work()
        row = await house.rotation()
        assert row["state"] == "undone" and "not allowed as per assigned policy" in row["note"]
        assert app.login(app.secret) and len(app.shown()["passwordCredentials"]) == 1

    at_entra(scene)


def test_rotation_comes_by_age_and_by_a_change_of_owners(at_okta) -> None:
    async def scene(house: House) -> None:
        agent = await house.agent("refund")
        house.okta_app(agent)
        await house.policy(max_age_days=30, confirm="time", confirm_seconds=60, overlap_seconds=60)
        await house.scan("okta")
        assert await rotate_due(house.ctx) == 0
        house.clock.advance(days=31)
        assert await rotate_due(house.ctx) == 1
        assert await rotate_due(house.ctx) == 0, "one is under way"
        for _ in range(3):
            await house.work()
            house.clock.advance(seconds=61)
        assert (await house.rotation())["state"] == "done"
        assert await rotate_due(house.ctx) == 0, "the new one is young"
        await house.policy(max_age_days=0, signals=["owner-changed"])
        house.clock.advance(seconds=1)
        assert await rotate_due(house.ctx) == 0, "nothing about its owners changed"
        person = await house.person("maria")
        await house.store.transact(TESTER, lambda work: set_owners(work, agent, Owners(person)))
        assert await rotate_due(house.ctx) == 1
        assert (await house.rotation())["cause"] == "owner-changed"

    at_okta(scene)


def test_an_agent_that_may_act_again_gets_a_new_credential_and_the_placeholder_goes(at_okta) -> None:
    async def scene(house: House) -> None:
        agent = await house.agent("refund")
        app = house.okta_app(agent)
        await house.policy(confirm="time", confirm_seconds=60, overlap_seconds=60)
        await house.scan("okta")

        await stopped(house, agent)
        assert app.login(app.secret) == 401
        (only,) = app.items()
        assert only["status"] == "ACTIVE", "Okta never lets go of the last one: a placeholder is in its place"
        assert await rotate_due(house.ctx) == 0, "it is held"
        await house.store.transact(TESTER, lambda work: release_hold(work, agent, "admin", "back"))
        assert await rotate_due(house.ctx) == 1
        for _ in range(3):
            await house.work()
            house.clock.advance(seconds=61)
        assert app.login(house.delivered("refund")) == 200
        assert len(app.items()) == 1
        assert app.login(app.secret) == 401, "nothing revoked comes back"

    at_okta(scene)
