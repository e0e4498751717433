"""Promises about receipts: true, verifiable with public keys alone, and any flipped byte is found."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from typing import Any

import orjson
import pytest
from joserfc.jwk import OKPKey

from scim_bridge.departures.cases import find_case
from scim_bridge.departures.receipt import export, sign_waiting, verify_case, verify_file
from scim_bridge.departures.statement import TYPE, check
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.crypto import SigningKey
from scim_bridge.kernel.errors import Invalid, NotFound
from scim_bridge.kernel.work import Store, Work
from scim_bridge.migrations import upgrade
from tests.conftest import TESTER, ManualClock, run_with_store
from tests.departures.house import context, drain, engine, furnish, heard, left
from tests.receiver import Receiver, receiving


async def closed(store: Store, receiver: Receiver, clock: ManualClock) -> Context:
    ids = await furnish(store)
    await heard(store, left(ids["priya"], clock.now()))
    ctx = context(store)
    clock.advance(seconds=1.5)
    await drain(engine(ctx, receiver), store)
    return ctx


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """One receipt with its keys, from a real departure."""

    url = f"sqlite:///{tmp_path_factory.mktemp('receipt') / 'bridge.db'}"
    asyncio.run(upgrade(url))
    clock = ManualClock()

    async def body(store: Store) -> dict[str, Any]:
        with receiving() as receiver:
            ctx = await closed(store, receiver, clock)
            found = await export(ctx, await find_case(store.reads, "priya@corp.test"))
            await ctx.outbound.aclose()
            return found

    return run_with_store(url, clock, body)


def test_a_receipt_verifies_offline_with_its_public_key_and_with_no_other(exported) -> None:
    verdict = verify_file(orjson.dumps(exported))
    assert verdict.ok, verdict.findings
    assert verdict.within_budget
    assert verdict.content["seconds"] == 1.5
    assert len(verdict.content["steps"]) == 15
    assert verify_file(orjson.dumps(exported), exported["keys"]).ok
    stranger = SigningKey(next(iter(exported["keys"])), OKPKey.generate_key("Ed25519"))
    assert not verify_file(orjson.dumps(exported), {stranger.kid: stranger.public()}).ok
    assert not verify_file(orjson.dumps(exported), {}).ok


def test_a_flipped_bit_anywhere_in_a_receipt_is_found(exported) -> None:
    text = exported["receipt"].encode()
    for place in range(len(text)):
        broken = bytearray(text)
        broken[place] ^= 1 << place % 7
        verdict = check(broken.decode("latin-1"), exported["keys"])
        assert not verdict.ok, place
    # The last character of a signature has four bits that base64 does not use.
    for bit in range(7):
        broken = bytearray(text)
        broken[-1] ^= 1 << bit
        assert not check(broken.decode("latin-1"), exported["keys"]).ok, bit


def test_a_broken_file_is_refused_or_found_and_never_a_crash(exported) -> None:
    raw = orjson.dumps(exported)
    content = verify_file(raw).content
    for place in range(0, len(raw), 5):
        broken = bytearray(raw)
        broken[place] ^= 4
        with contextlib.suppress(Invalid):
            verdict = verify_file(bytes(broken))
            assert not verdict.ok or verdict.content == content
    for rubbish in (
        b"",
        b"[]",
        b"{}",
        b'{"receipt": 1, "keys": {}}',
        b'{"receipt": "a.b.c", "keys": {"k": 1}}',
    ):
        with pytest.raises(Invalid):
            verify_file(rubbish)
    assert not verify_file(b'{"receipt": "a.b.c", "keys": {}}').ok


LIES = {
    "seconds": ({"seconds": 0.5}, "seconds"),
    "budget": ({"budget_seconds": 3600}, "five minutes"),
    "late but within": (
        {"ended": "2026-11-18T12:06:40.000Z", "closed": "2026-11-18T12:06:40.000Z"},
        "last step",
    ),
    "begun later": ({"begun": "2026-11-18T11:06:41.000Z"}, "begin"),
    "complete": ({"complete": False}, "complete"),
    "kept the budget": ({"within_budget": False}, "budget"),
    "version": ({"version": 2}, "version"),
    "no agents": ({"agents": []}, "agents"),
    "not ours": ({"steps": "many"}, "form"),
    "no times": ({"heard": None}, "form"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_receipt_that_contradicts_itself_is_found_though_its_signature_is_right(exported, lie) -> None:
    change, word = LIES[lie]
    content = {**verify_file(orjson.dumps(exported)).content, **change}
    key = SigningKey("receipt-test", OKPKey.generate_key("Ed25519"))
    verdict = check(key.sign(content, TYPE), {key.kid: key.public()})
    assert not verdict.ok
    assert any(word in finding for finding in verdict.findings), verdict.findings


def test_a_signed_statement_of_another_kind_is_no_receipt(exported) -> None:
    key = SigningKey("receipt-test", OKPKey.generate_key("Ed25519"))
    content = verify_file(orjson.dumps(exported)).content
    assert not check(key.sign(dict(content), "scim-bridge-checkpoint+jwt"), {key.kid: key.public()}).ok


TAMPERINGS = {
    "stored content": "UPDATE sb_receipt SET content = REPLACE(content, '\"held\"', '\"hold\"')",
    "stored statement": "UPDATE sb_receipt SET statement = REPLACE(statement, '.', '.A')",
    "an effect undone": "UPDATE sb_effect SET state = 'pending' WHERE kind = 'credential.revoke'",
    "audit's digest": "UPDATE sb_audit SET detail = '{\"digest\": \"0\"}' WHERE action = 'departure.receipt_issued'",
}


@pytest.mark.parametrize("what", TAMPERINGS)
def test_what_the_database_tells_otherwise_is_found(on_store, receiver, clock, what) -> None:
    async def body(store: Store) -> None:
        ctx = await closed(store, receiver, clock)
        case = await find_case(store.reads, "priya@corp.test")
        assert (await verify_case(ctx, case)).ok

        async def tamper(work: Work) -> None:
            work.bookkeeping("test")
            assert await work.tx.run(TAMPERINGS[what])

        await store.transact(TESTER, tamper)
        verdict = await verify_case(ctx, case)
        assert not verdict.ok
        assert verdict.findings
        await ctx.outbound.aclose()

    on_store(body)


def test_nothing_is_signed_that_is_not_what_the_case_closed_with(on_store, receiver, clock) -> None:
    async def body(store: Store) -> None:
        ctx = await closed(store, receiver, clock)

        async def tamper(work: Work) -> None:
            work.bookkeeping("test")
            await work.tx.run(
                "UPDATE sb_receipt SET content = REPLACE(content, '\"seconds\":1.5', '\"seconds\":0.5')"
            )

        await store.transact(TESTER, tamper)
        assert await sign_waiting(ctx) == 0
        row = await store.reads.one("SELECT statement FROM sb_receipt")
        assert row["statement"] is None
        await ctx.outbound.aclose()

    on_store(body)


def test_an_open_case_has_no_receipt_yet_and_says_where_to_look(on_store, clock) -> None:
    async def body(store: Store) -> None:
        ids = await furnish(store)
        await heard(store, left(ids["priya"], clock.now()))
        with pytest.raises(NotFound, match="open") as caught:
            await export(context(store), await find_case(store.reads, "priya@corp.test"))
        assert "departures show" in caught.value.fix

    on_store(body)


def test_the_receipt_tells_nobodys_address(exported) -> None:
    body = base64.urlsafe_b64decode(exported["receipt"].split(".")[1] + "==").decode()
    assert "daniel@corp.test" not in body
    assert "http" not in body
