"""A browser at a console where people sign in at an IdP."""

from __future__ import annotations

import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx2

from scim_bridge.attestations.model import STATEMENT_TYPE
from scim_bridge.console.sso.provider import Provider
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.crypto import public_keys, verify
from scim_bridge.kernel.outbound import Outbound
from scim_bridge.kernel.work import Store, Work
from scim_bridge.registry.tokens import create_token
from scim_bridge.settings.sign_in import SignInSettings
from tests.conftest import MASTER, TESTER
from tests.console.browser import BASE, Browser, application
from tests.console.idp import CLIENT, SECRET, Idp

SETTINGS: dict[str, Any] = {
    "client_id": CLIENT,
    "client_secret": SECRET,
    "roles": {f"AI {role}s": role for role in ("viewer", "operator", "admin", "auditor")},
}


@dataclass
class Desk:
    """The browser, the IdP as the same browser reaches it, and what the console knows of it."""

    browser: Browser
    idp: httpx2.AsyncClient
    store: Store
    provider: Provider
    ctx: Context

    async def begin(self, then: str = "", again: bool = False) -> str:
        """Where the console sends one to sign in."""
        query = urlencode({"next": then, **({"again": "1"} if again else {})})
        away = await self.browser.get(f"/console/sign-in/begin?{query}")
        assert away.status_code == 303
        return str(away.headers["location"])

    async def at_idp(self, away: str, who: str) -> str:
        """Sign in there; the address it sends one back to."""
        answer = await self.idp.get(f"{away}&{urlencode({'as': who})}")
        assert answer.status_code == 302
        return str(answer.headers["location"])

    async def back(self, address: str) -> httpx2.Response:
        return await self.browser.get(address)

    async def enter(self, who: str) -> httpx2.Response:
        """The whole way."""
        return await self.back(await self.at_idp(await self.begin(), who))

    async def told(self, address: str, *whys: str) -> None:
        """Coming back with this opens nothing; the audit says why."""
        refused = await self.back(address)
        row = await self.store.reads.one(
            "SELECT outcome, detail FROM sb_audit WHERE action = 'console.sign_in_refused' ORDER BY id DESC LIMIT 1"
        )
        assert row is not None and row["outcome"] == "refused"
        assert any(f'"code":"{why}"' in row["detail"] for why in whys), (whys, row["detail"])
        assert refused.status_code == 403 and 'role="alert"' in refused.text
        named = [one for one in refused.headers.get_list("set-cookie") if "sb_console" in one]
        assert not named

    async def refused(self, who: str, *whys: str) -> None:
        await self.told(await self.at_idp(await self.begin(), who), *whys)

    async def form_key(self, page: str = "/console") -> str:
        found = re.search(r'name="form_key" value="([0-9a-f]+)"', (await self.browser.get(page)).text)
        assert found is not None
        return found.group(1)

    async def statement(self) -> dict[str, Any]:
        """What the newest statement says, once its signature holds."""
        row = await self.store.reads.one("SELECT statement FROM sb_attestation ORDER BY at DESC LIMIT 1")
        keys = await public_keys(self.store.reads, "attestation")
        return verify(row["statement"], keys, STATEMENT_TYPE)


@asynccontextmanager
async def at_desk(store: Store, idp: Idp, **more: Any) -> AsyncIterator[Desk]:
    """A desk before a console on this store that trusts this IdP."""
    port = urlsplit(idp.issuer).port
    out = Outbound(allow=[f"127.0.0.1:{port}"], ca_file=idp.ca_file)
    ctx = Context(store, MASTER, out, BASE, Path("/nonexistent"))
    provider = Provider(ctx, SignInSettings(**{**SETTINGS, "issuer": idp.issuer, **more}))

    async def make(work: Work) -> str:
        return await create_token(work, MASTER, connection_id=None, scopes=("admin",), label="Ada")

    tokens = {"admin": await store.transact(TESTER, make)}
    transport = httpx2.ASGITransport(app=application(ctx, provider=provider), raise_app_exceptions=False)
    async with (
        httpx2.AsyncClient(transport=transport, base_url=BASE) as client,
        httpx2.AsyncClient(verify=ssl.create_default_context(cafile=str(idp.ca_file))) as outside,
    ):
        yield Desk(Browser(client, store, tokens), outside, store, provider, ctx)
    await out.aclose()
