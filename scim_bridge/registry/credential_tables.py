"""Tables of credentials: the agents', their traces after the end, and our own secrets. Never a value."""

from __future__ import annotations

from sqlalchemy import Index
from sqlalchemy import text as sql_text
from sqlmodel import SQLModel

from scim_bridge.kernel.columns import blob, text, text_key, whole

HELD = sql_text("connection_id IS NOT NULL")


class CredentialTraceRow(SQLModel, table=True):
    """What a secret the bridge made for an agent looks like to us (a keyed digest), to know it again when it leaks."""

    __tablename__ = "sb_credential_trace"

    digest: str = text_key()
    credential_id: str = text()
    created: int = whole()


class OwnSecretRow(SQLModel, table=True):
    """A webhook secret made by `keys rotate`, in place of the one in the settings, sealed."""

    __tablename__ = "sb_own_secret"
    __table_args__ = (Index("sb_own_secret_name", "name", "created"),)

    id: str = text_key()
    name: str = text()
    sealed: bytes = blob()
    created: int = whole()
    expires: int | None = whole(nullable=True)
    # Until when the secret it replaces in the settings still counts.
    replaces_until: int = whole()


class CredentialRow(SQLModel, table=True):
    """A credential an agent uses: where it is and how old, never its value."""

    __tablename__ = "sb_credential"
    __table_args__ = (
        Index("sb_credential_agent", "agent_id"),
        Index("sb_credential_held", "connection_id", "client_id", sqlite_where=HELD, postgresql_where=HELD),
    )

    id: str = text_key()
    agent_id: str = text()
    label: str = text()
    kind: str = text()
    system: str = text()
    reference: str = text()
    # active; inactive (off where it is kept); void (its value was never known); revoking, revoked; gone
    state: str = text()
    created: int = whole()
    expires: int | None = whole(nullable=True)
    revoked: int | None = whole(nullable=True)
    # The connection and the OAuth client there that it belongs to; none where a system keeps it.
    connection_id: str | None = text(nullable=True)
    client_id: str | None = text(nullable=True)
    # Null: told by a manifest or a person; else scan or rotation.
    origin: str | None = text(nullable=True)
    last_used: int | None = whole(nullable=True)
    seen: int | None = whole(nullable=True)
    # JSON of what may be known: kid, thumbprint, issuer.
    public: str | None = text(nullable=True)
    # Why a person should look at it; null once somebody did.
    stranger: str | None = text(nullable=True)
