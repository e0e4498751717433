"""Promises of signing in through the sandboxes: Okta's and Entra's shapes, and what the real ones refuse."""

from __future__ import annotations

import html
import re
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import pytest

from scim_bridge.kernel.clock import ManualClock
from scim_bridge.kernel.work import Store
from scim_bridge.sandbox.entra.app import build as entra
from scim_bridge.sandbox.okta.app import build as okta
from tests.conftest import run_with_store
from tests.console.browser import BASE, company
from tests.console.signed import Desk, at_desk
from tests.sandbox.servers import Running, running

CALLBACK, SIGN_IN = f"{BASE}/console/sign-in/callback", f"{BASE}/console/sign-in"
LOGIN = "olga@corp.test"
Body = Callable[[Desk], Awaitable[None]]


class Moved:
    """A sandbox's clock that shows what the test's shows."""

    def __init__(self) -> None:
        self.clock = ManualClock()

    def now(self) -> int:
        return self.clock.now()


CLOCK = Moved()


@pytest.fixture(scope="module")
def org(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running("okta", okta, tmp_path_factory.mktemp("okta"), CLOCK) as found:
        yield found


@pytest.fixture(scope="module")
def tenant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running("entra", entra, tmp_path_factory.mktemp("entra"), CLOCK) as found:
        yield found


def control(there: Running, path: str, **body: Any) -> dict[str, Any]:
    answer = there.control.post(path, json=body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def okta_app(org: Running) -> dict[str, Any]:
    assert org.control.post("/reset").status_code == 200
    names = {"login": LOGIN, "email": LOGIN, "firstName": "Olga", "lastName": "Ivanova"}
    groups = [{"name": name, "members": [LOGIN]} for name in ("AI admins", "Payroll")]
    control(org, "/directory", users=[names], groups=groups)
    made = control(
        org,
        "/sign-in-apps",
        redirect_uris=[CALLBACK],
        logout_uris=[SIGN_IN],
        groups=["AI admins"],
        groups_claim={"type": "STARTS_WITH", "value": "AI "},
    )
    return {
        "client_id": made["client_id"],
        "client_secret": made["client_secret"],
        "issuer": made["issuer"],
        "scopes": ("openid", "profile", "email", "groups"),
        "roles": {"AI admins": "admin"},
    }


def entra_app(tenant: Running, groups: int = 1, **more: Any) -> dict[str, Any]:
    assert tenant.control.post("/reset").status_code == 200
    named = [{"displayName": f"AI {number}", "members": [LOGIN]} for number in range(groups)]
    control(tenant, "/directory", users=[{"userPrincipalName": LOGIN, "displayName": "Olga"}], groups=named)
    wish = {"redirect_uris": [CALLBACK, SIGN_IN], "groups": ["AI 0"], **more}
    made = control(tenant, "/sign-in-apps", **wish)
    return {
        "client_id": made["client_id"],
        "client_secret": made["client_secret"],
        "issuer": made["issuer"],
        "roles": {made["groups"]["AI 0"]: "admin"},
    }


def desk(url: str, there: Running, app: dict[str, Any], body: Body, clock: ManualClock) -> None:
    CLOCK.clock = clock
    idp: Any = SimpleNamespace(issuer=app["issuer"], ca_file=Path(there.ca_file))

    async def main(store: Store) -> None:
        async with at_desk(store, idp, **app) as found:
            if await store.reads.one("SELECT 1 AS x FROM sb_agent") is None:
                await company(store)
            await body(found)

    run_with_store(url, clock, main)


async def chosen(desk: Desk, away: str, login: str = LOGIN) -> str:
    """Follow the link with one's name on the IdP's page; the address it sends one back to."""
    page = await desk.idp.get(away)
    links = re.findall(r'<a href="([^"]+)">([^<]+)</a>', page.text)
    known = {html.unescape(shown): html.unescape(address) for address, shown in links}
    link = known[login]
    answer = await desk.idp.get(urljoin(str(page.url), link))
    assert answer.status_code == 302
    return str(answer.headers["location"])


def changed(address: str, **changes: str | None) -> str:
    """The same address with other parameters; None leaves one out."""
    parts = urlsplit(address)
    asked = {name: values[0] for name, values in parse_qs(parts.query).items()} | changes
    return parts._replace(query=urlencode({k: v for k, v in asked.items() if v is not None})).geturl()


async def refusals(desk: Desk, app: dict[str, Any], misdirected: str) -> None:
    """What both of them refuse."""
    away = await desk.begin()
    for wrong in ("https://evil.test/callback", f"{CALLBACK}/", CALLBACK.replace("https", "http")):
        answer = await desk.idp.get(changed(away, redirect_uri=wrong))
        assert answer.status_code == 400 and "location" not in answer.headers
        assert misdirected in html.unescape(answer.text), answer.text
    for changes in ({"code_challenge": None}, {"code_challenge_method": "plain"}, {"scope": "profile"}):
        back = (await desk.idp.get(changed(away, **changes))).headers["location"]
        assert back.startswith(CALLBACK) and "error=invalid" in back, changes
    # Somebody else's nonce comes back in a token that is right in everything else.
    await desk.told(await chosen(desk, changed(away, nonce="another")), "sign-in-nonce")
    address = await chosen(desk, await desk.begin())
    code = parse_qs(urlsplit(address).query)["code"][0]
    token = (await desk.provider.described()).token
    form = {
        "grant_type": "authorization_code",
        "client_id": app["client_id"],
        "client_secret": app["client_secret"],
        "redirect_uri": CALLBACK,
        "code": code,
        "code_verifier": "not the one",
    }
    for more in ({"client_secret": "wrong"}, {}, {}):
        said = await desk.idp.post(token, data={**form, **more})
        assert said.status_code in (400, 401) and said.json()["error"].startswith("invalid_"), said.text


def test_okta_lets_in_whom_it_assigned_with_the_groups_its_filter_names(sqlite_url, clock, org) -> None:
    app = okta_app(org)

    async def body(desk: Desk) -> None:
        entered = await desk.back(await chosen(desk, await desk.begin("/console/audit")))
        assert entered.status_code == 303, entered.text
        assert (await desk.browser.get("/console/audit")).status_code == 200
        row = await desk.store.reads.one("SELECT name, roles, proof FROM sb_session")
        assert (row["name"], row["roles"]) == (LOGIN, "admin owner") and app["issuer"] in row["proof"]
        left = await desk.browser.post("/console/sign-out", form_key=await desk.form_key())
        gone = await desk.idp.get(left.headers["refresh"].partition("url=")[2])
        assert gone.headers["location"] == SIGN_IN
        await refusals(desk, app, "Login redirect URI")
        away = await desk.begin()
        control(org, "/people/lifecycle", login=LOGIN, action="suspend")
        with pytest.raises(KeyError):
            await chosen(desk, away)

    desk(sqlite_url, org, app, body, clock)


def test_okta_names_no_group_without_the_scope_or_outside_the_filter(sqlite_url, clock, org) -> None:
    app = {**okta_app(org), "scopes": ("openid", "profile", "email"), "owners": False}

    async def body(desk: Desk) -> None:
        await desk.told(await chosen(desk, await desk.begin()), "sign-in-no-role")

    desk(sqlite_url, org, app, body, clock)
    payroll = {**okta_app(org), "roles": {"Payroll": "admin"}, "owners": False}
    desk(sqlite_url, org, payroll, body, clock)


def test_entra_lets_in_whom_it_assigned_and_names_groups_by_their_ids(sqlite_url, clock, tenant) -> None:
    app = entra_app(tenant, auth_time=True)

    async def body(desk: Desk) -> None:
        entered = await desk.back(await chosen(desk, await desk.begin()))
        assert entered.status_code == 303, entered.text
        row = await desk.store.reads.one("SELECT name, roles, authenticated FROM sb_session")
        assert (row["name"], row["roles"]) == (LOGIN, "admin owner") and row["authenticated"] is not None
        again = await desk.back(await chosen(desk, await desk.begin("/console", again=True)))
        assert again.status_code == 303, again.text
        await refusals(desk, app, "AADSTS50011")
        known = await desk.provider.described()
        form = {
            "grant_type": "authorization_code",
            "client_id": app["client_id"],
            "client_secret": "x",
            "code": "y",
        }
        said = (await desk.idp.post(known.token, data=form)).json()
        assert said["error_codes"] == [7000215] and said["error_description"].startswith("AADSTS7000215")
        unknown = await desk.idp.get(changed(await desk.begin(), client_id="another"))
        assert unknown.status_code == 400 and "AADSTS700016" in html.unescape(unknown.text)

    desk(sqlite_url, tenant, app, body, clock)


def test_entra_leaves_out_the_groups_of_who_is_in_too_many_and_nobody_is_let_in_by_guessing(
    sqlite_url, clock, tenant
) -> None:
    many = entra_app(tenant, groups=201, group_claims="SecurityGroup")

    async def overage(desk: Desk) -> None:
        await desk.told(await chosen(desk, await desk.begin()), "sign-in-overage")

    desk(sqlite_url, tenant, many, overage, clock)
    clock.advance(seconds=1)
    # Of the same 201 only those that are assigned to the application: one.
    assigned = entra_app(tenant, groups=201)

    async def without_auth_time(desk: Desk) -> None:
        assert (await desk.back(await chosen(desk, await desk.begin()))).status_code == 303
        await desk.told(await chosen(desk, await desk.begin("/console", again=True)), "sign-in-auth-time")

    desk(sqlite_url, tenant, assigned, without_auth_time, clock)
