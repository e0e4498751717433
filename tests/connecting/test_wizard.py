"""Promises of the connect wizard: vendors' words, a token shown once, and checks that tell what really came."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette

from scim_bridge.audit.record import effect_settled
from scim_bridge.connecting import asked, steps
from scim_bridge.connecting.place import unreachable
from scim_bridge.console.asked import Asked
from scim_bridge.console.connecting import place_of
from scim_bridge.console.known import Known
from scim_bridge.console.routes import routes
from scim_bridge.departures.rules import RULES
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.edge import Edge, unexpected, unrouted
from scim_bridge.kernel.effects import Effects
from scim_bridge.kernel.outbound import Outbound
from scim_bridge.kernel.work import Store, Work
from scim_bridge.registry.connections import connection, connection_secrets, create_connection
from scim_bridge.registry.first_calls import PROOF, first_calls
from scim_bridge.registry.tokens import CONNECTION_SCOPES, create_token
from scim_bridge.scim.app import ScimApp
from scim_bridge.settings.scim import ScimSettings
from tests.conftest import MASTER, TESTER, run_with_store
from tests.console.browser import Browser, company
from tests.sync.bench import OneIdp
from tests.sync.memory_idp import MemoryIdp
from tests.sync.okta_org import private_key

OUTSIDE = "https://bridge.example.com"
SCIM = "application/scim+json"
REHEARSED = "a3582b65-9d87-4151-b15d-a108bc0c1b1d"
USER = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "ida@corp.test"}


async def quiet(*_: Any) -> None:
    """Nothing follows from a signal."""


@asynccontextmanager
async def at_wizard(store: Store, base: str = OUTSIDE) -> AsyncIterator[Browser]:
    """An admin before console and SCIM door of one bridge."""
    ctx = Context(store, MASTER, Outbound(), base, Path("/nonexistent"))
    web = Starlette(
        routes=routes(ctx, RULES, known=Known()),
        exception_handlers={404: unrouted, 405: unrouted, Exception: unexpected},
    )
    app = Edge({"/scim/v2": ScimApp(ctx, ScimSettings(), quiet)}, web)  # type: ignore[arg-type]
    token = await store.transact(
        TESTER, lambda work: create_token(work, MASTER, connection_id=None, scopes=("admin",), label="Ada")
    )
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url=base) as client:
        browser = Browser(client, store, {"admin": token})
        await browser.sign_in()
        yield browser


async def sent(browser: Browser, where: str, **fields: str) -> httpx2.Response:
    return await browser.post(f"/console/connect{where}", form_key=await browser.form_key(), **fields)


async def form_of(browser: Browser, kind: str) -> dict[str, str]:
    """What the form that makes a token says of itself."""
    page = (await browser.get(f"/console/connect/{kind}")).text
    return {name: re.findall(rf'name="{name}" value="([^"]+)"', page)[0] for name in ("once", "seen")}


async def token_page(browser: Browser, kind: str) -> httpx2.Response:
    """Make a token, and the page that shows it."""
    made = await sent(browser, f"/{kind}/token", **await form_of(browser, kind))
    assert made.status_code == 303 and "sbr_" not in made.headers["location"]
    return await browser.get(made.headers["location"])


async def call(browser: Browser, token: str, method: str, path: str, body: Any = None) -> int:
    """One SCIM call, as the IdP makes it."""
    answer = await browser.client.request(
        method,
        f"/scim/v2{path}",
        json=body,
        headers={"authorization": f"Bearer {token}", "content-type": SCIM},
    )
    return answer.status_code


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (
            "okta",
            ("SCIM connector base URL", "HTTP Header", "Test Connector Configuration", "Push New Users"),
        ),
        ("entra", ("Tenant URL", "Secret token", "Bearer authentication", "Test connection")),
    ],
)
def test_the_wizard_speaks_the_vendors_words_shows_a_token_once_and_notices_each_first_call(
    database_url, clock, kind: str, words: tuple[str, ...]
) -> None:
    async def body(store: Store) -> None:
        async with at_wizard(store) as browser:
            begun = await sent(browser, "", kind=kind, name="")
            assert begun.headers["location"] == f"/console/connect/{kind}"
            made = await token_page(browser, kind)
            for word in (*words, f"{OUTSIDE}/scim/v2"):
                assert word in made.text, word
            assert made.headers["cache-control"] == "no-store"
            (token,) = set(re.findall(r"sbr_\w{49}", made.text))
            page = (await browser.get(f"/console/connect/{kind}")).text
            assert "sbr_" not in page and "nobody has called with it yet" in page
            waiting = (await browser.get(f"/console/connect/{kind}/now?seen=0")).text
            assert (
                "got it" not in waiting
                and "Waiting for the first call" in waiting
                and "data-go" not in waiting
            )
            assert await call(browser, token, "GET", '/Users?filter=userName eq "x"') == 200
            assert await call(browser, token, "GET", "/Users/none") == 404
            assert await call(browser, token, "POST", "/Users", USER) == 201
            there = await connection(store.reads, kind)
            assert set(await first_calls(store.reads, there.id)) == {"look-up", "create"}
            heard = (await browser.get(f"/console/connect/{kind}/now?seen=0")).text
            assert heard.count("got it") == (3 if kind == "okta" else 2) and "data-go" in heard
            assert "nothing waits for what has not come yet" in heard and "waiting" not in heard
            other = await token_page(browser, kind)
            assert (await browser.get(f"/console/connect/{kind}/token")).headers["location"].endswith(kind)
            assert token not in other.text and await call(browser, token, "GET", "/Users") == 200

    run_with_store(database_url, clock, body)


def test_an_unused_token_ends_when_another_is_made_and_a_proof_is_no_call_of_the_idp(
    sqlite_url, clock
) -> None:
    async def body(store: Store) -> None:
        async with at_wizard(store) as browser:
            await sent(browser, "", kind="okta", name="okta")
            first, second = [
                re.findall(r"sbr_\w{49}", (await token_page(browser, "okta")).text)[0] for _ in range(2)
            ]
            assert await call(browser, first, "GET", "/Users") == 401
            there = await connection(store.reads, "okta")

            async def proof(work: Work) -> str:
                return await create_token(
                    work, MASTER, connection_id=there.id, scopes=CONNECTION_SCOPES, label=PROOF
                )

            own = await store.transact(TESTER, proof)
            assert await call(browser, own, "GET", "/Users") == 200
            assert await first_calls(store.reads, there.id) == {}
            assert await call(browser, second, "GET", "/Users") == 200
            assert set(await first_calls(store.reads, there.id)) == {"list"}

    run_with_store(sqlite_url, clock, body)


def test_a_form_sent_twice_at_once_makes_one_connection_and_one_token_and_both_are_shown_it(
    database_url, clock
) -> None:
    async def body(store: Store) -> None:
        async with at_wizard(store) as browser:
            begun = await asyncio.gather(*(sent(browser, "", kind="okta", name="okta") for _ in range(3)))
            assert {one.headers.get("location") for one in begun} == {"/console/connect/okta"}
            assert 'value="okta"' in (await browser.get("/console/connect")).text, (
                "one goes on with what is begun"
            )
            await token_page(browser, "okta")
            form = await form_of(browser, "okta")
            made = await asyncio.gather(*(sent(browser, "/okta/token", **form) for _ in range(3)))
            (address,) = {one.headers["location"] for one in made}
            (token,) = set(re.findall(r"sbr_\w{49}", (await browser.get(address)).text))
            assert token in (await browser.get(address)).text, "loaded again, it is there again"
            rows = await store.reads.all("SELECT revoked FROM sb_token WHERE connection_id IS NOT NULL")
            assert [row["revoked"] is None for row in rows].count(True) == 1 and len(rows) == 2
            clock.advance(seconds=600)
            assert (await browser.get(address)).headers["location"] == "/console/connect/okta"
            assert await call(browser, token, "GET", "/Users") == 200

    run_with_store(database_url, clock, body)


def test_a_token_made_in_another_tab_is_not_ended_unseen_and_no_other_session_is_shown_it(
    sqlite_url, clock
) -> None:
    async def body(store: Store) -> None:
        async with at_wizard(store) as browser:
            await sent(browser, "", kind="okta", name="okta")
            stale = await form_of(browser, "okta")
            shown = await sent(browser, "/okta/token", **await form_of(browser, "okta"))
            (token,) = set(re.findall(r"sbr_\w{49}", (await browser.get(shown.headers["location"])).text))
            late = await sent(browser, "/okta/token", **stale)
            assert late.status_code == 409 and "token-moved" in late.text and "another tab" in late.text
            assert await call(browser, token, "GET", "/Users") == 200
            assert (await sent(browser, "/okta/token")).status_code == 400
            await browser.sign_in()
            away = await browser.get(shown.headers["location"])
            assert away.status_code == 303 and token not in away.text

    run_with_store(sqlite_url, clock, body)


def test_what_is_asked_for_twice_is_done_once_but_new_credentials_are_asked_about_anew(
    database_url, clock
) -> None:
    async def body(store: Store) -> None:
        async with at_wizard(store) as browser:

            async def made(work: Work) -> None:
                await create_connection(work, MASTER, "okta", "okta", secrets={"ssws_token": "x"})

            async def kinds(state: str = "") -> list[str]:
                rows = await store.reads.all("SELECT kind FROM sb_effect ORDER BY kind")
                if state:
                    await store.transact(TESTER, lambda work: _all(work, state))
                return [row["kind"] for row in rows]

            async def _all(work: Work, state: str) -> None:
                work.bookkeeping("test")
                await work.tx.run("UPDATE sb_effect SET state = ?", state)

            await store.transact(TESTER, made)
            asks = [("connect.proof", ""), ("connect.preview", ""), ("connect.preview", "a-000")]
            for what, agent in asks:
                twice = (sent(browser, "/okta/check", what=what, agent=agent, sure="yes") for _ in range(2))
                assert [one.status_code for one in await asyncio.gather(*twice)] == [303, 303]
            assert await kinds("handed") == ["connect.preview", "connect.preview", "connect.proof"]
            there = await connection(store.reads, "okta")
            await store.transact(TESTER, lambda work: asked.ask(work, there, asked.PROBE))
            await kinds("handed")
            for anew, count in ((False, 1), (True, 2), (True, 2)):
                await store.transact(
                    TESTER, lambda work, anew=anew: asked.ask(work, there, asked.PROBE, anew=anew)
                )
                assert (await kinds()).count("connect.probe") == count
            await kinds("done")
            await sent(browser, "/okta/check", what="connect.proof", sure="yes")
            assert (await kinds()).count("connect.proof") == 2

    run_with_store(database_url, clock, body)


def test_credentials_are_sealed_never_shown_and_asked_about_by_a_worker(sqlite_url, clock) -> None:
    async def body(store: Store) -> None:
        async with at_wizard(store) as browser:
            await sent(browser, "", kind="entra", name="entra")
            told = {
                "tenant_id": "7e0c5a3e-0000-4000-8000-000000000001",
                "client_id": "app",
                "client_secret": "",
            }
            missing = await sent(browser, "/entra/credentials", **told)
            assert missing.status_code == 400 and "Client secret" in missing.text
            kept = await sent(browser, "/entra/credentials", **{**told, "client_secret": "planted-Q9"})
            assert kept.status_code == 303
            there = await connection(store.reads, "entra")
            assert (await connection_secrets(store.reads, MASTER, there.id))["client_secret"] == "planted-Q9"
            page = (await browser.get("/console/connect/entra")).text
            assert "planted-Q9" not in page and told["tenant_id"] in page and "what can be used" in page
            rows = await store.reads.all("SELECT kind, payload FROM sb_effect")
            assert [row["kind"] for row in rows] == ["connect.probe"] and "planted" not in rows[0]["payload"]
            trail = await store.reads.all("SELECT detail FROM sb_audit")
            assert "planted" not in "".join(row["detail"] for row in trail)

    run_with_store(sqlite_url, clock, body)


def test_a_preview_shows_one_agent_attribute_by_attribute_and_writes_nothing(sqlite_url, clock) -> None:
    async def body(store: Store) -> None:
        idp = MemoryIdp()
        ctx = Context(store, MASTER, Outbound(), OUTSIDE, Path("/nonexistent"))
        stage: Any = type("NoStage", (), {"app": None})()
        idps: Any = OneIdp(store, idp)
        effects = Effects(store, asked.handlers(ctx, idps, stage), [effect_settled])

        async def made(work: Work) -> None:
            await create_connection(work, MASTER, "okta", "okta", secrets={"ssws_token": "x"})

        await store.transact(TESTER, made)
        async with at_wizard(store) as browser:
            for agents in (False, True):
                if agents:
                    await company(store, agents=1)
                clock.advance(seconds=1)
                await sent(browser, "/okta/check", what="connect.preview")
                row = await store.reads.one("SELECT id FROM sb_effect ORDER BY created DESC LIMIT 1")
                assert await effects.attempt(row["id"]) is None
                page = (await browser.get("/console/connect/okta")).text
                assert ("There are no agents yet" in page) is not agents
                assert ("Purpose of a-000" in page) is agents
            assert not idp.writes and not idp.prepared
            proof = await sent(browser, "/okta/check", what="connect.proof", sure="yes")
            assert proof.status_code == 303
            row = await store.reads.one("SELECT id FROM sb_effect WHERE kind = 'connect.proof'")
            assert await effects.attempt(row["id"]) is not None, (
                "a command performs none: it waits for a server"
            )

    run_with_store(sqlite_url, clock, body)


def test_where_others_work_a_proof_asks_whether_one_is_sure_and_nothing_is_rehearsed(
    sqlite_url, clock
) -> None:
    async def body(store: Store) -> None:
        async with at_wizard(store) as browser:
            await sent(browser, "", kind="okta", name="okta")
            page = (await browser.get("/console/connect/okta")).text
            assert "Rehearse with a sandbox" not in page and "may be made and deleted" in page
            proof = await sent(browser, "/okta/check", what="connect.proof")
            assert proof.status_code == 422 and "proof-outside" in proof.text
            played = await sent(browser, "/okta/check", what="connect.rehearse")
            assert played.status_code == 422 and "--sandbox" in played.text
            assert (await sent(browser, "/okta/check", what="connect.probe")).status_code == 422
            assert (await sent(browser, "/okta/check", what="sync.apply")).status_code == 400

    run_with_store(sqlite_url, clock, body)


def test_a_rehearsal_takes_no_real_tenant_away(sqlite_url, clock) -> None:
    async def body(store: Store) -> None:
        async with at_wizard(store, "http://127.0.0.1:8080") as browser:

            async def real(work: Work) -> None:
                await create_connection(
                    work,
                    MASTER,
                    "okta",
                    "okta",
                    settings={"org_url": "https://acme.okta.com"},
                    secrets={"ssws_token": "x"},
                )

            await store.transact(TESTER, real)
            refused = await sent(browser, "/okta/check", what="connect.rehearse")
            assert refused.status_code == 422 and "rehearsal-real" in refused.text
            page = (await browser.get("/console/connect/okta")).text
            assert "Okta and Entra cannot reach 127.0.0.1" in page and "Rehearse with a sandbox Okta" in page

    run_with_store(sqlite_url, clock, body)


@pytest.mark.parametrize(
    ("kind", "told", "real"),
    [
        (
            "entra",
            {"tenant_id": REHEARSED, "graph_url": "https://127.0.0.1:9444"},
            {"tenant_id": "7e0c5a3e-0000-4000-8000-000000000001"},
        ),
        ("okta", {"org_url": "https://127.0.0.1:9443"}, {"org_url": "https://acme.okta.com"}),
    ],
)
def test_credentials_of_a_real_tenant_are_not_shown_to_the_sandbox_that_was_rehearsed_with(
    sqlite_url, clock, kind: str, told: dict[str, str], real: dict[str, str]
) -> None:
    more = {"authority": f"https://127.0.0.1:9444/{REHEARSED}"} if kind == "entra" else {}
    told |= {**more, "ca_file": "/x/ca.pem", "drift": "purpose:ask"}

    async def body(store: Store) -> None:
        ctx = Context(store, MASTER, Outbound(), OUTSIDE, Path("/nonexistent"))
        proof = {"private_key": private_key()} if kind == "okta" else {"client_secret": "x"}
        secrets = {"client_id": "app", **proof}
        await store.transact(TESTER, lambda work: create_connection(work, MASTER, "there", kind))
        await steps.credentialed(ctx, TESTER, "there", told, secrets)
        again = {name: told[name] for name in ("org_url", "tenant_id") if name in told}
        kept = await steps.credentialed(ctx, TESTER, "there", again, secrets)
        assert kept.settings == told, "the sandbox's own, entered anew, still lead to it"
        kept = await steps.credentialed(ctx, TESTER, "there", real, secrets)
        assert kept.settings == {**real, "drift": "purpose:ask"}

    run_with_store(sqlite_url, clock, body)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://bridge.example.com", None),
        ("http://bridge.example.com", "not https"),
        ("https://10.0.0.7", "inside"),
        ("https://bridge", "inside"),
        ("https://my_bridge.example.com", "underscore"),
    ],
)
def test_an_address_nobody_outside_can_use_is_told_before_it_is_pasted(url: str, words: str | None) -> None:
    found = unreachable(url)
    assert found is None if words is None else (found is not None and words in found[0])
    assert unreachable(url, is_set=False) is not None


def test_what_was_entered_wrong_leads_back_to_its_form_and_is_kept_from_being_sent(sqlite_url, clock) -> None:
    async def body(store: Store) -> None:
        async with at_wizard(store) as browser:
            index = (await browser.get("/console/connect")).text
            assert 'pattern="[a-z0-9][a-z0-9\\-]*"' in index and "nothing is sent" in index
            for referer, led in (
                (f"{OUTSIDE}/console/connect", True),
                ("https://evil.example/console", False),
            ):
                key = await browser.form_key()
                wrong = await browser.client.post(
                    "/console/connect",
                    data={"form_key": key, "kind": "okta", "name": "My Okta"},
                    headers={"referer": referer, "origin": OUTSIDE},
                )
                assert wrong.status_code == 400
                assert ('href="/console/connect">Back to the page' in wrong.text) is led
            await sent(browser, "", kind="okta", name="okta")
            page = (await browser.get("/console/connect/okta")).text
            assert r'pattern="\s*https://(' in page and page.count("data-copy") == 2

    run_with_store(sqlite_url, clock, body)


def test_the_page_comes_back_at_the_step_whose_answer_is_new() -> None:
    def one(kind: str, number: int, state: str = "done") -> Asked:
        return Asked(f"{number:012d}", kind, state, 1, "", {}, 0, 0, None)

    seen = one(asked.PROBE, 1)
    told = {
        asked.PROBE: seen,
        asked.PROOF: one(asked.PROOF, 2),
        asked.PREVIEW: one(asked.PREVIEW, 3, "pending"),
    }
    assert place_of(told, f"1-{seen.id[-8:]}") == "s5"
    assert place_of({asked.PROBE: seen}, f"0-{seen.id[-8:]}") == "s3"
