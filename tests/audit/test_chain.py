"""Promises about the audit chain: what was written stays provable, and any change is found."""

from __future__ import annotations

import sqlite3
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scim_bridge.audit.export import export_lines
from scim_bridge.audit.model import GENESIS, merkle_root, row_hash
from scim_bridge.audit.record import record
from scim_bridge.audit.seal import seal
from scim_bridge.audit.verify import verify_database, verify_export
from scim_bridge.audit.walk import Walk
from scim_bridge.kernel.crypto import public_keys
from scim_bridge.kernel.errors import BridgeError
from scim_bridge.kernel.work import Store, Work
from tests.conftest import MASTER, TESTER


async def write(store: Store, count: int) -> None:
    for number in range(count):

        async def one(work: Work, number: int = number) -> None:
            await record(work, "agent.held", "agent", f"agent-{number}", {"reason": f"reason {number}"})

        await store.transact(TESTER, one)


def test_a_sealed_chain_verifies_in_the_database_and_offline(on_store) -> None:
    async def body(store: Store) -> None:
        await write(store, 5)
        assert await seal(store, MASTER) == 5
        await write(store, 3)
        assert await seal(store, MASTER) == 3
        verdict = await verify_database(store.database)
        assert verdict.ok and verdict.rows == 8 and verdict.checkpoints == 2 and verdict.unsealed == 0
        assert verify_export(await export_lines(store, MASTER)).ok

    on_store(body)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE sb_audit SET detail = replace(detail, 'reason 2', 'reason 9') WHERE seq = 3",
        "UPDATE sb_audit SET at = at + 1 WHERE seq = 1",
        "UPDATE sb_audit SET actor_name = 'somebody' WHERE seq = 6",
        "DELETE FROM sb_audit WHERE seq = 4",
        "DELETE FROM sb_audit WHERE seq = 6",
        "UPDATE sb_audit SET prev = hash WHERE seq = 2",
        "UPDATE sb_checkpoint SET root = last_hash",
        'UPDATE sb_key SET public = replace(public, \'"x":"\', \'"x":"A\')',
        "DELETE FROM sb_checkpoint",
        # SQLite keeps what is no number where a number belongs, and what is no text where a text does.
        "UPDATE sb_audit SET detail = x'ff' WHERE seq = 3",
        "UPDATE sb_audit SET detail = CAST(x'ff' AS TEXT) WHERE seq = 3",
        "UPDATE sb_audit SET seq = 'last' WHERE seq = 6",
        "UPDATE sb_audit SET seq = -6 WHERE seq = 6",
        "UPDATE sb_checkpoint SET last_seq = 'last'",
        "UPDATE sb_checkpoint SET statement = x'00'",
    ],
)
def test_any_alteration_of_the_database_is_found(sqlite_url, clock, statement) -> None:
    from tests.conftest import run_with_store

    async def body(store: Store) -> None:
        await write(store, 6)
        await seal(store, MASTER)
        original.update(await public_keys(store.reads, "audit"))

    original: dict[str, dict[str, Any]] = {}
    run_with_store(sqlite_url, clock, body)
    connection = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))
    assert connection.execute(statement).rowcount > 0
    connection.commit()
    connection.close()

    async def check(store: Store) -> None:
        assert not (await verify_database(store.database)).ok
        try:
            lines = await export_lines(store, MASTER)
        except BridgeError as error:
            assert error.code == "audit-damaged" and error.fix
            assert " 3 " in error.message or "seq = 3" not in statement, "it names the row"
        else:
            # Only a public key was altered: who has the one from before finds the rows as they were.
            assert verify_export(lines, original).ok == ("sb_key" in statement)

    run_with_store(sqlite_url, clock, check)


def test_every_flipped_byte_of_an_export_is_found(sqlite_url, clock) -> None:
    from tests.conftest import run_with_store

    async def body(store: Store) -> list[bytes]:
        await write(store, 3)
        await seal(store, MASTER)
        return await export_lines(store, MASTER)

    lines = run_with_store(sqlite_url, clock, body)
    trusted = orjson.loads(lines[0])["keys"]
    assert verify_export(lines, trusted).ok
    for index, line in enumerate(lines[1:], start=1):
        for position in range(0, len(line), 7):
            flipped = bytearray(line)
            flipped[position] ^= 1
            broken = [*lines[:index], bytes(flipped), *lines[index + 1 :]]
            try:
                assert not verify_export(broken, trusted).ok, (index, position, bytes(flipped))
            except BridgeError as error:
                assert error.code == "audit-export"


@given(st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=40), st.data())
@settings(max_examples=40, deadline=None)
def test_a_root_depends_on_every_leaf_and_its_place(leaves, data) -> None:
    texts = [leaf.hex() for leaf in leaves]
    root = merkle_root(texts)
    index = data.draw(st.integers(0, len(texts) - 1))
    changed = [*texts]
    changed[index] = (bytes([leaves[index][0] ^ 1]) + leaves[index][1:]).hex()
    assert merkle_root(changed) != root
    assert merkle_root([*texts, texts[0]]) != root


def test_rows_out_of_order_are_located() -> None:
    base = dict.fromkeys(("actor_kind", "actor_id", "actor_name", "action", "subject_kind", "outcome"), "x")
    base |= {"connection_id": None, "subject_id": None, "detail": "{}", "request_id": "", "address": None}
    rows, prev = [], GENESIS
    for seq in range(1, 5):
        row = {**base, "id": f"r{seq}", "at": seq, "seq": seq, "prev": prev}
        row["hash"] = prev = row_hash(row, seq, prev)
        rows.append(row)
    assert walked(rows) == [(1, "no checkpoint covers rows 1 to 4")]
    swapped = walked([rows[0], rows[2], rows[1], rows[3]])
    assert (2, "stands behind row 3: the order was changed") in swapped
    twice = walked([rows[0], rows[1], rows[1], *rows[2:]])
    assert (2, "comes again behind row 2, or where no such row can be") in twice
    assert (2, "rows 2 to 3 are missing") in walked([rows[0], rows[3]])


def walked(rows: list[dict[str, object]]) -> list[tuple[int | None, str]]:
    walk = Walk({})
    for row in rows:
        walk.row(row)
    return [(one.seq, one.message) for one in walk.findings()]
