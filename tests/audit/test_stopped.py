"""Promises of a verification or export that is stopped: it ends at once, and leaves no half file."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from scim_bridge.audit import export
from scim_bridge.audit.export import chain_lines
from scim_bridge.audit.seal import seal
from scim_bridge.audit.verify import verify_database
from scim_bridge.cli.files import writing
from scim_bridge.kernel.work import Store
from tests.audit.test_chain import write
from tests.conftest import MASTER


def test_a_verification_is_stopped_in_its_midst_and_not_at_its_end(on_store, monkeypatch) -> None:
    monkeypatch.setattr(export, "PAGE", 2)

    async def body(store: Store) -> None:
        await write(store, 10)
        await seal(store, MASTER)
        checked: list[int] = []

        def tell(rows: int) -> None:
            checked.append(rows)
            walk.cancel()

        walk = asyncio.create_task(verify_database(store.database, tell=tell))
        with pytest.raises(asyncio.CancelledError):
            await walk
        assert max(checked) < 8
        assert (await verify_database(store.database)).ok, "nothing of it is left"

    on_store(body)


def test_an_export_is_stopped_in_its_midst_and_not_at_its_end(on_store, monkeypatch) -> None:
    monkeypatch.setattr(export, "PAGE", 2)

    async def body(store: Store) -> None:
        await write(store, 10)
        await seal(store, MASTER)
        lines: list[bytes] = []

        async def take() -> None:
            async for line in chain_lines(store, MASTER):
                lines.append(line)
                taking.cancel()

        taking = asyncio.create_task(take())
        with pytest.raises(asyncio.CancelledError):
            await taking
        assert len(lines) < 8

    on_store(body)


def test_a_file_is_there_only_once_it_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    file.write_bytes(b"the last one")
    with pytest.raises(KeyboardInterrupt), writing(file) as out:
        out.write(b"half a")
        raise KeyboardInterrupt
    assert file.read_bytes() == b"the last one" and list(tmp_path.iterdir()) == [file]
    with writing(file) as out:
        out.write(b"whole")
    assert file.read_bytes() == b"whole" and list(tmp_path.iterdir()) == [file]
