"""How often something may happen, as people write it: 10/s, 100/m, 500/h, 2000/d. Pure."""

from __future__ import annotations

import re

from scim_bridge.kernel.clock import DAY, HOUR, MINUTE, SECOND

SPANS = {"s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY}
_WRITTEN = re.compile(r"([1-9]\d{0,5})\s*/\s*([smhd])", re.ASCII)


def read_frequency(text: str) -> tuple[int, int]:
    """(how many, in how many microseconds); ValueError when it is none."""
    match = _WRITTEN.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text[:40]!r} is no frequency: write 10/s, 100/m, 500/h or 2000/d")
    return int(match[1]), SPANS[match[2]]


def written_frequency(count: int, span: int) -> str:
    """The same as it is written; a span that has no letter in seconds."""
    letters = {micros: letter for letter, micros in SPANS.items()}
    return f"{count}/{letters.get(span, f'{span // SECOND}s')}"
