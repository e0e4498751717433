"""Promises about the transmitter's API: what SSF 1.0 says of streams, to those who may, and to nobody else."""

from __future__ import annotations

import pytest

from scim_bridge.kernel.work import Store
from scim_bridge.watch import ssf_keys
from scim_bridge.watch.ssf_keys import KeyRow, published, rotate, signing
from tests.conftest import MASTER, TESTER, run_with_store
from tests.watch.ssf_house import house

PUSH = {
    "method": "urn:ietf:rfc:8935",
    "endpoint_url": "https://receiver.test/in",
    "authorization_header": "Bearer x",
}
RISC = "https://schemas.openid.net/secevent/risc/event-type/"


def test_a_stream_is_made_read_changed_replaced_and_deleted(on_store) -> None:
    async def body(store: Store) -> None:
        async with house(store) as home:
            client = await home.client()
            endpoint = client.metadata["configuration_endpoint"]
            wanted = [f"{RISC}account-disabled", "urn:unknown:event"]
            made = await client.create(delivery=PUSH, events_requested=wanted, description="our SIEM")
            assert made["events_delivered"] == wanted[:1] and made["description"] == "our SIEM"
            # The header is the receiver's secret: it is never told again.
            assert made["delivery"] == {name: PUSH[name] for name in ("method", "endpoint_url")}
            one = await client.call("GET", endpoint, stream_id=made["stream_id"])
            assert one.json() == made and (await client.call("GET", endpoint)).json() == [made]
            patch = {"stream_id": made["stream_id"], "description": "another"}
            patched = (await client.call("PATCH", endpoint, patch)).json()
            assert patched == {**made, "description": "another"}
            polled = {"delivery": {"method": "urn:ietf:rfc:8936"}}
            put = (await client.call("PUT", endpoint, {**patched, **polled})).json()
            assert put["delivery"]["endpoint_url"].startswith("https://bridge.test/ssf/poll/")
            bare = (await client.call("PUT", endpoint, {"stream_id": made["stream_id"]})).json()
            assert "description" not in bare and len(bare["events_delivered"]) > 5
            assert (await client.call("DELETE", endpoint, stream_id=made["stream_id"])).status_code == 204
            assert (await client.call("GET", endpoint, stream_id=made["stream_id"])).status_code == 404
            assert (await client.call("GET", endpoint)).json() == []
            rows = await store.reads.all(
                "SELECT action FROM sb_audit WHERE action LIKE 'transmitter.%' ORDER BY id"
            )
            assert [row["action"].rpartition("_")[2] for row in rows] == [
                "created", "changed", "changed", "changed", "deleted",
            ]  # fmt: skip

    on_store(body)


@pytest.mark.parametrize(
    "said",
    [
        {"delivery": "push"},
        {"delivery": {"method": "urn:ietf:rfc:1149"}},
        {"delivery": {"method": ["push"]}},
        {"delivery": {"method": {}}},
        {"delivery": {"method": "urn:ietf:rfc:8935"}},
        {"delivery": {**PUSH, "endpoint_url": "ftp://receiver.test"}},
        {"delivery": {**PUSH, "endpoint_url": "https://u:p@receiver.test"}},
        {"delivery": {**PUSH, "endpoint_url": "https://[::1"}},
        {"delivery": {**PUSH, "endpoint_url": "https://receiver.test:99999"}},
        {"delivery": {**PUSH, "authorization_header": "a\r\nb"}},
        {"delivery": {**PUSH, "authorization_header": "é"}},
        {"events_requested": "all"},
        {"events_requested": [1]},
        {"events_requested": ["x"] * 101},
        {"description": "two\nlines"},
        {"description": 5},
        {"format": "smoke"},
    ],
)
def test_a_configuration_that_cannot_be_is_refused(sqlite_url, clock, said) -> None:
    async def body(store: Store) -> None:
        async with house(store) as home:
            client = await home.client()
            answer = await client.call("POST", client.metadata["configuration_endpoint"], said)
            assert answer.status_code == 400 and answer.json()["code"] == "stream-configuration"

    run_with_store(sqlite_url, clock, body)


def test_who_may_do_what_is_the_tokens_and_a_strangers_stream_does_not_exist(on_store) -> None:
    async def body(store: Store) -> None:
        async with house(store) as home:
            await home.link("acme")
            await home.link("other")
            acme = await home.client(connection="acme")
            made = await acme.create()
            calls = [
                ("GET", "/ssf/streams", None, {"stream_id": made["stream_id"]}),
                ("PATCH", "/ssf/streams", {"stream_id": made["stream_id"]}, {}),
                ("DELETE", "/ssf/streams", None, {"stream_id": made["stream_id"]}),
                ("GET", "/ssf/status", None, {"stream_id": made["stream_id"]}),
                ("POST", "/ssf/status", {"stream_id": made["stream_id"], "status": "paused"}, {}),
                ("POST", "/ssf/verify", {"stream_id": made["stream_id"]}, {}),
                ("POST", "/ssf/subjects/add", {"stream_id": made["stream_id"], "subject": {}}, {}),
                ("POST", "/ssf/subjects/remove", {"stream_id": made["stream_id"], "subject": {}}, {}),
                ("POST", f"/ssf/poll/{made['stream_id']}", {"returnImmediately": True}, {}),
            ]
            for client in (await home.client(connection="other"), await home.client()):
                for method, path, said, query in calls:
                    assert (await client.call(method, path, said, **query)).status_code == 404, path
            reader = await home.client("ssf.read", connection="acme")
            plain = await home.client("users", connection="acme")
            nobody = await home.client()
            nobody.token = ""
            for method, path, said, query in calls:
                may_read = method == "GET" or "poll" in path
                assert ((await reader.call(method, path, said, **query)).status_code == 403) is not may_read
                assert (await plain.call(method, path, said, **query)).status_code == 403
                refused = await nobody.call(method, path, said, **query)
                assert refused.status_code == 401 and "www-authenticate" in refused.headers
            assert (await acme.call("GET", "/ssf/streams")).json() == [made]

    on_store(body)


def test_what_is_the_transmitters_cannot_be_changed_and_ten_streams_are_enough(sqlite_url, clock) -> None:
    async def body(store: Store) -> None:
        async with house(store) as home:
            client = await home.client()
            made = await client.create()
            for member, value in {"iss": "https://evil.test", "aud": "x", "events_delivered": []}.items():
                said = {"stream_id": made["stream_id"], member: value}
                answer = await client.call("PATCH", "/ssf/streams", said)
                assert answer.status_code == 400 and member in answer.json()["title"]
            for _ in range(9):
                await client.create()
            assert (await client.call("POST", "/ssf/streams", {})).status_code == 409

    run_with_store(sqlite_url, clock, body)


def test_a_verification_comes_on_the_stream_with_its_state_and_not_too_often(on_store) -> None:
    async def body(store: Store) -> None:
        async with house(store) as home:
            client = await home.listener()
            said = {
                "stream_id": client.stream["stream_id"],
                "state": "VGhpcyBpcyBhbiBleGFtcGxlIHN0YXRlIHZhbHVlLgo=",
            }
            assert (await client.call("POST", "/ssf/verify", said)).status_code == 204
            again = await client.call("POST", "/ssf/verify", said)
            assert again.status_code == 429 and again.headers["retry-after"] == "30"
            store.clock.advance(seconds=30)
            assert (
                await client.call("POST", "/ssf/verify", {"stream_id": said["stream_id"]})
            ).status_code == 204
            first, second = await client.everything()
            assert first.event.endswith("/ssf/event-type/verification") and first.payload == {
                "state": said["state"]
            }
            assert first.sub_id == {"format": "opaque", "id": said["stream_id"]} and second.payload == {}
            for state in ("", 5, "x" * 501):
                answer = await client.call("POST", "/ssf/verify", {**said, "state": state})
                assert answer.status_code == 400

    on_store(body)


def test_a_paused_stream_keeps_what_happens_and_a_disabled_one_does_not(on_store) -> None:
    async def body(store: Store) -> None:
        async with house(store) as home:
            client = await home.listener(events_requested=[f"{RISC}account-disabled"])
            stream_id = client.stream["stream_id"]

            async def turn(status: str) -> None:
                said = {"stream_id": stream_id, "status": status, "reason": "at night"}
                answer = await client.call("POST", "/ssf/status", said)
                assert answer.json() == said

            await turn("paused")
            assert (await client.call("GET", "/ssf/status", stream_id=stream_id)).json()["status"] == "paused"
            await home.hold(await home.agent("one"))
            assert await client.everything() == []
            await turn("enabled")
            assert len(await client.everything()) == 1
            await turn("disabled")
            await home.hold(await home.agent("two"))
            await turn("enabled")
            assert await client.everything() == []
            await home.hold(await home.agent("three"))
            assert len(await client.everything()) == 1
            wrong = await client.call("POST", "/ssf/status", {"stream_id": stream_id, "status": "asleep"})
            assert wrong.status_code == 400

    on_store(body)


def test_a_new_key_is_published_before_it_signs_and_an_old_one_after_it_has_signed(sqlite_url, clock) -> None:
    async def body(store: Store) -> None:
        async with house(store) as home:
            client = await home.listener()
            (old,) = client.keys
            new = await store.transact(TESTER, lambda work: rotate(work, MASTER))
            agent = await home.agent("one")
            assert len(await client.everything()) == 1
            await client.fetch_keys()
            assert set(client.keys) == {old, new}
            clock.advance(seconds=15 * 60 + 1)
            await home.hold(agent)
            client.keys.pop(old)
            assert len(await client.everything()) > 1

    run_with_store(sqlite_url, clock, body)


def test_which_key_signs_follows_from_its_dates_alone() -> None:
    minute, day = 60_000_000, 86_400_000_000
    old, new = KeyRow("old", 0, None), KeyRow("new", 100 * minute, None)
    assert signing([], 0) is None and signing([old], 0) == old
    assert signing([old, new], 114 * minute) == old and signing([old, new], 115 * minute) == new
    gone = KeyRow("old", 0, 200 * minute)
    assert published([gone, new], 200 * minute + 29 * day) == [gone, new]
    assert published([gone, new], 200 * minute + 31 * day) == [new]
    assert ssf_keys.BITS >= 2048
