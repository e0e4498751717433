"""Promises of what happens in the middle of a rotation: holds, revocations and leaks end it clean, never stuck."""

from __future__ import annotations

import base64
from types import SimpleNamespace
from typing import Any

import httpx2
import orjson
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from starlette.applications import Starlette

from scim_bridge.app import leak_intake
from scim_bridge.credentials.begin import rotate_client
from scim_bridge.credentials.due import rotate_due
from scim_bridge.credentials.leaked import rotate_leaked
from scim_bridge.credentials.leaks.routes import PATH, routes
from scim_bridge.credentials.revoking import turn_round
from scim_bridge.credentials.rotation import settle
from scim_bridge.kernel.work import Work
from scim_bridge.registry.credentials import revoke_all, revoke_one
from scim_bridge.registry.holds import release_hold
from scim_bridge.settings.load import load_settings
from tests.conftest import TESTER
from tests.credentials.house import TOKEN, House
from tests.credentials.scenes import acknowledged, passes, rotate, stopped


def test_an_agent_held_in_the_overlap_gets_a_new_credential_when_it_is_back(at_okta) -> None:
    async def scene(house: House) -> None:
        agent = await house.agent("refund")
        app = house.okta_app(agent)
        await house.policy()
        await house.scan("okta")
        (first,) = await rotate(house, agent, "refund")
        await house.work()
        await acknowledged(house, first)
        await stopped(house, agent)
        fresh = house.delivered("refund")
        assert (app.login(app.secret), app.login(fresh)) == (401, 401)
        await passes(house, 1801)
        assert (await house.rotation())["state"] == "undone", "nothing is left for a person to settle"
        assert "the old one was revoked, too" in (await house.rotation())["note"]
        await house.store.transact(TESTER, lambda work: release_hold(work, agent, "admin", "back"))
        house.clock.advance(seconds=1)
        assert await rotate_due(house.ctx) == 1
        await house.work()
        assert app.login(house.delivered("refund")) == 200
        assert (app.login(app.secret), app.login(fresh)) == (401, 401)

    at_okta(scene)


def test_a_held_agent_that_has_nothing_is_given_nothing(at_okta) -> None:
    async def scene(house: House) -> None:
        agent = await house.agent("refund")
        app = house.okta_app(agent)
        await house.policy(confirm="time", confirm_seconds=60, overlap_seconds=60)
        await house.scan("okta")
        await stopped(house, agent)
        await house.store.transact(TESTER, lambda w: rotate_client(w, "okta", app.id, "demand", "a test"))
        await house.work()
        await passes(house, 61, 3)
        assert (await house.rotation())["state"] == "undone"
        assert not (house.directory / "refund").exists()
        assert len(app.items()) == 1, "the placeholder"

    at_okta(scene)


def test_everything_of_an_agent_is_revoked_also_what_is_only_being_made(at_entra) -> None:
    async def scene(house: House) -> None:
        agent = await house.agent("refund")
        app = house.entra_app(agent, secret=False)
        await house.policy(kind="client_secret", confirm="time", confirm_seconds=60, overlap_seconds=60)
        await house.scan("entra")
        await rotate(house, agent, "refund")

        async def revoke(work: Work) -> tuple[list[str], int]:
            return await revoke_all(work, agent, "refund", "a test"), await turn_round(work, agent)

        assert await house.store.transact(TESTER, revoke) == ([], 1)
        await house.work()
        await passes(house, 61, 3)
        assert (await house.rotation())["state"] == "undone"
        assert app.shown()["passwordCredentials"] == [] and not list(house.directory.iterdir())

    at_entra(scene)


def test_a_placeholder_that_an_undone_rotation_leaves_is_no_stranger_and_in_nobodys_way(at_okta) -> None:
    async def scene(house: House) -> None:
        agent = await house.agent("refund")
        app = house.okta_app(agent)
        await house.policy()
        await house.scan("okta")
        await rotate(house, agent, "refund")
        await house.work()
        old = (await house.rotation())["old_id"]
        await house.store.transact(TESTER, lambda work: revoke_one(work, old, "a test"))
        await house.work()
        assert app.login(app.secret) == 401
        await passes(house, 3601, 2)
        told = await house.rotation()
        assert told["state"] == "undone" and "the old one was revoked, too" in told["note"]
        assert (await house.scan("okta")).strangers == 0
        assert [one["state"] for one in await house.credentials()].count("void") == 1
        house.clock.advance(seconds=1)
        await house.store.transact(TESTER, lambda w: rotate_client(w, "okta", app.id, "demand", "a test"))
        await house.work()
        await acknowledged(house, (await house.rotation())["id"])
        await passes(house, 1801)
        assert len(app.items()) == 1 and app.login(house.delivered("refund")) == 200

    at_okta(scene)


def test_a_new_credential_that_somebody_took_away_is_shown_and_settling_gives_the_old_one_back(
    at_okta,
) -> None:
    async def scene(house: House) -> None:
        agent = await house.agent("refund")
        app = house.okta_app(agent)
        (house.directory / "refund").write_text(app.secret)
        await house.policy()
        await house.scan("okta")
        (one,) = await rotate(house, agent, "refund")
        await house.work()
        await acknowledged(house, one)
        fresh = (await house.rotation())["fresh_reference"]
        here = f"/api/v1/apps/{app.id}/credentials/secrets/{fresh}"
        with app.org.sandbox.client(authorization=f"SSWS {TOKEN}") as client:
            assert client.post(f"{here}/lifecycle/deactivate").status_code == 200
            assert client.delete(here).status_code == 204
        await passes(house, 1801)
        assert (await house.rotation())["state"] == "stuck", "a person has to hear of it"
        await house.store.transact(TESTER, lambda work: settle(work, one))
        await house.work()
        assert (await house.rotation())["state"] == "undone"
        assert house.delivered("refund") == app.secret and app.login(app.secret) == 200

    at_okta(scene)


class Told:
    """The door of leaks as the server opens it, and a scanner that signs."""

    def __init__(self, house: House) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        pem = self._key.public_key().public_bytes(serialization.Encoding.PEM, form).decode()
        settings = load_settings(None, {}, {"leaks": {"public_keys": {"k1": pem}}})
        bridge: Any = SimpleNamespace(ctx=house.ctx, settings=settings)
        web = Starlette(routes=routes(house.ctx, settings.leaks, leak_intake(bridge)))
        self._http = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=web), base_url="https://bridge.test"
        )
        self._house = house

    async def found(self, value: str) -> str:
        """The verdict on a secret found in public; what was said to be done is kept in `done`."""
        body = orjson.dumps([{"token": value, "type": "t", "url": "https://x.test", "source": "content"}])
        signature = base64.b64encode(self._key.sign(body, ec.ECDSA(hashes.SHA256()))).decode()
        headers = {"github-public-key-identifier": "k1", "github-public-key-signature": signature}
        answer = await self._http.post(PATH, content=body, headers=headers)
        assert answer.status_code == 200, answer.text
        row = await self._house.store.reads.one("SELECT done FROM sb_leak ORDER BY reported DESC, id DESC")
        self.done = str(row["done"])
        self._house.clock.advance(seconds=1)
        await self._house.work()
        return str(answer.json()[0]["label"])


def test_a_leaked_secret_is_replaced_at_the_idp_and_delivered_with_no_overlap(at_okta) -> None:
    async def scene(house: House) -> None:
        agent = await house.agent("refund")
        app = house.okta_app(agent)
        await house.policy(window="Mon 02:00-02:01")
        await house.scan("okta")
        door = Told(house)
        assert await door.found(app.secret) == "false_positive", "nobody here ever had its value"
        (one,) = await rotate(house, agent, "refund")
        await house.work()
        await acknowledged(house, one)
        first = house.delivered("refund")
        # The old one's value is not known, so it is the operator who says that it leaked (`--credential`).
        old = (await house.rotation())["old_id"]
        said = await house.store.transact(TESTER, lambda work: rotate_leaked(work, old, "leaked"))
        assert "hastened" in said
        await house.work()
        assert app.login(app.secret) == 401 and app.login(first) == 200, "no overlap, and no window, either"
        assert (await house.rotation())["state"] == "done"
        assert await door.found(first) == "true_positive" and "its rotation was begun" in door.done
        second = house.delivered("refund")
        assert second != first and app.login(second) == 200
        await acknowledged(house, (await house.rotation())["id"])
        await house.work()
        assert app.login(first) == 401 and app.login(second) == 200
        assert await door.found(first) == "true_positive" and "revoked before" in door.done
        assert (await house.rotation())["state"] == "done", "nothing is done twice"

    at_okta(scene)


def test_a_leaked_credential_goes_also_when_nobody_confirms_the_one_that_would_replace_it(at_okta) -> None:
    async def scene(house: House) -> None:
        agent = await house.agent("refund")
        app = house.okta_app(agent)
        await house.policy()
        await house.scan("okta")
        row = await house.store.reads.one("SELECT id FROM sb_credential WHERE agent_id = ?", agent)
        await house.store.transact(TESTER, lambda work: rotate_leaked(work, row["id"], "on a wiki"))
        await house.work()
        for seconds in (3600, 1800, 60):
            house.clock.advance(seconds=seconds)
            await house.work()
        ended = await house.rotation()
        assert ended["state"] == "undone" and "leaked and is revoked" in ended["note"]
        assert app.login(app.secret) == 401

    at_okta(scene)


def test_a_new_credential_that_leaks_on_its_way_is_taken_back_at_once(at_okta) -> None:
    async def scene(house: House) -> None:
        agent = await house.agent("refund")
        app = house.okta_app(agent)
        await house.policy()
        await house.scan("okta")
        door = Told(house)
        for confirmed in (False, True):
            (one,) = await rotate(house, agent, "refund")
            await house.work()
            if confirmed:
                await acknowledged(house, one)
            fresh = house.delivered("refund")
            assert await door.found(fresh) == "true_positive" and "taken back" in door.done
            assert app.login(fresh) == 401 and app.login(app.secret) == 200
            assert (await house.rotation())["state"] == "undone"

    at_okta(scene)


def test_a_leaked_private_key_is_known_by_its_public_half_also_that_of_a_certificate(at_entra) -> None:
    async def scene(house: House) -> None:
        agent = await house.agent("refund")
        app = house.entra_app(agent)
        await house.policy(confirm="time", confirm_seconds=60, overlap_seconds=60, kind="key")
        await house.scan("entra")
        await rotate(house, agent, "refund")
        await house.work()
        await passes(house, 61, 2)
        await house.scan("entra")
        door = Told(house)
        private = house.delivered("refund")
        certificate = private[private.index("-----BEGIN CERTIFICATE") :]
        assert await door.found(certificate) == "false_positive", "a certificate is no secret"
        assert await door.found(private[: private.index("-----BEGIN CERTIFICATE")]) == "true_positive"
        assert "its rotation was begun" in door.done
        await passes(house, 61, 2)
        assert not app.login(private) and app.login(house.delivered("refund"))

    at_entra(scene)
