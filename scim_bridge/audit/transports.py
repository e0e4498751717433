"""Handing rows to a sink, and knowing that it has them: one call a batch, an error when it is not certain."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scim_bridge.audit.forms import form_of, framed, syslog_of
from scim_bridge.kernel.appended import append
from scim_bridge.kernel.errors import BridgeError
from scim_bridge.kernel.outbound import Outbound
from scim_bridge.kernel.outbound_error import OutboundError
from scim_bridge.settings.audit import FILE, HOST_AND_PORT, SYSLOG, SinkSettings

SECONDS = 15.0
NDJSON = "application/x-ndjson"

Rows = Sequence[Mapping[str, Any]]


class NotTaken(BridgeError):
    """The sink did not say, or show, that it has the rows: they are sent again."""

    status = 502

    def __init__(self, message: str, fix: str = "") -> None:
        super().__init__("sink", message, fix)


async def deliver(outbound: Outbound, sink: SinkSettings, rows: Rows) -> None:
    """Hand rows over; NotTaken when the sink may not have all of them.

    An https sink acknowledges with 2xx, a file with fsync. Syslog has no acknowledgment: what counts is
    that the receiver read to the end of the connection and closed it in turn.
    """
    if sink.kind == FILE:
        await asyncio.to_thread(_append, Path(sink.to), _lines(sink, rows))
    elif sink.kind == SYSLOG:
        await _to_syslog(outbound, sink, rows)
    else:
        await _post(outbound, sink, rows)


def _lines(sink: SinkSettings, rows: Rows) -> bytes:
    return b"".join(form_of(row, sink.form) + b"\n" for row in rows)


def _append(file: Path, content: bytes) -> None:
    try:
        append(file, content)
    except OSError as error:
        raise NotTaken(f"{file} cannot be written ({error.strerror}).", "Check the path.") from error


async def _post(outbound: Outbound, sink: SinkSettings, rows: Rows) -> None:
    headers = {
        "content-type": NDJSON,
        "x-audit-first-seq": str(rows[0]["seq"]),
        "x-audit-last-seq": str(rows[-1]["seq"]),
        # The same rows again are the same request.
        "idempotency-key": f"{rows[0]['id']}-{rows[-1]['id']}",
    }
    if sink.authorization:
        headers["authorization"] = sink.authorization
    try:
        answer = await outbound.send(
            "POST", sink.to, headers=headers, body=_lines(sink, rows), timeout=SECONDS, cut=True
        )
    except OutboundError as error:
        raise NotTaken(error.message, error.fix) from error
    if not 200 <= answer.status < 300:
        raise NotTaken(f"The sink answered {answer.status}.", "Check its address and authorization.")


async def _to_syslog(outbound: Outbound, sink: SinkSettings, rows: Rows) -> None:
    content = b"".join(framed(syslog_of(row, sink.form)) for row in rows)
    target = HOST_AND_PORT.fullmatch(sink.to)
    assert target is not None
    host, port = target[1].strip("[]"), int(target[2])
    try:
        addresses = await outbound.judged(host, port)
    except OutboundError as error:
        raise NotTaken(error.message, error.fix) from error
    await asyncio.to_thread(_talk, outbound.tls_context(), addresses, host, port, content)


def _talk(context: ssl.SSLContext, addresses: Sequence[str], host: str, port: int, content: bytes) -> None:
    """Send everything over one TLS connection, say that this was all, and wait until the other side has closed."""
    try:
        with _connected(addresses, port) as plain, context.wrap_socket(plain, server_hostname=host) as secure:
            secure.sendall(content)
            _closed(secure)
    except ssl.SSLError as error:
        reason = getattr(error, "verify_message", "") or error.reason or "the connection broke"
        raise NotTaken(
            f"No trusted connection to {host}: {reason}.", "A private authority goes into ca_file."
        ) from error
    except (OSError, TimeoutError) as error:
        raise NotTaken(f"{host} did not take everything ({error.strerror or 'timeout'}).") from error


def _connected(addresses: Sequence[str], port: int) -> socket.socket:
    failure: OSError = ConnectionError("no address")
    for address in addresses:
        try:
            return socket.create_connection((address, port), timeout=SECONDS)
        except OSError as error:
            failure = error
    raise failure


def _closed(secure: ssl.SSLSocket) -> None:
    """Return when the peer has read to our end and ended, too; an error when the connection was reset before."""
    try:
        secure.unwrap()
    except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
        # It closed without a farewell of its own. Unread data would have reset the connection.
        return
    except OSError as error:
        if isinstance(error, ssl.SSLError) or error.errno not in (0, None):
            raise
