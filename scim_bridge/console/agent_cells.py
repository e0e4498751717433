"""What pages say of an agent, as HTML, not by a template: a list of fifty spends its time on it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from markupsafe import Markup, escape

from scim_bridge.console.addresses import agent_url, filter_url
from scim_bridge.console.listing import Line
from scim_bridge.kernel.clock import DAY
from scim_bridge.kernel.pages import day
from scim_bridge.registry.agent_facts import AgentFacts
from scim_bridge.registry.model import Attestation, PersonRef

# A statement that ends within this is shown as one to look at.
SOON = 14 * DAY
# More groups than this are counted.
GROUPS = 3
ACTIVE = Markup('<span class="badge good">Active</span>')
HELD = Markup('<span class="badge bad">Held</span>')


def rows(lines: Sequence[Line], now: int, *, choosing: bool) -> Markup:
    """Every row of the list; whatever an agent says of itself is escaped. `choosing`: each can be ticked."""
    return Markup("".join([_row(line, now, choosing) for line in lines]))


def state(agent: AgentFacts) -> Markup:
    """Whether it may act."""
    return ACTIVE if agent.resource.active else HELD


def attestation(said: Attestation, now: int) -> Markup:
    """How its owner's statement stands."""
    left = (said.until or 0) - now
    if said.state == "valid" and left > 0:
        badge = f'<span class="badge {"warn" if left < SOON else "good"}">Valid</span>'
        return Markup(f'{badge} <span class="line small soft">until {day(said.until)}</span>')
    if said.state in ("valid", "lapsed"):
        return Markup('<span class="badge warn">Lapsed</span>')
    if said.state == "refused":
        return Markup('<span class="badge bad">Refused</span>')
    return Markup('<span class="soft">never</span>')


def person(one: PersonRef, lists: bool = True) -> Markup:
    """A person, leading to the agents they answer for; `lists`: whoever looks may see the list of agents."""
    left = "" if one.active else ' <span class="badge bad">left</span>'
    said = escape(one.display_name)
    return Markup(f"{_filter('', 'person', one.user_name, said) if lists else said}{left}")


def risk(tier: str) -> Markup:
    """How much harm it could do."""
    high = tier == "high"
    return Markup(f'<span class="{"badge warn" if high else "soft"}">{escape(tier)} risk</span>')


def _row(line: Line, now: int, choosing: bool) -> str:
    agent = line.agent
    slug, owner = escape(agent.slug), agent.owners.owner
    name = agent.resource.doc.get("displayName")
    answers = '<span class="badge bad">nobody</span>' if owner is None else person(owner)
    return f"""\
  <tr role="row">
{_tick(agent, slug) if choosing else ""}    <th role="rowheader" scope="row" class="name">
      <a href="{escape(agent_url(agent.slug))}">{escape(name) if name else slug}</a>
      <span class="soft mono">{slug}</span>
    </th>
    <td role="cell" data-label="State" class="state">
      {state(agent)}
{_held(agent)}    </td>
    <td role="cell" data-label="Owner">{answers}</td>
    <td role="cell" data-label="Platform">{_platform(agent.platform, agent.environment, agent.risk_tier)}</td>
    <td role="cell" data-label="Attestation">{attestation(agent.attestation, now)}</td>
    <td role="cell" data-label="Groups">{_groups(line.groups)}</td>
  </tr>
"""


def _tick(agent: AgentFacts, slug: Markup) -> str:
    value = escape(agent.resource.id)
    box = f'<input type="checkbox" form="many" name="agent" value="{value}" aria-label="Choose {slug}">'
    return f'<td role="cell" class="tick">{box}</td>'


def _held(agent: AgentFacts) -> str:
    holds = agent.holds
    if not holds:
        return ""
    more = f' <span class="soft">and {len(holds) - 1} more</span>' if len(holds) > 1 else ""
    return f'<span class="why small">{escape(holds[0].reason)}{more}</span>'


@lru_cache(maxsize=2048)
def _platform(platform: str, environment: str, tier: str) -> str:
    """Where an agent runs and its risk; most agents of a list share these with others."""
    runs = _filter("plain", "platform", platform, escape(platform))
    env = _filter("plain soft", "env", environment, escape(environment))
    harm = _filter("plain", "risk", tier, risk(tier))
    return f'{runs} <span class="line small">{env} · {harm}</span>'


def _groups(names: Sequence[str]) -> str:
    if not names:
        return '<span class="soft">none</span>'
    tags = "".join([_group(name) for name in names[:GROUPS]])
    rest = f'<li class="tag">+{len(names) - GROUPS}</li>' if len(names) > GROUPS else ""
    return f'<ul class="tags">{tags}{rest}</ul>'


@lru_cache(maxsize=2048)
def _group(name: str) -> str:
    return f"<li>{_filter('tag', 'group', name, escape(name))}</li>"


def _filter(look: str, key: str, value: str, said: Markup) -> str:
    """A link to the list with one filter."""
    classed = f' class="{look}"' if look else ""
    return f'<a{classed} href="{escape(filter_url(key, value))}">{said}</a>'
