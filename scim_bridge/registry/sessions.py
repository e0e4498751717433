"""Sessions of people at the console: kept here, so that each can be seen and ended at once.

The cookie is 256 random bits, of which only a digest is stored. A session ends by its time, by silence, by
whoever ends it, with the admin's token it was opened with, and at once when its person leaves.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from scim_bridge.audit.record import record
from scim_bridge.kernel.clock import DAY, MINUTE
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import Conflict, NotFound, UniqueViolation
from scim_bridge.kernel.work import Work
from scim_bridge.registry.tokens import still_granted

OIDC, TOKEN = "oidc", "token"
# Writing at every page would make each look a write; once a minute tells as much.
SEEN_EVERY = MINUTE
# How long a session is listed after its end.
KEPT = 30 * DAY
COLUMNS = (
    "s.id, s.method, s.person_id, s.token_id, s.name, s.roles, s.proof, s.authenticated, s.created, s.seen, s.idle,"
    " s.until, s.address, s.ended, s.ended_why"
)


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody at one browser. Instants in microseconds; `authenticated` None: the IdP did not say when."""

    id: str
    method: str
    person_id: str | None
    token_id: str | None
    name: str
    roles: tuple[str, ...]
    proof: Mapping[str, Any]
    authenticated: int | None
    created: int
    seen: int
    idle: int
    until: int
    address: str
    ended: int | None
    ended_why: str
    secret: str = field(default="", repr=False)

    @property
    def form_key(self) -> str:
        """What every form of this session carries: another site cannot know it."""
        return hmac.new(self.secret.encode(), b"console-form", hashlib.sha256).hexdigest()

    def ends(self) -> int:
        """When it ends if nothing more is heard of it."""
        return min(self.until, self.seen + self.idle)


@dataclass(frozen=True, slots=True)
class Opened:
    """What a sign-in found out; spans in microseconds."""

    method: str
    name: str
    roles: tuple[str, ...]
    lasts: int
    idle: int
    person_id: str | None = None
    token_id: str | None = None
    nonce: str | None = None
    proof: Mapping[str, Any] = field(default_factory=dict)
    authenticated: int | None = None
    # Until when at the latest, whatever `lasts` says.
    latest: int | None = None


def _session(row: Any, secret: str = "") -> Session:
    return Session(
        row["id"],
        row["method"],
        row["person_id"],
        row["token_id"],
        row["name"],
        tuple(row["roles"].split()),
        orjson.loads(row["proof"]),
        row["authenticated"],
        row["created"],
        row["seen"],
        row["idle"],
        row["until"],
        row["address"],
        row["ended"],
        row["ended_why"],
        secret,
    )


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


async def open_session(work: Work, opened: Opened, id_token: Callable[[str], bytes] | None = None) -> Session:
    """A fresh session; `secret` is its cookie, this once. Conflict when its sign-in opened one before.

    `id_token` seals the IdP's token for the session with this id.
    """
    secret = os.urandom(32).hex()
    until = work.now + opened.lasts
    if opened.latest is not None:
        until = min(until, opened.latest)
    session_id = work.ids.new()
    nonce = None if opened.nonce is None else _digest(opened.nonce)
    try:
        await work.tx.run(
            "INSERT INTO sb_session (id, digest, method, person_id, token_id, name, roles, nonce, proof, id_token,"
            " authenticated, created, seen, idle, until, address, ended_why)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '')",
            session_id,
            _digest(secret),
            opened.method,
            opened.person_id,
            opened.token_id,
            opened.name,
            " ".join(opened.roles),
            nonce,
            orjson.dumps(dict(opened.proof)).decode(),
            None if id_token is None else id_token(session_id),
            opened.authenticated,
            work.now,
            work.now,
            opened.idle,
            until,
            work.actor.address or "",
        )
    except UniqueViolation as error:
        raise Conflict(
            "sign-in-used", "This sign-in has opened a session before.", "Sign in once more."
        ) from error
    # Those long over are forgotten on the way; the audit has them.
    await work.tx.run("DELETE FROM sb_session WHERE until < ?", work.now - KEPT)
    row = await work.tx.one(f"SELECT {COLUMNS} FROM sb_session s WHERE s.id = ?", session_id)
    return _session(row, secret)


async def live_session(reader: Reader, secret: str, now: int) -> Session | None:
    """The session of a cookie; None when it is over, its token was revoked, or its person is not active."""
    row = await reader.one(
        f"SELECT {COLUMNS}, r.active, r.deleted FROM sb_session s LEFT JOIN sb_resource r ON r.id = s.person_id"
        " WHERE s.digest = ? AND s.ended IS NULL AND s.until > ?",
        _digest(secret),
        now,
    )
    if row is None:
        return None
    session = _session(row, secret)
    if session.ends() <= now:
        return None
    if session.person_id is not None and (not row["active"] or row["deleted"] is not None):
        return None
    if session.token_id is not None:
        grant = await still_granted(reader, session.token_id, now)
        if grant is None or grant.connection_id is not None or "admin" not in grant.scopes:
            return None
    return session


async def mark_seen(work: Work, session: Session) -> None:
    """Note that somebody is still there."""
    work.bookkeeping("last seen")
    await work.tx.run(
        "UPDATE sb_session SET seen = ? WHERE id = ? AND ended IS NULL AND seen < ?",
        work.now,
        session.id,
        work.now,
    )


async def end_session(work: Work, session_id: str, why: str) -> bool:
    """End a session at once; False when it was over (the caller writes the audit row)."""
    return bool(
        await work.tx.run(
            "UPDATE sb_session SET ended = ?, ended_why = ?, id_token = NULL WHERE id = ? AND ended IS NULL",
            work.now,
            why,
            session_id,
        )
    )


async def kept_id_token(reader: Reader, session_id: str) -> bytes | None:
    """The sealed ID token of a session, for signing out at the IdP."""
    row = await reader.one("SELECT id_token FROM sb_session WHERE id = ?", session_id)
    return None if row is None or row["id_token"] is None else bytes(row["id_token"])


async def sessions(reader: Reader, now: int, *, every: bool = False) -> list[Session]:
    """The open sessions, newest first; with `every` also those that ended lately."""
    rows = await reader.all(f"SELECT {COLUMNS} FROM sb_session s ORDER BY s.created DESC, s.id DESC")
    found = [_session(row) for row in rows]
    return [one for one in found if every or (one.ended is None and one.ends() > now)]


async def revoke_session(work: Work, session_id: str) -> None:
    """End somebody's session; NotFound when there is no open one with this id."""
    if not await end_session(work, session_id, "revoked"):
        raise NotFound(
            "session-unknown", f"There is no open session {session_id!r}.", "See `scim-bridge sessions list`."
        )
    await record(work, "session.revoked", "session", session_id)


async def revoke_sessions_of(work: Work, person_id: str) -> int:
    """End every session of a person; how many."""
    rows = await work.tx.all(
        "SELECT id FROM sb_session WHERE person_id = ? AND ended IS NULL AND until > ?", person_id, work.now
    )
    for row in rows:
        await revoke_session(work, row["id"])
    if not rows:
        work.bookkeeping("no session was open")
    return len(rows)
