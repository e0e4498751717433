"""The OAuth tables: clients, their secrets and trusts, issuers' keys, assertions that were used."""

from __future__ import annotations

from sqlalchemy import Index
from sqlalchemy import text as sql_text
from sqlmodel import SQLModel

from scim_bridge.kernel.columns import text, text_key, whole

TRUSTED = sql_text("removed IS NULL")


class ClientRow(SQLModel, table=True):
    """An OAuth client of one connection; its id is the client_id."""

    __tablename__ = "sb_oauth_client"
    __table_args__ = (Index("sb_oauth_client_of", "connection_id"),)

    id: str = text_key()
    connection_id: str = text()
    label: str = text()
    scopes: str = text()
    created: int = whole()
    last_used: int | None = whole(nullable=True)
    deleted: int | None = whole(nullable=True)


class SecretRow(SQLModel, table=True):
    """One secret of a client, as a digest. Several may be live at once, so that they can be rotated."""

    __tablename__ = "sb_oauth_secret"
    __table_args__ = (
        Index("sb_oauth_secret_digest", "digest", unique=True),
        Index("sb_oauth_secret_of", "client_id"),
    )

    id: str = text_key()
    client_id: str = text()
    hint: str = text()
    digest: str = text()
    # By which master key; NULL: from before that was noted.
    digest_key: str | None = text(nullable=True)
    created: int = whole()
    expires: int = whole()
    last_used: int | None = whole(nullable=True)
    revoked: int | None = whole(nullable=True)
    # When a rotation replaced it; it works on until it expires.
    rotated: int | None = whole(nullable=True)
    warned: int | None = whole(nullable=True)


class TrustRow(SQLModel, table=True):
    """Whose assertions stand for a client: exactly this issuer, subject, audience and tenant."""

    __tablename__ = "sb_oauth_trust"
    __table_args__ = (
        Index(
            "sb_oauth_trust_of",
            "client_id",
            "issuer",
            "subject",
            "audience",
            unique=True,
            sqlite_where=TRUSTED,
            postgresql_where=TRUSTED,
        ),
    )

    id: str = text_key()
    client_id: str = text()
    issuer: str = text()
    tenant: str | None = text(nullable=True)
    subject: str = text()
    audience: str = text()
    keys_url: str = text()
    single_use: int = whole()
    created: int = whole()
    last_used: int | None = whole(nullable=True)
    removed: int | None = whole(nullable=True)


class KeysRow(SQLModel, table=True):
    """The signing keys behind one address, as last fetched: they serve on while it cannot be reached."""

    __tablename__ = "sb_oauth_keys"
    __table_args__ = (Index("sb_oauth_keys_due", "next_at"),)

    url: str = text_key()
    # A JSON object: key id to {"n", "e"}.
    keys: str = text()
    fetched: int | None = whole(nullable=True)
    next_at: int = whole()
    failures: int = whole()
    last_error: str | None = text(nullable=True)


class AssertionRow(SQLModel, table=True):
    """An assertion that was used: kept until it expires, so that it is not taken twice."""

    __tablename__ = "sb_oauth_assertion"
    __table_args__ = (Index("sb_oauth_assertion_end", "expires"),)

    key: str = text_key()
    expires: int = whole()
