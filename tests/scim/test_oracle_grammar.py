"""The grammar of filters is that of scim2-models: the same texts are read, and mean the same tree."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from scim2_models import SCIMException, ScimFilter

from scim_bridge.scim.errors import ScimError
from scim_bridge.scim.grammar import And, Element, Filter, Not, Or, parse, text_of
from tests.scim.drawn import any_filters, filters
from tests.scim.noise import PIECES, noise

REFUSED = "refused"
MANY = settings(max_examples=150, deadline=None)


def flat(filter_: Filter) -> Filter:
    """The same filter without brackets that say nothing: an "and" in an "and", an "or" in an "or"."""
    if isinstance(filter_, And | Or):
        kind, terms = type(filter_), [flat(term) for term in filter_.terms]
        return kind(
            tuple(inner for term in terms for inner in (term.terms if isinstance(term, kind) else [term]))
        )
    if isinstance(filter_, Not):
        return Not(flat(filter_.filter))
    return Element(filter_.path, flat(filter_.filter)) if isinstance(filter_, Element) else filter_


def ours(text: str) -> Filter | str:
    """The filter we read in a text, held to the letter."""
    try:
        return flat(parse(text, tolerant=False))
    except ScimError:
        return REFUSED


def theirs(text: str) -> Filter | str:
    """The filter the oracle reads in it, in our form; its own text where we cannot read that."""
    try:
        read = str(ScimFilter(text).ast)  # type: ignore[type-var]
    except SCIMException:
        return REFUSED
    try:
        return flat(parse(read, tolerant=False))
    except ScimError:
        return read


@dataclass(frozen=True, slots=True)
class TextClass:
    """A kind of text on which we and the oracle differ, and why; `text` shows it."""

    why: str
    applies: Callable[[str], bool]
    text: str


_PATH = re.compile(
    r"urn:[a-z0-9][a-z0-9._-]*(?::[a-z0-9][a-z0-9._-]*)*:\$?[a-z][a-z0-9$_-]*(?:\.\$?[a-z][a-z0-9$_-]*)?",
    re.I,
)
_URN = re.compile(r'urn:[^\s()\[\]"]*', re.I)

TEXT_CLASSES = (
    TextClass(
        "a URN is anything with colons: one that no schema has is refused where its attribute is looked up",
        lambda text: any(not _PATH.fullmatch(found) for found in _URN.findall(text)),
        "urn:x,y:z:title pr",
    ),
    TextClass(
        "a comparison behind brackets, which the ABNF does not have, is read in a tolerant reading only (Entra)",
        lambda text: re.search(r"\]\s*\.", text) is not None,
        'emails[type eq "work"].value eq "x"',
    ),
    TextClass(
        "filters deeper than 32 levels are refused",
        lambda text: text.count("(") + text.count("[") > 32,
        "(" * 33 + "title pr" + ")" * 33,
    ),
    TextClass(
        "filters of more than 256 terms are refused",
        lambda text: len(re.findall(r"\b(?:and|or)\b", text, re.I)) > 255,
        "title pr or " * 256 + "title pr",
    ),
    TextClass(
        "a string with NUL or half a surrogate pair, which no database keeps, is refused",
        lambda text: re.search(r"\\u(?:0000|d[89a-f])", text, re.I) is not None or "\0" in text,
        'title eq "\\u0000"',
    ),
    TextClass(
        "a number of more than 40 characters is refused",
        lambda text: re.search(r"[0-9.eE+-]{41}", text) is not None,
        "title eq " + "1" * 60,
    ),
)


@st.composite
def broken(draw: st.DrawFn) -> str:
    """The text of a filter with a piece put in, a part taken out, or two parts exchanged."""
    text = text_of(draw(st.one_of(any_filters, filters)))
    for _ in range(draw(st.integers(1, 2))):
        at = draw(st.integers(0, len(text)))
        end = min(len(text), at + draw(st.integers(0, 4)))
        text = text[:at] + draw(st.sampled_from(["", *PIECES])) + text[end:]
    return text


def agree(text: str) -> None:
    """Both refuse it, or both read the same in it."""
    mine, other = ours(text), theirs(text)
    event(f"read: {mine != REFUSED}")
    assert mine == other or any(each.applies(text) for each in TEXT_CLASSES), (text, mine, other)


@MANY
@given(st.one_of(any_filters, filters))
def test_a_filter_is_read_as_the_oracle_reads_it(filter_: Filter) -> None:
    agree(text_of(filter_))


@MANY
@given(st.one_of(broken(), noise))
def test_a_broken_filter_is_refused_where_the_oracle_refuses_it(text: str) -> None:
    agree(text)


@pytest.mark.parametrize("known", TEXT_CLASSES, ids=lambda known: known.why)
def test_each_difference_in_grammar_is_still_one(known: TextClass) -> None:
    assert ours(known.text) != theirs(known.text)
