"""Promises of signing in at an IdP: only a whole, fresh answer to this browser's own question opens a session."""

from __future__ import annotations

import base64
import hmac
import time
import warnings
from collections.abc import Awaitable, Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import orjson
import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from scim_bridge.console.sso.provider import Provider
from scim_bridge.kernel.clock import SECOND, ManualClock
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.outbound import Outbound
from scim_bridge.kernel.work import Store, Work
from scim_bridge.registry.connections import create_connection
from scim_bridge.registry.people import create_person, set_employed
from scim_bridge.settings.sign_in import SignInSettings
from tests.conftest import MASTER, TESTER, run_with_store
from tests.console.browser import BASE, Browser, application, company
from tests.console.idp import CLIENT, KEYS, SECRET, Idp, identity_provider
from tests.console.signed import SETTINGS, Desk, at_desk

OLGA = {"sub": "00u-olga", "preferred_username": "olga@corp.test", "groups": ["AI viewers"]}


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Idp]:
    with identity_provider(ManualClock(), tmp_path_factory.mktemp("idp")) as idp:
        yield idp


@pytest.fixture
def idp(provider: Idp, clock: ManualClock) -> Idp:
    provider.reset(clock)
    provider.people["olga"] = dict(OLGA)
    return provider


def desk(url: str, clock: Any, idp: Idp, body: Callable[[Desk], Awaitable[None]], **more: Any) -> None:
    async def main(store: Store) -> None:
        async with at_desk(store, idp, **more) as found:
            await company(store)
            await body(found)

    run_with_store(url, clock, main)


def test_a_person_signs_in_at_the_idp_is_in_the_audit_as_themselves_and_signs_out_at_both(
    database_url, clock, idp
) -> None:
    async def body(desk: Desk) -> None:
        away = await desk.begin("/console/agents?q=state:held")
        asked = parse_qs(urlsplit(away).query)
        assert asked["code_challenge_method"] == ["S256"] and asked["response_type"] == ["code"]
        assert len(asked["state"][0]) >= 43 and len(asked["nonce"][0]) >= 43
        entered = await desk.back(await desk.at_idp(away, "olga"))
        assert entered.status_code == 303 and entered.headers["location"] == "/console/agents?q=state:held"
        assert (await desk.browser.get("/console/agents/a-000")).status_code == 200
        row = await desk.store.reads.one(
            "SELECT actor_kind, actor_name, detail FROM sb_audit WHERE action = 'console.signed_in'"
        )
        assert (row["actor_kind"], row["actor_name"]) == ("person", "olga@corp.test")
        assert '"sub":"00u-olga"' in row["detail"]
        left = await desk.browser.post("/console/sign-out", form_key=await desk.form_key())
        target = left.headers["refresh"].partition("url=")[2]
        assert left.status_code == 200 and target.startswith(f"{idp.issuer}/logout?")
        assert (await desk.browser.get("/console")).status_code == 303
        back = await desk.idp.get(target)
        assert back.headers["location"] == f"{BASE}/console/sign-in"
        kept = await desk.store.reads.one("SELECT id_token, ended_why FROM sb_session")
        assert (kept["id_token"], kept["ended_why"]) == (None, "signed out")

    desk(database_url, clock, idp, body)


def _letters(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _by_hand(alg: str, claims: dict[str, Any]) -> str:
    return f"{_letters(orjson.dumps({'alg': alg, 'kid': 'k1'}))}.{_letters(orjson.dumps(claims))}"


def _unsigned(claims: dict[str, Any]) -> str:
    return f"{_by_hand('none', claims)}."


def _by_public_key(claims: dict[str, Any]) -> str:
    """The old confusion: HS256 with the public key as the secret."""
    signed = _by_hand("HS256", claims)
    mac = hmac.digest(KEYS["k1"].as_pem(private=False), signed.encode(), "sha256")
    return f"{signed}.{_letters(mac)}"


STRANGER = RSAKey.generate_key(2048, {"kid": "k1"})
LIES: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "nonce": lambda c: {**c, "nonce": "another"},
    "aud": lambda c: {**c, "aud": "another-client"},
    "iss": lambda c: {**c, "iss": "https://login.evil.test"},
    "azp": lambda c: {**c, "azp": "another-client"},
    "expired": lambda c: {**c, "exp": c["iat"] - 121},
    "iat": lambda c: {**c, "iat": c["iat"] + 3600},
    "sub": lambda c: {**c, "sub": ""},
    "exp": lambda c: {name: value for name, value in c.items() if name != "exp"},
}
FORGED: dict[str, Callable[[dict[str, Any]], str]] = {
    "form": _unsigned,
    "alg": _by_public_key,
    "signature": lambda c: jwt.encode({"alg": "RS256", "kid": "k1"}, c, STRANGER),
    "key": lambda c: jwt.encode({"alg": "RS256", "kid": "k9"}, c, KEYS["k1"]),
}


def test_no_token_that_lies_opens_a_session(sqlite_url, clock, idp) -> None:
    async def body(desk: Desk) -> None:
        for why in [*LIES, "audiences", "missing-nonce"]:
            lie = LIES.get(why)
            if why == "audiences":
                lie = lambda c: {**c, "aud": [CLIENT, "another"]}  # noqa: E731
            if why == "missing-nonce":
                lie = lambda c: {n: v for n, v in c.items() if n != "nonce"}  # noqa: E731
            idp.lie = lie
            code = {"audiences": "aud", "missing-nonce": "nonce"}.get(why, why)
            await desk.refused("olga", f"sign-in-{code}")
            clock.advance(seconds=301)
        idp.lie = None
        for why, forge in FORGED.items():
            idp.forge = forge
            known = ("sign-in-form", "sign-in-alg") if why in ("form", "alg") else (f"sign-in-{why}",)
            await desk.refused("olga", *known)
            clock.advance(seconds=301)
        idp.forge = None
        assert (await desk.enter("olga")).status_code == 303, "and the truth does"

    desk(sqlite_url, clock, idp, body)


def test_an_answer_counts_once_in_the_browser_that_asked_and_from_the_idp_that_was_asked(
    sqlite_url, clock, idp
) -> None:
    async def body(desk: Desk) -> None:
        good = await desk.at_idp(await desk.begin(), "olga")
        cookie = dict(desk.browser.client.cookies)
        parts = parse_qs(urlsplit(good).query)
        wrong = f"/console/sign-in/callback?code={parts['code'][0]}"
        await desk.told(f"{wrong}&state=another", "sign-in-state")
        await desk.told(good, "sign-in-lost")  # the cookie went with the refusal
        for iss, why in (("https://login.evil.test", "sign-in-mix-up"),):
            again = await desk.at_idp(await desk.begin(), "olga")
            await desk.told(f"{again}&iss={iss}", why)
        idp.metadata = {"authorization_response_iss_parameter_supported": True}
        clock.advance(seconds=3600)
        await desk.provider.refresh()
        await desk.told(await desk.at_idp(await desk.begin(), "olga"), "sign-in-mix-up")
        fine = await desk.at_idp(await desk.begin(), "olga")
        assert (await desk.back(f"{fine}&iss={idp.issuer}")).status_code == 303
        assert cookie
        # The same answer once more, with a copy of the cookie: the IdP takes no code twice.
        again = await desk.begin()
        kept = {name: value for name, value in desk.browser.client.cookies.items() if "sign_in" in name}
        answer = f"{await desk.at_idp(again, 'olga')}&iss={idp.issuer}"
        assert (await desk.back(answer)).status_code == 303
        copied = "; ".join(f"{name}={value}" for name, value in kept.items())
        replayed = await desk.browser.get(answer, headers={"cookie": copied})
        assert replayed.status_code == 403 and "did not take the code" in replayed.text
        late = await desk.at_idp(await desk.begin(), "olga")
        clock.advance(seconds=600)
        await desk.told(f"{late}&iss={idp.issuer}", "sign-in-lost")
        await desk.told("/console/sign-in/callback?error=access_denied&state=x", "sign-in-lost")

    desk(sqlite_url, clock, idp, body)


def test_the_provider_refuses_what_real_ones_refuse(sqlite_url, clock, idp) -> None:
    async def body(desk: Desk) -> None:
        url = await desk.begin()
        for part, instead in (
            ("redirect_uri=https%3A%2F%2Fbridge.test", "redirect_uri=https%3A%2F%2Fevil.test"),
            (f"client_id={CLIENT}", "client_id=unknown"),
        ):
            answer = await desk.idp.get(url.replace(part, instead) + "&as=olga")
            assert answer.status_code == 400 and "location" not in answer.headers
        plain = await desk.idp.get(url.replace("S256", "plain") + "&as=olga")
        assert "error=invalid_request" in plain.headers["location"]
        good = parse_qs(urlsplit(await desk.at_idp(url, "olga")).query)["code"][0]
        form = {
            "grant_type": "authorization_code",
            "code": good,
            "redirect_uri": f"{BASE}/console/sign-in/callback",
        }
        said = await desk.idp.post(
            f"{idp.issuer}/token", data={**form, "code_verifier": "wrong"}, auth=(CLIENT, "wrong")
        )
        assert said.status_code == 401
        wrong = {**form, "code_verifier": "x" * 43, "client_id": CLIENT, "client_secret": SECRET}
        assert (await desk.idp.post(f"{idp.issuer}/token", data=wrong)).json()["error"] == "invalid_grant"

    desk(sqlite_url, clock, idp, body)


def test_keys_rotate_an_outage_is_said_plainly_and_a_token_opens_meanwhile(sqlite_url, clock, idp) -> None:
    async def body(desk: Desk) -> None:
        idp.away = True
        answer = await desk.browser.get("/console/sign-in/begin")
        assert answer.status_code == 503 and "answered 503" in answer.text
        assert (await desk.browser.sign_in()).status_code == 303
        row = await desk.store.reads.one("SELECT action FROM sb_audit WHERE action LIKE 'console.%'")
        assert row["action"] == "console.break_glass"
        await desk.browser.post("/console/sign-out", form_key=await desk.form_key())
        idp.away = False
        clock.advance(seconds=61)
        assert (await desk.enter("olga")).status_code == 303
        asked = idp.fetches
        assert (await desk.enter("olga")).status_code == 303 and idp.fetches == asked, "it is kept"
        idp.published, idp.openid.key = ("k1", "k2"), KEYS["k2"]
        await desk.refused("olga", "sign-in-key")  # once a minute at most
        clock.advance(seconds=61)
        assert (await desk.enter("olga")).status_code == 303 and idp.fetches == asked + 1

    desk(sqlite_url, clock, idp, body)


def test_whom_the_idp_means_is_one_person_here_or_nobody_and_without_a_role_nobody_enters(
    database_url, clock, idp
) -> None:
    async def body(desk: Desk) -> None:
        async def more(work: Work) -> str:
            emails = [{"value": "shared@corp.test"}]
            for name in ("dan", "eve", "nora"):
                doc = {"userName": f"{name}@corp.test", "emails": emails if name != "nora" else []}
                made = await create_person(work, doc, origin="test")
                if name == "nora":
                    nora = made.id
            okta = await create_connection(work, MASTER, "okta", "okta")
            await work.tx.run(
                "INSERT INTO sb_external (connection_id, space, external_id, resource_id, since)"
                " VALUES (?, 'user', '00u-nora', ?, 1)",
                okta.id,
                nora,
            )
            return nora

        nora = await desk.store.transact(TESTER, more)
        viewer = {"groups": ["AI viewers"]}
        idp.people = {
            "by external id": {"sub": "00u-nora", **viewer},
            "two": {"sub": "x", "email": "shared@corp.test", "email_verified": True, **viewer},
            "torn": {"sub": "00u-nora", "preferred_username": "olga@corp.test", **viewer},
            "unverified": {"sub": "x", "email": "nora@corp.test", **viewer},
            "nobody": {"sub": "x", "preferred_username": "who@corp.test", **viewer},
            "agent": {"sub": "x", "preferred_username": "a-000@agents.test", **viewer},
            "roleless": {"sub": "00u-nora", "groups": ["Lunch"]},
            "overage": {"sub": "00u-nora", "_claim_names": {"groups": "src1"}},
        }
        for who, why in (
            ("two", "sign-in-ambiguous"),
            ("torn", "sign-in-ambiguous"),
            ("unverified", "sign-in-unknown"),
            ("nobody", "sign-in-unknown"),
            ("agent", "sign-in-unknown"),
            ("roleless", "sign-in-no-role"),
            ("overage", "sign-in-overage"),
        ):
            await desk.refused(who, why)
        assert (await desk.enter("by external id")).status_code == 303
        assert (await desk.browser.get("/console")).status_code == 200

        await desk.store.transact(TESTER, lambda work: set_employed(work, nora, False))
        assert (await desk.browser.get("/console")).status_code == 303, "who leaves is out at once"
        clock.advance(seconds=301)
        await desk.refused("by external id", "sign-in-left")

    desk(database_url, clock, idp, body)


def test_a_sign_in_leads_nowhere_else_rotates_the_session_and_slows_floods(sqlite_url, clock, idp) -> None:
    async def body(desk: Desk) -> None:
        for target in ("https://evil.test", "//evil.test", "/console/sign-in/begin", "/console\\@evil.test"):
            entered = await desk.back(await desk.at_idp(await desk.begin(target), "olga"))
            assert entered.headers["location"] == "/console"
        ids = [
            row["ended_why"]
            for row in await desk.store.reads.all("SELECT ended_why FROM sb_session ORDER BY id")
        ]
        assert ids == ["signed in anew"] * 3 + [""]
        statuses = [(await desk.back("/console/sign-in/callback?state=x")).status_code for _ in range(12)]
        assert statuses == [403] * 10 + [429] * 2

    desk(sqlite_url, clock, idp, body)


def test_what_does_great_harm_asks_for_a_recent_sign_in_that_the_idp_proves(sqlite_url, clock, idp) -> None:
    idp.people["olga"]["groups"] = ["AI admins"]

    async def body(desk: Desk) -> None:
        await desk.enter("olga")
        path = "/console/departures/brakes/none"
        tried = await desk.browser.post(path, verdict="release", reason="ok", form_key=await desk.form_key())
        assert tried.status_code != 403, "a fresh sign-in is enough"
        clock.advance(seconds=15 * 60)
        tried = await desk.browser.post(path, verdict="release", reason="ok", form_key=await desk.form_key())
        assert tried.status_code == 403 and "sign-in-again" in tried.text
        assert "/console/sign-in/begin?again=1" in tried.text
        away = await desk.begin(again=True)
        asked = parse_qs(urlsplit(away).query)
        assert asked["prompt"] == ["login"] and asked["max_age"] == ["0"]
        idp.lie = lambda c: {**c, "auth_time": c["iat"] - 900}
        await desk.told(await desk.at_idp(away, "olga"), "sign-in-not-again")
        idp.lie = lambda c: {n: v for n, v in c.items() if n != "auth_time"}
        await desk.told(await desk.at_idp(await desk.begin(again=True), "olga"), "sign-in-auth-time")
        idp.lie = None
        assert (await desk.back(await desk.at_idp(await desk.begin(again=True), "olga"))).status_code == 303
        tried = await desk.browser.post(path, verdict="release", reason="ok", form_key=await desk.form_key())
        assert tried.status_code != 403

    desk(sqlite_url, clock, idp, body)


def test_tokens_do_not_open_where_the_settings_say_no(sqlite_url, clock, idp) -> None:
    async def body(desk: Desk) -> None:
        page = await desk.browser.get("/console/sign-in")
        assert 'type="password"' not in page.text and "/console/sign-in/begin" in page.text
        refused = await desk.browser.sign_in()
        assert refused.status_code == 403 and "set-cookie" not in refused.headers

    desk(sqlite_url, clock, idp, body, admin_token=False)


def test_another_implementation_of_openid_is_understood(sqlite_url, clock, tmp_path) -> None:
    """oidc-provider-mock: its own server, discovery, keys and signatures."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import oidc_provider_mock

    clock.advance(seconds=time.time() - clock.now() / SECOND)
    user = oidc_provider_mock.User(
        sub="olga", claims={"preferred_username": "olga@corp.test", "groups": ["AI viewers"]}
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with oidc_provider_mock.run_server_in_thread(user_claims=[user]) as server:
            issuer = f"http://localhost:{server.server_port}"

            async def main(store: Store) -> None:
                await company(store)
                out = Outbound(allow=[f"localhost:{server.server_port}"])
                ctx = Context(store, MASTER, out, BASE, tmp_path)
                settings = SignInSettings(**{**SETTINGS, "issuer": issuer})
                app = application(ctx, provider=Provider(ctx, settings))
                transport = httpx2.ASGITransport(app=app)
                async with (
                    httpx2.AsyncClient(transport=transport, base_url=BASE) as client,
                    httpx2.AsyncClient() as outside,
                ):
                    browser = Browser(client, store, {})
                    away = (await browser.get("/console/sign-in/begin")).headers["location"]
                    back = await outside.post(away, data={"sub": "olga"})
                    entered = await browser.get(back.headers["location"])
                    assert entered.status_code == 303, entered.text
                    assert (await browser.get("/console")).status_code == 200
                await out.aclose()

            run_with_store(sqlite_url, clock, main)
