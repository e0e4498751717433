"""Promises of the owner's door over HTTP: pages that work without scripts, JSON on request, no 5xx."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette

from scim_bridge.attestations.routes import routes
from scim_bridge.kernel.clock import ManualClock
from scim_bridge.kernel.database import open_database
from scim_bridge.kernel.edge import unexpected, unrouted
from scim_bridge.kernel.ids import UuidV7
from scim_bridge.kernel.work import Store
from scim_bridge.registry.holds import place_hold
from tests.attestations.scene import SETTINGS, asked, context, scene
from tests.conftest import TESTER, run_with_store

Body = Callable[[Store, httpx2.AsyncClient, str], Awaitable[None]]
JSON = {"accept": "application/json"}


def visiting(url: str, clock: Any, body: Body) -> None:
    """Run a body with a browser in front of the door and the token of a fresh link."""

    async def main(store: Store) -> None:
        ctx = context(store)
        await scene(store)
        _, token = await asked(ctx)
        app = Starlette(
            routes=routes(ctx, SETTINGS),
            exception_handlers={404: unrouted, 405: unrouted, Exception: unexpected},
        )
        transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url="https://bridge.test") as browser:
            await body(store, browser, token)

    run_with_store(url, clock, main)


def digest_in(page: str) -> str:
    found = re.search(r'name="digest" value="(sha256:[0-9a-f]{64})"', page)
    assert found is not None
    return found.group(1)


def test_an_owner_without_scripts_looks_and_confirms(sqlite_url, clock) -> None:
    async def body(_store: Store, browser: httpx2.AsyncClient, token: str) -> None:
        page = await browser.get(f"/attest/{token}", headers={"accept": "text/html"})
        assert page.status_code == 200 and page.headers["content-type"].startswith("text/html")
        assert "Sorts tickets" in page.text and "Read and answer tickets." in page.text
        assert "<script" not in page.text and "style=" not in page.text
        assert "<b>bot" not in page.text and "Triage &lt;b&gt;bot" in page.text
        form = {"verdict": "confirm", "comment": "Fine", "digest": digest_in(page.text)}
        done = await browser.post(f"/attest/{token}", data=form)
        assert done.status_code == 200 and "is attested" in done.text and "Fine" in done.text
        again = await browser.get(f"/attest/{token}")
        assert again.status_code == 410 and "has been used" in again.text

    visiting(sqlite_url, clock, body)


def test_a_program_gets_json_of_the_same(sqlite_url, clock) -> None:
    async def body(_store: Store, browser: httpx2.AsyncClient, token: str) -> None:
        seen = (await browser.get(f"/attest/{token}", headers=JSON)).json()
        assert seen["facts"]["agent"]["slug"] == "triage" and seen["role"] == "owner"
        said = {"verdict": "confirm", "comment": "Looks right.", "digest": seen["digest"]}
        done = await browser.post(f"/attest/{token}", json=said, headers=JSON)
        assert done.status_code == 200 and done.json()["state"] == "valid" and done.json()["until"]
        used = await browser.post(f"/attest/{token}", json=said, headers=JSON)
        assert used.status_code == 410 and used.json()["code"] == "link-used"
        assert used.headers["content-type"] == "application/problem+json"

    visiting(sqlite_url, clock, body)


def test_when_the_facts_changed_the_page_shows_them_anew_and_keeps_the_comment(sqlite_url, clock) -> None:
    async def body(store: Store, browser: httpx2.AsyncClient, token: str) -> None:
        page = await browser.get(f"/attest/{token}")
        row = await store.reads.one("SELECT id FROM sb_agent")
        await store.transact(
            TESTER, lambda work: place_hold(work, row["id"], "admin", "admin", "Under <review>", "an admin")
        )
        form = {"verdict": "confirm", "comment": "My <long> comment", "digest": digest_in(page.text)}
        moved = await browser.post(f"/attest/{token}", data=form)
        assert moved.status_code == 409 and 'role="alert"' in moved.text
        assert "My &lt;long&gt; comment" in moved.text and "Under &lt;review&gt;" in moved.text
        form["digest"] = digest_in(moved.text)
        assert (await browser.post(f"/attest/{token}", data=form)).status_code == 200

    visiting(sqlite_url, clock, body)


def test_every_answer_forbids_what_the_pages_do_not_need(sqlite_url, clock) -> None:
    async def body(_store: Store, browser: httpx2.AsyncClient, token: str) -> None:
        page = await browser.get(f"/attest/{token}")
        style = re.search(r'href="(/attest/look\.css\?v=[0-9a-f]+)"', page.text)
        assert style is not None
        answers = [
            page,
            await browser.get(f"/attest/{token}", headers=JSON),
            await browser.get("/attest/nonsense"),
            await browser.get("/attest/nonsense", headers=JSON),
            await browser.post(f"/attest/{token}", data={"verdict": "maybe"}),
            await browser.get(style.group(1)),
            await browser.get("/attest/mark.svg"),
        ]
        for found in answers:
            assert "default-src 'none'" in found.headers["content-security-policy"]
            assert "unsafe" not in found.headers["content-security-policy"]
            assert found.headers["referrer-policy"] == "no-referrer"
            assert found.headers["x-content-type-options"] == "nosniff"
            assert "set-cookie" not in found.headers
        for found in answers[:5]:
            assert found.headers["cache-control"] == "no-store"
        assert answers[5].headers["content-type"].startswith("text/css")

    visiting(sqlite_url, clock, body)


@pytest.mark.parametrize(
    ("headers", "content", "status"),
    [
        ({"content-type": "text/plain"}, b"verdict=confirm", 415),
        ({}, b"", 415),
        ({"content-type": "application/json"}, b"{", 400),
        ({"content-type": "application/json"}, b"[]", 400),
        ({"content-type": "application/json"}, b'{"verdict": 1}', 400),
        ({"content-type": "application/json"}, b'{"verdict": "confirm", "digest": "sha256:0"}', 409),
        ({"content-type": "application/x-www-form-urlencoded"}, b"verdict=confirm&digest=\xff", 400),
        ({"content-type": "application/x-www-form-urlencoded"}, b"a=1&" * 100, 400),
        ({"content-type": "application/x-www-form-urlencoded"}, b"comment=" + b"x" * 70_000, 413),
        ({"content-type": "application/x-www-form-urlencoded"}, b"verdict=maybe", 400),
    ],
)
def test_an_answer_that_is_none_is_refused_in_both_tongues(
    sqlite_url, clock, headers: dict[str, str], content: bytes, status: int
) -> None:
    async def body(_store: Store, browser: httpx2.AsyncClient, token: str) -> None:
        for accept in ("text/html", "application/json"):
            found = await browser.post(
                f"/attest/{token}", content=content, headers={**headers, "accept": accept}
            )
            assert found.status_code == status, found.text

    visiting(sqlite_url, clock, body)


@given(accept=st.text(alphabet=st.characters(codec="latin-1", exclude_categories=["Cc"]), max_size=60))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_accept_header_breaks_the_door(door: Callable[[str], int], accept: str) -> None:
    assert door(accept) == 404


@pytest.fixture
def door(sqlite_url: str, clock: ManualClock) -> Iterator[Callable[[str], int]]:
    """The status of an answer to so accepting a visitor; one door for all of them."""
    with asyncio.Runner() as runner:
        database = runner.run(open_database(sqlite_url))
        ctx = context(Store(database, clock, UuidV7(clock)))
        transport = httpx2.ASGITransport(Starlette(routes=routes(ctx, SETTINGS)), raise_app_exceptions=False)
        browser = httpx2.AsyncClient(transport=transport, base_url="https://b.test")

        def knock(accept: str) -> int:
            headers = [(b"accept", accept.encode("latin-1"))]
            return runner.run(browser.get("/attest/x", headers=headers)).status_code

        yield knock
        runner.run(browser.aclose())
        runner.run(database.close())
