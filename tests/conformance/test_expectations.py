"""The small parts: reading in any JSON, filling in what was kept, Entra's mapping and how /Schemas is flattened."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scim_bridge.conformance.entra_mapping import EVERY, OPTIONAL, undiscoverable
from scim_bridge.conformance.expect import (
    ENTERPRISE,
    Missing,
    equals,
    filled,
    filled_in,
    has,
    number,
    reads,
    refused,
)
from scim_bridge.conformance.model import Finding, Result, Verdict
from scim_bridge.conformance.reply import ABSENT, Reply, at, printable, shown

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


def reply(body: Any, status: int = 200) -> Reply:
    """An answer with this body."""
    return Reply(status, {}, "", body, 1)


def test_places_are_read_by_name_and_number() -> None:
    body = {"Resources": [{"name": {"familyName": "F"}, ENTERPRISE: {"department": "D"}}]}
    assert at(body, "Resources[0].name.familyName") == "F"
    assert at(body, ("Resources", 0, ENTERPRISE, "department")) == "D"
    assert at(body, "Resources[1].name") is ABSENT
    assert at(body, "resources") is ABSENT


@given(JSON, st.text(alphabet="ab.[]01", max_size=8))
def test_reading_never_fails_whatever_is_there(body: Any, path: str) -> None:
    at(body, path)
    shown(body)
    for check in (
        filled_in("a.b"),
        number("a"),
        equals("a", 1),
        reads("a", "1"),
        has("a", "x"),
        *refused(400, "x"),
    ):
        check.test(reply(body), {})


@pytest.mark.parametrize(
    ("check", "body", "holds"),
    [
        (filled_in("a"), {"a": False}, True),
        (filled_in("a"), {"a": 0}, True),
        (filled_in("a"), {"a": ""}, False),
        (filled_in("a"), {"a": []}, False),
        (filled_in("a"), {}, False),
        (number("a"), {"a": 3}, True),
        (number("a"), {"a": "3"}, False),
        (number("a"), {"a": True}, False),
        (equals("a", True), {"a": True}, True),
        (equals("a", True), {"a": 1}, False),
        (equals("a", "X"), {"a": "x"}, False),
        (reads("a", "401"), {"a": 401}, True),
        (reads("a", "401"), {"a": "401"}, True),
        (reads("a", "401"), {"a": "0401"}, False),
        (reads("a", "1"), {"a": True}, False),
        (has("a", "x"), {"a": ["y", "x"]}, True),
        (has("a", "x"), {"a": "x"}, True),
        (has("a", "x"), {"a": "yxz"}, False),
    ],
)
def test_an_expectation_holds_or_says_what_came(check: Any, body: Any, holds: bool) -> None:
    came = check.test(reply(body), {})
    assert (came is None) is holds
    assert holds or came.startswith("a is ")


def test_what_was_kept_is_filled_in_everywhere_and_a_lack_is_named() -> None:
    notes = {"id": "7", "n": 3}
    assert filled({"a": ["{id}", "x{id}y", {"{id}": "{n}"}], "b": b"{id}"}, notes) == {
        "a": ["7", "x7y", {"7": 3}],
        "b": b"{id}",
    }
    with pytest.raises(Missing) as raised:
        filled("/Users/{other}", notes)
    assert raised.value.name == "other"


def test_nothing_a_terminal_obeys_is_printed() -> None:
    assert printable("a\x1b[31m\nb\u202e") == "a\\u001b[31m\nb\\u202e"


def test_a_step_fails_when_one_expectation_does_and_is_skipped_when_nothing_was_found_out() -> None:
    passed, failed = Finding("a", Verdict.PASS), Finding("b", Verdict.FAIL, "c")
    skipped = Finding("d", Verdict.SKIP, "e", "because")
    assert Result("i", "t", "s", (passed, failed, skipped)).verdict is Verdict.FAIL
    both = Result("i", "t", "s", (passed, skipped))
    assert (both.verdict, both.why) == (Verdict.PASS, "because")
    assert Result("i", "t", "s", (skipped,)).verdict is Verdict.SKIP
    assert Result("i", "t", "s", (passed,), reason="not here").verdict is Verdict.SKIP
    assert Result("i", "t", "s", (passed, failed)).came == "c"


def test_mapped_attributes_are_read_at_their_paths() -> None:
    user = {
        "title": "T",
        "name": {"givenName": ""},
        "emails": [{"type": "home", "value": "h"}, {"type": "work", "value": "w"}],
        ENTERPRISE: {"department": "D"},
    }
    read = {mapped.path: mapped.read(user) for mapped in OPTIONAL}
    assert read["title"] == "T" and read["name.givenName"] is None
    assert read['emails[type eq "work"].value'] == "w"
    assert read['phoneNumbers[type eq "fax"].value'] is None
    assert read[f"{ENTERPRISE}:department"] == "D"


def schemas(*, types: bool = True) -> list[dict[str, Any]]:
    """What a server publishes that offers the whole mapping."""

    def listed(name: str, subs: tuple[str, ...], values: tuple[str, ...]) -> dict[str, Any]:
        kind = {"name": "type", "type": "string", **({"canonicalValues": list(values)} if types else {})}
        simple = [{"name": sub, "type": "string"} for sub in subs]
        return {"name": name, "type": "complex", "multiValued": True, "subAttributes": [kind, *simple]}

    address = ("formatted", "streetAddress", "locality", "region", "postalCode", "country")
    plain = [
        {"name": n, "type": "string"}
        for n in ("userName", "active", "displayName", "title", "preferredLanguage")
    ]
    name = {"name": "name", "type": "complex", "subAttributes": [
        {"name": n, "type": "string"} for n in ("givenName", "familyName", "formatted")
    ]}  # fmt: skip
    lists = [
        listed("emails", ("value",), ("work", "home")),
        listed("addresses", address, ("work",)),
        listed("phoneNumbers", ("value",), ("work", "mobile", "fax")),
    ]
    extension = [{"name": n, "type": "string"} for n in ("employeeNumber", "department")]
    manager = {"name": "manager", "type": "complex", "subAttributes": [{"name": "value", "type": "string"}]}
    return [
        {"id": "urn:ietf:params:scim:schemas:core:2.0:User", "attributes": [*plain, name, *lists]},
        {"id": ENTERPRISE, "attributes": [*extension, manager]},
    ]


@pytest.mark.parametrize("types", [True, False], ids=["with canonical values", "without"])
def test_a_server_that_publishes_the_mapping_lacks_nothing(types: bool) -> None:
    assert undiscoverable(schemas(types=types)) == []


def test_what_is_not_published_is_named() -> None:
    published = schemas()
    published[0]["attributes"] = [
        a for a in published[0]["attributes"] if a["name"] not in ("title", "phoneNumbers")
    ]
    missing = [path for path in EVERY if path.startswith(("title", "phoneNumbers"))]
    assert undiscoverable(published) == missing and len(missing) == 4
    other = schemas()
    other[0]["attributes"][-1]["subAttributes"][0]["canonicalValues"] = ["work"]
    assert undiscoverable(other) == [
        'phoneNumbers[type eq "mobile"].value',
        'phoneNumbers[type eq "fax"].value',
    ]
