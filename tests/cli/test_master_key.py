"""Promises about the master key: a database is only opened with its own, and never gets a new one silently."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from pathlib import Path

import pytest

from scim_bridge.app import open_bridge
from scim_bridge.kernel.crypto import signing_key
from scim_bridge.kernel.errors import ConfigurationError
from scim_bridge.settings.model import Settings
from tests.cli.command import Command
from tests.conftest import TESTER

KEY = "b3f1c2d4e5a60718293a4b5c6d7e8f90a1b2c3d4e5f60718"
OTHER = "f00dc2d4e5a60718293a4b5c6d7e8f90a1b2c3d4e5f60718"


def opened(url: str, key: str = KEY) -> None:
    """Open a bridge with a key and close it."""

    async def main() -> None:
        bridge = await open_bridge(Settings(database_url=url, secret_key=key))
        await bridge.close()

    asyncio.run(main())


def signs(url: str, key: str = KEY) -> None:
    """Have the bridge make a signing key, which is sealed with the master key."""

    async def main() -> None:
        bridge = await open_bridge(Settings(database_url=url, secret_key=key))
        master = bridge.ctx.master
        await bridge.ctx.store.transact(TESTER, lambda work: made(work, master))
        await bridge.close()

    async def made(work, master) -> None:
        work.bookkeeping("a test makes a key")
        await signing_key(work, master, "audit")

    asyncio.run(main())


def forgotten(url: str) -> None:
    """Make a database one of before fingerprints."""

    async def main() -> None:
        bridge = await open_bridge(Settings(database_url=url, secret_key=KEY))
        await bridge.ctx.store.database.transact(forget)
        await bridge.close()

    async def forget(tx) -> None:
        await tx.run("DELETE FROM sb_fact WHERE name = 'master-key'")

    asyncio.run(main())


def test_another_master_key_does_not_open_a_database(database_url: str) -> None:
    opened(database_url)
    opened(database_url)
    with pytest.raises(
        ConfigurationError, match=r"secret_key: .*another master key than the one in the setting"
    ):
        opened(database_url, OTHER)


def test_a_database_of_before_is_adopted_by_the_key_that_reads_it_and_by_no_other(database_url: str) -> None:
    signs(database_url)
    forgotten(database_url)
    with pytest.raises(ConfigurationError, match="another master key"):
        opened(database_url, OTHER)
    opened(database_url)
    with pytest.raises(
        ConfigurationError, match=r"its fingerprint is [0-9a-f]{8}, the database's is [0-9a-f]{8}"
    ):
        opened(database_url, OTHER)


@pytest.mark.parametrize("fingerprint", [True, False])
def test_a_key_file_that_is_gone_is_missed_and_not_made_anew(command: Command, fingerprint: bool) -> None:
    key = Path("scim-bridge.key")
    assert command("connections", "create", "okta", "--kind", "okta").code == 0
    assert command("tokens", "create", "--connection", "okta").code == 0
    saved = key.read_text()
    key.unlink()
    if not fingerprint:
        with contextlib.closing(sqlite3.connect("scim-bridge.db", isolation_level=None)) as database:
            database.execute("DELETE FROM sb_fact")
    for words in (
        ("agents", "list"),
        ("serve", "--port", "0"),
        ("connections", "create", "b", "--kind", "okta"),
    ):
        done = command(*words)
        assert done.code == 78 and done.err.count("\n") == 1, done
        assert "scim-bridge.key" in done.err and "Restore the key" in done.err
        assert not key.exists()
    key.write_text("ab" * 32)
    if fingerprint:
        assert command("agents", "list").code == 78
    key.write_text(saved)
    assert command("agents", "list").code == 0


def test_what_a_first_start_makes_is_for_its_owner_alone(command: Command) -> None:
    assert command("connections", "create", "okta", "--kind", "okta").code == 0
    modes = {file.name: oct(file.stat().st_mode & 0o777) for file in Path().iterdir()}
    assert {"scim-bridge.db", "scim-bridge.key"} <= modes.keys()
    assert set(modes.values()) == {"0o600"}


def test_several_workers_refuse_another_key_once_and_do_not_start(
    command: Command, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(postgres_url)
    monkeypatch.setenv("SCIM_BRIDGE_SECRET_KEY", OTHER)
    done = command("serve", "--port", "0", "--workers", "2", "--database-url", postgres_url)
    assert done.code == 78 and done.err.count("\n") == 1 and "another master key" in done.err
