"""Streams of security events: one a connection, set up by hand or with the transmitter, and how each stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import orjson

from scim_bridge.audit.record import record
from scim_bridge.kernel.crypto import MasterKey
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import Conflict, Invalid, NotFound
from scim_bridge.kernel.peppered import stated
from scim_bridge.kernel.work import Work
from scim_bridge.registry.connections import connection
from scim_bridge.signals.doors import note_open
from scim_bridge.signals.secevent import ALGORITHMS, Key
from scim_bridge.signals.subjects import Rules

PUSH, POLL = "push", "poll"
PUSH_HEADER = "ssf-push"
ENABLED, PAUSED, DISABLED = "enabled", "paused", "disabled"
STATUSES = (ENABLED, PAUSED, DISABLED)
ENDPOINTS = ("keys", "poll", "configuration", "status", "verification", "token")
SECRETS = ("bearer", "client_id", "client_secret", "scope")
LONGEST = 500


@dataclass(frozen=True, slots=True)
class Stream:
    """One stream. Instants in microseconds; `keys` are the transmitter's as last fetched, by id."""

    connection_id: str
    connection: str
    issuer: str
    audiences: tuple[str, ...]
    method: str
    endpoints: Mapping[str, str]
    subject_issuers: tuple[str, ...] = ()
    algorithm: str = "RS256"
    by_email: bool = False
    stream_id: str = ""
    push_digest: str | None = None
    status: str = ""
    status_reason: str = ""
    verify_state: str = ""
    verify_asked: int | None = None
    verified: int | None = None
    keys: Mapping[str, Key] = field(default_factory=dict)
    keys_fetched: int | None = None
    keys_next: int = 0
    keys_failures: int = 0
    keys_error: str = ""
    poll_failures: int = 0
    # The connection's setting: a private authority in front of its transmitter.
    ca_file: str = ""

    @property
    def door(self) -> str:
        """The name of its door, and the source of its signals."""
        return f"ssf:{self.connection}"

    @property
    def kind(self) -> str:
        """The kind of its door."""
        return f"ssf-{self.method}"

    @property
    def rules(self) -> Rules:
        """How its subjects are looked for."""
        return Rules(self.connection_id, (self.issuer, *self.subject_issuers), self.by_email)


SELECT = (
    "SELECT s.*, c.name AS connection, c.settings FROM sb_ssf_stream s"
    " JOIN sb_connection c ON c.id = s.connection_id"
)


def stream_of(row: Any) -> Stream:
    """A row of sb_ssf_stream, with its connection's name, as a value."""
    return Stream(
        row["connection_id"],
        row["connection"],
        row["issuer"],
        tuple(orjson.loads(row["audiences"])),
        row["method"],
        orjson.loads(row["endpoints"]),
        tuple(orjson.loads(row["subject_issuers"])),
        row["algorithm"],
        bool(row["by_email"]),
        row["stream_id"],
        row["push_digest"],
        row["status"],
        row["status_reason"],
        row["verify_state"],
        row["verify_asked"],
        row["verified"],
        orjson.loads(row["keys"]),
        row["keys_fetched"],
        row["keys_next"],
        row["keys_failures"],
        row["keys_error"],
        row["poll_failures"],
        str(orjson.loads(row["settings"]).get("ca_file") or ""),
    )


async def streams(reader: Reader) -> list[Stream]:
    """Every stream, by its connection's name."""
    return [stream_of(row) for row in await reader.all(f"{SELECT} ORDER BY c.name")]


async def stream(reader: Reader, name: str) -> Stream:
    """The stream of the connection with this name; NotFound otherwise."""
    row = await reader.one(f"{SELECT} WHERE c.name = ? OR c.id = ?", name, name)
    if row is None:
        raise NotFound(
            "stream-unknown",
            f"The connection {name!r} has no stream of security events.",
            "Add one: scim-bridge streams create.",
        )
    return stream_of(row)


def checked(asked: Stream) -> Stream:
    """The stream when all of it can be right; Invalid names the first thing that cannot."""
    if asked.algorithm not in ALGORITHMS:
        raise Invalid(
            "stream-algorithm",
            f"{asked.algorithm[:20]!r} is no algorithm that is read here.",
            f"Use one of {', '.join(ALGORITHMS)}.",
        )
    if asked.method not in (PUSH, POLL):
        raise Invalid("stream-method", f"{asked.method[:20]!r} is no way of delivery.", "Use push or poll.")
    for name, texts in {"issuer": (asked.issuer,), "audience": asked.audiences}.items():
        if not texts or any(not one or len(one) > LONGEST or not one.isprintable() for one in texts):
            raise Invalid(f"stream-{name}", f"The {name} is missing or no short, printable text.")
    for use in ("keys", "poll") if asked.method == POLL else ("keys",):
        if not asked.endpoints.get(use):
            raise Invalid("stream-address", f"The address for {use} is missing.", f"Give --{use}-url.")
    for use, url in asked.endpoints.items():
        checked_address(use, url)
    return asked


def checked_address(use: str, url: str) -> str:
    """An https address without a password in it; Invalid otherwise."""
    try:
        parts = urlsplit(url)
        right = parts.scheme == "https" and parts.hostname and not parts.username and not parts.fragment
    except ValueError:
        right = False
    if not right or len(url) > LONGEST:
        raise Invalid(
            "stream-address", f"The address for {use} is no https address.", "Write https://host/path."
        )
    return url


def check_nobodys(asked: Stream, others: Sequence[Stream]) -> None:
    """Conflict when another connection has this very stream: whoever asks first would acknowledge for both."""
    for other in others:
        same = asked.stream_id and (asked.issuer, asked.stream_id) == (other.issuer, other.stream_id)
        polled = asked.method == other.method == POLL and asked.endpoints.get("poll")
        if same or (polled and asked.endpoints["poll"] == other.endpoints.get("poll")):
            raise Conflict(
                "stream-anothers",
                f"This stream is that of the connection {other.connection}.",
                "Use other credentials, for which the transmitter makes a stream of its own,"
                f" or remove it there first: scim-bridge streams remove {other.connection}.",
            )


async def push_digest_anew(work: Work, connection_id: str, before: str, digest: str) -> None:
    """Keep the current master key's digest of the agreed Authorization header."""
    work.bookkeeping("the same header, digested by another master key")
    await work.tx.run(
        "UPDATE sb_ssf_stream SET push_digest = ? WHERE connection_id = ? AND push_digest = ?",
        digest,
        connection_id,
        before,
    )


async def put_stream(
    work: Work, master: MasterKey, asked: Stream, secrets: Mapping[str, str] | None, push_header: str | None
) -> Stream:
    """Keep a stream, new or in place of the connection's old one. What it sent before stays taken.

    `secrets` None keeps those there are; `push_header` None asks no Authorization header of a push.
    """
    checked(asked)
    owner = await connection(work.tx, asked.connection)
    check_nobodys(asked, [one for one in await streams(work.tx) if one.connection_id != owner.id])
    digest = None if push_header is None else stated(master, PUSH_HEADER, push_header)
    await work.tx.run(
        "INSERT INTO sb_ssf_stream (connection_id, issuer, subject_issuers, audiences, algorithm, method,"
        " by_email, endpoints, stream_id, push_digest, secrets, status, status_reason, verify_state, keys,"
        " keys_next, keys_failures, keys_error, poll_next, poll_failures, created)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '', '', '{}', ?, 0, '', ?, 0, ?)"
        " ON CONFLICT (connection_id) DO UPDATE SET issuer = excluded.issuer,"
        " subject_issuers = excluded.subject_issuers, audiences = excluded.audiences,"
        " algorithm = excluded.algorithm, method = excluded.method, by_email = excluded.by_email,"
        " endpoints = excluded.endpoints, stream_id = excluded.stream_id, push_digest = excluded.push_digest,"
        " secrets = COALESCE(excluded.secrets, sb_ssf_stream.secrets), status = excluded.status,"
        " status_reason = '', verify_state = '', verify_asked = NULL, verified = NULL, keys = '{}',"
        " keys_fetched = NULL, keys_next = excluded.keys_next, keys_failures = 0, keys_error = '',"
        " poll_next = excluded.poll_next, poll_failures = 0",
        owner.id,
        asked.issuer,
        orjson.dumps(asked.subject_issuers).decode(),
        orjson.dumps(asked.audiences).decode(),
        asked.algorithm,
        asked.method,
        int(asked.by_email),
        orjson.dumps(dict(asked.endpoints), option=orjson.OPT_SORT_KEYS).decode(),
        asked.stream_id,
        digest,
        _sealed(master, owner.id, secrets),
        asked.status,
        work.now,
        work.now,
        work.now,
    )
    await note_open(work, f"ssf:{owner.name}", f"ssf-{asked.method}", connection_id=owner.id)
    detail = {
        "connection": owner.name,
        "issuer": asked.issuer,
        "audiences": asked.audiences,
        "method": asked.method,
        "algorithm": asked.algorithm,
        "by_email": asked.by_email,
        "stream_id": asked.stream_id,
    }
    await record(work, "stream.configured", "connection", owner.id, detail, connection_id=owner.id)
    return await stream(work.tx, owner.name)


async def remove_stream(work: Work, name: str) -> Stream:
    """Take nothing from a transmitter any more; its stream as it was. NotFound when there is none."""
    gone = await stream(work.tx, name)
    await work.tx.run("DELETE FROM sb_ssf_stream WHERE connection_id = ?", gone.connection_id)
    await work.tx.run("DELETE FROM sb_door WHERE name = ?", gone.door)
    detail = {"connection": gone.connection, "issuer": gone.issuer}
    await record(
        work, "stream.removed", "connection", gone.connection_id, detail, connection_id=gone.connection_id
    )
    return gone


def _sealed(master: MasterKey, connection_id: str, secrets: Mapping[str, str] | None) -> bytes | None:
    if secrets is None:
        return None
    for name in secrets:
        if name not in SECRETS:
            raise Invalid(
                "stream-secret",
                f"{name[:40]!r} is no credential of a stream.",
                f"Known: {', '.join(SECRETS)}.",
            )
    return master.seal(f"sb_ssf_stream:{connection_id}:secrets", orjson.dumps(dict(secrets)))


async def stream_secrets(reader: Reader, master: MasterKey, connection_id: str) -> dict[str, str]:
    """How we prove who we are to the transmitter; only for the code that is about to call out."""
    row = await reader.one("SELECT secrets FROM sb_ssf_stream WHERE connection_id = ?", connection_id)
    if row is None or row["secrets"] is None:
        return {}
    place = f"sb_ssf_stream:{connection_id}:secrets"
    return dict(orjson.loads(master.unseal(place, bytes(row["secrets"]))))
