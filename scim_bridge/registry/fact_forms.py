"""Which facts of an agent can be kept, whichever door they come by: each function says what is wrong, or nothing.

Pure.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from scim_bridge.registry.model import ENVIRONMENTS, RISK_TIERS

# What rules (scopes, policies, alerts) go by.
CHOICES = {"environment": ENVIRONMENTS, "riskTier": RISK_TIERS}
LONGEST_LINE = 512
LONGEST_PROSE = 8_000
# Facts that may have several lines.
PROSE = ("purpose",)
WORKLOAD_ID = "workloadId"

_UNKEPT = ("Cc", "Cs")
_TRUST_DOMAIN = re.compile(r"[a-z0-9._-]+")
_SEGMENT = re.compile(r"[A-Za-z0-9._-]+")


def fact_fault(name: str, value: Any) -> str:
    """Why a value cannot be an agent's fact of this name (SCIM's, or displayName)."""
    if not isinstance(value, str):
        return "This is no text."
    longest = LONGEST_PROSE if name in PROSE else LONGEST_LINE
    if name == WORKLOAD_ID:
        return workload_fault(value)
    if name in CHOICES:
        words = CHOICES[name]
        return "" if value in words else f"It is one of {', '.join(words)} here, not {value[:80]!r}."
    if not value.strip():
        return "This text is only white space."
    if len(value) > longest:
        return f"This text has {len(value):,} characters; at most {longest:,} are kept."
    allowed = "\t\r\n" if name in PROSE else "\t"
    odd = next((c for c in value if unicodedata.category(c) in _UNKEPT and c not in allowed), "")
    if odd in ("\r", "\n"):
        return "This text has more than one line."
    return f"The character U+{ord(odd):04X} is not kept." if odd else ""


def workload_fault(text: str) -> str:
    """Why text cannot be a workload identifier: a SPIFFE ID, or a WIMSE URI held to the same rules.

    SPIFFE-ID.md sections 2.1 to 2.3: trust domain of `[a-z0-9._-]`, no port, user, query, fragment,
    percent-encoding, empty or dot segments or trailing slash; at most 2,048 bytes.
    """
    scheme, separator, rest = text.partition("://")
    if not separator or scheme not in ("spiffe", "wimse"):
        return "A workload id starts with spiffe:// or wimse://."
    if len(text.encode("utf-8", "surrogatepass")) > 2048:
        return "A workload id has at most 2,048 bytes."
    domain, slash, path = rest.partition("/")
    if not domain or len(domain) > 255 or not _TRUST_DOMAIN.fullmatch(domain):
        return "The trust domain has lower-case letters, digits, dots, hyphens and underscores only."
    if not slash or not path:
        return "A workload id names a path after the trust domain."
    for segment in path.split("/"):
        if not segment:
            return "The path has an empty segment or ends with a slash."
        if segment in (".", ".."):
            return "The path has a '.' or '..' segment."
        if not _SEGMENT.fullmatch(segment):
            return "Path segments have letters, digits, dots, hyphens and underscores only."
    return ""
