"""Tables of who calls: connections, what they did first, findings about them, tokens and sessions."""

from __future__ import annotations

from sqlalchemy import Index
from sqlmodel import SQLModel

from scim_bridge.kernel.columns import blob, text, text_key, whole


class ConnectionRow(SQLModel, table=True):
    """One IdP tenant: settings in clear, outbound credentials sealed."""

    __tablename__ = "sb_connection"
    __table_args__ = (Index("sb_connection_name", "name", unique=True),)

    id: str = text_key()
    name: str = text()
    kind: str = text()
    dialect: str = text()
    settings: str = text()
    secrets: bytes | None = blob(nullable=True)
    created: int = whole()
    last_call: int | None = whole(nullable=True)


class FirstCallRow(SQLModel, table=True):
    """When a connection's IdP first made a kind of call."""

    __tablename__ = "sb_first_call"

    connection_id: str = text_key()
    kind: str = text_key()
    at: int = whole()


class FindingRow(SQLModel, table=True):
    """Something that an IdP itself finds wrong with an agent; as it was last read."""

    __tablename__ = "sb_finding"
    __table_args__ = (Index("sb_finding_agent", "agent_id"),)

    connection_id: str = text_key()
    agent_id: str = text_key()
    code: str = text_key()
    message: str = text()
    since: int = whole()


class TokenRow(SQLModel, table=True):
    """A bearer token: digest only. Without a connection it serves the API (access, admin).

    An access token of an OAuth client says which client it is for and which proof it was given for.
    """

    __tablename__ = "sb_token"
    __table_args__ = (
        Index("sb_token_digest", "digest", unique=True),
        Index("sb_token_client", "client_id", "proof_id"),
    )

    id: str = text_key()
    connection_id: str | None = text(nullable=True)
    label: str = text()
    hint: str = text()
    digest: str = text()
    # By which master key; NULL: from before that was noted.
    digest_key: str | None = text(nullable=True)
    scopes: str = text()
    created: int = whole()
    expires: int | None = whole(nullable=True)
    last_used: int | None = whole(nullable=True)
    revoked: int | None = whole(nullable=True)
    client_id: str | None = text(nullable=True)
    proof_id: str | None = text(nullable=True)
    # The token that replaces this one, which works on until it expires.
    successor: str | None = text(nullable=True)
    # The fewest days before expiry at which somebody was warned.
    warned: int | None = whole(nullable=True)


class SessionRow(SQLModel, table=True):
    """Somebody signed in at the console: a digest of the cookie, who they are, their roles, and when it ends.

    `nonce` is that of the sign-in it came from, so that one answer of an IdP opens one session.
    """

    __tablename__ = "sb_session"
    __table_args__ = (
        Index("sb_session_digest", "digest", unique=True),
        Index("sb_session_nonce", "nonce", unique=True),
        Index("sb_session_person", "person_id"),
        Index("sb_session_until", "until"),
    )

    id: str = text_key()
    digest: str = text()
    method: str = text()
    person_id: str | None = text(nullable=True)
    token_id: str | None = text(nullable=True)
    name: str = text()
    roles: str = text()
    nonce: str | None = text(nullable=True)
    # What the IdP said of how they proved who they are, as JSON: iss, sub, acr, amr.
    proof: str = text()
    id_token: bytes | None = blob(nullable=True)
    authenticated: int | None = whole(nullable=True)
    created: int = whole()
    seen: int = whole()
    idle: int = whole()
    until: int = whole()
    address: str = text()
    ended: int | None = whole(nullable=True)
    ended_why: str = text()
