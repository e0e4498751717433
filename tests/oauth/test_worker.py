"""Promises of what happens beside the requests: secrets warned of, what is over forgotten, all of it wired."""

from __future__ import annotations

import asyncio

import httpx2
import orjson
import pytest
from prometheus_client.parser import text_string_to_metric_families

from scim_bridge.kernel.clock import DAY, SystemClock
from scim_bridge.oauth import clients, trusts, upkeep
from scim_bridge.registry.connections import create_connection
from scim_bridge.server import serving
from scim_bridge.settings.load import load_settings
from scim_bridge.watch.notices import read_templates, written
from tests.conftest import MASTER, TESTER
from tests.oauth.conftest import Live
from tests.oauth.house import House, Registered
from tests.oauth.issuer import AUDIENCE, SUBJECT, TENANT, Issuer


def test_a_client_secret_is_warned_of_at_each_stage_once(bridge: Live) -> None:
    async def test(house: House) -> None:
        client = await house.client()
        told = []
        for day in range(365):
            if await upkeep.warn_of_secrets(house.store):
                told.append(365 - day)
            house.clock.advance(days=1)
        assert told == [30, 7, 1]
        rows = await house.store.reads.all("SELECT payload FROM sb_effect WHERE kind = 'notify'")
        data = [orjson.loads(row["payload"])["data"] for row in rows]
        assert {notice["client"] for notice in data} == {client.id}
        assert client.secret not in str(data)
        assert len(await house.audit("client_secret.expiring")) == 3

    bridge(test)


def test_a_deleted_or_rotated_and_unused_secret_is_not_warned_of(sqlite_bridge: Live) -> None:
    async def test(house: House) -> None:
        gone, rotated, used = await house.client(), await house.client(), await house.client()
        await house.store.transact(TESTER, lambda work: clients.delete_client(work, gone.id))
        for each in (rotated, used):
            await house.store.transact(
                TESTER,
                lambda work, c=each: clients.rotate_secret(work, MASTER, c.id, years=3, overlap=7 * DAY),
            )
        house.clock.advance(days=6, seconds=1)
        await house.token(used.form())
        assert await upkeep.warn_of_secrets(house.store) == 1
        (row,) = await house.audit("client_secret.expiring")
        assert row["subject_id"] == used.secret_id

    sqlite_bridge(test)


def test_what_expired_is_forgotten_and_what_could_be_replayed_is_not(bridge: Live) -> None:
    async def test(house: House) -> None:
        client = await house.client(secret=False)
        await house.trust(client)
        form = client.asserting(house.issuer.assertion())
        await house.token(form)
        house.clock.advance(seconds=3900 + 59)
        assert await upkeep.forget(house.ctx) == 0
        assert (await house.ask(form)).status_code == 401
        assert (await house.refusal())["reason"] == "assertion-replayed"
        house.clock.advance(days=2)
        assert await upkeep.forget(house.ctx) == 2
        assert (await house.ask(form)).status_code == 401
        assert (await house.refusal())["reason"] == "assertion-expired"

    bridge(test)


@pytest.mark.parametrize("rotated", [True, False])
@pytest.mark.parametrize("what", ["token", "client secret"])
def test_the_notice_says_what_to_do_in_words(what: str, rotated: bool) -> None:
    data = {
        "what": what,
        "id": "T1",
        "client": "C1",
        "label": "Entra, 2026",
        "connection": "entra",
        "days": 7,
        "expires": "2026-12-24T10:00:00.000Z",
        "last_used": "2026-12-17T10:00:00.000Z",
        "rotated": rotated,
    }
    notice = written(read_templates(), "secret-expiring", None, data)
    assert notice.subject == f"A {what} of entra expires in 7 days"
    command = "tokens rotate T1" if what == "token" else "clients rotate-secret C1"
    assert (command in notice.text) is not rotated
    assert "Entra, 2026" in notice.text


def test_a_whole_server_fetches_keys_by_itself_and_takes_entras_assertion(
    sqlite_url: str, issuer: Issuer
) -> None:
    issuer.reset(SystemClock())

    async def served() -> None:
        given = {
            "database_url": sqlite_url,
            "allow_networks": ("127.0.0.1",),
            "ca_file": str(issuer.ca_file),
            "oauth": {"keys_hosts": [issuer.host]},
        }
        async with serving(load_settings(None, {}, given)) as server:
            ctx = server.bridge.ctx

            async def furnish(work) -> str:
                connection = await create_connection(work, ctx.master, "entra", "entra")
                made = await clients.create_client(work, connection)
                await clients.add_secret(work, ctx.master, made.id)
                await trusts.add_trust(
                    work,
                    made.id,
                    tenant=TENANT,
                    subject=SUBJECT,
                    audience=AUDIENCE,
                    keys_url=issuer.keys_url,
                    hosts=(issuer.host,),
                )
                return made.id

            client = Registered(await ctx.store.transact(TESTER, furnish), "", "")
            base = "http://127.0.0.1:8080"
            async with httpx2.AsyncClient(transport=httpx2.ASGITransport(server.app)) as http:
                form = client.asserting(issuer.assertion())
                # As a sender that obeys Retry-After, only sooner.
                for _ in range(200):
                    answer = await http.post(f"{base}/oauth/token", data=form)
                    if answer.status_code != 503:
                        break
                    assert answer.headers["retry-after"] == "5"
                    await asyncio.sleep(0.05)
                assert answer.status_code == 200, answer.text
                headers = {"authorization": f"Bearer {answer.json()['access_token']}"}
                users = await http.get(f"{base}/scim/v2/Users?startIndex=1&count=1", headers=headers)
                assert users.status_code == 200
                metrics = (await http.get(f"{base}/metrics")).text
        families = {family.name: family for family in text_string_to_metric_families(metrics)}
        (sample,) = families["scim_bridge_token_expires_seconds"].samples
        assert (sample.labels["connection"], sample.labels["kind"]) == ("entra", "client secret")
        assert 364 * 86_400 < sample.value <= 365 * 86_400

    asyncio.run(served())
