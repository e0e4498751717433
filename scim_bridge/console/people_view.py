"""What the pages of people show, as tables. Pure."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

from scim_bridge.console.addresses import agent_url, filter_url
from scim_bridge.console.paging import first_of
from scim_bridge.console.session import PATH
from scim_bridge.console.tables import BAD, GOOD, WARN, Cell, Table
from scim_bridge.console.timeline import Entry
from scim_bridge.registry.people_listing import AWAY, GONE, SOON, standing_of
from scim_bridge.registry.people_listing import HERE as HERE_NOW

HERE = f"{PATH}/people"
SHOWN, HAPPENED = 25, 15
# In the list, who answers for more agents than this is not counted to the end: that took most of the page's time.
COUNTED = 20
TONES = {HERE_NOW: GOOD, SOON: WARN, AWAY: WARN, GONE: BAD}


def people_table(rows: list[dict[str, Any]]) -> Table:
    """A list of people."""
    made = []
    for row in rows:
        word = standing_of(row)
        made.append(
            (
                Cell(row["display"], url=f"{HERE}/{quote(row['name'], safe='')}", under=row["name"]),
                Cell(word, tone=TONES[word]),
                Cell(row["department"] or ""),
                Cell(capped(row["owns"]), url=filter_url("owner", row["name"])),
                Cell(capped(row["helps"])),
                Cell(at=row["leave_at"]) if row["leave_at"] else Cell(),
            )
        )
    columns = ("Person", "State", "Department", "Owns", "Helps with", "Leaves")
    return Table("People", columns, tuple(made), "Nobody was found.")


def agents_table(agents: list[dict[str, Any]], name: str) -> Table:
    """The agents somebody answers for."""
    kept, rest = first_of(agents, SHOWN, "first", filter_url("person", name))
    return Table(
        "Agents this person answers for",
        ("Agent", "Role", "State", "Since"),
        tuple(
            (
                Cell(one["slug"], url=agent_url(one["slug"])),
                Cell(one["role"]),
                Cell("active", tone=GOOD) if one["active"] else Cell("held", tone=BAD),
                Cell(at=one["since"]),
            )
            for one in kept
        ),
        "This person answers for no agent.",
        rest,
    )


def happened_table(entries: list[Entry], name: str) -> Table:
    """What happened to somebody."""
    kept, rest = first_of(entries, HAPPENED, "newest", f"{PATH}/audit?{urlencode({'about': name})}")
    return Table(
        "What happened to this person, the newest first",
        ("What", "When", "By", "More"),
        tuple((Cell(one.title), Cell(at=one.at), Cell(one.by), Cell(" · ".join(one.told))) for one in kept),
        rest=rest,
    )


def simulated_table(found: list[dict[str, Any]]) -> Table:
    """What a leave would do to each agent."""
    return Table(
        "What would become of each agent",
        ("Agent", "Outcome", "Who would own it", "Rule", "Why"),
        tuple(
            (
                Cell(one["agent"], url=agent_url(one["agent"])),
                Cell(one["outcome"].replace("-", " "), tone=BAD if one["outcome"] == "held" else GOOD),
                Cell(
                    one["successor"] or one["next_in_line"] or "",
                    under="" if one["successor"] else "proposed",
                )
                if one["successor"] or one["next_in_line"]
                else Cell(),
                Cell(one["rule"]),
                Cell(one["reason"]),
            )
            for one in found
        ),
        "This person answers for no agent.",
    )


def capped(count: int) -> str:
    """A count that is not counted to the end."""
    return str(count) if count <= COUNTED else f"{COUNTED}+"
