"""Filters, patches and bodies mean what scim2-models says they mean, but for the written list of differences."""

from __future__ import annotations

import pytest
from hypothesis import event, given, settings

from scim_bridge.registry.model import USER_URN
from scim_bridge.scim.grammar import Filter, text_of
from tests.scim import oracle
from tests.scim.differences_in_bodies import BODY_CLASSES, BodyClass, excused_body
from tests.scim.differences_in_filters import FILTER_CLASSES, FilterClass, excused_filter
from tests.scim.differences_in_patches import PATCH_CLASSES, PatchClass, excused_patch
from tests.scim.drawn import Doc, documents, filters, mutated, operations

MANY = settings(max_examples=60, deadline=None)


@MANY
@given(documents(), filters)
def test_a_filter_chooses_what_the_oracle_chooses(doc: Doc, filter_: Filter) -> None:
    doc = {"schemas": [USER_URN], **doc}
    text = text_of(filter_)
    ours, theirs = oracle.our_match(text, doc), oracle.their_match(text, doc)
    event(f"agreed: {ours == theirs}")
    assert ours == theirs or excused_filter(filter_)


@MANY
@given(documents(), operations())
def test_a_strict_patch_makes_what_the_oracle_makes(doc: Doc, operation: Doc) -> None:
    ours = oracle.our_patch(doc, operation, tolerant=False)
    theirs = oracle.their_patch(doc, operation, tolerant=False)
    event(f"agreed: {ours == theirs}")
    assert ours == theirs or excused_patch(doc, operation, tolerant=False)


@MANY
@given(documents(), operations())
def test_a_tolerant_patch_makes_what_the_tolerant_oracle_makes(doc: Doc, operation: Doc) -> None:
    ours = oracle.our_patch(doc, operation, tolerant=True)
    theirs = oracle.their_patch(doc, operation, tolerant=True)
    event(f"agreed: {ours == theirs}")
    assert ours == theirs or excused_patch(doc, operation, tolerant=True)


@MANY
@given(mutated())
def test_a_strict_body_is_read_as_the_oracle_reads_it(doc: Doc) -> None:
    ours, theirs = oracle.our_clean(doc, tolerant=False), oracle.their_clean(doc, tolerant=False)
    event(f"agreed: {ours == theirs}")
    assert ours == theirs or excused_body(doc, tolerant=False)


@MANY
@given(mutated())
def test_what_the_tolerant_oracle_reads_we_read_as_well(doc: Doc) -> None:
    theirs = oracle.their_clean(doc, tolerant=True)
    if theirs != oracle.REFUSED and not _told_apart(doc):
        assert oracle.our_clean(doc, tolerant=True) == theirs


def _told_apart(doc: Doc) -> bool:
    return any(each.applies(doc, True) for each in BODY_CLASSES if "takes one value" not in each.why)


@pytest.mark.parametrize("known", FILTER_CLASSES, ids=lambda known: known.why)
def test_each_difference_in_filters_is_still_one(known: FilterClass) -> None:
    assert oracle.our_match(known.text, known.doc) != oracle.their_match(known.text, known.doc)


@pytest.mark.parametrize("known", PATCH_CLASSES, ids=lambda known: known.why)
def test_each_difference_in_patches_is_still_one(known: PatchClass) -> None:
    ours = oracle.our_patch(known.doc, known.operation, tolerant=known.tolerant)
    assert ours != oracle.their_patch(known.doc, known.operation, tolerant=known.tolerant)


@pytest.mark.parametrize("known", BODY_CLASSES, ids=lambda known: known.why)
def test_each_difference_in_bodies_is_still_one(known: BodyClass) -> None:
    ours = oracle.our_clean(known.doc, tolerant=known.tolerant)
    assert ours != oracle.their_clean(known.doc, tolerant=known.tolerant)
