"""Filters are read as RFC 7644 section 3.4.2.2 says, in linear time, and refused with the place of the fault."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from scim_bridge.scim.errors import ScimError
from scim_bridge.scim.grammar import And, AttrPath, Compare, Element, Filter, Not, Or, Present, parse, text_of
from tests.effort import calls
from tests.scim.drawn import any_filters

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


def eq(name: str, value: Any, sub: str | None = None) -> Compare:
    return Compare(AttrPath(name, sub), "eq", value)


def pr(name: str) -> Present:
    return Present(AttrPath(name))


# RFC 7644 figure 2.
RFC_EXAMPLES: list[tuple[str, Filter]] = [
    ('userName eq "bjensen"', eq("userName", "bjensen")),
    ('name.familyName co "O\'Malley"', Compare(AttrPath("name", "familyName"), "co", "O'Malley")),
    ('userName sw "J"', Compare(AttrPath("userName"), "sw", "J")),
    (
        'urn:ietf:params:scim:schemas:core:2.0:User:userName sw "J"',
        Compare(AttrPath("userName", None, "urn:ietf:params:scim:schemas:core:2.0:User"), "sw", "J"),
    ),
    ("title pr", pr("title")),
    (
        'meta.lastModified gt "2011-05-13T04:42:34Z"',
        Compare(AttrPath("meta", "lastModified"), "gt", "2011-05-13T04:42:34Z"),
    ),
    ('title pr and userType eq "Employee"', And((pr("title"), eq("userType", "Employee")))),
    ('title pr or userType eq "Intern"', Or((pr("title"), eq("userType", "Intern")))),
    (f'schemas eq "{ENTERPRISE}"', eq("schemas", ENTERPRISE)),
    (
        'userType eq "Employee" and (emails co "example.com" or emails.value co "example.org")',
        And(
            (
                eq("userType", "Employee"),
                Or(
                    (
                        Compare(AttrPath("emails"), "co", "example.com"),
                        Compare(AttrPath("emails", "value"), "co", "example.org"),
                    )
                ),
            )
        ),
    ),
    (
        'userType ne "Employee" and not (emails co "example.com" or emails.value co "example.org")',
        And(
            (
                Compare(AttrPath("userType"), "ne", "Employee"),
                Not(
                    Or(
                        (
                            Compare(AttrPath("emails"), "co", "example.com"),
                            Compare(AttrPath("emails", "value"), "co", "example.org"),
                        )
                    )
                ),
            )
        ),
    ),
    (
        'userType eq "Employee" and (emails.type eq "work")',
        And((eq("userType", "Employee"), eq("emails", "work", "type"))),
    ),
    (
        'userType eq "Employee" and emails[type eq "work" and value co "@example.com"]',
        And(
            (
                eq("userType", "Employee"),
                Element(
                    AttrPath("emails"),
                    And((eq("type", "work"), Compare(AttrPath("value"), "co", "@example.com"))),
                ),
            )
        ),
    ),
    (
        'emails[type eq "work" and value co "@example.com"] or ims[type eq "xmpp" and value co "@foo.com"]',
        Or(
            (
                Element(
                    AttrPath("emails"),
                    And((eq("type", "work"), Compare(AttrPath("value"), "co", "@example.com"))),
                ),
                Element(
                    AttrPath("ims"), And((eq("type", "xmpp"), Compare(AttrPath("value"), "co", "@foo.com")))
                ),
            )
        ),
    ),
]


@pytest.mark.parametrize(
    ("text", "filter_"), RFC_EXAMPLES, ids=lambda value: value if isinstance(value, str) else ""
)
def test_the_examples_of_the_rfc_are_read(text: str, filter_: Filter) -> None:
    assert parse(text, tolerant=False) == filter_


@pytest.mark.parametrize(
    ("text", "filter_"),
    [
        ("a pr or b pr and c pr", Or((pr("a"), And((pr("b"), pr("c")))))),
        ("a pr and b pr or c pr", Or((And((pr("a"), pr("b"))), pr("c")))),
        ("(a pr or b pr) and c pr", And((Or((pr("a"), pr("b"))), pr("c")))),
        ("not (a pr) and b pr", And((Not(pr("a")), pr("b")))),
        ("not (a pr or b pr)", Not(Or((pr("a"), pr("b"))))),
        ("((a pr))", pr("a")),
    ],
)
def test_not_binds_tighter_than_and_and_and_tighter_than_or(text: str, filter_: Filter) -> None:
    """Q-02."""
    assert parse(text) == filter_


def test_operators_and_words_are_read_in_any_case() -> None:
    """Q-01."""
    assert parse('userName EQ "x" AND NOT (title PR) Or active eq TRUE') == Or(
        (And((eq("userName", "x"), Not(pr("title")))), eq("active", True))
    )


def test_not_needs_no_space_but_parentheses() -> None:
    """Q-03."""
    assert parse("not(title pr)") == Not(pr("title"))
    with pytest.raises(ScimError, match="'not' needs parentheses"):
        parse("not title pr")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('a eq "x\\"y\\\\z\\/\\n\\u00e9\\ud83d\\ude00"', 'x"y\\z/\né😀'),
        ("a eq true", True),
        ("a eq false", False),
        ("a eq null", None),
        ("a eq 0", 0),
        ("a eq -12", -12),
        ("a eq 1.5e3", 1500.0),
        ('a eq ""', ""),
    ],
)
def test_values_are_json(text: str, value: Any) -> None:
    """Q-12, and the compValue rule."""
    found = parse(text, tolerant=False)
    assert isinstance(found, Compare)
    assert (type(found.value), found.value) == (type(value), value)


def test_attributes_of_extensions_carry_their_urn() -> None:
    assert parse(f'{ENTERPRISE}:manager.value eq "m"') == Compare(
        AttrPath("manager", "value", ENTERPRISE), "eq", "m"
    )


class TestWhatEntraSends:
    def test_a_comparison_behind_brackets_is_one_inside_them(self) -> None:
        text = 'emails[type eq "work"].value eq "x"'
        assert parse(text) == parse('emails[type eq "work" and value eq "x"]')
        with pytest.raises(ScimError):
            parse(text, tolerant=False)

    @pytest.mark.parametrize(
        "value", ["jyoung", "2015-10-10T14:38:21.8617979-07:00", "0a21f0f2", "example.com"]
    )
    def test_an_unquoted_value_is_a_string(self, value: str) -> None:
        assert parse(f"(externalId eq {value})") == eq("externalId", value)
        with pytest.raises(ScimError) as refusal:
            parse(f"externalId eq {value}", tolerant=False)
        assert refusal.value.fix == "Put strings into double quotation marks."

    def test_a_dot_behind_the_urn_is_read(self) -> None:
        assert parse(f'{ENTERPRISE}.manager.value eq "m"') == parse(f'{ENTERPRISE}:manager.value eq "m"')


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("", 1),
        ("   ", 4),
        ("userName", 9),
        ("userName eq", 12),
        ('userName foo "x"', 10),
        ('userName eq "x', 13),
        ('userName eq "x" title pr', 17),
        ("(a pr", 6),
        ("a pr)", 5),
        ("a pr and", 9),
        ("a pr or or b pr", 9),
        ("1a pr", 1),
        ("a.b.c pr", 1),
        ("a..b pr", 1),
        ("urn: pr", 1),
        ("emails[", 8),
        ("emails[type pr", 15),
        ("emails[] pr", 8),
        ("emails[a[b pr]]", 9),
        ("a.b[c pr]", 4),
        ("emails[type pr] .value pr", 17),
        ('a eq "\\x"', 6),
        ('a eq "\\ud800"', 6),
        ('a eq "\\u0000"', 6),
        ('a eq "\t"', 6),
        ("a eq 1e999", 6),
        ("a eq " + "9" * 500, 6),
        ("a pr \N{LATIN SMALL LETTER A WITH ACUTE}", 6),
        ("a eq [", 6),
    ],
)
def test_a_fault_is_refused_with_its_position(text: str, position: int) -> None:
    """Q-04."""
    with pytest.raises(ScimError, match=rf"position {position}:") as refusal:
        parse(text)
    assert (refusal.value.status, refusal.value.scim_type) == (400, "invalidFilter")


LONG = [
    "(" * 10_000,
    "(" * 8_192,
    "not(" * 2_000,
    "a[" * 4_000,
    '"' * 8_192,
    '\\"' * 4_096,
    'a eq "' + "\\" * 8_000,
    'a eq "' + "x" * 8_180,
    "a pr and " * 900 + "a pr",
    "a pr or " * 255 + "b",
    "x." * 4_096,
    "urn:" * 2_000,
    "-" * 8_192,
    "a" + " " * 8_190 + "!",
    "a eq " + "1" * 8_180,
    "(a pr) and " * 740 + "(",
    "a" * 100_000,
]


@pytest.mark.parametrize("text", LONG, ids=lambda text: text[:12])
def test_no_filter_takes_long_to_refuse(text: str) -> None:
    """Q-16: 8 KB, 32 levels and 256 terms are read; more, and anything malformed, fails at once.

    At once is 5 milliseconds, which hold about 25,000 calls.
    """

    def refused() -> None:
        with pytest.raises(ScimError):
            parse(text)

    assert calls(refused) < 25_000


def test_what_is_within_the_limits_is_read_at_once() -> None:
    text = " or ".join(['a eq "0123456789"'] * 256)
    found = parse(text)
    assert isinstance(found, Or)
    assert len(found.terms) == 256
    assert calls(lambda: parse(text)) < 25_000
    parse("(" * 32 + "a pr" + ")" * 32)
    with pytest.raises(ScimError, match="more than 32 levels"):
        parse("(" * 33 + "a pr" + ")" * 33)
    with pytest.raises(ScimError, match="more than 256 terms"):
        parse(" or ".join(["a pr"] * 257))


def same(one: Any, other: Any) -> bool:
    """Equal with equal types: 1, 1.0 and true are three values."""
    if isinstance(one, Compare) and isinstance(other, Compare):
        return one == other and type(one.value) is type(other.value)
    if isinstance(one, And | Or):
        return type(one) is type(other) and all(map(same, one.terms, other.terms))
    if isinstance(one, Not | Element):
        return type(one) is type(other) and same(one.filter, other.filter)
    return bool(one == other)


@settings(max_examples=60, deadline=None)
@given(any_filters)
def test_a_filter_written_and_read_is_the_same_filter(filter_: Filter) -> None:
    again = parse(text_of(filter_), tolerant=False)
    assert again == filter_
    assert same(again, filter_)
