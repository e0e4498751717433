"""Operations on a group's members come out as changes; a remove that is not understood is never "remove all"."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scim_bridge.registry.model import GROUP_URN
from scim_bridge.scim.errors import ScimError
from scim_bridge.scim.grammar import parse
from scim_bridge.scim.members import (
    AddMembers,
    Member,
    MemberChange,
    RemoveMatching,
    RemoveMembers,
    ReplaceMembers,
    joined,
)
from tests.scim.patching import op, patch

GROUP = {"displayName": "Ops"}


def changes(*operations: dict[str, Any], tolerant: bool = True) -> tuple[MemberChange, ...]:
    """The member changes; the group's own document must stay as it is."""
    result = patch(GROUP, *operations, kind="Group", tolerant=tolerant)
    assert (result.changed, result.doc) == (False, GROUP)
    return result.member_changes


both = pytest.mark.parametrize("tolerant", [True, False], ids=["tolerant", "strict"])


@both
@pytest.mark.parametrize(
    ("operation", "change"),
    [
        (op("remove", 'members[value eq "a"]'), RemoveMembers(("a",))),
        (op("remove", 'Members[VALUE EQ "a"]'), RemoveMembers(("a",))),
        (op("remove", f'{GROUP_URN}:members[value eq "a"]'), RemoveMembers(("a",))),
        (op("remove", 'members[value eq "a" or value eq "b"]'), RemoveMembers(("a", "b"))),
        (
            op("remove", 'members[value eq "a" and type eq "User"]'),
            RemoveMatching(parse('value eq "a" and type eq "User"')),
        ),
        (op("remove", 'members[type eq "Group"]'), RemoveMatching(parse('type eq "Group"'))),
        (op("remove", "members"), ReplaceMembers(())),
        (op("replace", "members", []), ReplaceMembers(())),
        (op("replace", "members", [{"value": "a", "display": None}]), ReplaceMembers((Member("a"),))),
        (op("add", "members", [{"value": "a", "display": "x@y"}]), AddMembers((Member("a", "x@y"),))),
        (op("add", "members", {"value": "a"}), AddMembers((Member("a"),))),
        (op("add", "members", [{"value": "a", "$ref": None}] * 2), AddMembers((Member("a"),))),
        (op("add", value={"members": [{"value": "a"}]}), AddMembers((Member("a"),))),
        (op("replace", value={"members": [{"value": "a"}]}), ReplaceMembers((Member("a"),))),
        (op("add", 'members[value eq "a"]', {"display": "A"}), AddMembers((Member("a", "A"),))),
    ],
    ids=repr,
)
def test_what_is_said_of_members_is_one_change(
    operation: dict[str, Any], change: MemberChange, tolerant: bool
) -> None:
    """Vectors 1, 2, 2b and 3; Okta's delta and "push now"."""
    assert changes(operation, tolerant=tolerant) == (change,)


@pytest.mark.parametrize(
    "value",
    [
        {"value": "a"},
        [{"value": "a"}],
        [{"$ref": None, "value": "a"}],
        [{"value": "a", "display": "A", "type": "User"}],
        [{"Value": "a"}],
        ["a"],
        "a",
    ],
    ids=repr,
)
def test_a_remove_with_a_value_removes_only_what_is_in_it(value: Any) -> None:
    """X-15, vector 2: what Entra sends would empty the group in the letter of the RFC, so there it is refused."""
    assert changes(op("Remove", "members", value)) == (RemoveMembers(("a",)),)
    with pytest.raises(ScimError) as refusal:
        changes(op("remove", "members", value), tolerant=False)
    assert refusal.value.scim_type == "invalidValue"


def test_a_remove_with_an_empty_list_removes_nothing() -> None:
    """Vector 2."""
    assert changes(op("remove", "members", [])) == ()


NOT_UNDERSTOOD = [
    op("remove", "members", None),
    op("remove", "members", ""),
    op("remove", "members", 5),
    op("remove", "members", True),
    op("remove", "members", {}),
    op("remove", "members", [{}]),
    op("remove", "members", [None]),
    op("remove", "members", [[]]),
    op("remove", "members", [{"display": "Ann"}]),
    op("remove", "members", [{"value": None}]),
    op("remove", "members", [{"value": 5}]),
    op("remove", "members", [{"value": "a"}, {"type": "User"}]),
    op("remove", "members.value"),
    op("remove", "members.value", "a"),
    op("remove", 'members[value eq "a"].value'),
    op("remove", 'members[value eq "a"]', [{"value": "b"}]),
    op("remove", 'members[nobodyKnows eq "a"]'),
    op("remove", "members[value eq 5]"),
    op("remove", "members[]"),
    op("remove", "members["),
    op("remove", "members]"),
    op("remove", 'members[value eq "a'),
    op("remove"),
    op("remove", value={"members": [{"value": "a"}]}),
    {"op": "remove", "path": "members", "values": [{"value": "a"}]},
    {"op": "remove", "path": "members", "data": "a"},
]


@both
@pytest.mark.parametrize("operation", NOT_UNDERSTOOD, ids=repr)
def test_a_remove_that_is_not_understood_is_refused(operation: dict[str, Any], tolerant: bool) -> None:
    """Architecture, rule 3."""
    with pytest.raises(ScimError) as refusal:
        changes(operation, tolerant=tolerant)
    assert refusal.value.status == 400


@both
@pytest.mark.parametrize(
    "operation",
    [
        op("add", "members", [{"display": "x"}]),
        op("add", "members", 5),
        op("replace", "members", None),
        op("replace", "members"),
        op("replace", "members", [{"value": "a"}, {}]),
        op("replace", 'members[value eq "a"]', {"value": "b"}),
        op("replace", 'members[value eq "a"].value', "b"),
        op("replace", "members.value", "b"),
        op("add", 'members[type eq "User"]', {"value": "b"}),
    ],
    ids=repr,
)
def test_other_changes_that_are_not_understood_are_refused(operation: dict[str, Any], tolerant: bool) -> None:
    """C-18: a member is its id, so it is removed and added, never edited."""
    with pytest.raises(ScimError) as refusal:
        changes(operation, tolerant=tolerant)
    assert refusal.value.status == 400


def test_a_members_name_is_taken_along_but_cannot_be_set() -> None:
    assert changes(op("add", "members", [{"value": "a", "displayName": "New User"}])) == (
        AddMembers((Member("a", "New User"),)),
    )
    assert changes(op("replace", 'members[value eq "a"].display', "x")) == ()
    with pytest.raises(ScimError):
        changes(op("replace", 'members[value eq "a"].display', "x"), tolerant=False)


def test_okta_renames_and_changes_members_in_one_patch() -> None:
    result = patch(
        GROUP,
        op("replace", value={"id": "g", "displayName": "New"}),
        op("remove", 'members[value eq "a"]'),
        op("add", "members", [{"value": "b", "display": "x@y"}]),
        kind="Group",
    )
    assert result.doc == {"displayName": "New"}
    assert result.member_changes == (RemoveMembers(("a",)), AddMembers((Member("b", "x@y"),)))


def test_many_single_changes_become_few_and_keep_their_order() -> None:
    """X-17, vector 2c."""
    removes = [op("remove", f'members[value eq "m{n}"]') for n in range(800)]
    adds = [op("add", "members", [{"value": f"m{n}"}]) for n in range(60)]
    found = changes(*removes, *adds, op("remove", "members"), *adds[:1])
    assert found == (
        RemoveMembers(tuple(f"m{n}" for n in range(800))),
        AddMembers(tuple(Member(f"m{n}") for n in range(60))),
        ReplaceMembers(()),
        AddMembers((Member("m0"),)),
    )


def test_a_fault_in_one_operation_leaves_no_change_at_all() -> None:
    """X-02."""
    with pytest.raises(ScimError):
        changes(op("remove", 'members[value eq "a"]'), op("remove", "members", None))


def carried_out(members: frozenset[str], changes: tuple[MemberChange, ...]) -> frozenset[str]:
    """What the changes make of a set of members."""
    for change in changes:
        match change:
            case AddMembers(added):
                members |= {member.value for member in added}
            case RemoveMembers(ids):
                members -= set(ids)
            case ReplaceMembers(kept):
                members = frozenset(member.value for member in kept)
            case RemoveMatching():
                raise AssertionError("not drawn")
    return members


ids = st.lists(st.sampled_from("abcd"), max_size=3)
drawn_changes = st.lists(
    st.one_of(
        ids.map(lambda some: AddMembers(tuple(Member(each) for each in dict.fromkeys(some)))),
        ids.map(lambda some: RemoveMembers(tuple(dict.fromkeys(some)))),
        ids.map(lambda some: ReplaceMembers(tuple(Member(each) for each in dict.fromkeys(some)))),
    ),
    max_size=6,
).map(tuple)


@given(st.frozensets(st.sampled_from("abcd")), drawn_changes)
def test_joining_changes_changes_nothing(members: frozenset[str], drawn: tuple[MemberChange, ...]) -> None:
    assert carried_out(members, joined(drawn)) == carried_out(members, drawn)


@given(st.frozensets(st.sampled_from("abcd"), min_size=1), st.sampled_from("abcd"))
def test_adding_and_removing_a_member_leaves_the_others(members: frozenset[str], one: str) -> None:
    found = changes(op("add", "members", [{"value": one}]), op("remove", f'members[value eq "{one}"]'))
    assert carried_out(members, found) == members - {one}
