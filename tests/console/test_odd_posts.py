"""Whoever may not do a thing does not do it, whatever they send: nothing breaks, and nothing is changed."""

from __future__ import annotations

import re
from typing import Any

import httpx2

from scim_bridge.access.policies import load_policies
from scim_bridge.console.known import Known
from scim_bridge.console.permissions import NEEDS, PUBLIC, SIGNED_IN
from scim_bridge.kernel.clock import HOUR
from scim_bridge.kernel.work import Store, Work
from scim_bridge.registry.roles import OWNER, Reach, reach
from scim_bridge.registry.sessions import Opened, open_session
from tests.bench.console import lived
from tests.bench.fill import populate
from tests.conftest import MASTER, TESTER, run_with_store
from tests.console.browser import BASE, application, context

FORM = {"content-type": "application/x-www-form-urlencoded"}
KEY = "form_key={key}"
# Everything a page's form has a name for, with what no page sends.
NAMES = (
    "reason",
    "of",
    "hours",
    "policies",
    "seen",
    "base",
    "accept",
    "verdict",
    "take",
    "agent",
    "attribute",
)
NAMES += ("run", "effect", "remote", "as", "slug", "owner", "scope", "q", "person", "group", "name", "digest")
NAMES += ("kind", "token", "secret", "url", "connection", "client_id", "step", "action", "release")
ODD = ("9" * 30, "%00%FF", "%ED%A0%80", "a%0D%0Ab", "x" * 300)
BODIES: tuple[tuple[bytes, dict[str, str]], ...] = (
    *(("&".join([KEY, *(f"{n}={odd}" for n in NAMES)]).encode(), FORM) for odd in ODD),
    ("&".join([KEY, *(f"reason={n}" for n in range(30))]).encode(), FORM),
    (b'{"form_key": "{key}", "reason": ["x"]}', {"content-type": "application/json"}),
    (b"\xff\xfe\x00form_key", FORM),
    (b"x" * 200_000, FORM),
    (b"", {}),
)
IDS = {
    "slug": "SELECT slug AS x FROM sb_agent ORDER BY slug LIMIT 1",
    "person": "SELECT o.person_id AS x FROM sb_owner o JOIN sb_agent a ON a.id = o.agent_id ORDER BY a.slug LIMIT 1",
    "alert": "SELECT id AS x FROM sb_alert LIMIT 1",
    "name": "SELECT name AS x FROM sb_connection LIMIT 1",
}


async def _everything(store: Store) -> dict[str, list[Any]]:
    """What every table holds, but for sessions."""
    tables = await store.reads.all(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'sb_%' AND name <> 'sb_session'"
    )
    names = [row["name"] for row in tables]
    return {name: [dict(row) for row in await store.reads.all(f"SELECT * FROM {name}")] for name in names}


def _sent(path: str, known: dict[str, str]) -> str:
    """An address of the table, of something that is there where this test has it."""
    for part in ("slug", "name"):
        path = path.replace(f"{{{part}}}", known[part])
    return re.sub(r"\{[\w:]+\}", "none", path.replace("/alerts/{id}", f"/alerts/{known['alert']}"))


def test_odd_bodies_break_nothing_and_change_nothing_for_whom_the_table_refuses(sqlite_url, clock) -> None:
    async def main(store: Store) -> None:
        await populate(store, MASTER, 10)
        await lived(store, 2, 2)
        policies = load_policies()
        app = application(context(store), known=Known(lambda: policies))
        known = {name: str((await store.reads.one(sql))["x"]) for name, sql in IDS.items()}

        async def client(role: str) -> tuple[httpx2.AsyncClient, bytes]:
            hours = (8 * HOUR, 8 * HOUR)
            opened = Opened("oidc", role, (role,), *hours, known["person"], authenticated=clock.now())

            async def body(work: Work) -> str:
                work.bookkeeping("a test signs in")
                return (await open_session(work, opened)).secret

            cookies = {"__Host-sb_console": await store.transact(TESTER, body)}
            transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
            browser = httpx2.AsyncClient(transport=transport, base_url=BASE, cookies=cookies)
            key = re.search(r'name="form_key" value="([0-9a-f]+)"', (await browser.get("/console/mine")).text)
            assert key is not None
            return browser, key.group(1).encode()

        posts = [
            (path, need) for (method, path), need in NEEDS.items() if method == "POST" and need != PUBLIC
        ]
        clients = {role: await client(role) for role in ("viewer", "auditor", OWNER)}
        before = await _everything(store)
        # First what each may not, then what they may.
        for may in (False, True):
            for role, (browser, key) in clients.items():
                for path, need in posts:
                    if may != (need == SIGNED_IN or reach((role,), need) is not Reach.NONE):
                        continue
                    for body, headers in BODIES if may else BODIES[:2]:
                        content = body.replace(b"{key}", key)
                        answer = await browser.post(_sent(path, known), content=content, headers=headers)
                        assert answer.status_code < 500, (role, path, body[:60], answer.status_code)
                        assert may or answer.status_code == 403, (role, path, answer.status_code)
            assert may or await _everything(store) == before
        for browser, _ in clients.values():
            await browser.aclose()

    run_with_store(sqlite_url, clock, main)
