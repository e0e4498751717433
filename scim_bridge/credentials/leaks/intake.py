"""What is done about secrets that were found: whose each one is, what ends it, who is told. One transaction."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey, import_key

from scim_bridge.audit.record import record
from scim_bridge.credentials.leaks.github import FALSE, TRUE, Found
from scim_bridge.kernel.clock import iso
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import Conflict, NotFound
from scim_bridge.kernel.master_key import MasterKey
from scim_bridge.kernel.work import Work
from scim_bridge.registry import outward
from scim_bridge.registry.credential_traces import traced
from scim_bridge.registry.tokens import find_token, revoke_token

TEMPLATE = "secret-leaked"
HINT = 8
NOTHING = "nothing: it is none of ours"


@dataclass(frozen=True, slots=True)
class Ended:
    """What a leaked secret is and what was done about it, in words; no value."""

    kind: str
    id: str
    done: str


# A room that has secrets of its own: whose a text is, and its end in this transaction; None for others'.
Match = Callable[[Work, str], Awaitable[Ended | None]]
# An agent's credential leaked (its id, why): what was begun, in words.
OnLeak = Callable[[Work, str, str], Awaitable[str]]


class Replayed(Conflict):
    """The same message came before; nothing is done twice."""


@dataclass(frozen=True, slots=True)
class Intake:
    """Takes findings. `others` are asked after our own tokens, in order."""

    master: MasterKey
    on_leak: OnLeak
    others: Sequence[Match] = ()

    async def take(self, work: Work, message_id: str, reporter: str, found: Sequence[Found]) -> list[str]:
        """Act on every finding; the verdict of each, in order. Replayed when the message came before."""
        verdicts = []
        for number, each in enumerate(found):
            ended = await self._ended(work, each)
            fresh = await work.tx.run(
                "INSERT INTO sb_leak (id, type, hint, url, source, reporter, verdict, subject_kind, subject_id,"
                " done, reported) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
                f"{message_id}:{number:03d}",
                each.type,
                hint(each),
                each.url,
                each.source,
                reporter,
                FALSE if ended is None else TRUE,
                None if ended is None else ended.kind,
                None if ended is None else ended.id,
                NOTHING if ended is None else ended.done,
                work.now,
            )
            if not fresh:
                raise Replayed("leak-replayed", "This message came before.", "Nothing has to be sent again.")
            if ended is not None:
                await _told(work, each, ended, reporter)
            verdicts.append(FALSE if ended is None else TRUE)
        if TRUE not in verdicts:
            work.bookkeeping("findings that concern nothing of ours")
        return verdicts

    async def _ended(self, work: Work, found: Found) -> Ended | None:
        text = found.token.reveal()
        own = await find_token(work.tx, self.master, text)
        if own is not None:
            if own["revoked"] is not None:
                return Ended("token", own["id"], "nothing: the token was revoked before")
            if own["expires"] is not None and own["expires"] <= work.now:
                return Ended("token", own["id"], "nothing: the token had expired")
            await revoke_token(work, own["id"])
            return Ended("token", own["id"], "the token was revoked")
        for match in self.others:
            ended = await match(work, text)
            if ended is not None:
                return ended
        return await self._credential(work, text)

    async def _credential(self, work: Work, text: str) -> Ended | None:
        """An agent's credential, known by a trace of its value or by the public half of the key."""
        credential_id = await traced(work, self.master, text) or await _by_public_half(work.tx, text)
        if credential_id is None:
            return None
        return Ended("credential", credential_id, await self.on_leak(work, credential_id, "leaked"))


async def report_credential(work: Work, on_leak: OnLeak, credential_id: str, reporter: str) -> Ended:
    """A credential that leaked, told by its id: as a finding would, without the value."""
    row: Any = await work.tx.one(
        "SELECT id FROM sb_credential WHERE id = ? OR reference = ?", credential_id, credential_id
    )
    if row is None:
        raise NotFound(
            "credential-unknown", f"There is no credential {credential_id!r}.", "See the inventory."
        )
    ended = Ended("credential", row["id"], await on_leak(work, row["id"], "leaked"))
    await work.tx.run(
        "INSERT INTO sb_leak (id, type, hint, url, source, reporter, verdict, subject_kind, subject_id, done,"
        " reported) VALUES (?, '', '', '', 'manual', ?, ?, ?, ?, ?, ?)",
        f"{work.ids.new()}:000",
        reporter,
        TRUE,
        ended.kind,
        ended.id,
        ended.done,
        work.now,
    )
    await _audited(work, "", "", ended, reporter)
    return ended


async def leaks(reader: Reader, limit: int = 100) -> list[Any]:
    """What was told, the newest first."""
    return list(
        await reader.all(
            "SELECT id, type, hint, url, source, reporter, verdict, subject_kind, subject_id, done, reported"
            " FROM sb_leak ORDER BY reported DESC, id DESC LIMIT ?",
            limit,
        )
    )


def message_id(*parts: bytes) -> str:
    """The id of a message: the same for the same bytes and signature."""
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:40]


def hint(found: Found) -> str:
    """What people may see of a secret: the beginning of one with a prefix of ours, its length of any."""
    text = found.token.reveal()
    shown = text[:HINT] if text.startswith(("sbr_", "sbs_")) else ""
    return f"{shown}… ({len(text)} characters)"


async def _told(work: Work, found: Found, ended: Ended, reporter: str) -> None:
    await _audited(work, found.type, found.url, ended, reporter)
    data = {
        "what": f"{ended.kind} {ended.id}",
        "done": ended.done,
        "where": found.url,
        "reporter": reporter,
        "at": iso(work.now),
    }
    await outward.notify(work, TEMPLATE, None, data, subject_id=ended.id)


async def _audited(work: Work, kind: str, url: str, ended: Ended, reporter: str) -> None:
    detail = {"type": kind, "url": url, "reporter": reporter, "done": ended.done}
    await record(work, "secret.leaked", ended.kind, ended.id, detail)


async def _by_public_half(reader: Reader, text: str) -> str | None:
    """The credential whose public half belongs to this private key (JWK or PEM); None for any other text."""
    thumbprint, kid = _key_names(text)
    if not thumbprint:
        return None
    rows = await reader.all(
        "SELECT id, reference, public FROM sb_credential WHERE kind IN ('jwk', 'certificate') ORDER BY id"
    )
    for row in rows:
        told = orjson.loads(row["public"]) if row["public"] else {}
        # Of a certificate `thumbprint` is the certificate's own, and `key` that of its key.
        known = {row["reference"], told.get("thumbprint"), told.get("key")}
        # A kid is public: alone it counts only where nothing better is known of the key.
        if thumbprint in known:
            return str(row["id"])
        if kid and "thumbprint" not in told and kid in (row["reference"], told.get("kid")):
            return str(row["id"])
    return None


def _key_names(text: str) -> tuple[str, str]:
    """What a private key is known by: its thumbprint (RFC 7638) and its id; empty for any other text.

    A public key is no secret, wherever it is found.
    """
    if text.lstrip().startswith("{"):
        try:
            said = orjson.loads(text)
            if said.get("kty") not in ("EC", "RSA", "OKP"):
                return "", ""
            key = import_key(said)
            return (key.thumbprint(), str(said.get("kid") or "")) if key.is_private else ("", "")
        except (JoseError, ValueError, TypeError, KeyError, AttributeError):
            return "", ""
    if "PRIVATE KEY-----" not in text:
        return "", ""
    for kind in (RSAKey, ECKey, OKPKey):
        try:
            return kind.import_key(text).thumbprint(), ""
        except (JoseError, ValueError, TypeError, KeyError):
            continue
    return "", ""
