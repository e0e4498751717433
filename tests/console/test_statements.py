"""A page asks the database as often of two hundred agents as of ten: whatever it shows, it reads together."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scim_bridge.console import tally
from scim_bridge.kernel import sqlite_transaction
from scim_bridge.kernel.work import Store
from tests.bench.console import addresses, lived
from tests.bench.fill import populate
from tests.conftest import MASTER, run_with_store
from tests.console.browser import open_browser

EVERY = 2


def _asked(url: str, clock: Any, agents: int, statements: list[str]) -> dict[str, list[str]]:
    """The statements of each page of a company with so many agents, half of them held and odd."""
    found: dict[str, list[str]] = {}

    async def main(store: Store) -> None:
        await populate(store, MASTER, agents)
        await lived(store, EVERY, EVERY)
        async with open_browser(store) as browser:
            await browser.sign_in()
            for page, address in (await addresses(browser)).items():
                statements.clear()
                answer = await browser.get(address)
                assert answer.status_code == 200, (address, answer.status_code)
                found[page] = list(statements)

    run_with_store(url, clock, main)
    return found


def test_no_page_asks_more_often_where_there_are_more_agents(
    sqlite_template: Path, tmp_path: Path, clock: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    statements: list[str] = []
    execute: Callable[..., Any] = sqlite_transaction.SqliteReader._execute

    def counted(reader: Any, sql: str, values: Any) -> Any:
        statements.append(sql)
        return execute(reader, sql, values)

    monkeypatch.setattr(sqlite_transaction.SqliteReader, "_execute", counted)
    # What took long to count is remembered, on a busy machine of few as well: here it is always counted anew.
    monkeypatch.setattr(tally, "CHEAP", 3600.0)
    few, many = (
        _asked(f"sqlite:///{shutil.copy(sqlite_template, tmp_path / f'{n}.db')}", clock, n, statements)
        for n in (10, 200)
    )
    more = {
        page: (len(few[page]), len(asked), asked)
        for page, asked in many.items()
        if len(asked) > len(few[page])
    }
    assert not more, more
    # A page that reads nothing would promise nothing.
    assert len(many[""]) > 5 and len(many["people"]) > 3
