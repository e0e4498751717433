"""Every page there is loads nothing from elsewhere, runs nothing that stands in it, and is framed by nobody."""

from __future__ import annotations

import re

import httpx2

from scim_bridge.kernel.work import Work
from scim_bridge.registry.tokens import create_token
from tests.conftest import TESTER
from tests.security.everything import BASE, World, everything
from tests.security.test_isolation import GHOST, addresses, filled

INLINE = re.compile(r"<script(?![^>]*\bsrc=)|<style\b|\son[a-z]+\s*=|\sstyle\s*=|javascript:", re.I)
LOADED = re.compile(r"<(?:script|link|img|iframe|object|embed)\b[^>]*\b(?:src|href|data)=\"([^\"]+)\"", re.I)


def flaws(answer: httpx2.Response) -> list[str]:
    """What a page lacks or holds."""
    told, found = answer.headers, []
    policy = {
        part.split()[0]: part.split()[1:]
        for part in told.get("content-security-policy", "").split(";")
        if part
    }
    if policy.get("default-src") != ["'none'"] or policy.get("frame-ancestors") != ["'none'"]:
        found.append("no strict content policy")
    if policy.get("base-uri") != ["'none'"] or "form-action" not in policy:
        found.append("forms or links may lead elsewhere")
    if set(policy.get("script-src", [])) - {"'self'"} or "unsafe" in told.get("content-security-policy", ""):
        found.append("scripts that are not ours")
    wanted = {"x-content-type-options": "nosniff", "x-frame-options": "DENY", "cache-control": "no-store"}
    found += [
        f"{name} is {told.get(name)}" for name, value in wanted.items() if value not in told.get(name, "")
    ]
    found += [f"stands in the page: {one}" for one in INLINE.findall(answer.text)]
    found += [f"loads {one}" for one in LOADED.findall(answer.text) if not re.match(r"/(?!/)", one)]
    return found


def test_every_page_there_is_has_the_headers_and_nothing_inline(sqlite_url: str) -> None:
    async def body(world: World) -> None:
        async def admin(work: Work) -> str:
            master = world.server.bridge.ctx.master
            return await create_token(work, master, connection_id=None, scopes=("admin",), label="Ada")

        token = await world.store.transact(TESTER, admin)
        signed = await world.http.post(f"{BASE}/console/sign-in", data={"token": token, "next": ""})
        assert signed.status_code == 303
        cookie = signed.headers["set-cookie"]
        assert "HttpOnly" in cookie and "SameSite=Lax" in cookie and "Domain" not in cookie
        pages = 0
        for address in addresses(world):
            if "GET" not in address.methods or not address.template.startswith(
                ("/console", "/attest", "/take-over")
            ):
                continue
            for target in (world.ids["agent"], GHOST):
                answer = await world.http.get(BASE + filled(address.template, target, world))
                if answer.headers.get("content-type", "").startswith("text/html"):
                    pages += 1
                    assert flaws(answer) == [], (address.template, answer.status_code)
        assert pages > 40

    everything(sqlite_url, body)


def test_a_page_with_a_flaw_is_found() -> None:
    poor = httpx2.Response(200, headers={"content-security-policy": "default-src *"}, text="<b onclick='x'>")
    assert len(flaws(poor)) > 4
    rich = httpx2.Response(200, text='<script>alert(1)</script><img src="//x.test/a"><p style="x">')
    assert {"stands in the page: <script", "loads //x.test/a"} <= set(flaws(rich))
