"""Promises of mapping expressions: small, total, limited; whatever is written and whatever an agent says."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scim_bridge.kernel.errors import Invalid
from scim_bridge.sync.evaluation import LONGEST_VALUE, evaluated, holds
from scim_bridge.sync.expression import (
    DEEPEST,
    FUNCTIONS,
    LONGEST,
    condition_parsed,
    paths,
    value_parsed,
)
from scim_bridge.sync.sources import PATHS

AGENT = {
    "displayName": "Triage",
    "environment": "production",
    "active": True,
    "owner.userName": "maria@corp.test",
    "coOwners.userName": ["bob", "carol"],
    "model": "",
    "custom.cost": 7,
}


@pytest.mark.parametrize(
    "source, value",
    [
        ("displayName", "Triage"),
        ('"AI: " + displayName', "AI: Triage"),
        ('"AI: " + model', None),
        ('default(model, "none") + "!"', "none!"),
        ("upper(displayName)", "TRIAGE"),
        ("upper(coOwners.userName)", ["BOB", "CAROL"]),
        ("first(model, owner.email, owner.userName)", "maria@corp.test"),
        ('join("; ", owner.userName, coOwners.userName, model)', "maria@corp.test; bob; carol"),
        ('choose(environment, "production": "P1", else: "P9")', "P1"),
        ('choose(lower(displayName), "x": "y")', None),
        ("custom.cost", 7),
        ('"nr " + custom.cost', "nr 7"),
        ("active", True),
        ("nothing", None),
        (r'"a \"quoted\" \\ one"', r'a "quoted" \ one'),
    ],
)
def test_an_expression_says(source: str, value: Any) -> None:
    assert evaluated(value_parsed(source), AGENT) == value


@pytest.mark.parametrize(
    "condition, truth",
    [
        ("", True),
        ('environment = "production"', True),
        ('environment != "production"', False),
        ('coOwners.userName = "bob"', True),
        ("model", False),
        ("not model and active", True),
        ('(environment = "dev" or active) and not (model or displayName = "x")', True),
        ('("a" + displayName) = "aTriage"', True),
        ('model = ""', True),
    ],
)
def test_a_condition_holds(condition: str, truth: bool) -> None:
    assert holds(condition_parsed(condition), AGENT) is truth


@pytest.mark.parametrize(
    "source, named",
    [
        ("", "too early"),
        ('"open', "cannot be read"),
        ("displayName displayName", "should end"),
        ("evil(displayName)", "no function 'evil'"),
        ("lower(a, b)", "2 values"),
        ("__import__", "cannot be read"),
        ("displayName.__class__", "cannot be read"),
        ("(" * (DEEPEST + 4) + "a" + ")" * (DEEPEST + 4), "nested deeper"),
        ("a" * (LONGEST + 1), "longer than"),
        ("a+" * 120 + "a", "more than"),
        ('choose(a, b: "c")', "in choose"),
        ("lower(a", "')' is needed"),
    ],
)
def test_what_is_no_expression_is_refused_with_what_is_wrong(source: str, named: str) -> None:
    with pytest.raises(Invalid) as refused:
        value_parsed(source)
    assert named in refused.value.message and refused.value.fix


LEAVES = st.one_of(
    st.sampled_from([*PATHS, "custom.x", "nothing"]),
    st.text(st.characters(exclude_characters='"\\', exclude_categories=["Cs"]), max_size=9).map(
        '"{}"'.format
    ),
)


def larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Every way to put expressions together."""
    calls = [
        st.lists(inner, min_size=few, max_size=min(few + 1, many)).map(
            lambda parts, name=name: f"{name}({', '.join(parts)})"
        )
        for name, (few, many) in FUNCTIONS.items()
    ]
    choose = st.tuples(inner, inner, inner).map(lambda t: f'choose({t[0]}, "a": {t[1]}, else: {t[2]})')
    return st.one_of(*calls, choose, st.tuples(inner, inner).map(" + ".join), inner.map("({})".format))


SOURCES = st.recursive(LEAVES, larger, max_leaves=6)
VALUES = st.dictionaries(
    st.sampled_from([*PATHS, "custom.x"]),
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=30),
        st.lists(st.text(max_size=9), max_size=4),
        st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2),
        st.just("x" * 50_000),
    ),
    max_size=8,
)


@given(SOURCES, VALUES)
def test_whatever_is_well_formed_says_something_small_of_any_agent(
    source: str, values: dict[str, Any]
) -> None:
    try:
        node = value_parsed(source)
    except Invalid as refused:
        assert "nested" in refused.message or "more than" in refused.message or "longer" in refused.message
        return
    found = evaluated(node, values)
    assert found is None or isinstance(found, str | bool | int | float | list)
    assert len(found if isinstance(found, str) else "") <= LONGEST_VALUE
    assert set(paths(node)) <= {*PATHS, "custom.x"}
    assert isinstance(holds(condition_parsed(source), values), bool)


@given(st.text(max_size=300))
def test_any_text_is_an_expression_or_a_refusal(text: str) -> None:
    for parsed in (value_parsed, condition_parsed):
        try:
            parsed(text)
        except Invalid as refused:
            assert refused.code == "mapping-expression" and refused.fix
