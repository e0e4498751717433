"""The promise of buttons: whoever is shown one may press it, and whoever is not shown it is refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import unescape

import httpx2

from scim_bridge.access.policies import load_policies
from scim_bridge.console.known import Known
from scim_bridge.console.may import need_of
from scim_bridge.console.permissions import NEEDS, PUBLIC, SIGNED_IN
from scim_bridge.kernel.clock import HOUR
from scim_bridge.kernel.work import Store, Work
from scim_bridge.registry.roles import OWNER, ROLES
from scim_bridge.registry.sessions import Opened, open_session
from tests.browser.house import RULES, Furnishing
from tests.conftest import TESTER, run_with_store
from tests.console.browser import BASE, application, context

# What stands behind other pages, with what it needs to be shown tested there.
ELSEWHERE = ("/console/sync", "/console/connect", "/console/settings", "/console/mine")
FORM = re.compile(r"<form([^>]*)>(.*?)</form>", re.S)
ACTION, FORMACTION = re.compile(r'action="([^"]+)"'), re.compile(r'formaction="([^"]+)"')
LINK = re.compile(r'href="(/console[^"#]*)')


def buttons(page: str) -> set[str]:
    """Every address that a form or a button of a page sends to."""
    found: set[str] = set()
    for head, body in FORM.findall(page):
        if 'method="post"' in head:
            found |= {*ACTION.findall(head), *FORMACTION.findall(body)}
    return {unescape(one) for one in found} - {"/console/sign-out"}


async def _ids(store: Store, browser: httpx2.AsyncClient) -> Mapping[str, str]:
    """One of everything an address may name."""

    async def one(sql: str) -> str:
        row = await store.reads.one(sql)
        assert row is not None, sql
        return str(row["id"])

    return {
        "/agents/{slug}": "/agents/returns-router",
        "/people/{name}": "/people/daniel.okafor@harborpine.example",
        "/groups/{id}": f"/groups/{await one('SELECT id FROM sb_resource WHERE space = ' + repr('group'))}",
        "/departures/{id}": f"/departures/{await one('SELECT id FROM sb_departure')}",
        "/attestations/campaigns/{id}": f"/attestations/campaigns/{await one('SELECT id FROM sb_campaign')}",
        "/alerts/{id}": f"/alerts/{await one('SELECT id FROM sb_alert')}",
        "/sync/{name}": "/sync/okta-workforce",
        "/decisions/{id}": f"/decisions/{await one('SELECT id FROM sb_decision')}",
        "/access/drafts/{id}": f"/access/drafts/{await one('SELECT id FROM sb_policy_draft')}",
        "/access/versions/{number}": "/access/versions/1",
    }


async def _furnished(store: Store, admin: httpx2.AsyncClient) -> list[str]:
    """Something of everything that has a button; the addresses of all pages."""
    page = (await admin.get("/console")).text
    key = re.search(r'name="form_key" value="([0-9a-f]+)"', page)
    agent = re.search(r'name="agent" value="([^"]+)"', page)
    assert key is not None and agent is not None

    async def post(path: str, **fields: str) -> str:
        answer = await admin.post(path, data={**fields, "form_key": key.group(1)})
        assert answer.status_code == 303, (path, answer.text)
        return str(answer.headers["location"])

    row = await store.reads.one("SELECT id FROM sb_alert")
    await post(f"/console/alerts/{row['id']}/mute", of="agent", hours="24", reason="Known.")
    await post("/console/views", name="Mine", q="state:held")
    await post("/console/views/shared", name="Ours", q="state:held")
    policies = load_policies().text.policies
    for base in ("", "1"):
        draft = await post("/console/access/drafts", policies=policies)
        await post(f"{draft}/activate", reason="As it was.", base=base)
    await post("/console/access/drafts", policies=policies)
    # One group and one person that are there, and what the list has one agent of.
    targets = {"owner": {"person": "daniel.okafor@harborpine.example"}}
    group = await store.reads.one("SELECT id, name FROM sb_resource WHERE space = 'group' LIMIT 1")
    inside = await store.reads.one(
        "SELECT member_id FROM sb_member WHERE group_id = ? AND kind = 'agent' LIMIT 1", group["id"]
    )
    held = await store.reads.one("SELECT id FROM sb_agent WHERE slug = 'campaign-writer'")
    outside = await store.reads.one(
        "SELECT a.id FROM sb_agent a JOIN sb_resource r ON r.id = a.id WHERE r.active = 1 AND a.id NOT IN"
        " (SELECT member_id FROM sb_member WHERE group_id = ?) LIMIT 1",
        group["id"],
    )
    made = []
    for action in ("stop", "resume", "owner", "attest", "join", "leave"):
        chosen = {"resume": held["id"], "leave": inside["member_id"]}.get(action, outside["id"])
        fields = targets.get(action, {"group": group["name"]} if action in ("join", "leave") else {})
        made.append(await post(f"/console/bulk/{action}", agent=chosen, scope="ticked", **fields))
    ids = await _ids(store, admin)
    addresses = []
    for (method, path), need in NEEDS.items():
        if method != "GET" or need in (PUBLIC, SIGNED_IN) or path.startswith("/console/connect"):
            continue
        tail = path.removeprefix("/console")
        known = next((f"{ids[one]}{tail.removeprefix(one)}" for one in ids if tail.startswith(one)), tail)
        if "{" not in known and not known.endswith("/export"):
            addresses.append(f"/console{known}")
    return [*addresses, *made, "/console/agents/campaign-writer"]


def test_whoever_is_shown_a_button_may_press_it_and_whoever_is_not_is_refused(sqlite_url, clock) -> None:
    async def main(store: Store) -> None:
        ctx = context(store)
        await Furnishing(store, clock, ctx).everything()
        policies = load_policies()
        app = application(ctx, RULES, known=Known(lambda: policies))
        # An active person who owns agents; the same in every role, so that what differs is the role.
        person = await store.reads.one(
            "SELECT o.person_id AS id FROM sb_owner o JOIN sb_resource r ON r.id = o.person_id"
            " JOIN sb_resource a ON a.id = o.agent_id WHERE r.active = 1 AND a.active = 1 AND o.role = 'owner'"
        )
        mine = await store.reads.one(
            "SELECT a.slug FROM sb_owner o JOIN sb_agent a ON a.id = o.agent_id JOIN sb_resource r ON r.id = a.id"
            " WHERE o.person_id = ? AND r.active = 1",
            person["id"],
        )

        async def client(role: str) -> httpx2.AsyncClient:
            opened = Opened(
                "oidc", f"the {role}", (role,), 8 * HOUR, 8 * HOUR, person["id"], authenticated=clock.now()
            )

            async def body(work: Work) -> str:
                work.bookkeeping("a test signs in")
                return (await open_session(work, opened)).secret

            secret = await store.transact(TESTER, body)
            transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
            cookies = {"__Host-sb_console": secret}
            return httpx2.AsyncClient(transport=transport, base_url=BASE, cookies=cookies)

        addresses: list[str] = []
        shown: dict[str, set[str]] = {}
        links: dict[str, dict[str, str]] = {}
        clients = {role: await client(role) for role in ("admin", *sorted(set(ROLES) - {"admin"}))}
        for role, browser in clients.items():
            if not addresses:
                addresses = [*await _furnished(store, browser), f"/console/agents/{mine['slug']}"]
            shown[role], links[role] = set(), {}
            for address in addresses:
                page = await browser.get(address)
                assert page.status_code != 500, (role, address, page.text)
                if page.status_code == 200:
                    shown[role] |= buttons(page.text)
                    for link in LINK.findall(page.text):
                        links[role].setdefault(str(need_of("GET", link.split("?")[0])), unescape(link))
        for role, browser in clients.items():
            for link in links[role].values():
                answer = await browser.get(link)
                away = answer.headers.get("location") == "/console/mine"
                assert answer.status_code not in (403, 404) and not away, (role, link, answer.text)
            for address in sorted(shown["admin"] | shown[role]):
                # Without the key of the form nothing is done; the gate stands before that is looked at.
                answer = await browser.post(address, data={"reason": "r"})
                passed = "form-key" in answer.text
                assert passed or "role-lacks" in answer.text or "agent-unknown" in answer.text, answer.text
                assert passed == (address in shown[role]), (role, address, answer.status_code)
        pressed = {need_of("POST", address) for address in shown["admin"]}
        known = {
            (path, need)
            for (method, path), need in NEEDS.items()
            if method == "POST" and need not in (PUBLIC, SIGNED_IN) and not path.startswith(ELSEWHERE)
        }
        unseen = {path for path, need in known if need not in pressed}
        assert not unseen, f"no page showed an admin the button for {unseen}"
        assert shown[OWNER] and not shown["auditor"] - {
            "/console/audit/verification",
            *_own(shown["auditor"]),
        }
        for browser in clients.values():
            await browser.aclose()

    run_with_store(sqlite_url, clock, main)


def _own(addresses: set[str]) -> set[str]:
    """What everybody who sees the list has for themselves: their views."""
    return {one for one in addresses if one.startswith("/console/views") and "shared" not in one}
