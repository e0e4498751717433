"""The pace of connections: a burst, a rate, an honest Retry-After, and nobody slowed down by somebody else."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scim_bridge.kernel.bucket import Buckets
from scim_bridge.kernel.clock import SECOND, ManualClock
from scim_bridge.kernel.errors import ConfigurationError, Unauthenticated
from scim_bridge.kernel.telemetry import THROTTLED
from scim_bridge.kernel.throttle import KEYS
from scim_bridge.registry.tokens import new_token
from scim_bridge.scim.exchange import refusal
from scim_bridge.scim.pace import WRONG_TOKENS_A_MINUTE, Pace
from scim_bridge.settings.load import load_settings
from scim_bridge.settings.scim import GENEROUS_RATE, ScimSettings
from tests.scim.bridge import Bridge, Client, Reply

ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
RATE, BURST = 25, 40
LIMITED = {"rate_limit": RATE, "rate_burst": BURST}


def throttled(connection: str, reason: str) -> float:
    """How many requests were answered 429 so far."""
    return float(THROTTLED.labels(connection, reason)._value.get())


async def flood(client: Client, number: int) -> list[Reply]:
    return [await client.get("/ServiceProviderConfig") for _ in range(number)]


def test_a_burst_is_answered_and_what_is_above_it_told_when_to_come_again(sqlite_door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("okta")
        before = throttled("okta", "rate")
        answers = await flood(client, BURST + 2)
        assert [a.status for a in answers] == [200] * BURST + [429] * 2
        refused = answers[-1]
        assert refused["schemas"] == [ERROR]
        assert refused["status"] == "429"
        assert refused.headers["content-type"].startswith("application/scim+json")
        assert "'okta' sends more than 25 requests a second" in refused["detail"]
        assert refused.headers["retry-after"] == "1"
        assert throttled("okta", "rate") == before + 2
        # To come again exactly then is enough; and a second brings what a second allows.
        bridge.clock.advance(seconds=1)
        assert [a.status for a in await flood(client, RATE + 1)] == [200] * RATE + [429]

    sqlite_door(body, **LIMITED)


def test_one_connections_flood_leaves_the_calls_of_others_alone(sqlite_door) -> None:
    async def body(bridge: Bridge) -> None:
        okta, entra = await bridge.client("okta"), await bridge.client("entra")
        assert (await flood(okta, 3 * BURST))[-1].status == 429
        assert [a.status for a in await flood(entra, BURST)] == [200] * BURST
        # Another token of the same connection is no way around.
        again = await bridge.client("okta")
        assert (await again.get("/Users")).status == 429

    sqlite_door(body, **LIMITED)


def test_who_has_to_slow_down_changes_nothing(sqlite_door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("okta")
        await flood(client, BURST)
        assert (await client.post("/Users", {"userName": "maria"})).status == 429
        assert await bridge.count("sb_resource") == 0
        bridge.clock.advance(seconds=1)
        assert (await client.post("/Users", {"userName": "maria"})).status == 201

    sqlite_door(body, **LIMITED)


def test_the_default_is_above_what_an_import_sends(sqlite_door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("okta")
        assert {a.status for a in await flood(client, 500)} == {200}

    assert ScimSettings().rate == ScimSettings(rate_limit=0).rate == GENEROUS_RATE
    sqlite_door(body)


rates = st.integers(1, 60)
gaps = st.lists(st.integers(0, 2 * SECOND), max_size=60)


@settings(deadline=None)
@given(rates, st.integers(1, 3), gaps)
def test_never_more_is_let_through_than_burst_and_rate_allow_and_never_less(
    rate: int, seconds: int, waits: list[int]
) -> None:
    clock = ManualClock()
    burst = rate * seconds
    buckets = Buckets(clock, rate, burst)
    # The same bucket said plainly: tokens, in millionths.
    tokens = burst * SECOND
    for wait in [*waits, *[0] * burst]:
        clock._now += wait
        tokens = min(burst * SECOND, tokens + wait * rate)
        told = buckets.take("a")
        assert (told is None) == (tokens >= SECOND)
        if told is None:
            tokens -= SECOND


@settings(deadline=None)
@given(rates, st.lists(st.integers(0, SECOND // 50), min_size=1, max_size=40))
def test_retry_after_is_the_first_whole_second_at_which_it_works(rate: int, waits: list[int]) -> None:
    clock = ManualClock()
    buckets = Buckets(clock, rate, rate)
    for _ in range(rate):
        buckets.take("a")
    for wait in waits:
        clock._now += wait
        told = buckets.take("a")
        if told is None:
            continue
        assert isinstance(told, int)
        assert told >= 1
        later = ManualClock(clock.now())
        copy = Buckets(later, rate, rate)
        copy._full = dict(buckets._full)
        later.advance(seconds=told - 1)
        if told > 1:
            assert copy.take("a") is not None
        later.advance(seconds=1)
        assert copy.take("a") is None


def test_a_clock_that_is_set_back_starves_nobody() -> None:
    clock = ManualClock()
    buckets = Buckets(clock, 25, 50)
    for _ in range(60):
        buckets.take("a")
    clock.advance(days=-1)
    assert [buckets.take("a") for _ in range(50)] == [None] * 50
    assert buckets.take("a") == 1


def test_wrong_tokens_from_one_address_are_slowed_down_and_right_ones_are_not(sqlite_door) -> None:
    async def body(bridge: Bridge) -> None:
        right = await bridge.client("okta")
        wrong = Client(bridge.http, new_token(), "wrong")
        before = throttled("", "wrong-token")
        answers = [await wrong.get("/Users") for _ in range(WRONG_TOKENS_A_MINUTE + 2)]
        assert [a.status for a in answers] == [401] * WRONG_TOKENS_A_MINUTE + [429] * 2
        assert answers[-1]["schemas"] == [ERROR]
        wait = int(answers[-1].headers["retry-after"])
        assert wait == 60
        assert throttled("", "wrong-token") == before + 2
        # The address may be a proxy's: whoever proves who they are is let in.
        assert (await right.get("/Users")).status == 200
        fresh = await bridge.client("entra")
        assert (await fresh.get("/Users")).status == 200
        none = Client(bridge.http, None, "none")
        assert (await none.get("/Users")).status == 401
        bridge.clock.advance(seconds=wait)
        assert (await wrong.get("/Users")).status == 401

    sqlite_door(body)


def test_wrong_tokens_are_counted_by_address_and_do_not_fill_the_memory() -> None:
    pace = Pace(ManualClock(), ScimSettings())
    error = Unauthenticated("token-invalid", "no")
    for _ in range(WRONG_TOKENS_A_MINUTE):
        assert pace.refused(error, "10.0.0.1") is error
    slowed = pace.refused(error, "10.0.0.1")
    assert slowed.status == 429
    assert dict(refusal(slowed).headers)[b"retry-after"] == b"60"
    assert pace.refused(error, "10.0.0.2") is error
    for number in range(KEYS + 100):
        pace.refused(error, f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
    assert len(pace._wrong._seen) <= KEYS


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("RATE_LIMIT", "24", "scim.rate_limit: must be at least 25 requests a second"),
        ("RATE_LIMIT", "-1", "scim.rate_limit: must be at least 25 requests a second"),
        ("RATE_LIMIT", "fast", "scim.rate_limit: 'fast' is not a whole number"),
        ("RATE_BURST", "24", f"scim.rate_burst: must be at least what one second allows, {GENEROUS_RATE}"),
        ("RATE_BURST", "-1", "scim.rate_burst: must be at least what one second allows"),
    ],
)
def test_a_limit_no_idp_could_work_with_is_refused_at_start(name: str, value: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load_settings(None, {f"SCIM_BRIDGE_SCIM__{name}": value})
    assert said in refused.value.text()
    assert "\n" not in refused.value.text()


def test_a_limit_that_is_set_is_kept_and_zero_is_the_default() -> None:
    made = load_settings(None, {"SCIM_BRIDGE_SCIM__RATE_LIMIT": "25"}).scim
    assert (made.rate, made.burst) == (25, 50)
    made = load_settings(
        None, {"SCIM_BRIDGE_SCIM__RATE_LIMIT": "0", "SCIM_BRIDGE_SCIM__RATE_BURST": "30000"}
    ).scim
    assert (made.rate, made.burst) == (GENEROUS_RATE, 30_000)
