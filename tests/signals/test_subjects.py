"""Promises of subjects: somebody is meant certainly or nobody is, and a SET of any form is answered."""

from __future__ import annotations

import base64
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import ECKey, OKPKey, RSAKey

from scim_bridge.kernel.clock import SECOND
from scim_bridge.kernel.work import Work
from scim_bridge.registry.agent_creation import create_agent
from scim_bridge.registry.connections import connection
from scim_bridge.registry.people import create_person
from scim_bridge.registry.resources import INSERT_EXTERNAL
from scim_bridge.sandbox.ssf.keys import fresh
from scim_bridge.sandbox.ssf.sets import claims, signed, uri_of
from scim_bridge.signals.secevent import (
    ALGORITHMS,
    SetRefused,
    check_signature,
    read_set,
    read_token,
    usable_keys,
)
from scim_bridge.signals.subjects import identifiers
from tests.conftest import TESTER

NOW = 1_795_000_000
KEY = fresh("k1")
PUBLIC = usable_keys(orjson.dumps({"keys": [KEY.as_dict(private=False)]}), "RS256")
ISSUER, AUDIENCE = "https://idp.test", "https://bridge.test/signals/ssf/acme"


def test_who_is_meant_is_found_by_id_first_and_by_address_only_where_that_is_allowed(on_stage) -> None:
    async def test(stage) -> None:
        iss = stage.sandbox.url
        aliases = [{"format": "email", "email": "ben@corp.test"}, {"format": "opaque", "id": "ext-ben"}]
        known = {
            "opaque": {"format": "opaque", "id": "ext-ben"},
            "aliases": {"format": "aliases", "identifiers": aliases},
            "complex": {"format": "complex", "user": {"format": "opaque", "id": "ext-ben"}, "tenant": {}},
            "before RFC 9493": {"subject_type": "iss-sub", "iss": iss, "sub": "ext-ben"},
            "scim": {"format": "scim", "uri": "/Users/ext-ben", "externalId": stage.ids["ben"]},
        }
        by_address = {
            "email": {"format": "email", "email": "BEN@corp.test"},
            "account": {"format": "account", "uri": "acct:ben@corp.test"},
        }
        nobody = {
            "another issuer's": {"format": "iss_sub", "iss": "https://else.test", "sub": "ext-ben"},
            "unknown id": {"format": "opaque", "id": "EXT-BEN"},
            "shared address": {"format": "email", "email": "shared@corp.test"},
            "phone": {"format": "phone_number", "phone_number": "+351210000000"},
            "another format": {"format": "x-badge", "badge": "7"},
            "a device": {"format": "complex", "device": {"format": "opaque", "id": "ext-ben"}},
            "contradiction": {
                "format": "aliases",
                "identifiers": [
                    {"format": "opaque", "id": "ext-ben"},
                    {"format": "opaque", "id": "ext-maria"},
                ],
            },
        }
        for by_email in (False, True):
            await stage.connect(by_email=by_email)
            found = known | (by_address if by_email else {})
            for what, subject in found.items():
                stage.seen.clear()
                await stage.delivered(await stage.happen("account-disabled", subject=subject))
                assert [signal.person_id for signal in stage.seen] == [stage.ids["ben"]], what
            before = len(await stage.audited("signal.unmatched"))
            stage.seen.clear()
            for what, subject in (nobody | ({} if by_email else by_address)).items():
                told = await stage.delivered(await stage.happen("account-disabled", subject=subject))
                assert told["status"] == 202, what
            rows = (await stage.audited("signal.unmatched"))[before:]
            assert len(rows) == len(nobody) + (0 if by_email else len(by_address))
            assert all(row["detail"]["why"] for row in rows) and not stage.seen

    on_stage(test)


def test_news_of_nobody_known_counts_when_it_comes_again_and_somebody_is(on_stage) -> None:
    async def test(stage) -> None:
        await stage.connect(by_email=True)
        subject = {"format": "email", "email": "zoe@corp.test"}
        jti = await stage.happen("account-disabled", subject=subject)
        await stage.delivered(jti)
        assert not stage.seen
        zoe = await add(stage, "zoe@corp.test")
        await stage.steer("/again", jti=jti)
        await stage.delivered(jti)
        assert [signal.person_id for signal in stage.seen] == [zoe]

    on_stage(test)


async def add(stage, user_name: str) -> str:
    made = await stage.store.transact(
        TESTER, lambda work: create_person(work, {"userName": user_name}, origin="test")
    )
    return str(made.id)


def taken(raw: bytes) -> Any:
    """What becomes of a SET without a database: read, or refused with a code of the RFC."""
    try:
        token = read_token(raw, "RS256")
        if token.kid not in PUBLIC:
            raise SetRefused("invalid_key", "set-key", "unknown")
        check_signature(token, PUBLIC[token.kid], "RS256")
        event = read_set(token, ISSUER, (AUDIENCE,), NOW * SECOND)
        for happening in event.happenings:
            identifiers(event.subject if event.subject is not None else happening.payload.get("subject"))
        return event
    except SetRefused as error:
        assert error.err in {
            "invalid_request",
            "invalid_key",
            "invalid_issuer",
            "invalid_audience",
            "authentication_failed",
        }
        return error


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
SAID = claims(
    ISSUER,
    [AUDIENCE, "https://other.test"],
    "j1",
    NOW,
    uri_of("account-disabled"),
    {},
    {"format": "opaque", "id": "x"},
)


@given(st.binary(max_size=400))
def test_any_bytes_are_refused_in_the_words_of_the_rfc(raw: bytes) -> None:
    assert isinstance(taken(raw), SetRefused)


@given(st.sampled_from(sorted({*SAID, "toe", "sub", "exp"})), JSON)
def test_a_signed_set_with_anything_in_any_claim_is_read_or_refused(name: str, value: Any) -> None:
    try:
        raw = signed({**SAID, name: value}, KEY).encode()
    except (TypeError, UnicodeEncodeError, ValueError):
        return
    taken(raw)


@given(JSON)
def test_a_signed_set_about_anybody_is_read_or_refused(subject: Any) -> None:
    try:
        raw = signed({**SAID, "sub_id": subject}, KEY).encode()
    except (TypeError, UnicodeEncodeError, ValueError):
        return
    taken(raw)


@given(st.dictionaries(st.sampled_from(["typ", "alg", "kid", "crit", "b64", "zip"]), JSON))
def test_any_header_is_read_or_refused(header: dict[str, Any]) -> None:
    def part(value: Any) -> bytes:
        return base64.urlsafe_b64encode(orjson.dumps(value)).rstrip(b"=")

    try:
        raw = b".".join((part(header), part(SAID), b"AAAA"))
    except (TypeError, UnicodeEncodeError, ValueError):
        return
    assert isinstance(taken(raw), SetRefused)


def test_the_genuine_one_is_read_and_a_claim_said_twice_is_not() -> None:
    event = taken(signed(SAID, KEY).encode())
    assert (event.jti, event.at) == ("j1", NOW * SECOND)
    twice = orjson.dumps(SAID).replace(b'"jti":"j1"', b'"jti":"j2","jti":"j1"')
    raw = jws.serialize_compact(
        {"alg": "RS256", "typ": "secevent+jwt", "kid": "k1"}, twice, KEY, algorithms=["RS256"]
    )
    assert taken(raw.encode()).code == "set-form"


@pytest.mark.parametrize("algorithm", sorted(ALGORITHMS))
def test_every_algorithm_a_stream_may_have_verifies_and_no_other_one_does(algorithm: str) -> None:
    kty, curve = ALGORITHMS[algorithm]
    curves: dict[str, Any] = {"EC": ECKey, "OKP": OKPKey}
    bare = {name: value for name, value in KEY.as_dict(private=True).items() if name != "alg"}
    key = RSAKey.import_key(bare) if kty == "RSA" else curves[kty].generate_key(curve)
    public = {**key.as_dict(private=False), "kid": "k"}
    public.pop("alg", None)
    keys = usable_keys(orjson.dumps({"keys": [public]}), algorithm)
    header = {"alg": algorithm, "typ": "application/secevent+jwt", "kid": "k"}
    raw = jws.serialize_compact(header, orjson.dumps(SAID), key, algorithms=[algorithm])
    check_signature(read_token(raw.encode(), algorithm), keys["k"], algorithm)
    for other in sorted(set(ALGORITHMS) - {algorithm}):
        with pytest.raises(SetRefused) as refused:
            read_token(raw.encode(), other)
        assert refused.value.err in ("invalid_key", "invalid_request")
    head, body, signature = raw.split(".")
    broken = f"{head}.{body}.{signature[:-8]}AAAAAAAA"
    with pytest.raises(SetRefused) as refused:
        check_signature(read_token(broken.encode(), algorithm), keys["k"], algorithm)
    assert refused.value.err == "authentication_failed"


def test_an_agents_own_account_that_is_disabled_is_a_hold_and_enabling_it_releases_nothing(on_stage) -> None:
    async def test(stage) -> None:
        await stage.connect()
        bot = await stage.store.transact(TESTER, _agent)
        await stage.delivered(await stage.happen("account-disabled", "ext-bot"))
        await stage.delivered(await stage.happen("account-enabled", "ext-bot"))
        (hold,) = await stage.store.reads.all("SELECT * FROM sb_hold WHERE released IS NULL")
        assert hold["agent_id"] == bot and "ssf:acme" in hold["reason"] and not stage.seen
        (noted,) = await stage.audited("signal.noted")
        assert (noted["subject_kind"], noted["subject_id"]) == ("agent", bot)

    on_stage(test)


async def _agent(work: Work) -> str:
    bot = await create_agent(work, {"userName": "bot@agents.test"}, origin="test", slug="bot")
    acme = await connection(work.tx, "acme")
    await work.tx.run(INSERT_EXTERNAL, bot.id, acme.id, "user", "ext-bot", work.now)
    return str(bot.id)


@pytest.mark.parametrize(
    "key",
    [
        {"kty": "RSA", "kid": "short", "n": "u1SU1L", "e": "AQAB"},
        {"kty": "oct", "kid": "k", "k": "AAAA"},
        {"kty": "RSA", "kid": 7, "n": "x", "e": "y"},
        {**KEY.as_dict(private=False), "use": "enc"},
        {**KEY.as_dict(private=False), "alg": "PS256"},
    ],
)
def test_a_key_that_cannot_be_meant_is_passed_over(key: dict[str, Any]) -> None:
    good = KEY.as_dict(private=False)
    assert list(usable_keys(orjson.dumps({"keys": [key, "no key", {**good, "kid": "g"}]}), "RS256")) == ["g"]
