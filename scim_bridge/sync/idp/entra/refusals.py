"""What a Graph answer that is no success means: will it pass, when, and what to do about it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scim_bridge.sync.idp.port import IdpError
from scim_bridge.sync.idp.rate import seconds_of

# Fresh objects reach Graph's other replicas within seconds (Entra agent identity FAQ).
SETTLING = 2
FIXES = {
    "Authorization_RequestDenied": "Grant the app the missing application permission and consent to it.",
    "AgentIdentity_LimitExceeded": "A blueprint holds 250 identities, deleted ones count for 30 days:"
    " name another one in the setting `blueprint`.",
    "AgentBlueprint_LimitExceeded": "A tenant holds 250 blueprints, deleted ones count for 30 days:"
    " name an existing one in the setting `blueprint`.",
    "Authentication_MSGraphPermissionMissing": "Grant the app the missing application permission.",
}


def error_of(body: Any) -> tuple[str, str]:
    """Code and message of a Graph error object; what is there of it."""
    found = body.get("error") if isinstance(body, Mapping) else None
    if not isinstance(found, Mapping):
        return "", ""
    return str(found.get("code") or ""), str(found.get("message") or "")


def request_id_of(body: Any) -> str:
    """The id under which Microsoft's support finds a refused call."""
    found = body.get("error") if isinstance(body, Mapping) else None
    inner = found.get("innerError") if isinstance(found, Mapping) else None
    return str(inner.get("request-id") or "") if isinstance(inner, Mapping) else ""


def not_settled(status: int, code: str, message: str) -> bool:
    """True for "Object with id … not found" in answer to a create: its parent is not known everywhere yet."""
    lowered = message.lower()
    if status != 400 or code not in ("Request_BadRequest", "Request_ResourceNotFound"):
        return False
    return "not found" in lowered or "does not reference a valid application object" in lowered


def already_there(status: int, message: str) -> bool:
    """True when a reference could not be added because it is there."""
    return status == 400 and "object references already exist" in message.lower()


def unknown_call(status: int, code: str, message: str) -> bool:
    """True when this version of Graph does not know a call: 404, or 400 for an unknown segment."""
    if status == 404:
        return True
    return status == 400 and (
        code == "BadRequest" and "resource not found for the segment" in message.lower()
    )


def refusal(what: str, status: int, headers: Mapping[str, str], body: Any) -> IdpError:
    """The error of an answer. `what` names the call in words: "change the agent identity"."""
    code, message = error_of(body)
    told = f"{code}: {message}" if code and message else code or message or f"status {status}"
    if status == 429:
        return IdpError(
            "entra-throttled",
            "Entra asks to slow down.",
            transient=True,
            retry_after=seconds_of(headers) or 10,
        )
    if not_settled(status, code, message):
        return IdpError(
            "entra-settling", f"Entra does not see it yet ({told}).", transient=True, retry_after=SETTLING
        )
    reference = request_id_of(body)
    named = f" (request {reference})" if reference else ""
    full = f"Entra did not {what}: {told[:400]}{named}"
    if status >= 500 or status in (408, 423):
        return IdpError("entra-unavailable", full, transient=True, retry_after=seconds_of(headers))
    fix = FIXES.get(code, "")
    if status == 401:
        fix = fix or "Check the connection's authority and credentials."
    return IdpError("entra-refused", full, fix, transient=False, refuses_us=status == 401)
