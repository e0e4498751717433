"""Promises of an evidence bundle: it verifies with only the public keys, and whatever is touched is found."""

from __future__ import annotations

import io
import zipfile

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scim_bridge.attestations.bundle import bundle, verify_bundle
from scim_bridge.attestations.campaign_model import Policy
from scim_bridge.attestations.campaigns import open_campaign
from scim_bridge.attestations.chasing import chase
from scim_bridge.kernel.clock import ManualClock
from scim_bridge.kernel.crypto import public_keys
from scim_bridge.kernel.errors import BadFile
from scim_bridge.kernel.work import Store
from tests.attestations.crowd import browser, company, mails, play
from tests.attestations.scene import SETTINGS, context
from tests.conftest import TESTER, run_with_store


@pytest.fixture(scope="module")
def evidence(sqlite_template, tmp_path_factory):
    """A campaign's bundle, and the keys an auditor was given before."""
    import shutil

    path = tmp_path_factory.mktemp("evidence") / "bridge.db"
    shutil.copy(sqlite_template, path)

    async def main(store: Store):
        ctx = context(store)
        await company(store, 12, 3)
        await open_campaign(ctx, TESTER, "Audit", Policy())
        await chase(ctx)
        async with browser(ctx, SETTINGS) as web:
            links = [link for mail in await mails(store, "campaign-request") for link in mail["links"]]
            await play(web, links, seed=1, share=0.8)
        made = await bundle(ctx, TESTER, of="Audit")
        keys = {**await public_keys(store.reads, "attestation"), **await public_keys(store.reads, "audit")}
        return made, keys

    return run_with_store(f"sqlite:///{path}", ManualClock(), main)


def repacked(raw: bytes, **changed: bytes) -> bytes:
    """The bundle with some of its files replaced."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(raw)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            new.writestr(name, changed.get(name.replace(".", "_"), old.read(name)))
    return out.getvalue()


def part(raw: bytes, name: str) -> bytes:
    with zipfile.ZipFile(io.BytesIO(raw)) as opened:
        return opened.read(name)


def test_a_bundle_verifies_with_the_keys_given_before_and_with_its_own(evidence) -> None:
    made, keys = evidence
    for trusted in (keys, None):
        found = verify_bundle(made.content, trusted)
        assert found.ok and found.statements == made.statements > 5
    page = part(made.content, "index.html").decode()
    assert "Campaign Audit" in page and "Without an answer" in page and "<script" not in page


@settings(max_examples=60)
@given(data=st.data())
def test_any_changed_byte_of_any_part_is_found(evidence, data) -> None:
    made, keys = evidence
    name = data.draw(
        st.sampled_from(["statements.jsonl", "audit.jsonl", "keys.json", "index.html", "bundle.jws"])
    )
    content = bytearray(part(made.content, name))
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= 1 << data.draw(st.integers(0, 7))
    try:
        found = verify_bundle(repacked(made.content, **{name.replace(".", "_"): bytes(content)}), keys)
    except BadFile:
        return
    assert not found.ok


def test_a_swapped_statement_a_cut_chain_and_a_bundle_signed_by_somebody_else_are_found(evidence) -> None:
    made, keys = evidence
    lines = part(made.content, "statements.jsonl").splitlines()
    first, second = orjson.loads(lines[1]), orjson.loads(lines[2])
    swapped = [lines[0], orjson.dumps({**first, "statement": second["statement"]}), *lines[2:]]
    assert not verify_bundle(repacked(made.content, statements_jsonl=b"\n".join(swapped)), keys).ok
    left_out = [lines[0], *lines[2:-1], orjson.dumps({"type": "end", "statements": len(lines) - 3})]
    assert not verify_bundle(repacked(made.content, statements_jsonl=b"\n".join(left_out)), keys).ok
    chain = part(made.content, "audit.jsonl").splitlines()
    assert not verify_bundle(
        repacked(made.content, audit_jsonl=b"\n".join(chain[: len(chain) // 2])), keys
    ).ok
    assert not verify_bundle(made.content, {"other": next(iter(keys.values()))}).ok


@pytest.mark.parametrize("raw", [b"", b"PK\x03\x04", b"PK\x03\x04" + b"x" * 500, b"{}"])
def test_what_is_no_bundle_is_said_to_be_none(raw) -> None:
    with pytest.raises(BadFile):
        verify_bundle(raw)


def test_a_statement_deleted_from_the_database_is_missed_because_the_chain_tells_of_it(
    sqlite_url, clock
) -> None:
    async def body(store: Store) -> None:
        ctx = context(store)
        crowd = await company(store, 3, 1)
        await open_campaign(ctx, TESTER, "Audit", Policy())
        await chase(ctx)
        async with browser(ctx, SETTINGS) as web:
            links = [link for mail in await mails(store, "campaign-request") for link in mail["links"]]
            await play(web, links, seed=1, share=1)
        clock.advance(days=1)
        for agent in (None, crowd.agents[0]):
            assert verify_bundle((await bundle(ctx, TESTER, agent_id=agent)).content).ok

        async def delete(work) -> None:
            work.bookkeeping("what no command does: a test of somebody with the database in hand")
            await work.tx.run("DELETE FROM sb_attestation WHERE agent_id = ?", crowd.agents[0])

        await store.transact(TESTER, delete)
        for agent in (None, crowd.agents[0]):
            (found,) = verify_bundle((await bundle(ctx, TESTER, agent_id=agent)).content).findings
            assert "not in the bundle" in found.message
        assert verify_bundle((await bundle(ctx, TESTER, agent_id=crowd.agents[1])).content).ok

    run_with_store(sqlite_url, clock, body)


@pytest.mark.parametrize("detail", [None, 5, "x", "null", "[]", '"s"', {"a": 1}])
def test_a_chain_that_was_edited_into_nonsense_is_found_and_never_breaks_the_check(evidence, detail) -> None:
    made, keys = evidence
    rows = [orjson.loads(line) for line in part(made.content, "audit.jsonl").splitlines()]
    edited = [
        {**row, "detail": detail} if row.get("action") == "attestation.confirmed" else row for row in rows
    ]
    lines = b"\n\n".join(map(orjson.dumps, edited))
    assert not verify_bundle(repacked(made.content, audit_jsonl=lines), keys).ok


def test_a_bundle_made_to_fill_a_memory_is_refused_before_it_is_unpacked(evidence) -> None:
    made, _ = evidence
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(made.content)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            content = b"\0" * 60_000_000 if name == "index.html" else old.read(name)
            new.writestr(name, content, zipfile.ZIP_DEFLATED)
    with pytest.raises(BadFile, match="unpacks to more"):
        verify_bundle(out.getvalue())
