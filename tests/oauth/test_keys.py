"""Promises of issuers' keys: never fetched in a request, kept through an outage, from allowed hosts only."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import orjson
import pytest

from scim_bridge.kernel.clock import HOUR
from scim_bridge.kernel.errors import Conflict, Invalid
from scim_bridge.oauth import keys, trusts
from scim_bridge.oauth.keys import usable_keys
from tests.conftest import TESTER
from tests.oauth.conftest import Live
from tests.oauth.house import House
from tests.oauth.issuer import AUDIENCE, SUBJECT, TENANT


def test_a_request_never_fetches_keys_it_asks_for_them_and_is_told_to_come_again(bridge: Live) -> None:
    async def test(house: House) -> None:
        client = await house.client(secret=False)
        await house.trust(client)
        house.clock.advance(seconds=61)
        house.issuer.published = ["k1", "k2"]
        form = client.asserting(house.issuer.assertion(key="k2"))
        before = house.issuer.fetches
        for _ in range(3):
            waiting = await house.ask(form)
            assert (waiting.status_code, waiting.json()["error"]) == (503, "temporarily_unavailable")
            assert int(waiting.headers["retry-after"]) >= 1
        assert house.issuer.fetches == before
        assert not await house.audit("oauth.token_refused")
        assert await house.fetch_keys() == 1
        # The very same request succeeds: being told to wait used nothing up.
        await house.token(form)
        assert house.issuer.fetches == before + 1
        changed = await house.audit("oauth.keys_changed")
        assert [row["detail"]["added"] for row in changed] == [["k1"], ["k2"]]

    bridge(test)


def test_unknown_keys_cause_one_fetch_a_minute_at_most(sqlite_bridge: Live) -> None:
    async def test(house: House) -> None:
        client = await house.client(secret=False)
        await house.trust(client)
        assert house.issuer.fetches == 1
        for _ in range(5):
            answer = await house.ask(client.asserting(house.issuer.assertion(key="k2")))
            assert answer.status_code == 401
            assert await house.fetch_keys() == 0
        house.clock.advance(seconds=61)
        for _ in range(5):
            await house.ask(client.asserting(house.issuer.assertion(key="k2")))
            await house.fetch_keys()
        assert house.issuer.fetches == 2

    sqlite_bridge(test)


OUTAGES: dict[str, tuple[int, bytes]] = {
    "an error": (500, b""),
    "a web page": (200, b"<html>"),
    "a redirect": (302, b""),
    "no keys": (200, b'{"keys":[]}'),
    "keys of another kind": (200, b'{"keys":[{"kty":"EC","kid":"k1"}]}'),
    "too much": (200, b" " * 300_000),
}


@pytest.mark.parametrize("what", OUTAGES)
def test_known_keys_serve_on_through_an_outage_for_days_and_no_longer(sqlite_bridge: Live, what: str) -> None:
    async def test(house: House) -> None:
        client = await house.client(secret=False)
        await house.trust(client)
        house.issuer.answer = OUTAGES[what]
        for hours in (1, 22, 48):
            house.clock.advance(seconds=hours * 3600)
            assert await house.fetch_keys() == 1
            await house.token(client.asserting(house.issuer.assertion()))
        known = await keys.cached(house.store.reads, house.issuer.keys_url)
        assert (known.failures, list(known.keys)) == (3, ["k1"])
        assert known.last_error
        house.clock.advance(seconds=2 * 3600)
        late = await house.ask(client.asserting(house.issuer.assertion()))
        assert late.status_code == 503
        house.issuer.answer = None
        await house.fetch_keys()
        await house.token(client.asserting(house.issuer.assertion()))

    sqlite_bridge(test)


def test_failed_fetches_are_tried_again_with_growing_pauses(sqlite_bridge: Live) -> None:
    async def test(house: House) -> None:
        client = await house.client(secret=False)
        house.issuer.answer = (503, b"")
        await house.trust(client)
        tried = [0]
        for second in range(1, 4000):
            house.clock.advance(seconds=1)
            if await house.fetch_keys():
                tried.append(second)
        pauses = [later - earlier for earlier, later in pairwise(tried)]
        assert pauses == [5, 10, 20, 40, 80, 160, 320, 600, 600, 600, 600, 600][: len(pauses)]
        assert len(pauses) >= 11

    sqlite_bridge(test)


def test_a_key_the_issuer_took_back_is_believed_for_an_hour_at_most(sqlite_bridge: Live) -> None:
    async def test(house: House) -> None:
        client = await house.client(secret=False)
        await house.trust(client)
        house.issuer.published = ["k2"]
        house.clock.advance(seconds=3600)
        await house.fetch_keys()
        answer = await house.ask(client.asserting(house.issuer.assertion(key="k1")))
        assert (answer.status_code, (await house.refusal())["reason"]) == (401, "assertion-key-unknown")
        await house.token(client.asserting(house.issuer.assertion(key="k2")))

    sqlite_bridge(test)


def test_of_several_replicas_one_fetches(bridge: Live) -> None:
    async def test(house: House) -> None:
        await house.trust(await house.client(secret=False))
        house.clock.advance(seconds=3600)
        counts = await asyncio.gather(*(house.fetch_keys() for _ in range(4)))
        assert sum(counts) == 1
        assert house.issuer.fetches == 2

    bridge(test)


def test_a_fetch_cut_off_by_the_end_of_a_process_is_made_by_another(sqlite_bridge: Live) -> None:
    async def test(house: House) -> None:
        await house.trust(await house.client(secret=False))
        house.clock.advance(seconds=HOUR / 1e6)
        # A process that took its turn and died.
        await house.store.transact(TESTER, lambda work: _leased(work, house.issuer.keys_url))
        assert await house.fetch_keys() == 0
        house.clock.advance(seconds=61)
        assert await house.fetch_keys() == 1

    sqlite_bridge(test)


async def _leased(work, url) -> None:
    work.bookkeeping("test")
    await work.tx.run("UPDATE sb_oauth_keys SET next_at = ? WHERE url = ?", work.now + keys.LEASE, url)


UNCALLABLE = {
    "http": "http://{host}/keys",
    "another host": "https://169.254.169.254/keys",
    "another port": "https://127.0.0.1:1/keys",
    "a name in front": "https://{host}@evil.test/keys",
    "a file": "file:///etc/passwd",
    "no port number": "https://127.0.0.1:x/keys",
    "a fragment": "https://{host}/keys#x",
    "nothing": "",
}


@pytest.mark.parametrize("what", UNCALLABLE)
def test_keys_are_fetched_from_allowed_hosts_over_tls_only(sqlite_bridge: Live, what: str) -> None:
    url = UNCALLABLE[what]

    async def test(house: House) -> None:
        client = await house.client(secret=False)
        given = {"issuer": "https://idp.test", "subject": SUBJECT, "audience": AUDIENCE}
        hosts = house.settings.keys_hosts
        with pytest.raises(Invalid):
            await house.store.transact(
                TESTER,
                lambda work: trusts.add_trust(
                    work, client.id, keys_url=url.format(host=house.issuer.host) or None, hosts=hosts, **given
                ),
            )
        assert house.issuer.fetches == 0

    sqlite_bridge(test)


def test_a_host_taken_off_the_list_is_not_called_any_more(sqlite_bridge: Live) -> None:
    async def test(house: House) -> None:
        await house.trust(await house.client(secret=False))
        house.clock.advance(seconds=3600)
        await keys.refresh(house.ctx, ("login.microsoftonline.com",))
        assert house.issuer.fetches == 1
        known = await keys.cached(house.store.reads, house.issuer.keys_url)
        assert "oauth.keys_hosts" in str(known.last_error)

    sqlite_bridge(test)


def test_entras_addresses_follow_from_the_tenant_id_alone(sqlite_bridge: Live) -> None:
    async def test(house: House) -> None:
        client = await house.client(secret=False)

        async def add(**given: str) -> trusts.Trust:
            return await house.store.transact(
                TESTER,
                lambda work: trusts.add_trust(
                    work, client.id, **given, audience=AUDIENCE, hosts=house.settings.keys_hosts
                ),
            )

        made = await add(tenant=TENANT, subject=SUBJECT)
        host = "https://login.microsoftonline.com"
        assert made.issuer == f"{host}/{TENANT}/v2.0"
        assert made.keys_url == f"{host}/{TENANT}/discovery/v2.0/keys"
        with pytest.raises(Conflict):
            await add(tenant=TENANT.upper(), subject=SUBJECT)
        with pytest.raises(Conflict):
            await add(issuer=f"{host}/{TENANT}", subject=SUBJECT)
        with pytest.raises(Invalid):
            await add(issuer=f"{host}/{TENANT}", tenant=SUBJECT, subject="another")
        with pytest.raises(Invalid):
            await add(tenant="contoso.onmicrosoft.com", subject=SUBJECT)
        with pytest.raises(Invalid):
            await add(subject=SUBJECT)

    sqlite_bridge(test)


def test_keys_nobody_trusts_any_more_are_forgotten(bridge: Live) -> None:
    async def test(house: House) -> None:
        first, second = await house.client(secret=False), await house.client(secret=False)
        kept, gone = await house.trust(first), await house.trust(second)
        await house.store.transact(TESTER, lambda work: trusts.remove_trust(work, gone))
        house.clock.advance(seconds=3600)
        assert await house.fetch_keys() == 1
        await house.store.transact(TESTER, lambda work: trusts.remove_trust(work, kept))
        house.clock.advance(seconds=3600)
        assert await house.fetch_keys() == 0
        assert await house.store.reads.one("SELECT 1 AS x FROM sb_oauth_keys") is None

    bridge(test)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b'{"keys":1}', b'{"keys":[1,null,"x"]}', b'{"keys":[{"kty":"RSA"}]}']
)
def test_an_answer_without_usable_keys_is_not_believed(body: bytes) -> None:
    with pytest.raises(Invalid):
        usable_keys(body)


def test_no_more_than_a_hundred_keys_are_read() -> None:
    with pytest.raises(Invalid):
        usable_keys(orjson.dumps({"keys": [{"kty": "EC"}] * 100 + [{"kty": "RSA", "kid": "x"}]}))
