"""A browser before the console, with a tenant in memory behind it and hands for what the worker would do."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2

from scim_bridge.audit.record import effect_settled
from scim_bridge.kernel.effects import Effects
from scim_bridge.kernel.work import Store
from scim_bridge.sync import asked
from scim_bridge.sync.effects import handlers, settled
from tests.console.browser import Browser, open_browser
from tests.sync.bench import Bench, OneIdp
from tests.sync.drift_bench import TellingIdp, written


@dataclass
class Desk:
    """A signed-in browser, the bench behind it, and its tenant."""

    browser: Browser
    bench: Bench
    idp: TellingIdp
    effects: Effects

    async def post(self, where: str, **fields: str) -> httpx2.Response:
        """Send a form of a page of this connection, as the page would."""
        key = await self.browser.form_key()
        return await self.browser.post(f"/console/sync/there/{where}", form_key=key, **fields)

    async def page(self, where: str = "") -> str:
        """A page of this connection."""
        answer = await self.browser.get(f"/console/sync/there{where}")
        assert answer.status_code == 200, answer.text
        return answer.text

    async def done(self, sent: httpx2.Response) -> str:
        """What a form led to, once the worker has done what it asked for: a page."""
        assert sent.status_code == 303, sent.text
        await self.work()
        there = await self.browser.get(str(sent.headers["location"]), follow_redirects=True)
        assert there.status_code == 200, there.text
        return there.text

    async def work(self) -> None:
        """Do what waits, and what follows from it."""
        for _ in range(3):
            rows = await self.bench.store.reads.all(
                "SELECT id FROM sb_effect WHERE state IN ('pending', 'handed') ORDER BY created, id"
            )
            for row in rows:
                await self.effects.attempt(row["id"])

    async def plan(self) -> tuple[str, str]:
        """Have a plan made; its page and its address below the connection."""
        page = await self.done(await self.post("plan"))
        found = re.search(r"sync apply there --plan ([0-9a-f-]+)", page)
        assert found is not None, page
        return page, f"plans/{found.group(1)}"


@asynccontextmanager
async def desk(store: Store, **settings: Any) -> AsyncIterator[Desk]:
    """Three agents that are written, and an admin who is signed in."""
    bench, idp, _ = await written(store, **settings)
    one: Any = OneIdp(store, idp)
    effects = Effects(
        store,
        {**handlers(bench.ctx, one), **asked.handlers(bench.ctx, one)},
        [effect_settled, settled],
    )
    async with open_browser(store) as browser:
        await browser.sign_in()
        yield Desk(browser, bench, idp, effects)
