"""The signals' table: what was heard, from which door, once per event."""

from __future__ import annotations

from sqlalchemy import Index
from sqlmodel import SQLModel

from scim_bridge.kernel.columns import blob, text, text_key, whole


class SignalRow(SQLModel, table=True):
    """One event about a person as one door told it. Without `person_id` it matched nobody yet."""

    __tablename__ = "sb_signal"
    __table_args__ = (
        Index("sb_signal_event", "source", "key", unique=True),
        Index("sb_signal_person", "person_id", "received"),
    )

    id: str = text_key()
    source: str = text()
    # The door's own id of the event.
    key: str = text()
    kind: str = text()
    person_id: str | None = text(nullable=True)
    # What the door called the person: what an admin searches for when nobody matched.
    named: str = text()
    at: int = whole()
    effective_at: int = whole()
    immediate: int = whole()
    reason: str = text()
    received: int = whole()
    # Of signed events: a digest of what was said, and the seconds at which the last attempt was signed.
    digest: str | None = text(nullable=True)
    signed: int | None = whole(nullable=True)


class DoorRow(SQLModel, table=True):
    """How one door stands: what it heard last, how far behind it is, what it missed."""

    __tablename__ = "sb_door"

    # "okta-log:acme", "ssf:acme", "hr:workday": the `source` of its signals, but of an IdP's doors, which
    # are one voice: theirs is the tenant ("okta:acme").
    name: str = text_key()
    # hr, okta-hook, okta-log, graph-notice, graph-delta, owner-check, ssf-push, ssf-poll, csv
    kind: str = text()
    connection_id: str | None = text(nullable=True)
    # When it heard or asked last, whatever came of it; and the time the newest event itself tells.
    heard: int | None = whole(nullable=True)
    event: int | None = whole(nullable=True)
    events: int = whole()
    # Where a door that asks goes on, sealed by nobody: an IdP's cursor is no secret.
    cursor: str = text()
    # Why news may have been missed (JSON list of {"at", "why"}, the newest ten); "[]" when none.
    gaps: str = text()
    # Why it does not work now; empty when it does.
    trouble: str = text()
    troubled: int | None = whole(nullable=True)
    # How long the newest event took to be heard: `heard` moves on when a door asks and there is nothing new.
    lag: int | None = whole(nullable=True)


class StreamRow(SQLModel, table=True):
    """A stream of security events that a connection's transmitter sends us, or keeps for us to fetch (SSF 1.0)."""

    __tablename__ = "sb_ssf_stream"

    connection_id: str = text_key()
    issuer: str = text()
    # JSON lists: issuers whose subjects are this connection's people; who we are to the transmitter.
    subject_issuers: str = text()
    audiences: str = text()
    algorithm: str = text()
    # push, poll
    method: str = text()
    by_email: int = whole()
    # Addresses by use: keys, poll, configuration, status, verification, token.
    endpoints: str = text()
    # The transmitter's id of the stream; empty when it was set up by hand.
    stream_id: str = text()
    # Of the Authorization header that comes with every push; null when none is asked for.
    push_digest: str | None = text(nullable=True)
    # How we prove to the transmitter who we are, sealed.
    secrets: bytes | None = blob(nullable=True)
    # enabled, paused, disabled, as last told; empty when nobody said.
    status: str = text()
    status_reason: str = text()
    verify_state: str = text()
    verify_asked: int | None = whole(nullable=True)
    verified: int | None = whole(nullable=True)
    # The transmitter's public keys by id, as last fetched.
    keys: str = text()
    keys_fetched: int | None = whole(nullable=True)
    keys_next: int = whole()
    keys_failures: int = whole()
    keys_error: str = text()
    poll_next: int = whole()
    poll_failures: int = whole()
    created: int = whole()


class SetRow(SQLModel, table=True):
    """One security event token by its id: taken once however often it comes, and acknowledged until that is heard."""

    __tablename__ = "sb_ssf_set"
    __table_args__ = (
        Index("sb_ssf_set_ack", "connection_id", "ack", "received"),
        Index("sb_ssf_set_received", "received"),
    )

    connection_id: str = text_key()
    jti: str = text_key()
    digest: str = text()
    received: int = whole()
    # acted, unmatched, noted, ignored, control, or refused
    heard: str = text()
    # What the transmitter is told of one that is refused (RFC 8935 section 2.4).
    err: str = text()
    description: str = text()
    # 0: none is due (it was pushed), 1: due with the next poll, 2: said.
    ack: int = whole()
