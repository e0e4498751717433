"""The diff of an import: what changes, what is only reported, and nothing deleted."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from scim_bridge.inventory.current_inventory import CurrentInventory
from scim_bridge.inventory.diff import diff
from scim_bridge.inventory.import_diff import ImportDiff, Membership, Named, Update
from scim_bridge.inventory.manifest import AgentEntry, CredentialEntry, GroupEntry, Manifest, PersonEntry
from scim_bridge.inventory.read import read_manifest

PEOPLE = """people:
  - {userName: ann@corp.example, givenName: Ann, familyName: Lee, email: ann.lee@corp.example, department: IT}
  - {userName: bob@corp.example, givenName: Bob, familyName: Ray, email: bob@corp.example, department: IT}
"""
AGENT = """agents:
  - slug: a
    name: A
    purpose: P
    platform: p
    environment: dev
    riskTier: low
    owner: ann.lee@corp.example
"""


def manifest(text: str) -> Manifest:
    return read_manifest(text.encode(), "m.yaml")


def registered(found: ImportDiff) -> CurrentInventory:
    """What the registry holds after the diff was applied to nothing."""
    people = {c.key: c.entry for c in found.creates if isinstance(c.entry, PersonEntry)}
    groups = {c.key: c.entry for c in found.creates if isinstance(c.entry, GroupEntry)}
    agents = {c.key: c.entry for c in found.creates if isinstance(c.entry, AgentEntry)}
    return CurrentInventory(people, groups, agents, frozenset((j.group, j.agent) for j in found.joins))


def the_update(found: ImportDiff) -> Update:
    (update,) = found.updates
    return update


def test_a_second_import_of_the_same_file_changes_nothing() -> None:
    file = manifest(PEOPLE + "groups: [{name: G, members: [a]}]\n" + AGENT + "    groups: [g]\n")
    first = diff(file, CurrentInventory())
    assert first.counts() == {
        "created": 4, "updated": 0, "unchanged": 0, "absent": 0, "joined": 1, "left": 0
    }  # fmt: skip
    second = diff(file, registered(first))
    assert second.empty and second.counts()["unchanged"] == 4


def test_owners_given_by_e_mail_become_user_names() -> None:
    created = next(c for c in diff(manifest(PEOPLE + AGENT), CurrentInventory()).creates if c.kind == "agent")
    assert isinstance(created.entry, AgentEntry) and created.entry.owner == "ann@corp.example"


def test_an_update_names_each_field_as_the_file_does_and_keeps_what_the_file_leaves_out() -> None:
    known = registered(
        diff(manifest(PEOPLE + AGENT + "    model: m1\n    tools: [x, y]\n"), CurrentInventory())
    )
    text = (
        AGENT.replace("ann.lee", "bob").replace("low", "high")
        + "    tools: [y, x]\n    expires: 2027-01-01\n"
    )
    update = the_update(diff(manifest(text), known))
    assert [change.text() for change in update.changes] == [
        "riskTier: low → high",
        "owner: ann@corp.example → bob@corp.example",
        "expires: – → 2027-01-02T00:00:00.000Z",
    ]
    assert isinstance(update.entry, AgentEntry)
    assert update.entry.model == "m1" and update.entry.owner == "bob@corp.example"


def test_an_empty_value_in_the_file_empties_the_field() -> None:
    known = registered(diff(manifest(PEOPLE + AGENT + "    model: m1\n    tools: [x]\n"), CurrentInventory()))
    update = the_update(diff(manifest(PEOPLE + AGENT + "    model: ~\n    tools: []\n"), known))
    assert isinstance(update.entry, AgentEntry)
    assert (update.entry.model, update.entry.tools) == ("", ())


def test_what_the_file_does_not_mention_is_reported_and_stays() -> None:
    first = PEOPLE + "groups: [{name: G}, {name: H}]\n" + AGENT + AGENT[7:].replace("slug: a", "slug: b")
    known = registered(diff(manifest(first), CurrentInventory()))
    found = diff(manifest("groups: [{name: G}]\n" + AGENT), known)
    assert found.empty
    assert found.absent == (Named("group", "H"), Named("agent", "b"))
    assert {row["action"] for row in found.rows()} == {"absent"}
    assert diff(manifest(PEOPLE), known).absent == ()


def test_a_credential_out_of_the_file_is_kept_because_it_may_still_have_to_be_revoked() -> None:
    both = "    credentials:\n{}".format(
        "".join(f"      - {{label: c{n}, system: s, kind: jwk, reference: r}}\n" for n in (1, 2))
    )
    known = registered(diff(manifest(PEOPLE + AGENT + both), CurrentInventory()))
    one = both.split("      - {label: c2")[0].replace("reference: r", "reference: r9")
    found = diff(manifest(AGENT + one), known)
    update = the_update(found)
    assert [change.field for change in update.changes] == ["credentials[c1]"]
    assert isinstance(update.entry, AgentEntry)
    assert [(c.label, c.reference) for c in update.entry.credentials] == [("c1", "r9"), ("c2", "r")]
    assert Named("credential", "a/c2") in found.absent


def test_an_agent_leaves_a_group_only_when_the_file_speaks_of_that_membership() -> None:
    known = registered(
        diff(manifest(PEOPLE + "groups: [{name: G, members: [a]}, {name: H}]\n" + AGENT), CurrentInventory())
    )
    assert diff(manifest(AGENT), known).leaves == ()
    assert diff(manifest("groups: [{name: G, members: []}]\n"), known).leaves == ()
    assert diff(manifest("groups: [{name: g, members: []}]\n" + AGENT), known).leaves == (
        Membership("g", "a"),
    )
    moved = diff(manifest(AGENT + "    groups: [H]\n"), known)
    assert moved.leaves == (Membership("G", "a"),) and moved.joins == (Membership("H", "a"),)
    assigned_by_an_idp = replace(known, assigned=known.memberships)
    assert diff(manifest(AGENT + "    groups: []\n"), assigned_by_an_idp).leaves == ()


@given(
    st.lists(
        st.builds(
            AgentEntry,
            slug=st.sampled_from("abc"),
            name=st.just("n"),
            purpose=st.just("p"),
            platform=st.just("p"),
            environment=st.just("dev"),
            risk_tier=st.sampled_from(["low", "high"]),
            owner=st.sampled_from("xy"),
            co_owners=st.lists(st.sampled_from("uvw"), unique=True).map(tuple),
            tools=st.lists(st.sampled_from("rst"), unique=True).map(tuple),
            groups=st.lists(st.sampled_from("gh"), unique=True).map(tuple),
            credentials=st.lists(
                st.builds(
                    CredentialEntry,
                    label=st.sampled_from("kl"),
                    system=st.just("s"),
                    kind=st.just("jwk"),
                    reference=st.sampled_from("12"),
                ),
                unique_by=lambda credential: credential.label,
            ).map(tuple),
            given=st.sets(
                st.sampled_from(["slug", "owner", "co_owners", "tools", "groups", "credentials", "risk_tier"])
            ).map(lambda names: frozenset(names | {"slug"})),
        ),
        unique_by=lambda agent: agent.slug,
        min_size=2,
        max_size=6,
    )
)
def test_applying_a_diff_once_leaves_nothing_to_do(agents: list[AgentEntry]) -> None:
    half = len(agents) // 2
    before = registered(diff(Manifest(agents=tuple(agents[:half])), CurrentInventory()))
    file = Manifest(agents=tuple(agents[half:]) + tuple(replace(agent, owner="y") for agent in agents[:half]))
    found = diff(file, before)
    changed = {update.key: update.entry for update in found.updates} | {c.key: c.entry for c in found.creates}
    joined = {(j.group, j.agent) for j in found.joins} - {(left.group, left.agent) for left in found.leaves}
    left = {(gone.group, gone.agent) for gone in found.leaves}
    after = CurrentInventory(
        agents={**before.agents, **{k: v for k, v in changed.items() if isinstance(v, AgentEntry)}},
        memberships=(before.memberships | joined) - left,
    )
    assert diff(file, after).empty
    assert set(before.agents) <= set(after.agents)
