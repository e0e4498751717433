"""Promises of the list and of an agent's page: what is shown, found, paged, escaped, and never a 5xx."""

from __future__ import annotations

import asyncio
import html
import re
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scim_bridge.console.listing import like
from scim_bridge.console.search import KEYS, Search, Term, parse
from scim_bridge.kernel.clock import ManualClock
from scim_bridge.kernel.database import open_database
from scim_bridge.kernel.ids import UuidV7
from scim_bridge.kernel.work import Store, Work
from scim_bridge.registry.agent_creation import create_agent
from scim_bridge.registry.agents import set_owners
from scim_bridge.registry.connections import create_connection
from scim_bridge.registry.credentials import register_credential
from scim_bridge.registry.findings import Finding, keep_findings
from scim_bridge.registry.groups import add_members, create_group
from scim_bridge.registry.holds import place_hold
from scim_bridge.registry.model import AGENT_URN, Owners
from scim_bridge.registry.people import set_employed
from tests.conftest import MASTER, TESTER
from tests.console.browser import Browser, browsing, company, open_browser

NASTY = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>{{7000*7000}}"


async def listed(browser: Browser, q: str, **more: str) -> list[str]:
    page = await browser.get("/console?" + urlencode({"q": q, **more}))
    assert page.status_code == 200, page.text
    return re.findall(r'<span class="soft mono">([a-z0-9-]+)</span>', page.text)


def test_a_search_finds_by_every_key_and_by_words(database_url, clock) -> None:
    async def body(browser: Browser) -> None:
        ids = await company(browser.store, 4)
        await browser.sign_in()

        async def change(work: Work) -> None:
            okta = await create_connection(work, MASTER, "okta", "okta")
            await place_hold(work, ids["a-000"], okta.hold_source, "inactive", "Okta said so", "Okta")
            await place_hold(work, ids["a-001"], "departure:case-1", "owner-left", "Carl left", "a new owner")
            await set_owners(work, ids["a-003"], Owners())

        await browser.store.transact(TESTER, change)
        for q, found in {
            "": ["a-000", "a-001", "a-002", "a-003"],
            "state:held": ["a-000", "a-001"],
            "-state:held": ["a-002", "a-003"],
            "state:ACTIVE": ["a-002", "a-003"],
            "state:purple": [],
            "is:held owner:olga": ["a-000"],
            "owner:olga@corp.test": ["a-000", "a-002"],
            'owner:"olga corp"': ["a-000", "a-002"],
            "owner:nobody": [],
            "owner:none": ["a-003"],
            "person:carl": ["a-001"],
            'group:"support tools"': ["a-000"],
            "group:supp": ["a-000"],
            "group:none-such": [],
            "platform:langgraph": ["a-000", "a-002"],
            "env:dev -owner:none": ["a-001"],
            "risk:high": ["a-000", "a-002"],
            "attestation:none": ["a-000", "a-001", "a-002", "a-003"],
            "attestation:missing": ["a-000", "a-001", "a-002", "a-003"],
            "attestation:valid": [],
            "hold:okta": ["a-000"],
            "hold:departure": ["a-001"],
            "hold:owner-left": ["a-001"],
            "002": ["a-002"],
            "spiffe corp 001": ["a-001"],
            "%": [],
            "_": [],
            "\\": [],
            "nosuchkey:002": ["a-002"],
        }.items():
            assert await listed(browser, q) == found, q

    browsing(database_url, clock, body)


def test_pages_follow_each_other_without_gap_or_repeat_in_both_directions(database_url, clock) -> None:
    async def body(browser: Browser) -> None:
        await company(browser.store, 123)
        await browser.sign_in()
        seen: list[list[str]] = []
        page = await browser.get("/console")
        while True:
            seen.append(re.findall(r'<span class="soft mono">(a-\d+)</span>', page.text))
            following = re.search(r'href="([^"]+)" rel="next"', page.text)
            if following is None:
                break
            page = await browser.get(html.unescape(following.group(1)))
        assert [len(part) for part in seen] == [50, 50, 23]
        assert [slug for part in seen for slug in part] == [f"a-{n:03d}" for n in range(123)]
        for part in (seen[1], seen[0]):
            previous = re.search(r'href="([^"]+)" rel="prev"', page.text)
            assert previous is not None
            page = await browser.get(html.unescape(previous.group(1)))
            assert re.findall(r'<span class="soft mono">(a-\d+)</span>', page.text) == part
        assert 'rel="prev"' not in page.text and 'rel="next"' in page.text

    browsing(database_url, clock, body)


def test_the_counts_above_the_list_are_those_of_the_searches_behind_them(database_url, clock) -> None:
    async def body(browser: Browser) -> None:
        ids = await company(browser.store, 7)
        await browser.sign_in()

        async def change(work: Work) -> None:
            await place_hold(work, ids["a-000"], "admin", "admin", "r", "an admin")
            await place_hold(work, ids["a-000"], "watch", "odd", "r", "somebody")
            await set_employed(work, ids["carl"], False)

        await browser.store.transact(TESTER, change)
        page = (await browser.get("/console")).text
        tiles = re.findall(r'<a class="tile[^"]*" href="([^"]+)"[^>]*><span class="count">(\d+)', page)
        assert [int(count) for _, count in tiles] == [7, 6, 1, 3, 7]
        for url, count in tiles:
            shown = (await browser.get(html.unescape(url))).text
            assert len(re.findall(r'role="rowheader"', shown)) == int(count)

    browsing(database_url, clock, body)


def test_the_page_of_an_agent_says_why_it_may_not_act_and_what_happened(database_url, clock) -> None:
    async def body(browser: Browser) -> None:
        ids = await company(browser.store)
        await browser.sign_in()

        async def change(work: Work) -> None:
            okta = await create_connection(work, MASTER, "okta-prod", "okta")
            await place_hold(
                work, ids["a-000"], okta.hold_source, "inactive", "Okta deactivated it", "Okta activates it"
            )
            await register_credential(
                work,
                ids["a-000"],
                label="vault-key",
                kind="api_key",
                system="vault",
                reference="kv/secret-place",
                expires=None,
            )
            overdue = Finding("AttestationOverdue", "Not attested within <90> days.")
            await keep_findings(work, okta.id, {ids["a-000"]: [overdue]})

        await browser.store.transact(TESTER, change)
        text = (await browser.get("/console/agents/a-000")).text
        for part in (
            "Found wrong by an IdP",
            "Not attested within &lt;90&gt; days.",
            "Why it may not act",
            "Okta deactivated it",
            "connection okta-prod",
            "Released when: Okta activates it",
            "Olga Tester",
            "it would be held",
            "Support Tools",
            "vault-key",
            "never expires",
            "Held by connection okta-prod",
            "Credential registered",
            "Created",
            "waiting",
        ):
            assert part in text, part
        by_id = await browser.get(f"/console/agents/{ids['a-000']}")
        assert by_id.status_code == 200
        calm = (await browser.get("/console/agents/a-001")).text
        assert "nothing holds it" in calm and "Found wrong" not in calm and "Why it may not act" not in calm

    browsing(database_url, clock, body)


def test_an_admin_stops_an_agent_and_releases_only_their_own_hold(database_url, clock) -> None:
    async def body(browser: Browser) -> None:
        ids = await company(browser.store)
        await browser.sign_in()
        key = await browser.form_key()

        async def state() -> list[tuple[str, str]]:
            rows = await browser.store.reads.all(
                "SELECT source, reason FROM sb_hold WHERE released IS NULL AND agent_id = ? ORDER BY source",
                ids["a-000"],
            )
            return [(row["source"], row["reason"]) for row in rows]

        async def depart(work: Work) -> None:
            await place_hold(work, ids["a-000"], "departure:1", "owner-left", "left", "a new owner")

        await browser.store.transact(TESTER, depart)
        url = "/console/agents/a-000"
        for reason in ("", "   ", "\x00"):
            assert (await browser.post(f"{url}/hold", reason=reason, form_key=key)).status_code == 400
        done = await browser.post(f"{url}/hold", reason="Odd\r\nbehaviour", form_key=key)
        assert done.status_code == 303 and done.headers["location"] == url
        again = await browser.post(f"{url}/hold", reason="again", form_key=key)
        assert again.status_code == 303
        assert await state() == [("admin", "Odd behaviour"), ("departure:1", "left")]
        assert (await browser.post(f"{url}/release", reason="fine", form_key=key)).status_code == 303
        assert await state() == [("departure:1", "left")]
        row = await browser.store.reads.one(
            "SELECT actor_kind, actor_name FROM sb_audit WHERE action = 'agent.hold_released'"
        )
        assert (row["actor_kind"], row["actor_name"]) == ("admin", "Ada")
        assert (await browser.post("/console/agents/nope/hold", reason="x", form_key=key)).status_code == 404

    browsing(database_url, clock, body)


def test_nothing_anybody_wrote_becomes_markup(sqlite_url, clock) -> None:
    async def body(browser: Browser) -> None:
        ids = await company(browser.store)
        await browser.sign_in()

        async def change(work: Work) -> None:
            extension = {
                "purpose": NASTY,
                "platform": NASTY,
                "environment": NASTY,
                "riskTier": NASTY,
                "model": NASTY,
                "tools": [NASTY],
                "resources": [NASTY],
                "owner": {"value": ids["olga"]},
                "workloadId": NASTY,
            }
            doc = {"userName": f"x{NASTY}@agents.test", "displayName": NASTY, AGENT_URN: extension}
            made = await create_agent(work, doc, origin=NASTY, slug="nasty")
            await place_hold(work, made.id, f"watch:{NASTY}", NASTY, NASTY, NASTY)
            group = await create_group(work, {"displayName": NASTY}, origin="test")
            await add_members(work, group.id, [(made.id, NASTY)])
            await register_credential(
                work, made.id, label=NASTY, kind=NASTY, system=NASTY, reference=NASTY, expires=None
            )

        await browser.store.transact(TESTER, change)
        paths = ["/console", "/console/agents/nasty", "/console?" + urlencode({"q": NASTY})]
        paths += [
            "/console/agents/" + "%3Cscript%3E",
            "/console?" + urlencode({"q": f'owner:"{NASTY}" {NASTY}:x'}),
        ]
        for path in paths:
            text = (await browser.get(path)).text
            assert "<script" not in text and "<img src=x" not in text and "onerror=alert(1)>" not in text, (
                path
            )
            assert not re.search(r"\sstyle=|\son\w+=\"", text)
            assert "{{7000*7000}}" in text or "49000000" not in text

    browsing(sqlite_url, clock, body)


def test_every_answer_carries_the_policy_and_pages_are_kept_nowhere(sqlite_url, clock) -> None:
    async def body(browser: Browser) -> None:
        await company(browser.store)
        paths = [
            "/console",
            "/console/sign-in",
            "/console/agents/a-000",
            "/console/x/y",
            "/console/agents/no",
        ]
        calls = [("GET", p) for p in paths] + [("POST", "/console"), ("DELETE", "/console/agents/a-000")]
        calls += [
            ("HEAD", "/console"),
            ("OPTIONS", "/console"),
            ("PUT", "/console/sign-in"),
            ("POST", "/console/sign-out"),
        ]
        for signed in (False, True):
            if signed:
                await browser.sign_in()
            for method, path in calls:
                found = await browser.client.request(method, path)
                assert found.status_code < 500
                policy = found.headers["content-security-policy"]
                assert policy.startswith("default-src 'none';") and "unsafe" not in policy
                assert found.headers["x-frame-options"] == "DENY"
                assert found.headers["cache-control"] == "no-store"
                if found.status_code == 405:
                    assert found.headers["allow"]
        page = (await browser.get("/console")).text
        for asset in re.findall(r'(?:href|src)="(/console/[a-z.]+\?v=[0-9a-f]+)"', page):
            found = await browser.get(asset)
            assert found.status_code == 200 and "immutable" in found.headers["cache-control"]
            assert b"http" not in re.sub(rb'xmlns="[^"]+"', b"", found.content), "no external request"
        assert not re.search(r'(?:href|src|action)="(?:https?:)?//', page)

    browsing(sqlite_url, clock, body)


class Tried:
    """One console kept open for many examples."""

    def __init__(self, url: str) -> None:
        self.loop = asyncio.new_event_loop()
        self.clock = ManualClock()
        self.loop.run_until_complete(self._open(url))

    async def _open(self, url: str) -> None:
        self.database = await open_database(url, pool_size=2)
        store = Store(self.database, self.clock, UuidV7(self.clock))
        self.context = open_browser(store)
        self.browser = await self.context.__aenter__()
        await company(store)
        await self.browser.sign_in()

    def status(self, **query: str) -> int:
        path = "/console?" + urlencode(query, errors="surrogatepass")
        return self.loop.run_until_complete(self.browser.get(path)).status_code

    def close(self) -> None:
        self.loop.run_until_complete(self.context.__aexit__(None, None, None))
        self.loop.run_until_complete(self.database.close())
        self.loop.close()


@pytest.fixture(params=["sqlite", "postgresql"], scope="module")
def tried(request, sqlite_template, postgres_server, postgres_template, tmp_path_factory):
    import shutil

    import psycopg

    from tests.conftest import with_database

    if request.param == "sqlite":
        path = tmp_path_factory.mktemp("tried") / "bridge.db"
        shutil.copy(sqlite_template, path)
        url = f"sqlite:///{path}"
    else:
        with psycopg.connect(with_database(postgres_server, "postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE tried_console TEMPLATE {postgres_template}")
        url = with_database(postgres_server, "tried_console")
    made = Tried(url)
    yield made
    made.close()


odd = ["none", "held", "%", "_", "\\", "'", '"', "\x00", "\ud800", "?", "$1"]
words = st.text(max_size=20) | st.sampled_from(odd)
filters = st.builds(
    lambda no, key, value: f"{no}{key}:{value}",
    st.sampled_from(["", "-"]),
    st.sampled_from([*KEYS, "x"]),
    words,
)
queries = st.text(max_size=80) | st.lists(filters, max_size=4).map(" ".join)


@given(q=queries, after=words, before=words)
@settings(max_examples=120, deadline=None)
def test_no_search_whatever_breaks_the_list(tried: Tried, q: str, after: str, before: str) -> None:
    assert tried.status(q=q, after=after, before=before) == 200


@given(st.text(max_size=120))
@settings(deadline=None)
def test_a_search_read_and_written_again_is_the_same_search(text: str) -> None:
    first = parse(text)
    again = parse(first.text())
    if len(first.text()) <= 400:
        assert (again.terms, again.words) == (first.terms, first.words)


@given(st.sampled_from(sorted(KEYS)), st.text(alphabet="abc xyz-_.@", min_size=1, max_size=12))
@settings(deadline=None)
def test_a_filter_can_be_set_and_taken_away(key: str, value: str) -> None:
    kept = " ".join(value.split())
    if not kept:
        return
    search = Search().having(key, kept)
    assert search.has(key, kept) and search.without(Term(key, kept)) == Search()
    assert parse(search.text()) == search


@given(st.text(max_size=30))
@settings(deadline=None)
def test_a_pattern_finds_exactly_its_text(text: str) -> None:
    import sqlite3

    text = text.replace("\x00", "")
    try:
        text.encode()
    except UnicodeEncodeError:
        return
    connection = sqlite3.connect(":memory:")
    found = connection.execute(r"SELECT ? LIKE ? ESCAPE '\'", (f"a{text}b", like(text))).fetchone()
    connection.close()
    assert found[0] == 1
