"""Connections: one IdP tenant each, with its dialect, outbound credentials and agent marker."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import orjson

from scim_bridge.audit.record import record
from scim_bridge.kernel.crypto import MasterKey
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import Conflict, Invalid, NotFound, UniqueViolation
from scim_bridge.kernel.work import Work
from scim_bridge.registry.connection_settings import (
    DIALECTS,
    KINDS,
    check_dialect,
    check_secrets,
    check_settings,
)

NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,46}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Connection:
    """One IdP tenant. `settings` holds the push side's addresses and ids, never a secret."""

    id: str
    name: str
    kind: str
    dialect: str
    settings: dict[str, Any] = field(default_factory=dict)
    has_secrets: bool = False
    created: int = 0
    last_call: int | None = None

    @property
    def hold_source(self) -> str:
        """The source under which this connection places holds."""
        return f"connection:{self.id}"


def connection_of(row: Any) -> Connection:
    """A row of sb_connection as a value."""
    return Connection(
        row["id"],
        row["name"],
        row["kind"],
        row["dialect"],
        orjson.loads(row["settings"]),
        row["secrets"] is not None,
        row["created"],
        row["last_call"],
    )


def checked_name(name: str) -> str:
    """The name when it is a valid one; Invalid otherwise."""
    if not NAME.fullmatch(name):
        raise Invalid(
            "connection-name", f"{name!r} is no connection name.", "Use a-z, 0-9 and hyphens, at most 48."
        )
    return name


async def create_connection(
    work: Work,
    master: MasterKey,
    name: str,
    kind: str,
    *,
    dialect: str | None = None,
    settings: dict[str, Any] | None = None,
    secrets: dict[str, Any] | None = None,
) -> Connection:
    """Add a connection; Conflict when the name is taken, Invalid for a setting that its kind does not have."""
    if kind not in KINDS:
        raise Invalid("connection-kind", f"{kind!r} is no kind of IdP.", f"Use one of {', '.join(KINDS)}.")
    chosen = dialect or DIALECTS[kind][0]
    check_dialect(kind, chosen)
    wanted = {name: value for name, value in (settings or {}).items() if value is not None}
    check_settings(kind, wanted)
    check_secrets(kind, secrets)
    connection_id = work.ids.new()
    try:
        await work.tx.run(
            "INSERT INTO sb_connection (id, name, kind, dialect, settings, secrets, created)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            connection_id,
            checked_name(name),
            kind,
            chosen,
            orjson.dumps(wanted).decode(),
            _sealed(master, connection_id, secrets),
            work.now,
        )
    except UniqueViolation as error:
        raise Conflict(
            "connection-exists", f"A connection named {name!r} exists.", "Choose another name."
        ) from error
    await record(
        work,
        "connection.created",
        "connection",
        connection_id,
        {"name": name, "kind": kind, "dialect": chosen},
    )
    work.touched("connection", connection_id)
    return await connection(work.tx, name)


def _sealed(master: MasterKey, connection_id: str, secrets: dict[str, Any] | None) -> bytes | None:
    if not secrets:
        return None
    return master.seal(f"sb_connection:{connection_id}:secrets", orjson.dumps(secrets))


async def configure_connection(
    work: Work,
    master: MasterKey,
    name: str,
    *,
    dialect: str | None = None,
    settings: dict[str, Any] | None = None,
    secrets: dict[str, Any] | None = None,
) -> Connection:
    """Change a connection's dialect, settings (merged; None removes) or outbound credentials (replaced)."""
    current = await connection(work.tx, name)
    if dialect is not None:
        check_dialect(current.kind, dialect)
    check_settings(current.kind, settings or {}, current.settings)
    check_secrets(current.kind, secrets)
    merged = {k: v for k, v in {**current.settings, **(settings or {})}.items() if v is not None}
    await work.tx.run(
        "UPDATE sb_connection SET dialect = ?, settings = ? WHERE id = ?",
        dialect or current.dialect,
        orjson.dumps(merged).decode(),
        current.id,
    )
    if secrets is not None:
        await work.tx.run(
            "UPDATE sb_connection SET secrets = ? WHERE id = ?",
            _sealed(master, current.id, secrets),
            current.id,
        )
    detail = {"settings": sorted(settings or {}), "dialect": dialect, "secrets_replaced": secrets is not None}
    await record(work, "connection.configured", "connection", current.id, detail)
    work.touched("connection", current.id)
    return await connection(work.tx, name)


async def connection(reader: Reader, name: str) -> Connection:
    """The connection with this name or id; NotFound otherwise."""
    row = await reader.one("SELECT * FROM sb_connection WHERE name = ? OR id = ?", name, name)
    if row is None:
        raise NotFound(
            "connection-unknown", f"There is no connection {name!r}.", "See `scim-bridge connections list`."
        )
    return connection_of(row)


async def connections(reader: Reader) -> list[Connection]:
    """Every connection by name."""
    return [connection_of(row) for row in await reader.all("SELECT * FROM sb_connection ORDER BY name")]


async def connection_secrets(reader: Reader, master: MasterKey, connection_id: str) -> dict[str, Any]:
    """The outbound credentials, opened; only for the code that is about to call out."""
    row = await reader.one("SELECT secrets FROM sb_connection WHERE id = ?", connection_id)
    if row is None or row["secrets"] is None:
        return {}
    opened = orjson.loads(master.unseal(f"sb_connection:{connection_id}:secrets", bytes(row["secrets"])))
    return dict(opened)
