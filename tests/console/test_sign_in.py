"""Promises about who gets in: an admin's token only, for a time, and never by another site's doing."""

from __future__ import annotations

import base64
import os

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scim_bridge.console.sign_in import pasted, safe_next
from scim_bridge.kernel.work import Work
from scim_bridge.registry.tokens import revoke_token
from tests.conftest import TESTER
from tests.console.browser import BASE, Browser, browsing, company

PAGES = [
    "/console",
    "/console/agents",
    "/console/agents/a-000",
    "/console/anything/else",
    "/console?q=state:held",
]


def test_no_page_opens_without_a_session(sqlite_url, clock) -> None:
    async def body(browser: Browser) -> None:
        await company(browser.store)
        for path in PAGES:
            away = await browser.get(path)
            assert away.status_code == 303 and away.headers["location"].startswith("/console/sign-in")
            assert "a-000" not in away.text
        for path in ("/console/agents/a-000/hold", "/console/agents/a-000/release"):
            away = await browser.post(path, reason="because", form_key="x")
            assert away.status_code == 303 and "sign-in" in away.headers["location"]
        led = await browser.post(
            "/console/agents/a-000/hold", {"referer": f"{BASE}/console/agents/a-000?x=1"}, reason="because"
        )
        assert led.headers["location"].endswith("next=%2Fconsole%2Fagents%2Fa-000%3Fx%3D1"), (
            "back to the form"
        )
        row = await browser.store.reads.one("SELECT COUNT(*) AS n FROM sb_hold")
        assert row["n"] == 0

    browsing(sqlite_url, clock, body)


def test_an_admins_token_opens_a_session_and_leads_back(database_url, clock) -> None:
    async def body(browser: Browser) -> None:
        await company(browser.store)
        away = await browser.get("/console/agents/a-000?before=1.x")
        page = await browser.get(away.headers["location"])
        assert page.status_code == 200 and 'type="password"' in page.text
        assert 'name="next" value="/console/agents/a-000?before=1.x"' in page.text
        entered = await browser.sign_in(then="/console/agents/a-000")
        assert entered.status_code == 303 and entered.headers["location"] == "/console/agents/a-000"
        cookie = entered.headers["set-cookie"]
        for part in ("__Host-", "HttpOnly", "SameSite=Lax", "Secure", "Path=/;", "Max-Age=28800"):
            assert part in cookie
        assert (await browser.get("/console/agents/a-000")).status_code == 200
        actions = [
            (row["action"], row["actor_name"])
            for row in await browser.store.reads.all(
                "SELECT action, actor_name FROM sb_audit WHERE action LIKE 'console.%'"
            )
        ]
        assert actions == [("console.signed_in", "Ada")]

    browsing(database_url, clock, body)


def test_over_plain_http_on_this_machine_the_cookie_works_without_secure(sqlite_url, clock) -> None:
    async def body(browser: Browser) -> None:
        cookie = (await browser.sign_in()).headers["set-cookie"]
        assert "Secure" not in cookie and "__Host" not in cookie and "HttpOnly" in cookie
        assert (await browser.get("/console")).status_code == 200

    browsing(sqlite_url, clock, body, "http://127.0.0.1:8080")


@pytest.mark.parametrize("which", ["access", "idp", "wrong", "typo", ""])
def test_other_tokens_open_nothing_and_are_kept(sqlite_url, clock, which: str) -> None:
    async def body(browser: Browser) -> None:
        browser.tokens |= {"wrong": "sbr_" + "0" * 49, "typo": browser.tokens["admin"][:-1], "": ""}
        refused = await browser.sign_in(which)
        assert refused.status_code in (401, 403) and "set-cookie" not in refused.headers
        assert 'role="alert"' in refused.text
        assert browser.tokens[which] not in refused.text or not browser.tokens[which]
        row = await browser.store.reads.one("SELECT outcome, detail FROM sb_audit ORDER BY id DESC LIMIT 1")
        assert row["outcome"] == "refused" and "sbr_" not in row["detail"]

    browsing(sqlite_url, clock, body)


def test_a_flood_of_wrong_tokens_is_slowed_and_a_good_one_still_opens(sqlite_url, clock) -> None:
    async def body(browser: Browser) -> None:
        browser.tokens["wrong"] = "sbr_wrong"
        statuses = [(await browser.sign_in("wrong")).status_code for _ in range(12)]
        assert statuses == [401] * 10 + [429] * 2
        slowed = await browser.sign_in("wrong")
        assert int(slowed.headers["retry-after"]) == 300
        row = await browser.store.reads.one(
            "SELECT COUNT(*) AS n FROM sb_audit WHERE action = 'console.sign_in_refused'"
        )
        assert row["n"] == 10
        assert (await browser.sign_in()).status_code == 303
        clock.advance(seconds=301)
        assert (await browser.sign_in("wrong")).status_code == 401

    browsing(sqlite_url, clock, body)


def test_a_session_ends_with_time_with_its_token_and_with_signing_out(on_store, database_url, clock) -> None:
    async def body(browser: Browser) -> None:
        await browser.sign_in()
        for _ in range(8):
            clock.advance(seconds=3599)
            assert (await browser.get("/console")).status_code == 200, "used once an hour, it goes on"
        clock.advance(seconds=8)
        assert (await browser.get("/console")).status_code == 303, "eight hours at most"
        await browser.sign_in()
        clock.advance(seconds=3600)
        assert (await browser.get("/console")).status_code == 303, "an hour of silence"
        await browser.sign_in("day")
        clock.advance(days=1)
        assert (await browser.get("/console")).status_code == 303
        await browser.sign_in()
        row = await browser.store.reads.one("SELECT id FROM sb_token WHERE label = 'Ada'")

        async def revoke(work: Work) -> None:
            await revoke_token(work, row["id"])

        stolen = dict(browser.client.cookies)
        left = await browser.post("/console/sign-out", form_key=await browser.form_key())
        assert left.status_code == 303 and "Max-Age=0" in left.headers["set-cookie"]
        copied = "; ".join(f"{name}={value}" for name, value in stolen.items())
        replayed = await browser.get("/console", headers={"cookie": copied})
        assert replayed.status_code == 303, "a copied cookie died with the session"
        await browser.sign_in()
        assert (await browser.get("/console")).status_code == 200
        await browser.store.transact(TESTER, revoke)
        assert (await browser.get("/console")).status_code == 303

    browsing(database_url, clock, body)


@given(st.data())
@settings(deadline=None)
def test_no_altered_cookie_is_a_sign_in(data: st.DataObject) -> None:
    from scim_bridge.console.sso.flow import begin, sealed, unsealed
    from tests.conftest import MASTER

    flow = begin("https://idp.test", 1, "/console", False)
    value = sealed(MASTER, flow)
    assert unsealed(MASTER, value, 2) == flow
    raw = bytearray(base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    assert unsealed(MASTER, base64.urlsafe_b64encode(bytes(raw)).decode().rstrip("="), 2) is None
    assert unsealed(MASTER, data.draw(st.text(max_size=80)), 2) is None


def test_a_form_from_elsewhere_changes_nothing(sqlite_url, clock) -> None:
    async def body(browser: Browser) -> None:
        await company(browser.store)
        foreign = [{"origin": "https://evil.test"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}]
        for headers in foreign:
            refused = await browser.post("/console/sign-in", headers, token=browser.tokens["admin"])
            assert refused.status_code == 403 and "set-cookie" not in refused.headers
        await browser.sign_in()
        key = await browser.form_key()
        good = {"origin": "https://bridge.test", "sec-fetch-site": "same-origin"}
        for headers, form_key in [*((h, key) for h in foreign), (good, ""), (good, "0" * 64), ({}, "x")]:
            refused = await browser.post(
                "/console/agents/a-000/hold", headers, reason="because", form_key=form_key
            )
            assert refused.status_code == 403
            assert (await browser.post("/console/sign-out", headers, form_key=form_key)).status_code == 403
        row = await browser.store.reads.one("SELECT COUNT(*) AS n FROM sb_hold")
        assert row["n"] == 0 and (await browser.get("/console")).status_code == 200
        done = await browser.post("/console/agents/a-000/hold", good, reason="because", form_key=key)
        assert done.status_code == 303

    browsing(sqlite_url, clock, body)


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.test",
        "//evil.test/console",
        "/console/../../x",
        "/consolex",
        "/console\\@evil.test",
        "/console/\r\nset-cookie: a=b",
        "javascript:alert(1)",
        "/console/sign-in?next=/console",
        "",
    ],
)
def test_signing_in_never_leads_out_of_the_console(target: str) -> None:
    assert safe_next(target) == "/console"


@given(st.text(max_size=60))
@settings(deadline=None)
def test_where_one_is_led_is_always_inside(target: str) -> None:
    found = safe_next(target)
    assert found == "/console" or found.startswith(("/console/", "/console?"))
    assert "\n" not in found and "\r" not in found


def test_an_unreadable_form_is_refused_and_a_missing_database_is_said_plainly(sqlite_url, clock) -> None:
    async def body(browser: Browser) -> None:
        for content, kind, status in (
            (b"token=\xff\xfe", "application/x-www-form-urlencoded", 400),
            (orjson.dumps({"token": "x"}), "application/json", 400),
            (b"token=" + b"x" * 20_000, "application/x-www-form-urlencoded", 413),
        ):
            found = await browser.client.post(
                "/console/sign-in", content=content, headers={"content-type": kind}
            )
            assert found.status_code == status
        await browser.sign_in()
        os.unlink(sqlite_url.removeprefix("sqlite:///"))
        browser.store.database._checked = 0.0  # type: ignore[attr-defined]
        gone = await browser.get("/console")
        assert gone.status_code == 503 and gone.headers["retry-after"]
        assert (
            "Traceback" not in gone.text and "default-src 'none'" in gone.headers["content-security-policy"]
        )

    browsing(sqlite_url, clock, body)


def test_a_token_may_be_pasted_with_the_word_it_was_copied_with() -> None:
    for text in ("sbr_x", " sbr_x\n", "token  sbr_x", "Bearer sbr_x"):
        assert pasted(text) == "sbr_x"
    assert pasted("  ") == ""
