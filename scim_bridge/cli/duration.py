"""Spans of time as people write them on a command line: 30m, 12h, 7d, 2w; 0 for none."""

from __future__ import annotations

import re

from scim_bridge.kernel.clock import DAY, HOUR, MINUTE
from scim_bridge.kernel.errors import Invalid

UNITS = {"m": MINUTE, "h": HOUR, "d": DAY, "w": 7 * DAY}


def duration(text: str) -> int:
    """The span in microseconds; Invalid when it is not written so."""
    found = re.fullmatch(r"([0-9]{1,5})([mhdw])", text.strip())
    if text.strip() == "0":
        return 0
    if found is None:
        raise Invalid("duration", f"{text!r} is not a span of time.", "Write 30m, 12h, 7d, 2w or 0.")
    return int(found[1]) * UNITS[found[2]]
