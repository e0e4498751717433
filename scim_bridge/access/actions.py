"""The actions of a policy schema, by name, in the order of its text."""

from __future__ import annotations

from functools import lru_cache

import orjson

from scim_bridge.access.source import statements

ENDS = ("in", "appliesTo", ";", "attributes")


@lru_cache(maxsize=8)
def actions_in(schema: str) -> tuple[str, ...]:
    """Every action that a question can name; those that only gather others apply to nothing and are left out."""
    found: dict[str, None] = {}
    for statement in statements(schema):
        words = [token.text for token in statement.tokens]
        # Annotations stand before: @doc("…") action read …
        if "action" not in words or "appliesTo" not in words:
            continue
        for word in words[words.index("action") + 1 :]:
            if word in ENDS:
                break
            if word != ",":
                found.setdefault(str(orjson.loads(word)) if word.startswith('"') else word)
    return tuple(found)
