"""Promises about evidence: an export verifies with the public keys alone, and any alteration is found."""

from __future__ import annotations

import httpx2
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette

from scim_bridge.attestations import evidence
from scim_bridge.audit.routes import routes as published
from scim_bridge.kernel.crypto import public_keys
from scim_bridge.kernel.errors import BridgeError, NotFound
from scim_bridge.kernel.work import Store
from scim_bridge.registry.signing_keys import forget_signing_keys
from tests.attestations.scene import context, scene
from tests.attestations.test_answers import say
from tests.conftest import MASTER, TESTER, run_with_store


@pytest.fixture(scope="module")
def exported(sqlite_template, tmp_path_factory) -> list[bytes]:
    """An export of two statements."""
    import shutil

    from scim_bridge.kernel.clock import ManualClock

    path = tmp_path_factory.mktemp("evidence") / "bridge.db"
    shutil.copy(sqlite_template, path)

    async def body(store: Store) -> list[bytes]:
        ctx = context(store)
        await scene(store)
        await say(ctx, "refuse", "Who is this?")
        store.clock.advance(days=1)
        await say(ctx, "confirm", "Now I know", to="carl@corp.test")
        return await evidence.export_lines(store.database)

    return run_with_store(f"sqlite:///{path}", ManualClock(), body)


def test_an_export_verifies_with_nothing_but_itself_or_the_keys_one_trusts(exported: list[bytes]) -> None:
    keys = orjson.loads(exported[0])["keys"]
    for trusted in (None, keys):
        verdict = evidence.verify_export(exported, trusted)
        assert verdict.ok and verdict.statements == 2
    stranger = {kid: {**key, "x": "A" * 43} for kid, key in keys.items()}
    assert len(evidence.verify_export(exported, stranger).findings) == 2
    assert len(evidence.verify_export(exported, {}).findings) == 2


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_one_flipped_bit_in_a_statement_is_found(exported: list[bytes], data: st.DataObject) -> None:
    line = data.draw(st.sampled_from([1, 2]))
    raw = bytearray(exported[line])
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] ^= 1 << data.draw(st.integers(0, 7))
    altered = [*exported[:line], bytes(raw), *exported[line + 1 :]]
    try:
        verdict = evidence.verify_export(altered)
    except BridgeError:
        return
    if not verdict.ok:
        return
    # Blanks between members and the case of \u escapes are spelling, not content.
    assert orjson.loads(raw) == orjson.loads(exported[line])


def test_missing_swapped_and_repeated_statements_are_found(exported: list[bytes]) -> None:
    keys, first, second, end = exported
    one, two = orjson.loads(first), orjson.loads(second)
    swapped = [
        orjson.dumps({**one, "facts": two["facts"]}),
        orjson.dumps({**two, "statement": one["statement"]}),
    ]
    for altered in (
        [keys, first, end],
        [keys, first, second],
        [keys, first, second, second, end],
        [keys, *swapped, end],
        [first, second, end],
    ):
        assert not evidence.verify_export(altered).ok


@pytest.mark.parametrize("line", [b"[]", b"{", b'{"type": "other"}', b'{"type": "attestation"}', b"\xff"])
def test_a_line_we_never_wrote_is_named(exported: list[bytes], line: bytes) -> None:
    with pytest.raises(BridgeError) as refused:
        evidence.verify_export([*exported, line])
    assert "Line 5" in refused.value.message


@pytest.mark.parametrize("keys", [b"", b"[]", b'{"a": 1}', b"\xff"])
def test_keys_that_are_none_are_refused(keys: bytes) -> None:
    with pytest.raises(BridgeError):
        evidence.trusted_keys(keys)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("verdict", "refuse"),
        ("comment", "fine"),
        ("person_id", "somebody"),
        ("facts", "{}"),
        ("digest", "sha256:00"),
        ("until", 1),
        ("statement", "a.b.c"),
    ],
)
def test_an_edited_database_row_does_not_verify(on_store, column: str, value: object) -> None:
    async def body(store: Store) -> None:
        ctx = context(store)
        await scene(store)
        done = await say(ctx, "confirm")
        assert (await evidence.verify_stored(store.database)).ok
        assert (await evidence.verify_stored(store.database, done.statement.id)).statements == 1

        async def tamper(work) -> None:
            work.bookkeeping("a test tampers")
            await work.tx.run(f"UPDATE sb_attestation SET {column} = ?", value)

        await store.transact(TESTER, tamper)
        verdict = await evidence.verify_stored(store.database, done.statement.id)
        assert not verdict.ok and verdict.findings[0].id == done.statement.id
        with pytest.raises(NotFound):
            await evidence.verify_stored(store.database, "no-such-id")
        assert len(await public_keys(store.reads, "attestation")) == 1

    on_store(body)


def test_after_a_new_key_old_statements_verify_and_both_keys_are_published(on_store) -> None:
    async def body(store: Store) -> None:
        ctx = context(store)
        await scene(store)
        await say(ctx, "refuse", "Who is this?")
        made = await store.transact(TESTER, lambda work: evidence.rotate_key(work, MASTER))
        await say(ctx, "confirm", "Now I know")
        # The private half of the first is destroyed; its public half stays.
        assert await store.transact(TESTER, lambda work: forget_signing_keys(work, "attestation")) == [
            made["before"]
        ]
        assert made["before"] != made["now"]
        assert (await evidence.verify_stored(store.database)).ok
        app = Starlette(routes=published(ctx))
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url="https://bridge.test") as web:
            told = (await web.get("/.well-known/jwks.json")).json()["keys"]
        assert {made["before"], made["now"]} <= {key["kid"] for key in told}
        assert all("d" not in key for key in told)

    on_store(body)
