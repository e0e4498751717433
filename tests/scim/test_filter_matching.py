"""A filter chooses by schema: case, dates, types, elements, and what is not there."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from scim_bridge.registry.model import AGENT_URN, ENTERPRISE_URN, USER_URN
from scim_bridge.scim.conjuncts import element_equality, equality
from scim_bridge.scim.errors import ScimError
from scim_bridge.scim.grammar import Filter, parse
from scim_bridge.scim.match import element_predicate, evaluate, predicate
from scim_bridge.scim.schema import of
from tests.scim.drawn import Doc, documents, filters

USER: dict[str, Any] = {
    "schemas": [USER_URN, ENTERPRISE_URN],
    "id": "Ab1",
    "externalId": "Ext",
    "userName": "Straße@Corp.Example",
    "active": True,
    "name": {"givenName": "Ann", "familyName": ""},
    "nickName": "",
    "title": None,
    "ims": [],
    "emails": [
        {"value": "ann@x.org", "type": "work"},
        {"value": "home@y.org", "type": "home", "primary": True},
    ],
    "meta": {"resourceType": "User", "lastModified": "2026-01-01T12:00:00.000Z", "version": 'W/"3"'},
    ENTERPRISE_URN: {"department": "Ops", "manager": {"value": "M1", "displayName": "Max"}},
    AGENT_URN: {
        "credentialAgeDays": 90,
        "tools": ["Read", "write"],
        "expiresAt": "2027-01-01T00:00:00+02:00",
    },
}


def holds(text: str, kind: str = "User", doc: dict[str, Any] = USER) -> bool:
    return evaluate(parse(text), doc, kind)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # names and, where caseExact is false, values in any case, in Unicode.
        ('USERNAME eq "STRASSE@corp.example"', True),
        ('userName sw "strass"', True),
        ('userName ew "EXAMPLE"', True),
        ('userName co "SE@"', True),
        ('id eq "ab1"', False),
        ('id eq "Ab1"', True),
        ('externalId eq "ext"', False),
        ('meta.version eq "w/\\"3\\""', False),
        #
        ("userName pr", True),
        ("nickName pr", False),
        ("title pr", False),
        ("ims pr", False),
        ("profileUrl pr", False),
        ("name pr", True),
        ("name.familyName pr", False),
        ("emails.primary pr", True),
        ("emails.display pr", False),
        #
        ('meta.lastModified gt "2026-01-01T12:59:59.999+01:00"', True),
        ('meta.lastModified ge "2026-01-01T13:00:00+01:00"', True),
        ('meta.lastModified eq "2026-01-01T07:00:00-05:00"', True),
        ('meta.lastModified lt "2026-01-01T12:00:00.0000001Z"', False),
        ('meta.lastModified ge "0001-01-03T00:00:00.0000000Z"', True),
        ("meta.Created gt 2015-10-10T14:38:21.8617979-07:00", False),
        ('meta.lastModified sw "2026-01"', True),
        ('userName gt "a"', True),
        ('userName lt "a"', False),
        #
        ('emails co "X.ORG"', True),
        ('emails.value co "x.org"', True),
        ('emails[type eq "work" and value co "@x"]', True),
        ('emails[type eq "work" and value co "@y"]', False),
        ('emails.type eq "work" and emails.value co "@y"', True),
        ('emails[type eq "work" and not (value co "@y")]', True),
        ("emails[primary eq true]", True),
        ('emails[primary eq false and type eq "work"]', True),
        ('emails[type eq "work"].value eq "ann@x.org"', True),
        #
        ('title ne "x"', True),
        ('emails.type ne "work"', True),
        ("title eq null", True),
        ("nickName eq null", True),
        ("title ne null", False),
        ("userName ne null", True),
        ("emails.type eq null", False),
        ("emails.display eq null", True),
        ('title eq ""', False),
        ('nickName eq ""', True),
        #
        (f'schemas eq "{ENTERPRISE_URN.upper()}"', True),
        ('meta.resourceType eq "User"', True),
        # Extensions, also as Entra writes them.
        (f'{ENTERPRISE_URN}:manager.value eq "M1"', True),
        (f'{ENTERPRISE_URN.lower()}:department eq "ops"', True),
        (f'{ENTERPRISE_URN}.department eq "ops"', True),
        ('department eq "ops"', True),
        ('manager eq "M1"', True),
        ('manager eq "m1"', False),
        (f"{AGENT_URN}:credentialAgeDays gt 89.5", True),
        (f"{AGENT_URN}:credentialAgeDays le 89", False),
        (f'{AGENT_URN}:tools eq "Read"', True),
        (f'{AGENT_URN}:tools eq "read"', False),
        (f'{AGENT_URN}:tools[value eq "write"]', True),
        (f'{AGENT_URN}:expiresAt eq "2026-12-31T22:00:00Z"', True),
        (f"{AGENT_URN}:holds pr", False),
        # Booleans; the string is Entra's.
        ("active eq true", True),
        ('active eq "True"', True),
        ("active ne true", False),
        # Logic
        ('not (userName sw "x") and (title pr or active eq true)', True),
        ("not (not (active eq true))", True),
    ],
)
def test_a_filter_chooses(text: str, expected: bool) -> None:
    assert holds(text) is expected


@pytest.mark.parametrize(
    "text",
    [
        'nobodyKnows eq "x"',
        'name.nobodyKnows eq "x"',
        'urn:x:y:userName eq "x"',
        'emails[nobodyKnows eq "x"]',
        f'emails[{ENTERPRISE_URN}:value eq "x"]',
        'name[givenName eq "x"]',
        'userName[value eq "x"]',
        "active gt true",
        'active co "t"',
        "active eq 1",
        'active eq "maybe"',
        'x509Certificates.value gt "aGVsbG8="',
        "userName eq 5",
        "userName eq true",
        f'{AGENT_URN}:credentialAgeDays eq "90"',
        f"{AGENT_URN}:credentialAgeDays eq true",
        f'{AGENT_URN}:credentialAgeDays co "9"',
        'meta.lastModified gt "2026-01-01"',
        'meta.lastModified eq "0001-01-01T00:00:00+14:00"',
        'meta.lastModified eq "2026-13-01T00:00:00Z"',
        "title gt null",
        'name eq "x"',
        'meta co "x"',
        'password eq "x"',  # C-16: not even equality, which could be guessed at
        "password pr",
        'password sw "a"',
    ],
)
def test_a_filter_that_makes_no_sense_is_refused_before_any_document_is_looked_at(text: str) -> None:
    with pytest.raises(ScimError) as refusal:
        predicate(parse(text), "User")
    assert (refusal.value.status, refusal.value.scim_type) == (400, "invalidFilter")


def test_a_query_over_several_types_takes_what_a_type_lacks_for_false() -> None:
    """Q-05, second half."""
    text = parse('members.value eq "x" or displayName eq "g"')
    with pytest.raises(ScimError):
        predicate(text, "User")
    chosen = predicate(text, "User", several=True)
    assert chosen({"displayName": "G"}) is True
    assert chosen({"displayName": "h"}) is False
    assert predicate(parse('nobodyKnows ne "x"'), "User", several=True)({"userName": "a"}) is False


def test_the_letter_of_the_rfc_knows_no_bare_extension_names_and_no_string_booleans() -> None:
    for text in ('department eq "ops"', 'active eq "True"'):
        with pytest.raises(ScimError):
            predicate(parse(text), "User", strict=True)


def test_the_filters_of_the_interoperability_profiles_are_answered() -> None:
    """Q-14."""
    group = {"displayName": "Ops", "externalId": "g1", "members": [{"value": "u1"}, {"value": "u2"}]}
    for text in ('displayName eq "ops"', 'externalId eq "g1"', 'members[value eq "u2"]', 'members eq "u1"'):
        assert holds(text, "Group", group)
    assert holds('id eq "Ab1" and manager eq "M1"')
    assert holds('agentUserName eq "BOT"', "Agent", {"agentUserName": "bot"})


def test_one_element_is_tested_by_what_stands_in_brackets() -> None:
    members = of("Group").attributes["members"]
    chosen = element_predicate(parse('value eq "a" and type eq "user"'), members)
    assert chosen({"value": "a", "type": "User"}) is True
    assert chosen({"value": "A", "type": "User"}) is False


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ('USERNAME eq "x"', [("userName", "x")]),
        ('externalid eq "x" and active eq true', [("externalId", "x")]),
        ('emails[type eq "work" and value eq "x"]', [("emails.type", "work"), ("emails.value", "x")]),
        ('emails eq "x"', [("emails.value", "x")]),
        ('emails[type eq "work"].value eq "x"', [("emails.type", "work"), ("emails.value", "x")]),
        ('members eq "u" and id eq "g"', [("members.value", "u"), ("id", "g")]),
        ('members[VALUE eq "u"]', [("members.value", "u")]),
        ('(userName eq "a" and title pr) and displayName eq "b"', [("userName", "a"), ("displayName", "b")]),
        (f'{USER_URN}:userName eq "x"', [("userName", "x")]),
        (f'{ENTERPRISE_URN}:manager.value eq "m"', [(f"{ENTERPRISE_URN}:manager.value", "m")]),
        ('userName eq "a" or userName eq "b"', []),
        ('not (userName eq "a")', []),
        ('userName ne "a"', []),
        ("userName eq null", []),
        ('emails[not (value eq "x")]', []),
        ('emails[value eq "x" or value eq "y"]', []),
        ('nobodyKnows eq "x"', []),
        ('name eq "x"', []),
    ],
)
def test_an_index_is_asked_only_for_what_every_match_has(text: str, terms: list[tuple[str, str]]) -> None:
    assert equality(parse(text)) == terms


def test_the_terms_in_brackets_alone() -> None:
    assert element_equality(parse('VALUE eq "a" and type eq "User"')) == [("value", "a"), ("type", "User")]


def values(doc: Any, steps: list[str]) -> list[str]:
    """The casefolded strings at a place of a document."""
    if isinstance(doc, list):
        return [text for item in doc for text in values(item, steps)]
    if not steps:
        return [str(doc).casefold()]
    return values(doc[steps[0]], steps[1:]) if isinstance(doc, dict) and steps[0] in doc else []


@settings(max_examples=50, deadline=None)
@given(documents(), filters)
def test_no_match_is_lost_by_asking_an_index(doc: Doc, filter_: Filter) -> None:
    try:
        chosen = evaluate(filter_, doc, "User")
    except ScimError:
        return
    if chosen:
        for name, value in equality(filter_, "User"):
            urn, _, path = name.rpartition(":")
            steps = ([urn] if urn else []) + path.split(".")
            assert value.casefold() in values(doc, steps)
