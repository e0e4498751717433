"""Okta's rules as pure functions: statuses, expressions, profiles, bodies."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scim_bridge.sandbox.okta.errors import CATALOGUE, OktaError
from scim_bridge.sandbox.okta.ids import Ids
from scim_bridge.sandbox.okta.limits import bucket_of
from scim_bridge.sandbox.okta.model import base_profile, expressions, profiles, statuses
from scim_bridge.sandbox.okta.scim_side import answers, bodies, importing
from scim_bridge.sandbox.okta.scim_side.bodies import ENTERPRISE

PASSWORD = {"password": {}}
SCHEMA = {"definitions": {"base": base_profile.base(), "custom": base_profile.custom()}}
ADA = {
    "id": "00u1",
    "status": "ACTIVE",
    "lastUpdated": "2026-11-25T10:00:00.000Z",
    "type": {"id": "oty1"},
    "profile": {"login": "Ada@x.test", "firstName": "Ada", "tags": ["a", "B"], "level": 3, "ok": True},
}

# action: the statuses it is followed in
FOLLOWED = {
    "activate": {"STAGED", "DEPROVISIONED"},
    "reactivate": {"PROVISIONED", "RECOVERY"},
    "suspend": {"ACTIVE"},
    "unsuspend": {"SUSPENDED"},
    "deactivate": set(statuses.ALL) - {"DEPROVISIONED"},
}


@pytest.mark.parametrize("status", statuses.ALL)
@pytest.mark.parametrize("action", statuses.ACTIONS)
def test_each_lifecycle_call_is_followed_in_its_statuses_only(action: str, status: str) -> None:
    followed = status in FOLLOWED[action]
    assert (action in statuses.allowed(status, PASSWORD)) is followed
    if followed:
        assert statuses.after(action, status, PASSWORD) in statuses.ALL
    else:
        with pytest.raises(OktaError):
            statuses.after(action, status, PASSWORD)


def test_only_who_can_sign_in_becomes_active() -> None:
    federated = {"provider": {"type": "FEDERATION"}}
    nobody = {"provider": {"type": "OKTA"}}
    for credentials, status in ((PASSWORD, "ACTIVE"), (federated, "ACTIVE"), (nobody, "PROVISIONED")):
        assert statuses.after("activate", "STAGED", credentials) == status
        assert statuses.created(activate=True, credentials=credentials, change_password=False) == status
        assert statuses.created(activate=False, credentials=credentials, change_password=True) == "STAGED"
    assert statuses.created(activate=True, credentials=PASSWORD, change_password=True) == "PASSWORD_EXPIRED"
    with pytest.raises(OktaError) as refusal:
        statuses.after("fly", "ACTIVE", PASSWORD)
    assert refusal.value.code == "E0000008"


KNOWN = frozenset({"login", "firstName", "tags", "level", "ok", "city"})


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('profile.login eq "ada@X.test"', True),
        ('profile.login sw "ADA"', True),
        ('profile.firstName co "d"', True),
        ('profile.tags eq "b"', True),
        ("profile.level gt 2", True),
        ("profile.level ge 4", False),
        ("profile.ok eq true", True),
        ("profile.ok eq false", False),
        ('profile.level eq "3"', False),
        ("profile.city pr", False),
        ('type.id eq "oty1" and status eq "active"', True),
        ('status eq "STAGED" or (id eq "00u1" and not_here eq "x")', None),
        ('status eq "STAGED" or (id eq "00u1" and status lt "B")', True),
        ('lastUpdated gt "2026-11-25T09:00:00.000Z"', True),
        ('profile.firstName eq "Ad\\"a"', False),
        ('(status eq "STAGED" or status eq "ACTIVE") and profile.level lt 2', False),
        ('profile.city co "x"', None),
        ('status ne "STAGED"', None),
        ('not (status eq "STAGED")', None),
        ("status eq STAGED", None),
        ('status eq "STAGED', None),
        ('status eq "A" and', None),
        ('(status eq "A"', None),
        ("", None),
        ('login eq "x"', None),
        ("(" * 40 + 'id eq "1"' + ")" * 40, None),
        ('id eq "' + "x" * 9000 + '"', None),
    ],
)
def test_search_expressions(text: str, found: bool | None) -> None:
    dialect = expressions.user_search(KNOWN)
    if found is None:
        with pytest.raises(OktaError) as refusal:
            expressions.compiled(text, dialect)
        assert refusal.value.code == "E0000031"
    else:
        assert expressions.compiled(text, dialect)(ADA) is found


def test_filters_compare_exactly_and_order_only_dates() -> None:
    dialect = expressions.user_filter()
    assert expressions.compiled('profile.login eq "Ada@x.test"', dialect)(ADA)
    assert not expressions.compiled('profile.login eq "ada@x.test"', dialect)(ADA)
    assert expressions.compiled('lastUpdated lt "2027-01-01T00:00:00.000Z"', dialect)(ADA)
    for text in ('status gt "A"', 'profile.login sw "A"', 'profile.city eq "x"', 'created eq "x"'):
        with pytest.raises(OktaError):
            expressions.compiled(text, dialect)


@given(st.text(max_size=60))
def test_any_text_is_an_expression_or_a_refusal(text: str) -> None:
    try:
        expressions.compiled(text, expressions.user_search(KNOWN))(ADA)
    except OktaError as refusal:
        assert refusal.code == "E0000031"


def test_a_merged_profile_keeps_clears_and_always_shows_two_properties() -> None:
    after = profiles.merged({"title": "x", "city": "y", "mobilePhone": "1"}, {"city": None, "state": "z"})
    assert after == {"mobilePhone": "1", "secondEmail": None, "title": "x", "state": "z"}
    assert profiles.merged(after, {"mobilePhone": None})["mobilePhone"] is None


@given(st.text(min_size=1, max_size=20))
def test_folding_a_login_twice_changes_nothing(login: str) -> None:
    assert profiles.fold(profiles.fold(login)) == profiles.fold(login)


def test_a_whole_profile_has_no_problems_and_every_problem_names_its_field() -> None:
    good = {"login": "ada@x.test", "email": "ada@x.test", "firstName": "Ada", "lastName": "B", "title": None}
    assert profiles.problems(good, SCHEMA) == []
    bad = {"login": "x", "email": 5, "nothing": "x", "countryCode": "PRT"}
    named = {cause.split(":", 1)[0] for cause in profiles.problems(bad, SCHEMA)}
    assert named == {"login", "email", "nothing", "countryCode", "firstName", "lastName"}


def test_ids_have_okta_s_form_and_grow_even_when_the_clock_stands() -> None:
    class Still:
        def now(self) -> int:
            return 1_790_000_000_000_000

    ids = Ids(Still())
    made = [ids.new("00u") for _ in range(100)]
    assert made == sorted(set(made))
    assert all(len(key) == 20 and key.startswith("00u") and key.isalnum() for key in made)


@pytest.mark.parametrize(
    ("method", "path", "bucket"),
    [
        ("GET", "/api/v1/users", "users"),
        ("POST", "/api/v1/users", "user-write"),
        ("GET", "/api/v1/users/00u1", "user"),
        ("POST", "/api/v1/users/00u1", "user-write"),
        ("POST", "/api/v1/users/00u1/lifecycle/suspend", "user-lifecycle"),
        ("PUT", "/api/v1/users/a/linkedObjects/o/b", "user-write"),
        ("GET", "/api/v1/groups", "groups"),
        ("PUT", "/api/v1/groups/g/users/u", "group"),
        ("GET", "/api/v1/apps/a/users", "app-users"),
        ("GET", "/api/v1/logs", "logs"),
        ("GET", "/api/v1/meta/types/user", "meta"),
        ("POST", "/oauth2/v1/token", "token"),
        ("GET", "/elsewhere", "default"),
    ],
)
def test_every_endpoint_has_its_bucket(method: str, path: str, bucket: str) -> None:
    assert bucket_of(method, path) == bucket


def test_the_body_of_a_put_keeps_what_the_get_returned_and_merges_names_and_manager() -> None:
    current = {
        "schemas": [bodies.USER, "urn:x"],
        "id": "1",
        "name": {"givenName": "Old", "familyName": "Old", "formatted": "Old"},
        ENTERPRISE: {"costCenter": "7", "manager": {"value": "m"}},
        "urn:x": {"a": 1},
        "meta": {"version": "1"},
    }
    profile = {
        "login": "a@x.test",
        "email": "a@x.test",
        "firstName": "A",
        "lastName": "B",
        "department": "IT",
    }
    body = bodies.update(current, profile, "00u1", active=True)
    assert body["name"] == {"givenName": "A", "familyName": "B", "formatted": "Old"}
    assert body[ENTERPRISE] == {"costCenter": "7", "manager": {"value": "m"}, "department": "IT"}
    assert body["schemas"] == [bodies.USER, "urn:x", ENTERPRISE]
    assert (body["urn:x"], body["meta"], body["id"]) == ({"a": 1}, {"version": "1"}, "1")


def test_a_quote_in_a_looked_up_value_is_escaped() -> None:
    path = bodies.lookup("Groups", "displayName", 'A "b" & c')
    assert path.startswith("/Groups?filter=displayName%20eq%20%22A%20%5C%22b%5C%22%20%26%20c%22&")


def test_what_is_imported_maps_back_to_what_is_pushed() -> None:
    profile = {
        "login": "a@x.test",
        "email": "mail@x.test",
        "firstName": "A",
        "lastName": "B",
        "displayName": "The A",
        "title": "T",
        "userType": "Agent",
        "department": "IT",
        "managerId": "boss@x.test",
        "manager": "Boss",
        "locale": "pt-PT",
    }
    assert importing.profile({**bodies.mapped(profile), "id": "1", "active": True}) == profile


@pytest.mark.parametrize("linked", [0, 4, 5, 6, 10, 100])
def test_the_safeguard_stops_at_a_fifth(linked: int) -> None:
    users = [{"id": f"u{number}"} for number in range(linked)]
    known = {f"00u{number}": f"u{number}" for number in range(linked)}
    assert importing.missing(known, users) == []
    least = -(-linked // 5)
    if linked:
        with pytest.raises(answers.Failed):
            importing.missing(known, users[least:])
    if least > 1:
        assert len(importing.missing(known, users[least - 1 :])) == least - 1


def test_every_code_of_the_fact_sheet_has_its_status() -> None:
    expected = {
        "E0000001": 400, "E0000003": 400, "E0000004": 401, "E0000006": 403, "E0000007": 404, "E0000008": 404,
        "E0000009": 500, "E0000011": 401, "E0000015": 401, "E0000016": 403, "E0000022": 405, "E0000023": 403,
        "E0000028": 400, "E0000031": 400, "E0000038": 403, "E0000047": 429, "E0000055": 409, "E0000062": 409,
        "E0000112": 409, "E0000127": 409,
    }  # fmt: skip
    assert {code: CATALOGUE[code][0] for code in expected} == expected
