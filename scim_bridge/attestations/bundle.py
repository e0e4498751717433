"""Evidence in one file for an auditor: statements, the audit chain they stand in, keys, and pages to read.

A zip of `statements.jsonl`, `audit.jsonl`, `keys.json`, `index.html` and `bundle.jws`, which signs the
digest of each of the others. Checked on any machine with only the public keys.
"""

from __future__ import annotations

import hashlib
import io
import lzma
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from scim_bridge.attestations import evidence
from scim_bridge.attestations.campaign_view import agents as campaign_agents
from scim_bridge.attestations.campaign_view import details
from scim_bridge.attestations.campaigns import campaign
from scim_bridge.attestations.evidence import Finding, Keys, Verdict
from scim_bridge.audit import verify as audit
from scim_bridge.audit.export import export_lines
from scim_bridge.audit.record import record
from scim_bridge.audit.seal import seal
from scim_bridge.kernel.clock import MINUTE, SECOND, iso
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.crypto import Tampered, public_keys, signing_key, verify
from scim_bridge.kernel.errors import BadFile
from scim_bridge.kernel.pages import environment
from scim_bridge.kernel.work import Actor, Work

TYPE = "scim-bridge-evidence+jwt"
SIGNED = "bundle.jws"
FILES = ("statements.jsonl", "audit.jsonl", "keys.json", "index.html")
STATED = ("attestation.confirmed", "attestation.reduced", "attestation.refused", "attestation.retired")
# Larger than any honest part: a zip can be made to unpack for ever.
LARGEST = 2_000_000_000
# Ours shrink ten- to thirtyfold. What shrinks more, and is large, was made to fill a memory.
SHRINKS, SMALL = 200, 50_000_000
# A statement made while a bundle was being made may be in the chain and not yet among the statements.
MEANWHILE = MINUTE
# Every file bears the same time, so that the same evidence is the same bytes.
EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Made:
    """A bundle: its bytes, and how many statements are in it."""

    content: bytes
    statements: int


async def bundle(ctx: Context, actor: Actor, *, agent_id: str | None = None, of: str | None = None) -> Made:
    """The evidence about one agent, of one campaign (its agents' statements since it opened), or all of it.

    The audit chain is in it as a whole: a part of a chain proves nothing about what was left out.
    """
    found = None if of is None else await campaign(ctx.store.reads, of)
    database, as_of = ctx.store.database, ctx.store.clock.now()
    lines = await evidence.export_lines(database, agent_id)
    asked: list[dict[str, Any]] = []
    if found is not None:
        asked = await campaign_agents(ctx.store.reads, found, limit=1_000_000)
        lines = await _of_campaign(ctx, lines, found.id, iso(found.opened))
    # Sealed after the statements were read, so that the chain tells of each of them.
    await seal(ctx.store, ctx.master)
    statements = [orjson.loads(line) for line in lines[1:-1]]
    told = None if found is None else await details(ctx.store.reads, found, ctx.store.clock.now())
    async with database.snapshot() as reader:
        keys = {purpose: await public_keys(reader, purpose) for purpose in ("attestation", "audit")}
    page = environment(Path(__file__).parent).get_template("evidence.html")
    files = {
        "statements.jsonl": b"\n".join(lines) + b"\n",
        "audit.jsonl": b"\n".join(await export_lines(ctx.store, ctx.master)) + b"\n",
        "keys.json": orjson.dumps(keys, option=orjson.OPT_INDENT_2),
        "index.html": page.render(
            statements=[{**item, "facts": orjson.loads(item["facts"])} for item in statements],
            campaign=told,
            unanswered=[item for item in asked if item["state"] in ("waiting", "lapsed")],
            issuer=ctx.public_url,
            made=iso(ctx.store.clock.now()),
        ).encode(),
    }

    async def sign(work: Work) -> str:
        key = await signing_key(work, ctx.master, "attestation")
        digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
        detail = {"statements": len(statements), "campaign": None if found is None else found.id}
        await record(work, "attestation.evidence_exported", "evidence", agent_id, detail)
        content = {"iss": ctx.public_url, "iat": work.now // 1_000_000, "files": digests, **detail}
        content |= {"agent": agent_id, "as_of": as_of // SECOND}
        return key.sign(content, TYPE)

    files[SIGNED] = (await ctx.store.transact(actor, sign)).encode()
    return Made(_zipped(files), len(statements))


async def _of_campaign(ctx: Context, lines: list[bytes], campaign_id: str, opened: str) -> list[bytes]:
    rows = await ctx.store.reads.all(
        "SELECT agent_id FROM sb_campaign_item WHERE campaign_id = ?", campaign_id
    )
    wanted = {row["agent_id"] for row in rows}
    kept = []
    for line in lines[1:-1]:
        item = orjson.loads(line)
        if item["agent"] in wanted and item["at"] >= opened:
            kept.append(line)
    return [lines[0], *kept, orjson.dumps({"type": "end", "statements": len(kept)})]


def _zipped(files: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in files.items():
            made.writestr(zipfile.ZipInfo(name, EPOCH), content, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def is_bundle(raw: bytes) -> bool:
    """True for the bytes of a zip."""
    return raw[:4] == b"PK\x03\x04"


def verify_bundle(raw: bytes, trusted: Keys | None = None) -> Verdict:
    """Check a bundle offline: its own signature, every statement, the audit chain, and that they agree.

    `trusted` public keys by kid, of attestations and of the audit; without, the bundle's own are used.
    BadFile for what is no bundle of ours.
    """
    files = _unzipped(raw)
    keys = _keys(files["keys.json"]) if trusted is None else trusted
    statements = evidence.verify_export(files["statements.jsonl"].splitlines(), keys)
    chain = audit.verify_export(files["audit.jsonl"].splitlines(), keys)
    try:
        stated: Mapping[str, Any] = verify(files[SIGNED].decode("ascii", "replace"), keys, TYPE)
        found = _sealed(files, stated, statements.statements)
    except Tampered as error:
        stated, found = {}, [Finding(SIGNED, error.message)]
    found += statements.findings
    found += [Finding("audit", finding.message) for finding in chain.findings]
    found += _agree(files, stated)
    return Verdict(statements.statements, tuple(found))


def _unzipped(raw: bytes) -> dict[str, bytes]:
    fix = "Is it cut off or edited? Export again."
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as opened:
            infos = opened.infolist()
            if sorted(info.filename for info in infos) != sorted((*FILES, SIGNED)):
                raise BadFile("evidence-bundle", "The bundle does not hold the files of one.", fix)
            if sum(info.file_size for info in infos) > LARGEST:
                raise BadFile("evidence-bundle", "The bundle is larger than any of ours.", fix)
            if any(info.file_size > max(SMALL, SHRINKS * info.compress_size) for info in infos):
                raise BadFile("evidence-bundle", "The bundle unpacks to more than any of ours.", fix)
            return {info.filename: opened.read(info) for info in infos}
    except (
        zipfile.BadZipFile,
        zlib.error,
        lzma.LZMAError,
        EOFError,
        ValueError,
        OSError,
        RuntimeError,
    ) as error:
        raise BadFile("evidence-bundle", f"The bundle cannot be unpacked ({error}).", fix) from error


def _keys(raw: bytes) -> Keys:
    try:
        told = orjson.loads(raw)
        return {kid: key for purpose in ("attestation", "audit") for kid, key in told[purpose].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadFile("evidence-bundle", "keys.json holds no keys.", "Export again.") from error


def _sealed(files: Mapping[str, bytes], stated: Mapping[str, Any], statements: int) -> list[Finding]:
    said: Any = stated.get("files")
    wrong = [
        Finding(name, "is not the file that was signed")
        for name in FILES
        if not isinstance(said, dict) or said.get(name) != hashlib.sha256(files[name]).hexdigest()
    ]
    if stated.get("statements") != statements:
        wrong.append(Finding(SIGNED, "another number of statements was signed"))
    return wrong


def _agree(files: Mapping[str, bytes], stated: Mapping[str, Any]) -> list[Finding]:
    """Every statement has its row in the audit chain, made about what it says, and every such row its statement."""
    rows: dict[str, tuple[str, Mapping[str, Any]]] = {}
    for item in _lines(files["audit.jsonl"]):
        if item.get("type") == "row" and item.get("action") in STATED:
            detail = _object(item.get("detail"))
            rows[str(detail.get("statement"))] = (str(detail.get("digest")), item)
    found, told = [], set()
    for item in _lines(files["statements.jsonl"]):
        if item.get("type") != "attestation":
            continue
        name = str(item["id"])
        told.add(name)
        if name not in rows:
            found.append(Finding(name, "The audit chain does not tell of this statement."))
        elif rows[name][0] != item["digest"]:
            found.append(Finding(name, "The audit chain tells of other facts."))
    return [
        *found,
        *(
            Finding(name, "The audit chain tells of this statement, which is not in the bundle.")
            for name, (_, row) in rows.items()
            if name not in told and _covered(stated, row)
        ),
    ]


def _covered(stated: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    """True when a bundle of this extent holds what this row of the chain tells of."""
    as_of, at = stated.get("as_of"), row.get("at")
    if not isinstance(as_of, int) or not isinstance(at, int) or stated.get("campaign") is not None:
        return False
    return at < as_of * SECOND - MEANWHILE and stated.get("agent") in (None, row.get("subject_id"))


def _lines(raw: bytes) -> Iterator[dict[str, Any]]:
    return (orjson.loads(line) for line in raw.splitlines() if line.strip())


def _object(text: Any) -> Mapping[str, Any]:
    """The object in a text; an empty one for anything else, which the chain's own check finds."""
    try:
        read = orjson.loads(text)
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}
