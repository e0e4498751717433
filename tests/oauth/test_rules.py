"""Promises of the pure rules: whatever is said, a trust admits exactly its own, and a form is read or refused."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scim_bridge.kernel.clock import SECOND
from scim_bridge.oauth.assertion import read_assertion
from scim_bridge.oauth.model import Client, OAuthError, Trust, flaw, granted
from scim_bridge.oauth.proof import asked, read_form
from tests.oauth.issuer import AUDIENCE, ISSUER, SUBJECT, TENANT

NOW = 1_795_000_000 * SECOND
TRUST = Trust("t", "c", ISSUER, TENANT, SUBJECT, AUDIENCE, "https://x", True, 0, None)
CLAIMS = {"iss": ISSUER, "sub": SUBJECT, "aud": AUDIENCE, "tid": TENANT, "exp": NOW // SECOND + 60}
FORM = "application/x-www-form-urlencoded; charset=UTF-8"

json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from(["iss", "sub", "aud", "tid", "exp", "nbf", "iat"]), json)
def test_one_wrong_claim_is_enough(name: str, value: Any) -> None:
    assert flaw(CLAIMS, TRUST, NOW) is None
    said = {**CLAIMS, name: value}
    timely = name in ("nbf", "iat", "exp") and isinstance(value, int | float) and not isinstance(value, bool)
    if not timely:
        assert flaw(said, TRUST, NOW) is not None


@given(st.dictionaries(st.sampled_from([*CLAIMS, "nbf", "iat", "x"]), json))
def test_claims_of_any_shape_are_judged_without_a_defect(claims: dict[str, Any]) -> None:
    flaw(claims, TRUST, NOW)


@given(
    st.text(max_size=200) | st.from_regex(r"[A-Za-z0-9_-]{0,40}(\.[A-Za-z0-9_-]{0,40}){0,4}", fullmatch=True)
)
def test_text_that_is_no_assertion_is_refused(text: str) -> None:
    with pytest.raises(OAuthError):
        read_assertion(text)


@given(st.binary(max_size=300))
def test_any_body_is_read_or_refused(body: bytes) -> None:
    try:
        asked(read_form(FORM, b"", body), "")
    except OAuthError as error:
        assert error.status in (400, 401)


@given(st.text(max_size=60))
def test_any_authorization_is_read_or_refused(header: str) -> None:
    try:
        found = asked({"grant_type": "client_credentials"}, header)
    except OAuthError as error:
        assert error.status in (400, 401)
    else:
        assert found.client_id and found.secret


@given(st.dictionaries(st.text(min_size=1, max_size=8), st.text(max_size=8), max_size=5))
def test_a_form_is_read_as_it_was_written(form: dict[str, str]) -> None:
    body = "&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in form.items())
    if any("\0" in value for value in form.values()):
        return
    assert read_form(FORM, b"", body.encode()) == {name: value for name, value in form.items() if value}


@given(st.text(max_size=40))
def test_scopes_are_never_more_than_the_clients(text: str) -> None:
    client = Client("c", "n", "entra", "", ("read", "groups"), 0, None)
    try:
        found = granted(client, text)
    except OAuthError as error:
        assert error.code == "invalid_scope"
    else:
        assert set(found) <= {"read", "groups"}
    assert granted(client, None) == granted(client, "scim") == ("read", "groups")


def test_an_issuer_that_only_looks_like_entra_is_compared_as_it_stands() -> None:
    for issuer in (
        f"https://login.microsoftonline.com.evil.test/{TENANT}",
        f"http://login.microsoftonline.com/{TENANT}",
    ):
        trust = Trust("t", "c", issuer, TENANT, SUBJECT, AUDIENCE, "https://x", True, 0, None)
        assert trust.issuers == {issuer}
    other = Trust("t", "c", ISSUER, "another", SUBJECT, "api://name", "https://x", True, 0, None)
    assert other.issuers == {ISSUER}
    assert other.audiences == {"api://name"}
