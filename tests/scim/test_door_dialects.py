"""The rows of the dialects: each rewrites its own shape, and none touches what the RFC's letter says."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scim_bridge.registry.model import AGENT_URN, ENTERPRISE_URN, USER_URN
from scim_bridge.scim import schema
from scim_bridge.scim.dialects import rewrite
from scim_bridge.scim.dialects.table import DIALECTS, dialect
from scim_bridge.scim.errors import ScimError
from tests.scim.bridge import Bridge

E = ENTERPRISE_URN

OPERATIONS: list[tuple[str, dict[str, Any], list[dict[str, Any]]]] = [
    ("op-case", {"op": "Add", "path": "title", "value": "x"}, [{"op": "add", "path": "title", "value": "x"}]),
    (
        "no-path-read-only",
        {"op": "replace", "value": {"id": "1", "meta": {}, "groups": [], "schemas": [], "title": "x"}},
        [{"op": "replace", "value": {"title": "x"}}],
    ),
    (
        "no-path-flattened",
        {"op": "replace", "value": {"title": "x", "name.givenName": "G", f"{E}:department": "D"}},
        [
            {"op": "replace", "value": {"title": "x"}},
            {"op": "replace", "path": "name.givenName", "value": "G"},
            {"op": "replace", "path": f"{E}:department", "value": "D"},
        ],
    ),
    (
        "dot-after-urn",
        {"op": "add", "path": f"{E}.manager.value", "value": "1"},
        [{"op": "add", "path": f"{E}:manager.value", "value": "1"}],
    ),
    (
        "enterprise-name",
        {"op": "add", "path": "department", "value": "D"},
        [{"op": "add", "path": f"{E}:department", "value": "D"}],
    ),
    (
        "quoted-boolean",
        {"op": "add", "path": 'roles[primary eq "True"].value', "value": "A"},
        [{"op": "add", "path": "roles[primary eq true].value", "value": "A"}],
    ),
    (
        "remove-listed",
        {"op": "remove", "path": "emails", "value": [{"$ref": None, "value": 'a"b'}, {"type": "home"}]},
        [
            {"op": "remove", "path": 'emails[value eq "a\\"b"]'},
            {"op": "remove", "path": 'emails[type eq "home"]'},
        ],
    ),
    ("remove-listed", {"op": "remove", "path": "emails", "value": []}, []),
    (
        "remove-listed",
        {"op": "remove", "path": "title", "value": "whatever it is"},
        [{"op": "remove", "path": "title"}],
    ),
    ("null-removes", {"op": "replace", "path": "title", "value": None}, [{"op": "remove", "path": "title"}]),
    (
        "null-removes",
        {"op": "replace", "value": {"title": None, "nickName": "x", E: {"department": None}}},
        [
            {"op": "replace", "value": {"nickName": "x"}},
            {"op": "remove", "path": "title"},
            {"op": "remove", "path": f"{E}:department"},
        ],
    ),
    (
        "reference-as-text",
        {"op": "add", "path": f"{E}:manager", "value": "1"},
        [{"op": "add", "path": f"{E}:manager", "value": {"value": "1"}}],
    ),
    (
        "reference-as-text",
        {"op": "add", "path": f"{AGENT_URN}:owner", "value": "1"},
        [{"op": "add", "path": f"{AGENT_URN}:owner", "value": {"value": "1"}}],
    ),
    (
        "single-in-list",
        {"op": "add", "path": "title", "value": [{"value": "x"}]},
        [{"op": "add", "path": "title", "value": "x"}],
    ),
    (
        "list-left-out",
        {"op": "add", "path": "emails", "value": {"value": "a"}},
        [{"op": "add", "path": "emails", "value": [{"value": "a"}]}],
    ),
    (
        "text-booleans",
        {"op": "replace", "path": "active", "value": " FALSE "},
        [{"op": "replace", "path": "active", "value": False}],
    ),
    (
        "text-booleans",
        {"op": "add", "path": 'emails[type eq "work"].primary', "value": "True"},
        [{"op": "add", "path": 'emails[type eq "work"].primary', "value": True}],
    ),
    (
        "empty-unassigns",
        {"op": "replace", "path": 'emails[type eq "work"].value', "value": ""},
        [{"op": "remove", "path": 'emails[type eq "work"].value'}],
    ),
]


@pytest.mark.parametrize(("name", "sent", "meant"), OPERATIONS)
def test_each_row_rewrites_its_own_shape(
    name: str, sent: dict[str, Any], meant: list[dict[str, Any]]
) -> None:
    applied: set[str] = set()
    user = schema.of("User")
    assert rewrite.operations(DIALECTS["entra"], sent, user, applied) == meant
    assert name in applied
    again: set[str] = set()
    twice = [op for item in meant for op in rewrite.operations(DIALECTS["entra"], item, user, again)]
    assert twice == meant and not again, "what is said as the RFC says it is left alone"
    untouched: set[str] = set()
    assert rewrite.operations(DIALECTS["strict"], sent, user, untouched) == [sent] and not untouched


DOCUMENTS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    (
        "legacy-schemas",
        {"schemas": ["u", "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"]},
        {"schemas": ["u"]},
    ),
    ("enterprise-at-top", {"department": "D", "manager": None}, {E: {"department": "D"}}),
    (
        "roles-as-text",
        {"roles": [{"value": '{"id":"1","value":"Admin","displayName":"A"}'}]},
        {"roles": [{"value": "Admin", "display": "A"}]},
    ),
    ("text-booleans", {"emails": [{"primary": "true"}]}, {"emails": [{"primary": True}]}),
    ("empty-unassigns", {"title": "", "userName": ""}, {"title": None, "userName": ""}),
]


@pytest.mark.parametrize(("name", "sent", "meant"), DOCUMENTS)
def test_documents_are_rewritten_the_same_way(name: str, sent: dict[str, Any], meant: dict[str, Any]) -> None:
    applied: set[str] = set()
    assert rewrite.document(DIALECTS["entra"], sent, schema.of("User"), applied) == meant
    assert applied == {name}


@pytest.mark.parametrize(
    ("text", "same_as"),
    [
        ("externalId eq jyoung", 'externalId eq "jyoung"'),
        ("userName eq a@b.c and active eq true", 'userName eq "a@b.c" and active eq true'),
        ('title eq "x eq y"', 'title eq "x eq y"'),
        ('manager eq "1"', f'{E}:manager.value eq "1"'),
        ('emails[type eq work and value co "x"]', 'emails[type eq "work" and value co "x"]'),
        ("userName eq null", "userName eq null"),
    ],
)
def test_filters_are_rewritten_to_what_they_mean(text: str, same_as: str) -> None:
    applied: set[str] = set()
    found = rewrite.filter_of(DIALECTS["entra"], text, schema.of("User"), applied)
    assert found == rewrite.filter_of(DIALECTS["strict"], same_as, schema.of("User"), set())
    assert bool(applied) is (text != same_as)


def test_every_row_says_what_it_matches_and_has_its_own_name() -> None:
    for name, found in DIALECTS.items():
        names = [row.name for row in found.rows]
        assert len(set(names)) == len(names), name
        assert all(row.matches for row in found.rows)
    assert DIALECTS["strict"].rows == ()
    assert dialect("forgotten") is DIALECTS["generic"]


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "op",
                    "path",
                    "value",
                    "active",
                    "emails",
                    "manager",
                    "roles",
                    "name.x",
                    E,
                    f"{E}:manager",
                    "x",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(json, st.sampled_from(sorted(DIALECTS)), st.sampled_from(["User", "Group", "Agent"]))
def test_whatever_json_comes_is_rewritten_or_refused_and_never_a_defect(
    body: Any, name: str, kind: str
) -> None:
    resource = schema.of(kind)
    try:
        rewrite.message(DIALECTS[name], {"Operations": body}, resource, set())
        if isinstance(body, dict):
            rewrite.document(DIALECTS[name], body, resource, set())
    except ScimError:
        pass


JUNK: list[Any] = [
    None,
    True,
    0,
    -1,
    1.5,
    "",
    "x",
    "True",
    [],
    {},
    [[]],
    [None],
    {"value": None},
    "\u0301",
    2**63,
]
BODY = {
    "schemas": [USER_URN, E, AGENT_URN],
    "userName": "a",
    "externalId": "e",
    "active": True,
    "name": {"givenName": "G"},
    "emails": [{"value": "a@b.c", "primary": True}],
    "userType": "Agent",
    E: {"manager": {"value": "m"}, "department": "D"},
    AGENT_URN: {
        "purpose": "p",
        "owner": {"value": "o"},
        "coOwners": [{"value": "c"}],
        "expiresAt": "2027-01-01T00:00:00Z",
    },
}


def mutated(value: Any, chance: random.Random) -> Any:
    """The value with one thing in it replaced by junk, or a key misspelt."""
    if isinstance(value, dict) and value and chance.random() < 0.9:
        key = chance.choice(sorted(value))
        if chance.random() < 0.15:
            return {(key.upper() if name == key else name): item for name, item in value.items()}
        return {**value, key: mutated(value[key], chance)}
    if isinstance(value, list) and value and chance.random() < 0.8:
        return [mutated(value[0], chance), *value[1:]]
    return chance.choice(JUNK)


def test_mutated_requests_never_find_a_defect(door) -> None:
    async def body(bridge: Bridge) -> None:
        chance = random.Random(7)
        clients = [await bridge.client(name, name) for name in ("okta-put", "entra", "generic", "strict")]
        user = (await clients[2].post("/Users", {"userName": "there"}))["id"]
        group = (await clients[2].post("/Groups", {"displayName": "g"}))["id"]
        message = {
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [
                {"op": "replace", "path": "active", "value": True},
                {"op": "add", "path": 'emails[type eq "work"].value', "value": "x"},
                {"op": "Add", "value": {"name.givenName": "x", "title": None, E: {"manager": "m"}}},
                {"op": "remove", "path": "members", "value": [{"value": user}]},
            ],
        }
        crew = {"displayName": "h", "externalId": "x", "members": [{"value": user, "display": "d"}]}
        batch = {
            "Operations": [{"method": "POST", "path": "/Users", "bulkId": "a", "data": {"userName": "z"}}]
        }
        search = {"filter": 'userName eq "a"', "startIndex": 1, "count": 2, "attributes": ["userName"]}
        calls = [
            ("POST", "/Users", BODY), ("PUT", f"/Users/{user}", BODY), ("PATCH", f"/Users/{user}", message),
            ("PATCH", f"/Groups/{group}", message), ("POST", "/Groups", crew), ("PUT", f"/Groups/{group}", crew),
            ("POST", "/Agents", {**BODY, "agentUserName": "b", "owners": [{"value": "o"}]}),
            ("POST", "/Bulk", batch), ("POST", "/Users/.search", search), ("POST", "/.search", search),
        ]  # fmt: skip
        for number in range(400):
            method, path, sent = calls[number % len(calls)]
            wrong = mutated(sent, chance)
            for _ in range(chance.randrange(3)):
                wrong = mutated(wrong, chance) if isinstance(wrong, dict) else wrong
            answer = await chance.choice(clients).call(method, path, wrong)
            assert answer.status < 500, (method, path, wrong, answer.content)

    door(body)


PATHS = [
    "active",
    "name.givenName",
    'name[givenName eq "a"].familyName',
    "emails.value",
    'emails[type eq "work"].value',
    "manager",
    "manager.value",
    f"{E}",
    f"{E}:manager",
    f"{E}:manager.displayName",
    "members",
    'members[value eq "a"].display',
    "roles",
    "roles[primary eq true].value",
]
ODD: list[Any] = [1, True, None, 1.5, "x", "", [], [1], {}, {"a": 1}, [{}], {"value": 1}, [["x"]]]


@pytest.mark.parametrize("path", PATHS)
def test_a_value_that_does_not_fit_its_path_is_left_for_patch_to_refuse(path: str) -> None:
    for spoken in DIALECTS.values():
        for kind in ("User", "Group", "Agent"):
            for value in ODD:
                for op in ("add", "replace", "remove"):
                    try:
                        rewrite.message(
                            spoken,
                            {"Operations": [{"op": op, "path": path, "value": value}]},
                            schema.of(kind),
                            set(),
                        )
                    except ScimError:
                        continue
