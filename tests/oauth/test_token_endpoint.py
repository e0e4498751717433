"""Promises of POST /oauth/token with a secret: RFC 6749 to the letter, and what Entra's Test Connection does."""

from __future__ import annotations

import base64
import os
from typing import Any
from urllib.parse import quote_plus

import pytest

from scim_bridge.kernel.clock import DAY
from scim_bridge.kernel.errors import ConfigurationError, StoreUnavailable
from scim_bridge.oauth import clients
from scim_bridge.oauth.routes import REFUSALS_A_MINUTE, TOKENS_A_MINUTE
from scim_bridge.registry.tokens import minted, well_formed
from scim_bridge.settings.load import load_settings
from tests.conftest import MASTER, TESTER
from tests.oauth.conftest import Live
from tests.oauth.house import BASE, House


def basic(name: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{quote_plus(name)}:{quote_plus(secret)}".encode()).decode()


def test_entras_test_connection_gets_a_token_and_reads_users_with_it(bridge: Live) -> None:
    async def test(house: House) -> None:
        client = await house.client()
        answer = await house.ask({**client.form(), "scope": ""})
        assert answer.status_code == 200
        given = answer.json()
        assert well_formed(given["access_token"])
        assert given["token_type"] == "Bearer"
        assert 3600 <= given["expires_in"] <= 6 * 3600
        assert given["scope"] == "read users groups"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["pragma"] == "no-cache"
        users = await house.users(given["access_token"])
        assert users.status_code == 200
        assert users.json()["totalResults"] == 0
        (row,) = await house.audit("oauth.token_issued")
        assert (row["subject_id"], row["actor_kind"], row["outcome"]) == (client.id, "connection", "success")
        assert row["detail"]["secret"] == client.secret_id
        connection = await house.store.reads.one("SELECT last_call FROM sb_connection")
        assert connection["last_call"] == house.clock.now()

    bridge(test)


def test_the_secret_may_stand_in_the_header_instead(sqlite_bridge: Live) -> None:
    async def test(house: House) -> None:
        client = await house.client()
        form = {"grant_type": "client_credentials"}
        for header in (basic(client.id, client.secret), basic(client.id, client.secret).replace("B", "b", 1)):
            assert (await house.ask(form, authorization=header)).status_code == 200
        named = await house.ask({**form, "client_id": client.id}, authorization=header)
        assert named.status_code == 200

    sqlite_bridge(test)


def test_a_token_does_what_its_scopes_say_and_no_more(bridge: Live) -> None:
    async def test(house: House) -> None:
        client = await house.client(scopes=("read", "users"))
        reading = await house.token(client.form(scope="read"))
        assert (await house.users(reading)).status_code == 200
        headers = {"authorization": f"Bearer {reading}", "content-type": "application/scim+json"}
        refused = await house.http.post(f"{BASE}/scim/v2/Users", content=b'{"userName":"a"}', headers=headers)
        assert refused.status_code == 403
        assert (await house.ask(client.form(scope="scim"))).json()["scope"] == "read users"
        assert (await house.ask(client.form(scope="users  read"))).json()["scope"] == "read users"
        for asked in ("groups", "read groups", "admin", "READ", "*"):
            answer = await house.ask(client.form(scope=asked))
            assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope"), asked

    bridge(test)


def test_an_access_token_ends_with_its_time_however_often_it_is_used(bridge: Live) -> None:
    async def test(house: House) -> None:
        token = await house.token((await house.client()).form())
        house.clock.advance(seconds=90 * 60 - 1)
        assert (await house.users(token)).status_code == 200
        house.clock.advance(seconds=1)
        assert (await house.users(token)).status_code == 401

    bridge(test, token_minutes=90)


REFUSALS: dict[str, tuple[dict[str, str], dict[str, str], int, str]] = {
    "no grant_type": ({"grant_type": ""}, {}, 400, "invalid_request"),
    "a grant nobody gives": ({"grant_type": "password"}, {}, 400, "unsupported_grant_type"),
    "the authorization code grant": ({"grant_type": "authorization_code"}, {}, 400, "unsupported_grant_type"),
    "no client": ({"client_id": ""}, {}, 401, "invalid_client"),
    "no proof": ({"client_secret": ""}, {}, 401, "invalid_client"),
    "an unknown client": ({"client_id": "01900000-0000-7000-8000-000000000000"}, {}, 401, "invalid_client"),
    "a wrong secret": ({"client_secret": minted("sbs_")}, {}, 401, "invalid_client"),
    "a mistyped secret": ({"client_secret": "sbs_short"}, {}, 401, "invalid_client"),
    "a bearer token as secret": ({"client_secret": minted("sbr_")}, {}, 401, "invalid_client"),
    "two proofs": ({"client_assertion": "a.b.c"}, {}, 400, "invalid_request"),
    "header and form": ({}, {"authorization": basic("x", "y")}, 400, "invalid_request"),
    "another scheme": ({"client_secret": ""}, {"authorization": "Bearer x"}, 401, "invalid_client"),
    "a broken header": ({"client_secret": ""}, {"authorization": "Basic *"}, 401, "invalid_client"),
    "a header of one part": ({"client_secret": ""}, {"authorization": "Basic eA=="}, 401, "invalid_client"),
    "a NUL": ({"client_id": "a\0b"}, {}, 400, "invalid_request"),
    "JSON": ({}, {"content-type": "application/json"}, 400, "invalid_request"),
}


@pytest.mark.parametrize("what", REFUSALS)
def test_each_wrong_request_gets_the_error_of_rfc_6749(sqlite_bridge: Live, what: str) -> None:
    changes, headers, status, error = REFUSALS[what]

    async def test(house: House) -> None:
        client = await house.client()
        sent: Any = client.form(**changes)
        answer = await house.ask(sent, **{name.replace("-", "_"): value for name, value in headers.items()})
        assert (answer.status_code, answer.json()["error"]) == (status, error)
        assert answer.headers["cache-control"] == "no-store"
        assert ("www-authenticate" in answer.headers) == (status == 401)
        told = answer.json()["error_description"]
        assert told and all(" " <= c <= "~" and c not in '"\\' for c in told)
        assert (await house.refusal())["error"] == error
        assert await house.store.reads.one("SELECT 1 AS x FROM sb_token") is None

    sqlite_bridge(test)


BODIES = {
    "a parameter twice": b"grant_type=client_credentials&client_id=a&client_id=b&client_secret=c",
    "a hundred parameters": b"&".join(b"p%d=1" % n for n in range(100)),
    "no UTF-8": b"grant_type=client_credentials&client_id=%ff&client_secret=x",
    "raw bytes": b"grant_type=client_credentials&client_id=\xff\xfe&client_secret=x",
    "nothing": b"",
    "no form at all": b"{}" * 50,
}


def test_bodies_that_are_no_form_are_refused(sqlite_bridge: Live) -> None:
    async def test(house: House) -> None:
        for what, body in BODIES.items():
            answer = await house.ask(body)
            assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request"), what
        large = await house.ask(b"grant_type=" + b"x" * 40_000)
        assert (large.status_code, large.json()["error"]) == (413, "invalid_request")
        client = await house.client()
        address = f"{BASE}/oauth/token?client_secret={client.secret}"
        leaked = await house.http.post(address, data=client.form())
        assert (leaked.status_code, leaked.json()["error"]) == (400, "invalid_request")
        assert (await house.http.get(f"{BASE}/oauth/token")).status_code == 405

    sqlite_bridge(test)


def test_nobody_learns_which_clients_there_are_but_the_audit_does(sqlite_bridge: Live) -> None:
    async def test(house: House) -> None:
        client = await house.client()
        expired = await house.client("other")
        house.clock.advance(days=366)
        fresh = await house.store.transact(
            TESTER, lambda work: clients.add_secret(work, MASTER, client.id, years=1)
        )
        await house.store.transact(TESTER, lambda work: clients.delete_secret(work, fresh.id))
        answers, reasons = [], []
        for form in (
            client.form(client_secret=fresh.secret),
            expired.form(),
            client.form(client_secret=minted("sbs_")),
            client.form(client_id="nobody"),
            # A genuine secret of another client is no proof for this one.
            client.form(client_secret=expired.secret),
        ):
            answers.append((await house.ask(form)).text)
            reasons.append((await house.refusal())["reason"])
        assert len(set(answers)) == 1
        assert reasons == [
            "secret-deleted",
            "secret-expired",
            "secret-wrong",
            "client-unknown",
            "secret-wrong",
        ]

    sqlite_bridge(test)


def test_several_secrets_work_at_once_and_a_rotated_one_until_the_overlap_is_over(bridge: Live) -> None:
    async def test(house: House) -> None:
        client = await house.client()
        second = await house.store.transact(
            TESTER, lambda work: clients.add_secret(work, MASTER, client.id, years=3)
        )
        await house.token(client.form())
        await house.token(client.form(client_secret=second.secret))
        third = await house.store.transact(
            TESTER, lambda work: clients.rotate_secret(work, MASTER, client.id, overlap=7 * DAY)
        )
        house.clock.advance(days=7, seconds=-1)
        for secret in (client.secret, second.secret, third.secret):
            await house.token(client.form(client_secret=secret))
        house.clock.advance(seconds=1)
        for secret in (client.secret, second.secret):
            assert (await house.ask(client.form(client_secret=secret))).status_code == 401
        await house.token(client.form(client_secret=third.secret))

    bridge(test)


def test_deleting_a_secret_or_client_ends_its_access_tokens_at_once_and_no_others(bridge: Live) -> None:
    async def test(house: House) -> None:
        client, neighbour = await house.client(), await house.client()
        second = await house.store.transact(TESTER, lambda work: clients.add_secret(work, MASTER, client.id))
        first_token = await house.token(client.form())
        second_token = await house.token(client.form(client_secret=second.secret))
        other_token = await house.token(neighbour.form())
        assert (await house.users(first_token)).status_code == 200
        ended = await house.store.transact(TESTER, lambda work: clients.delete_secret(work, client.secret_id))
        assert ended == 1
        assert (await house.users(first_token)).status_code == 401
        assert (await house.users(second_token)).status_code == 200
        assert await house.store.transact(TESTER, lambda work: clients.delete_client(work, client.id)) == 1
        assert (await house.users(second_token)).status_code == 401
        assert (await house.ask(client.form(client_secret=second.secret))).status_code == 401
        assert (await house.users(other_token)).status_code == 200

    bridge(test)


def test_a_flood_of_wrong_requests_fills_no_audit_and_shuts_nobody_out(sqlite_bridge: Live) -> None:
    async def test(house: House) -> None:
        client = await house.client()
        wrong = client.form(client_secret=minted("sbs_"))
        statuses = [(await house.ask(wrong)).status_code for _ in range(REFUSALS_A_MINUTE + 5)]
        assert statuses == [401] * REFUSALS_A_MINUTE + [429] * 5
        slow = await house.ask(wrong)
        assert slow.json()["error"] == "temporarily_unavailable"
        assert 1 <= int(slow.headers["retry-after"]) <= 60
        assert len(await house.audit("oauth.token_refused")) == REFUSALS_A_MINUTE
        await house.token(client.form())
        house.clock.advance(seconds=60)
        assert (await house.ask(wrong)).status_code == 401

    sqlite_bridge(test)


def test_a_client_that_asks_for_a_token_at_every_call_is_slowed_down(sqlite_bridge: Live) -> None:
    async def test(house: House) -> None:
        client, other = await house.client(), await house.client()
        for _ in range(TOKENS_A_MINUTE):
            await house.token(client.form())
        slow = await house.ask(client.form())
        assert slow.status_code == 429
        assert int(slow.headers["retry-after"]) >= 1
        assert not await house.audit("oauth.token_refused")
        await house.token(other.form())

    sqlite_bridge(test)


def test_with_the_database_gone_the_client_is_told_to_come_again(
    sqlite_bridge: Live, sqlite_url: str
) -> None:
    async def test(house: House) -> None:
        client = await house.client()
        path = sqlite_url.removeprefix("sqlite:///")
        os.rename(path, path + ".away")
        with pytest.raises(StoreUnavailable):
            await house.store.database.ping()
        for form in (client.form(), client.form(client_secret="wrong"), {"grant_type": "x"}):
            answer = await house.ask(form)
            assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable")
            assert int(answer.headers["retry-after"]) >= 1
        os.rename(path + ".away", path)
        await house.token(client.form())

    sqlite_bridge(test)


@pytest.mark.parametrize("minutes", [0, 59, 361])
def test_a_lifetime_entra_would_refuse_does_not_start(minutes: int) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load_settings(None, {"SCIM_BRIDGE_OAUTH__TOKEN_MINUTES": str(minutes)})
    assert refused.value.key == "oauth.token_minutes"
    assert load_settings(None, {}).oauth.token_minutes == 60


def test_where_the_endpoint_is_can_be_discovered(sqlite_bridge: Live) -> None:
    async def test(house: House) -> None:
        found = (await house.http.get(f"{BASE}/.well-known/oauth-authorization-server")).json()
        assert found["issuer"] == BASE
        client = await house.client()
        answer = await house.http.post(found["token_endpoint"], data=client.form())
        assert answer.status_code == 200

    sqlite_bridge(test)
