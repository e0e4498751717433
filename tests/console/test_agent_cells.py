"""Promises of the rows of agents: whatever an agent says is text, and each links to those like it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from scim_bridge.console.agent_cells import attestation, person, rows
from scim_bridge.console.listing import Line
from scim_bridge.kernel.clock import DAY
from scim_bridge.registry.agent_facts import AgentFacts
from scim_bridge.registry.model import Attestation, Hold, Owners, PersonRef, Resource

NOW = 1_800_000_000_000_000
HOSTILE = "<b a='1'>&\""
OLGA = PersonRef("p-1", HOSTILE, HOSTILE, "", active=False)


def line(groups: int = 0, holds: int = 0, said: str = HOSTILE) -> Line:
    resource = Resource(said, "agent", said, not holds, 1, NOW, NOW, {"displayName": said})
    placed = tuple(Hold(str(n), "admin", "admin", f"{n}{said}", "an admin", NOW, "t") for n in range(holds))
    facts = AgentFacts(
        *(resource, said, said, said, said, None, None, None, "test"),
        *(Owners(OLGA), placed, Attestation(), None),
    )
    return Line(facts, tuple(f"{n}{said}" for n in range(groups)))


def test_what_an_agent_says_is_never_markup() -> None:
    made = rows([line(groups=2, holds=2)], NOW, choosing=True)
    assert "<b" not in made and "a='1'" not in made
    # Ticked twice, named, its address's words, held, owner, three of the platform, two groups.
    assert made.count("&lt;b a=&#39;1&#39;&gt;&amp;&#34;") == 11


def test_a_row_links_to_the_agent_and_to_all_that_are_like_it() -> None:
    made = str(rows([line(groups=1, said="x y")], NOW, choosing=False))
    for address in ("platform", "env", "risk", "group"):
        assert f'href="/console?q={address}%3A%22' in made, address
    assert 'href="/console/agents/x%20y"' in made and "checkbox" not in made
    assert 'href="/console?q=person%3A' in made and '<span class="badge bad">left</span>' in made


def test_more_groups_and_holds_than_fit_are_counted() -> None:
    made = str(rows([line(groups=5, holds=3, said="x")], NOW, choosing=False))
    assert made.count('<a class="tag"') == 3 and '<li class="tag">+2</li>' in made
    assert '0x <span class="soft">and 2 more</span>' in made and ">Held</span>" in made


def test_an_agent_without_name_owner_or_groups_says_so() -> None:
    bare = line(said="x")
    resource = replace(bare.agent.resource, doc={})
    made = str(rows([Line(replace(bare.agent, resource=resource, owners=Owners()), ())], NOW, choosing=False))
    assert ">nobody</span>" in made and '<span class="soft">none</span>' in made and ">x</a>" in made
    assert ">Active</span>" in made


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (Attestation(), "never"),
        (Attestation("refused"), "Refused"),
        (Attestation("lapsed", until=NOW + DAY), "Lapsed"),
        (Attestation("valid", until=NOW), "Lapsed"),
        (Attestation("valid", until=NOW + 13 * DAY), 'warn">Valid'),
        (Attestation("valid", until=NOW + 14 * DAY), 'good">Valid'),
    ],
)
def test_a_statement_stands_as_long_as_it_lasts(said: Attestation, expected: str) -> None:
    assert expected in attestation(said, NOW)


def test_whoever_left_is_marked() -> None:
    assert "left" in person(OLGA) and "left" not in person(replace(OLGA, active=True))
