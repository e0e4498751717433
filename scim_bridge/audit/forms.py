"""The forms an audit row can leave in: JSON, OCSF, CEF, syslog and CSV. Pure."""

from __future__ import annotations

import csv
import io
import re
import socket
import unicodedata
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import orjson

from scim_bridge import __version__
from scim_bridge.audit import ocsf
from scim_bridge.audit.model import HASHED, instant_of
from scim_bridge.kernel.clock import SECOND, iso

Row = Mapping[str, Any]
COLUMNS = ("seq", *HASHED, "prev", "hash")
# CEF's scale is 0 to 10; syslog's falls with weight. Both by OCSF's severity_id.
CEF_SEVERITY = {1: 3, 2: 5, 3: 6, 4: 8}
SYSLOG_SEVERITY = {1: 6, 2: 5, 3: 4, 4: 3}
LOG_AUDIT = 13
# What a spreadsheet takes for the beginning of a formula, also in full width (OWASP, CSV injection).
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", "|", "%")
_MSGID = re.compile(r"[^!-~]")


def json_line(row: Row) -> bytes:
    """A row as it is kept, on one line of JSON."""
    said = {name: row[name] for name in COLUMNS}
    return orjson.dumps({**said, "at": iso(row["at"]), "detail": orjson.loads(row["detail"])})


def cef_line(row: Row) -> bytes:
    """A row in the Common Event Format, version 0."""
    level = CEF_SEVERITY[ocsf.severity(row["action"], row["outcome"])]
    head = [row["action"], row["action"].replace(".", " ").replace("_", " "), str(level)]
    said = {
        "rt": str(row["at"] // 1000),
        "externalId": row["id"],
        "act": row["action"],
        "outcome": row["outcome"],
        "suid": row["actor_id"],
        "suser": row["actor_name"],
        "src": row["address"],
        "duid": row["subject_id"],
        "cs1Label": "subjectKind",
        "cs1": row["subject_kind"],
        "cs2Label": "detail",
        "cs2": row["detail"],
        "cs3Label": "requestId",
        "cs3": row["request_id"],
        "cs4Label": "connectionId",
        "cs4": row["connection_id"],
        "cs5Label": "hash",
        "cs5": row["hash"],
        "cn1Label": "sequence",
        "cn1": str(row["seq"]),
    }
    fields = [("CEF:0"), "scim-bridge", "scim-bridge", __version__, *head]
    extension = " ".join(f"{name}={_value(value)}" for name, value in said.items() if value)
    return f"{'|'.join(_header(field) for field in fields)}|{extension}".encode()


def _header(text: str) -> str:
    return _visible(text.replace("\\", "\\\\").replace("|", "\\|"))


def _value(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("=", "\\=").replace("\r", "\\r").replace("\n", "\\n")
    return _visible(escaped)


def _visible(text: str) -> str:
    """Without control characters: a line of a log must stay one."""
    return "".join(" " if unicodedata.category(c) in ("Cc", "Zl", "Zp", "Cs") else c for c in text)


@lru_cache(maxsize=1)
def _host() -> str:
    return _MSGID.sub("", socket.gethostname())[:255] or "-"


def syslog(row: Row, message: bytes) -> bytes:
    """An RFC 5424 message around a row in another form; its structured data counts rows, so that gaps show."""
    priority = LOG_AUDIT * 8 + SYSLOG_SEVERITY[ocsf.severity(row["action"], row["outcome"])]
    name = _MSGID.sub("", row["action"])[:32] or "-"
    # Both ids are IANA's (RFC 5424 section 7); sequenceId begins anew at 2^31 - 1 as section 7.3.1 has it.
    count = (row["seq"] - 1) % 2147483647 + 1
    data = f'[origin software="scim-bridge" swVersion="{__version__}"][meta sequenceId="{count}"]'
    head = f"<{priority}>1 {_stamp(row['at'])} {_host()} scim-bridge - {name} {data} "
    return head.encode() + message


def _stamp(at: int) -> str:
    return f"{iso(at)[:19]}.{at % SECOND:06d}Z"


def framed(message: bytes) -> bytes:
    """A syslog message for a stream, by octet counting (RFC 6587 section 3.4.1, RFC 5425 section 4.3)."""
    return str(len(message)).encode() + b" " + message


def syslog_line(row: Row) -> bytes:
    """An RFC 5424 message with CEF in it."""
    return syslog(row, cef_line(row))


def csv_line(row: Row) -> bytes:
    """A row for a spreadsheet: every cell is quoted, and none is taken for a formula."""
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="")
    values = {**{name: row[name] for name in COLUMNS}, "at": iso(row["at"])}
    writer.writerow([harmless(value) for value in values.values()])
    return out.getvalue().encode("utf-8", "replace")


def csv_head() -> bytes:
    """The names of the columns."""
    return ",".join(f'"{name}"' for name in COLUMNS).encode()


def harmless(value: object) -> str:
    """A cell's text; one that a spreadsheet would run begins with an apostrophe, which it shows as text."""
    if isinstance(value, bytes):
        raise TypeError("bytes are no cell's text")
    text = "" if value is None else str(value)
    return f"'{text}" if text.lstrip(" \u00a0\ufeff\u200b").startswith(FORMULA) else text


FORMS: Mapping[str, Callable[[Row], bytes]] = {
    "json": json_line,
    "ocsf": ocsf.line,
    "cef": cef_line,
    "syslog": syslog_line,
    "csv": csv_line,
}


def form_of(row: Row, form: str) -> bytes:
    """A row in a form; one that was damaged so that the form cannot hold it is a row that says so, in its place."""
    try:
        return FORMS[form](row)
    except (TypeError, ValueError, AttributeError, OverflowError):
        return FORMS[form](_stand_in(row))


def syslog_of(row: Row, form: str) -> bytes:
    """An RFC 5424 message with the row in a form; of a damaged row, with what says so."""
    try:
        return syslog(row, FORMS[form](row))
    except (TypeError, ValueError, AttributeError, OverflowError):
        odd = _stand_in(row)
        return syslog(odd, FORMS[form](odd))


def _stand_in(row: Row) -> Row:
    said = {name: row[name] if isinstance(row[name], str) else "" for name in COLUMNS}
    detail = "This row was altered and cannot be read. Run scim-bridge audit verify: it names all that was altered."
    return {
        **said,
        "seq": row["seq"],
        "at": instant_of(row),
        "action": "audit.damaged",
        "subject_kind": "audit",
        "subject_id": str(row["id"])[:80],
        "outcome": "failed",
        "connection_id": None,
        "address": None,
        "detail": orjson.dumps({"damaged": detail}).decode(),
    }
