"""The addresses of pages that many others lead to. Pure."""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import quote

from scim_bridge.console.search import Search, address
from scim_bridge.console.session import PATH


def agent_url(slug: str) -> str:
    """The address of an agent's page."""
    return f"{PATH}/agents/{quote(slug, safe='')}"


@lru_cache(maxsize=8192)
def filter_url(key: str, value: str) -> str:
    """The address of the list with one filter."""
    return address(Search().having(key, value))
