"""Promises of the wizard's form for credentials: what cannot be meant comes back with the reason, without secrets."""

from __future__ import annotations

import re

import pytest

from scim_bridge.kernel.work import Store
from tests.conftest import run_with_store
from tests.connecting.test_wizard import at_wizard, sent
from tests.registry.keys import jwk, made, pem, unusable
from tests.registry.test_key_forms import shown

OKTA = {"org_url": "https://acme.okta.com", "client_id": "0oa1gjh63g214q0Hq0g4", "kid": "the-kid"}
ENTRA = {"tenant_id": "7e0c5a3e-0000-4000-8000-000000000001", "client_id": "the-app"}
NOTHING_KEPT = "SELECT secrets, settings FROM sb_connection"


def value_of(page: str, name: str) -> str:
    """What a field of the page begins with."""
    (found,) = re.findall(rf'<input id="field-{name}"[^>]* value="([^"]*)"', page)
    return str(found)


@pytest.mark.parametrize("name", ["text", "public", "locked", "ec", "short", "jwk-public"])
def test_a_key_that_cannot_sign_is_told_beside_its_field_and_the_other_fields_stay(
    sqlite_url, clock, name: str
) -> None:
    text, said = unusable()[name]

    async def body(store: Store) -> None:
        async with at_wizard(store) as browser:
            await sent(browser, "", kind="okta", name="okta")
            answer = await sent(browser, "/okta/credentials", **OKTA, private_key=text)
            page = answer.text
            assert answer.status_code == 400 and said in page and "Nothing was kept: private_key" in page
            assert "script-src 'self'; connect-src" in answer.headers["content-security-policy"]
            assert {each: value_of(page, each) for each in OKTA} == OKTA
            (area,) = re.findall(r"<textarea[^>]*>(.*?)</textarea>", page, re.DOTALL)
            assert area == "" and not shown(page, text)
            assert re.findall(r'<(?:input|textarea) id="([^"]+)"[^>]* aria-invalid="true"', page) == [
                "field-private_key"
            ]
            assert [dict(row) for row in await store.reads.all(NOTHING_KEPT)] == [
                {"secrets": None, "settings": "{}"}
            ]
            assert not await store.reads.all("SELECT id FROM sb_effect"), "nobody is asked with it"
            for good in (pem(made()), jwk()):
                assert (await sent(browser, "/okta/credentials", **OKTA, private_key=good)).status_code == 303
            page = (await browser.get("/console/connect/okta")).text
            assert "Nothing was kept" not in page and "aria-invalid" not in page

    run_with_store(sqlite_url, clock, body)


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"tenant_id": "my tenant"}, "tenant_id", "tenant_id is no tenant"),
        ({"client_id": "  "}, "client_id", "Application (client) ID is missing"),
        ({"client_secret": "s3cret-välue"}, "client_secret", "holds a character that no call can carry"),
    ],
)
def test_a_form_refused_for_any_field_comes_back_with_what_is_no_secret(
    sqlite_url, clock, changes: dict[str, str], field: str, said: str
) -> None:
    async def body(store: Store) -> None:
        async with at_wizard(store) as browser:
            await sent(browser, "", kind="entra", name="entra")
            given = {**ENTRA, "client_secret": "s3cret-value", **changes}
            answer = await sent(browser, "/entra/credentials", **given)
            page = answer.text
            assert answer.status_code == 400 and said in page and "s3cret" not in page
            assert {each: value_of(page, each) for each in ENTRA} == {each: given[each] for each in ENTRA}
            assert value_of(page, "client_secret") == ""
            assert f'id="field-{field}"' in page.split('aria-invalid="true"')[0].rsplit("<input", 1)[1]

    run_with_store(sqlite_url, clock, body)
