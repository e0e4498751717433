"""What an answer of a SCIM server that is no success means: will it pass, when, and what to do. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from scim_bridge.sync.idp.port import IdpError
from scim_bridge.sync.idp.rate import seconds_of

# How long to wait where the server does not say.
SOON = 5


class ScimRefusal(IdpError):
    """A refusal with its HTTP status and SCIM error type (RFC 7644 section 3.12)."""

    def __init__(
        self,
        code: str,
        message: str,
        fix: str,
        *,
        transient: bool,
        retry_after: int | None,
        answered: int,
        scim_type: str,
    ) -> None:
        super().__init__(code, message, fix, transient=transient, retry_after=retry_after)
        self.answered = answered
        self.scim_type = scim_type

    @property
    def absent(self) -> bool:
        """True when there is no such resource."""
        return self.answered == 404

    @property
    def taken(self) -> bool:
        """True when a unique value is in use."""
        return self.answered == 409 or self.scim_type == "uniqueness"

    @property
    def unserved(self) -> bool:
        """True when the server does not have what was asked for at all (PATCH, a filter, an endpoint)."""
        return self.answered in (404, 405, 501) or self.scim_type in ("invalidFilter", "tooMany")


def refusal(what: str, status: int, headers: Mapping[str, str], text: str) -> ScimRefusal:
    """The error of an answer. `what` completes "The server refused to …"."""
    body = _body(text)
    detail = "".join(ch if ch.isprintable() else " " for ch in str(body.get("detail") or ""))[:300].strip()
    told = f"The server refused to {what}: {detail or 'no reason given'} (status {status})"
    code, fix, transient, pause = "scim-refused", "", False, None
    if status == 429:
        code, transient, pause = "scim-throttled", True, seconds_of(headers) or SOON
    elif status in (408, 425) or (status >= 500 and status != 501):
        code, transient, pause = "scim-unavailable", True, seconds_of(headers)
    elif status == 412:
        code, transient, pause = "scim-changed", True, 1
        told = f"Somebody changed it while we did: could not {what}"
    elif status in (401, 403):
        code = "scim-credentials"
        fix = (
            "Check the connection's token and what it may do: connections configure NAME --secrets-file FILE."
        )
    elif status in (301, 302, 307, 308):
        fix = f"The server moved to {headers.get('location', 'another address')[:200]}: set base_url."
    return ScimRefusal(
        code,
        told + ("" if told.endswith(".") else "."),
        fix,
        transient=transient,
        retry_after=pause,
        answered=status,
        scim_type=str(body.get("scimType") or ""),
    )


def _body(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
