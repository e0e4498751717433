"""Okta's refusals as errors of the port: which errorCode, what it said, what helps, and whether waiting does."""

from __future__ import annotations

import json
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from scim_bridge.sync.idp.port import IdpError

RATE = "E0000047"
BUSY = "E0000112"
NOT_FOUND = ("E0000007", "E0000008")
INVALID = "E0000001"
ALREADY_ACTIVE = "E0000016"
WRONG_STATUS = "E0000038"
BAD_TOKEN = ("E0000011", "E0000005")
NOT_PERMITTED = "E0000006"
NOT_ENABLED = "E0000015"
DUPLICATE_GROUP = "E0000055"
ALREADY_ASSIGNED = "E0000062"
# What a token endpoint says to a client that must prove possession of a key (RFC 9449) and did not.
PROOF_DEMANDED = ("invalid_dpop_proof", "use_dpop_nonce")
NONCE = "use_dpop_nonce"
# Whatever is asked for: who asks is not known, or not any more.
REFUSES_US = (*BAD_TOKEN, "E0000004", "invalid_client")

# A refusal that says nothing of when to come again.
SOON = 5

FIXES = {
    "E0000001": "Mend the value it names.",
    "E0000004": "Check client_id, kid and private_key of the connection.",
    "E0000005": "Check client_id, kid and private_key of the connection.",
    "E0000006": "Grant the service app its scopes and an admin role that may manage users and schemas.",
    "E0000011": "Check the credentials of the connection: the token is not accepted.",
    "E0000015": "The org does not have this feature.",
    "E0000023": "The profile is mastered elsewhere; let Okta master this property.",
    "E0000038": "Change the user's status in Okta first.",
    "invalid_client": "Check client_id, kid and private_key of the connection, and this machine's clock.",
    "invalid_scope": "Grant the service app the scopes that the connection's secrets name.",
    "access_denied": "Grant the service app the scopes that the connection's secrets name.",
}


class OktaRefusal(IdpError):
    """Okta answered with an error object. `okta` is its errorCode, `http` the status of the answer."""

    def __init__(
        self,
        okta: str,
        http: int,
        message: str,
        causes: tuple[str, ...] = (),
        *,
        transient: bool = False,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(
            f"okta-{okta}",
            message,
            FIXES.get(okta, ""),
            transient=transient,
            retry_after=retry_after,
            refuses_us=okta in REFUSES_US,
        )
        self.okta = okta
        self.http = http
        self.causes = causes

    @property
    def absent(self) -> bool:
        """True when the thing asked for does not exist."""
        return self.http == 404 or self.okta in NOT_FOUND

    @property
    def not_here(self) -> bool:
        """True when the org does not have the feature: not enabled, or not even an address of it."""
        return self.absent or self.okta == NOT_ENABLED

    @property
    def taken(self) -> bool:
        """True when the thing to be made is there already, as E0000001 says, mostly in a cause."""
        return self.okta == INVALID and any("already exists" in said for said in (self.message, *self.causes))


def refusal(what: str, status: int, headers: Mapping[str, str], body: bytes) -> OktaRefusal:
    """The error for an answer of 400 or more; never repeats what was sent."""
    found = _parsed(body)
    code = str(found.get("errorCode") or found.get("error") or f"HTTP {status}")
    said = str(found.get("errorSummary") or found.get("error_description") or "no reason given")
    causes = tuple(
        str(cause.get("errorSummary"))
        for cause in found.get("errorCauses") or ()
        if isinstance(cause, Mapping) and cause.get("errorSummary")
    )
    reasons = f" ({'; '.join(causes)})" if causes else ""
    message = f"Okta refused to {what}: {code} {said.rstrip('.')}{reasons}."
    if status == 429 or code == RATE:
        return OktaRefusal(code, status, message, causes, transient=True, retry_after=pause(headers))
    if code == BUSY:
        return OktaRefusal(code, status, message, causes, transient=True, retry_after=SOON)
    return OktaRefusal(code, status, message, causes, transient=status >= 500 or status == 408)


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def pause(headers: Mapping[str, str]) -> int:
    """Seconds until Okta's window begins anew, by Okta's own clock; a guess where it does not say.

    A concurrency limit (limit and remaining both 0) has no window: it passes in a moment.
    """
    if headers.get("x-rate-limit-limit") == "0" and headers.get("x-rate-limit-remaining") == "0":
        return 1
    try:
        reset = int(headers["x-rate-limit-reset"])
        now = parsedate_to_datetime(headers["date"]).timestamp()
    except (KeyError, ValueError, TypeError):
        return SOON
    return max(1, min(120, int(reset - now) + 1))
