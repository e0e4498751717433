"""The link an owner opens: signed, expiring, bound to one request, agent and person. Pure.

A token is 60 URL-safe characters: 16 bytes request id, 5 bytes expiry in seconds, 24 bytes MAC.
45 bytes fill 60 base64 characters exactly, so no two spellings mean the same token.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import uuid
from dataclasses import dataclass

from scim_bridge.kernel.clock import SECOND
from scim_bridge.kernel.crypto import MasterKey

SHAPE = re.compile(r"[A-Za-z0-9_-]{60}")
PURPOSE = "attestation-link"
MAC = 24


@dataclass(frozen=True, slots=True)
class Presented:
    """What a token says of itself, before anybody checked it."""

    request_id: str
    expires: int
    mac: bytes


def token_for(master: MasterKey, request_id: str, agent_id: str, person_id: str, expires: int) -> str:
    """The token of a request; the same every time, so that it need not be stored."""
    head = uuid.UUID(request_id).bytes + (expires // SECOND).to_bytes(5, "big")
    return base64.urlsafe_b64encode(head + _mac(master.derive(PURPOSE), head, agent_id, person_id)).decode()


def _mac(key: bytes, head: bytes, agent_id: str, person_id: str) -> bytes:
    bound = b"\0".join((head, agent_id.encode(), person_id.encode()))
    return hmac.new(key, bound, hashlib.sha256).digest()[:MAC]


def read_token(token: str) -> Presented | None:
    """The parts of a token, or None for text that cannot be one."""
    if not SHAPE.fullmatch(token):
        return None
    try:
        raw = base64.b64decode(token, altchars=b"-_", validate=True)
    except binascii.Error:
        return None
    return Presented(str(uuid.UUID(bytes=raw[:16])), int.from_bytes(raw[16:21], "big") * SECOND, raw[21:])


def genuine(master: MasterKey, presented: Presented, agent_id: str, person_id: str) -> bool:
    """True when we made this token for this agent and person (compared in constant time)."""
    head = uuid.UUID(presented.request_id).bytes + (presented.expires // SECOND).to_bytes(5, "big")
    return any(
        hmac.compare_digest(_mac(key, head, agent_id, person_id), presented.mac)
        for key in master.derived(PURPOSE)
    )
