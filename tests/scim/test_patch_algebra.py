"""Laws every PATCH obeys, on documents and operations drawn at random."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from scim_bridge.scim import schema
from scim_bridge.scim.errors import ScimError
from scim_bridge.scim.patch import PatchResult
from scim_bridge.scim.schema import of
from scim_bridge.scim.validate import clean
from tests.effort import calls
from tests.scim.drawn import Doc, attribute_values, documents, operations, writable
from tests.scim.patching import op, patch, patched

LAW = settings(max_examples=30, deadline=None)
OWN = writable(of("User").attributes.values())
MANY = [a for a in OWN if a.multi and "value" in a.subs]
kept = st.sampled_from(OWN).flatmap(lambda a: st.tuples(st.just(a.name), attribute_values(a)))
listed = st.sampled_from(MANY).flatmap(lambda a: st.tuples(st.just(a.name), attribute_values(a)))


def attempted(doc: Doc, *some: Doc, tolerant: bool) -> PatchResult | None:
    """The result, or None when the PATCH is refused."""
    try:
        return patch(doc, *some, tolerant=tolerant)
    except ScimError:
        return None


@LAW
@given(documents(), kept, st.booleans())
def test_what_is_replaced_is_there_afterwards_and_replacing_again_changes_nothing(
    doc: Doc, written: tuple[str, Any], tolerant: bool
) -> None:
    name, value = written
    assume(of("User").attributes[name].type != schema.COMPLEX or isinstance(value, list))
    change = op("replace", name, value)
    after = patched(doc, change, tolerant=tolerant)
    assert _unordered(after[name]) == _unordered(value)
    assert not patch(after, change, tolerant=tolerant).changed
    assert {key: item for key, item in after.items() if key != name} == {
        key: item for key, item in doc.items() if key != name
    }


@LAW
@given(documents(), kept, st.booleans())
def test_what_is_added_and_removed_again_is_not_there(
    doc: Doc, written: tuple[str, Any], tolerant: bool
) -> None:
    name, value = written
    assume(not of("User").attributes[name].required)
    before = {key: item for key, item in doc.items() if key != name}
    after = patched(before, op("add", name, value), op("remove", name), tolerant=tolerant)
    assert after == before


@LAW
@given(documents(), listed, st.booleans())
def test_adding_elements_keeps_the_others_and_adding_them_again_changes_nothing(
    doc: Doc, written: tuple[str, Any], tolerant: bool
) -> None:
    name, value = written
    change = op("add", name, value)
    after = patched(doc, change, tolerant=tolerant)
    values = [str(element["value"]).casefold() for element in after[name]]
    for element in (*doc.get(name, ()), *value):
        assert str(element["value"]).casefold() in values
    assert sum(element.get("primary") is True for element in after[name]) <= 1
    assert not patch(after, change, tolerant=tolerant).changed


@LAW
@given(documents(), listed)
def test_elements_removed_by_value_are_gone_and_no_others(doc: Doc, written: tuple[str, Any]) -> None:
    name, value = written
    before = {**doc, name: value}
    gone = {"value": value[0]["value"]}
    after = patched(before, op("remove", name, [gone]))
    fold = of("User").attributes[name].subs["value"].case_exact
    same = (lambda x: x) if fold else str.casefold
    assert after.get(name, []) == [each for each in value if same(each["value"]) != same(gone["value"])]


@LAW
@given(documents(), st.lists(operations(), min_size=2, max_size=4), st.booleans())
def test_several_operations_are_one_after_the_other(doc: Doc, some: list[Doc], tolerant: bool) -> None:
    whole = attempted(doc, *some, tolerant=tolerant)
    step: Doc | None = doc
    for operation in some:
        result = attempted(step, operation, tolerant=tolerant) if step is not None else None
        step = None if result is None else result.doc
    # Elements in parts are put together within one PATCH, so a part alone may be less.
    if whole is not None and step is not None and not tolerant:
        assert whole.doc == step
    if not tolerant:
        assert (whole is None) == (step is None)


@LAW
@given(documents(), st.lists(operations(), min_size=1, max_size=3), st.booleans())
def test_what_comes_out_is_a_document_of_the_schema(doc: Doc, some: list[Doc], tolerant: bool) -> None:
    result = attempted(doc, *some, tolerant=tolerant)
    assume(result is not None)
    assert result is not None
    assert result.changed is (result.doc != doc)
    assert result.changed or result.doc is doc
    listed_schemas = [of("User").urn, *(key for key in result.doc if key.startswith("urn:"))]
    assert clean({"schemas": listed_schemas, **result.doc}, "User", False) == _without_repetition(result.doc)


def test_no_patch_does_more_than_its_size_asks_for() -> None:
    """What would look at too much is refused; what is large and plain is done at once."""
    roles = [{"value": f"r{n}", "type": "x"} for n in range(4_000)]
    doc = {"userName": "a", "roles": roles}
    odd = [{"display": f"d{n}"} for n in range(4_000)]
    slow: list[list[Doc]] = [
        [op("replace", f'roles[value eq "r{n}"].display', "x") for n in range(10_000)],
        [op("replace", "roles[" + " or ".join(['value eq "x"'] * 250) + "].display", "x")] * 10,
        [op("remove", "roles", odd)],
        [op("add", "roles", [{"value": f"s{n}"} for n in range(5_001)])],
        [op("replace", "roles.display", "x"), op("replace", "roles.display", "y")] * 5_000,
    ]
    for some in slow:

        def refused(some: list[Doc] = some) -> None:
            with pytest.raises(ScimError):
                patch(doc, *some)

        assert calls(refused) < 4_000_000
    new = [{"value": f"s{n}"} for n in range(4_000)]
    single = [op("add", "members", [{"value": f"m{n}"}]) for n in range(10_000)]

    def done() -> None:
        assert len(patched(doc, op("add", "roles", new))["roles"]) == 8_000
        assert "roles" not in patched(
            doc, op("remove", "roles", [{"value": each["value"]} for each in roles])
        )
        assert len(patch({"displayName": "g"}, *single, kind="Group").member_changes) == 1

    assert calls(done) < 8_000_000


def _unordered(value: Any) -> Any:
    return sorted(map(repr, value)) if isinstance(value, list) else value


def _without_repetition(doc: Doc) -> Doc:
    """A sub-attribute set on all elements can make them alike; whole documents have each once."""
    return {
        name: _without_repetition(value)
        if isinstance(value, dict)
        else [item for n, item in enumerate(value) if item not in value[:n]]
        if isinstance(value, list)
        else value
        for name, value in doc.items()
    }
