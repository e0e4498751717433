"""The search for agents as others ask it: the language of the search field, strictly read."""

from __future__ import annotations

from scim_bridge.console.listing import agents_after
from scim_bridge.console.search import KEYS, Search, parse
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import Invalid


def understood(text: str) -> Search:
    """A search of agents; Invalid for a filter the search does not know."""
    search = parse(text)
    if search.ignored:
        raise Invalid(
            "agent-search",
            f"{', '.join(search.ignored)[:100]} is no filter of agents.",
            f"Use {', '.join(KEYS)}, as key:value.",
        )
    return search


async def agents_found(reader: Reader, text: str, after: str, limit: int) -> tuple[list[str], str | None]:
    """Ids of the agents a search finds after a slug, by slug, and the slug the next page follows (None: no more).

    Invalid for a filter the search does not know.
    """
    search = understood(text)
    found = await agents_after(reader, search, after, limit + 1)
    kept = found[:limit]
    return [agent for agent, _ in kept], kept[-1][1] if len(found) > limit else None
