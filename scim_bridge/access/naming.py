"""Which policies name a group: for pages and lists that say what a group is for. Pure."""

from __future__ import annotations

import re

# A policy ends with a semicolon that stands neither in a string nor in a comment.
_POLICY = re.compile(r'(?:"(?:\\.|[^"\\])*"|//[^\n]*|[^;"])+')
_ID = re.compile(r'@id\("([^"]+)"\)')


def policies_naming(text: str, group: str) -> list[str]:
    """The ids of the policies in this Cedar text in which the group's name stands as a word of its own."""
    named = f'"{group}"'
    found = []
    for one in _POLICY.findall(text):
        if named in one:
            told = _ID.search(one)
            found.append(told.group(1) if told is not None else "without an id")
    return found
