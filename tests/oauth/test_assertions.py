"""Promises of workload identity: exactly the trusted issuer's assertions count, each once, and nobody else's."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc import jws
from joserfc.util import urlsafe_b64encode

from scim_bridge.oauth import trusts
from tests.conftest import TESTER
from tests.oauth.conftest import Live
from tests.oauth.house import House
from tests.oauth.issuer import AUDIENCE, ISSUER, KEYS, SUBJECT, TENANT, Issuer

OTHER = "99999999-1111-4222-8333-944445555666"
Forging = Callable[[Issuer], str]


def test_entras_test_connection_with_workload_identity(bridge: Live) -> None:
    async def test(house: House) -> None:
        client = await house.client(secret=False)
        trust_id = await house.trust(client)
        answer = await house.ask(client.asserting(house.issuer.assertion()))
        assert answer.status_code == 200, answer.text
        assert 3600 <= answer.json()["expires_in"] <= 6 * 3600
        users = await house.users(answer.json()["access_token"])
        assert users.status_code == 200
        (row,) = await house.audit("oauth.token_issued")
        assert (row["detail"]["by"], row["detail"]["assertion"]) == ("assertion", trust_id)
        assert row["subject_id"] == client.id

    bridge(test)


ALIKE: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "issuer without /v2.0": ({}, {"iss": ISSUER.removesuffix("/v2.0")}),
    "trusted without /v2.0": ({"issuer": ISSUER.removesuffix("/v2.0")}, {}),
    "audience as api://": ({}, {"aud": f"api://{AUDIENCE}"}),
    "trusted as api://": ({"audience": f"api://{AUDIENCE}"}, {}),
    "audience in a list": ({}, {"aud": [AUDIENCE]}),
    "ids pasted in capitals": ({"tenant": TENANT.upper(), "subject": SUBJECT.upper()}, {}),
    "an issuer that is not Entra": (
        {"tenant": None, "issuer": "https://idp.test", "subject": "spiffe://x/y", "audience": "scim"},
        {"iss": "https://idp.test", "sub": "spiffe://x/y", "aud": "scim", "tid": None},
    ),
    "a clock a minute ahead": ({}, {"nbf": 1_795_000_059, "iat": 1_795_000_059}),
    "a clock a minute behind": ({}, {"exp": 1_794_999_941}),
    "jti instead of uti": ({}, {"jti": "j1", "uti": None}),
    "neither": ({}, {"uti": None}),
}


@pytest.mark.parametrize("what", ALIKE)
def test_what_entra_writes_in_two_ways_is_one(sqlite_bridge: Live, what: str) -> None:
    trusted, said = ALIKE[what]

    async def test(house: House) -> None:
        client = await house.client(secret=False)
        await house.trust(client, **trusted)
        await house.token(client.asserting(house.issuer.assertion(**said)))

    sqlite_bridge(test)


def resigned(issuer: Issuer, algorithm: str, key: Any, **header: Any) -> str:
    """The right claims under another algorithm or key."""
    head = {"alg": algorithm, "kid": "k1", **header}
    registry = jws.JWSRegistry(algorithms=[algorithm], strict_check_header=False)
    return jws.serialize_compact(head, orjson.dumps(issuer.claims()), key, registry=registry)


def unsigned(issuer: Issuer) -> str:
    """alg none: a header, claims, and no signature."""
    head = urlsafe_b64encode(orjson.dumps({"alg": "none", "kid": "k1"})).decode()
    return f"{head}.{urlsafe_b64encode(orjson.dumps(issuer.claims())).decode()}."


def altered(issuer: Issuer) -> str:
    """Signed claims exchanged for others, under the old signature."""
    head, _, signature = issuer.assertion().split(".")
    return f"{head}.{urlsafe_b64encode(orjson.dumps(issuer.claims(scope='admin'))).decode()}.{signature}"


def by_hand(issuer: Issuer, head: dict[str, Any], sign: Callable[[bytes], bytes]) -> str:
    """A JWT no library would make."""
    parts = [urlsafe_b64encode(orjson.dumps(part)).decode() for part in (head, issuer.claims())]
    signature = urlsafe_b64encode(sign(".".join(parts).encode())).decode()
    return ".".join((*parts, signature))


def by_public_key(issuer: Issuer) -> str:
    """HS256 with the public key as the secret, the classic confusion."""
    secret = KEYS["k1"].as_pem(private=False)
    return by_hand(issuer, {"alg": "HS256", "kid": "k1"}, lambda text: hmac.digest(secret, text, "sha256"))


def critical(issuer: Issuer) -> str:
    """Truly signed, with a header that must be understood."""
    key = KEYS["k1"].private_key
    head = {"alg": "RS256", "kid": "k1", "crit": ["urn:x"], "urn:x": 1}
    return by_hand(issuer, head, lambda text: key.sign(text, PKCS1v15(), SHA256()))


def with_own_key(issuer: Issuer) -> str:
    """A key of the forger's own in the header."""
    return resigned(issuer, "RS256", KEYS["stranger"], jwk={"kty": "RSA", "n": "AQAB", "e": "AQAB"})


def with_own_address(issuer: Issuer) -> str:
    """The address of the forger's keys in the header."""
    return resigned(
        issuer, "RS256", KEYS["stranger"], jku=f"https://{issuer.host}/keys", x5u="https://evil.test"
    )


FORGED: dict[str, tuple[Forging, str]] = {
    "signed by a stranger under the issuer's key id": (
        lambda i: resigned(i, "RS256", KEYS["stranger"]),
        "assertion-signature",
    ),
    "a key of its own in the header": (with_own_key, "assertion-signature"),
    "an address of its keys in the header": (with_own_address, "assertion-signature"),
    "claims changed after signing": (altered, "assertion-signature"),
    "no signature": (unsigned, "assertion-algorithm"),
    "HMAC with the public key": (by_public_key, "assertion-algorithm"),
    "another RSA algorithm": (lambda i: resigned(i, "PS256", KEYS["k1"]), "assertion-algorithm"),
    "SHA-512": (lambda i: i.assertion(header={"alg": "RS512"}), "assertion-algorithm"),
    "no key id": (lambda i: i.assertion(header={"kid": None}), "assertion-header"),
    "a key id nobody published": (lambda i: i.assertion(key="k2"), "assertion-key-unknown"),
    "the encryption key": (
        lambda i: i.assertion(key="stranger", header={"kid": "enc"}),
        "assertion-key-unknown",
    ),
    "the weak key": (lambda i: i.assertion(header={"kid": "weak"}), "assertion-key-unknown"),
    "a critical header": (critical, "assertion-header"),
    "two parts": (lambda i: i.assertion().rpartition(".")[0], "assertion-form"),
    "five parts": (lambda i: "a.b.c.d.e", "assertion-form"),
    "no JWT": (lambda i: "ünïcode", "assertion-form"),
    "endless": (lambda i: i.assertion(more="x" * 14_000), "assertion-form"),
    "another issuer": (lambda i: i.assertion(iss="https://evil.test"), "assertion-issuer"),
    "another tenant's issuer": (lambda i: i.assertion(iss=ISSUER.replace(TENANT, OTHER)), "assertion-issuer"),
    "an issuer with a slash more": (lambda i: i.assertion(iss=ISSUER + "/"), "assertion-issuer"),
    "an issuer in capitals": (lambda i: i.assertion(iss=ISSUER.upper()), "assertion-issuer"),
    "a list of issuers": (lambda i: i.assertion(iss=[ISSUER]), "assertion-issuer"),
    "no issuer": (lambda i: i.assertion(iss=None), "assertion-issuer"),
    "another tenant": (lambda i: i.assertion(tid=OTHER), "assertion-tenant"),
    "no tenant": (lambda i: i.assertion(tid=None), "assertion-tenant"),
    "another service principal": (lambda i: i.assertion(sub=OTHER), "assertion-subject"),
    "no subject": (lambda i: i.assertion(sub=None), "assertion-subject"),
    "another audience": (lambda i: i.assertion(aud=f"api://{OTHER}"), "assertion-audience"),
    "an audience that begins alike": (lambda i: i.assertion(aud=AUDIENCE + "0"), "assertion-audience"),
    "several audiences": (lambda i: i.assertion(aud=[AUDIENCE, OTHER]), "assertion-audience"),
    "no audience": (lambda i: i.assertion(aud=None), "assertion-audience"),
    "expired": (lambda i: i.assertion(exp=1_795_000_000 - 60), "assertion-expired"),
    "no expiry": (lambda i: i.assertion(exp=None), "assertion-claims"),
    "an expiry in words": (lambda i: i.assertion(exp="tomorrow"), "assertion-claims"),
    "an expiry that is true": (lambda i: i.assertion(exp=True), "assertion-claims"),
    "valid for a week": (lambda i: i.assertion(exp=1_795_000_000 + 7 * 86_400), "assertion-long"),
    "valid for ever": (lambda i: i.assertion(exp=10**15), "assertion-claims"),
    "not valid yet": (lambda i: i.assertion(nbf=1_795_000_000 + 61), "assertion-early"),
    "issued in the future": (lambda i: i.assertion(iat=1_795_000_000 + 61), "assertion-early"),
    "a time that is a list": (lambda i: i.assertion(nbf=[1]), "assertion-claims"),
}


@pytest.mark.parametrize("what", FORGED)
def test_a_forged_foreign_or_expired_assertion_is_refused_and_audited(sqlite_bridge: Live, what: str) -> None:
    forge, why = FORGED[what]

    async def test(house: House) -> None:
        client = await house.client(secret=False)
        await house.trust(client)
        answer = await house.ask(client.asserting(forge(house.issuer)))
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
        assert "www-authenticate" in answer.headers
        (row,) = await house.audit("oauth.token_refused")
        assert row["detail"]["reason"] == why
        assert (row["outcome"], row["actor_kind"], row["subject_id"]) == ("refused", "anonymous", client.id)
        assert await house.store.reads.one("SELECT 1 AS x FROM sb_token") is None
        # The genuine one still counts: a forgery uses nothing up.
        await house.token(client.asserting(house.issuer.assertion()))

    sqlite_bridge(test)


def test_an_assertion_counts_once_whichever_replica_it_reaches(bridge: Live) -> None:
    async def test(house: House) -> None:
        client = await house.client(secret=False)
        await house.trust(client)
        form = client.asserting(house.issuer.assertion())
        answers = await asyncio.gather(*(house.ask(form) for _ in range(8)))
        assert sorted(answer.status_code for answer in answers) == [200] + [401] * 7
        assert {row["detail"]["reason"] for row in await house.audit("oauth.token_refused")} == {
            "assertion-replayed"
        }
        assert len(await house.audit("oauth.token_issued")) == 1
        # The same id in another text is the same assertion.
        again = house.issuer.assertion(uti="u1")
        await house.token(client.asserting(again))
        other = house.issuer.assertion(uti="u1", iat=None)
        assert (await house.ask(client.asserting(other))).status_code == 401
        nameless = house.issuer.assertion(uti=None)
        await house.token(client.asserting(nameless))
        assert (await house.ask(client.asserting(nameless))).status_code == 401

    bridge(test)


def test_a_refusal_for_another_reason_does_not_use_an_assertion_up(sqlite_bridge: Live) -> None:
    async def test(house: House) -> None:
        client = await house.client(secret=False, scopes=("read",))
        await house.trust(client)
        assertion = house.issuer.assertion()
        assert (await house.ask(client.asserting(assertion, scope="groups"))).status_code == 400
        await house.token(client.asserting(assertion))

    sqlite_bridge(test)


def test_an_issuer_that_keeps_its_assertions_may_be_allowed_to_send_them_again(sqlite_bridge: Live) -> None:
    async def test(house: House) -> None:
        client = await house.client(secret=False)
        await house.trust(client, single_use=False)
        form = client.asserting(house.issuer.assertion())
        await house.token(form)
        await house.token(form)
        house.clock.advance(seconds=3900 + 60)
        assert (await house.ask(form)).status_code == 401

    sqlite_bridge(test)


def test_an_assertion_speaks_for_the_client_that_trusts_it_and_no_other(bridge: Live) -> None:
    async def test(house: House) -> None:
        client, other = await house.client(secret=False), await house.client("okta", secret=False)
        await house.trust(client)
        await house.trust(other, audience=f"api://{OTHER}")
        assertion = house.issuer.assertion()
        refused = await house.ask(other.asserting(assertion))
        assert refused.status_code == 401
        seen = await house.refusal()
        assert (seen["reason"], seen["aud"]) == ("assertion-audience", AUDIENCE)
        third = await house.client("third", secret=False)
        assert (await house.ask(third.asserting(assertion))).status_code == 401
        assert (await house.refusal())["reason"] == "assertion-issuer"
        await house.token(client.asserting(assertion))

    bridge(test)


def test_a_client_may_trust_several_and_a_removed_trust_ends_its_tokens_at_once(bridge: Live) -> None:
    async def test(house: House) -> None:
        client = await house.client()
        await house.trust(client)
        second = await house.trust(client, subject=OTHER)
        first_token = await house.token(client.asserting(house.issuer.assertion()))
        second_token = await house.token(client.asserting(house.issuer.assertion(sub=OTHER)))
        by_secret = await house.token(client.form())
        ended = await house.store.transact(TESTER, lambda work: trusts.remove_trust(work, second))
        assert ended == 1
        assert (await house.users(second_token)).status_code == 401
        assert (await house.ask(client.asserting(house.issuer.assertion(sub=OTHER)))).status_code == 401
        for token in (first_token, by_secret):
            assert (await house.users(token)).status_code == 200

    bridge(test)


def test_without_client_id_the_subject_names_the_client(sqlite_bridge: Live) -> None:
    async def test(house: House) -> None:
        client = await house.client(secret=False)
        given = {"tenant": None, "issuer": "https://idp.test", "subject": client.id, "audience": "scim"}
        await house.trust(client, **given)
        said = {"iss": "https://idp.test", "sub": client.id, "aud": "scim", "tid": None}
        form = client.asserting(house.issuer.assertion(**said))
        del form["client_id"]
        await house.token(form)

    sqlite_bridge(test)


def test_the_type_of_assertion_must_be_named(sqlite_bridge: Live) -> None:
    async def test(house: House) -> None:
        client = await house.client(secret=False)
        await house.trust(client)
        saml = "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"
        for kind in ("", saml):
            form = client.asserting(house.issuer.assertion(), client_assertion_type=kind)
            answer = await house.ask(form)
            assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")

    sqlite_bridge(test)


def test_no_secret_assertion_or_token_reaches_audit_or_logs(
    bridge: Live, capfd: pytest.CaptureFixture[str]
) -> None:
    async def test(house: House) -> None:
        client = await house.client()
        await house.trust(client)
        assertion = house.issuer.assertion()
        tokens = [await house.token(client.form()), await house.token(client.asserting(assertion))]
        # What people do: the secret in the wrong field, the assertion in the wrong field.
        await house.ask(client.form(client_id=client.secret))
        await house.ask(client.form(client_id=assertion))
        await house.ask(client.form(scope=client.secret))
        await house.ask(client.asserting(client.secret))
        await house.ask(client.asserting(assertion))
        stored = await house.everything()
        written = capfd.readouterr()
        for secret in (client.secret, assertion, assertion.rpartition(".")[2], *tokens):
            assert secret not in stored
            assert secret not in written.out + written.err
        assert len(await house.audit("oauth.token_refused")) == 5

    bridge(test)
