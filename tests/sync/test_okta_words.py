"""Promises of the Okta adapter's pure parts: words, refusals, pace, next links."""

from __future__ import annotations

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scim_bridge.registry.model import Attestation, PersonRef
from scim_bridge.sync.difference import difference
from scim_bridge.sync.idp.okta.errors import SOON, pause, refusal
from scim_bridge.sync.idp.okta.pace import Pace, endpoint_of
from scim_bridge.sync.idp.okta.session import next_link
from scim_bridge.sync.idp.okta.vocabulary import (
    PROFILE,
    PROPERTIES,
    definition,
    new_profile,
    normal,
    observed,
    text_literal,
    wanted_attributes,
)
from scim_bridge.sync.idp.port import DesiredAgent, IdpError, Wanted

TEXT = st.text(max_size=60)
PERSON = st.builds(PersonRef, id=TEXT, user_name=TEXT, display_name=TEXT, email=TEXT)
AGENT = st.builds(
    DesiredAgent,
    agent_id=st.text("abc123-", min_size=1, max_size=36),
    slug=st.just("triage"),
    user_name=st.just("triage@agents.test"),
    display_name=TEXT,
    email=TEXT,
    purpose=st.text(max_size=1500),
    platform=TEXT,
    model=TEXT,
    environment=TEXT,
    risk_tier=TEXT,
    workload_id=TEXT,
    enabled=st.booleans(),
    holds=st.lists(st.text(max_size=300), max_size=3).map(tuple),
    owner=st.one_of(st.none(), PERSON),
    co_owners=st.lists(PERSON, max_size=2).map(tuple),
    sponsors=st.lists(PERSON, max_size=2).map(tuple),
    attestation=st.builds(
        Attestation,
        state=st.sampled_from(["none", "valid", "lapsed"]),
        id=st.one_of(st.none(), TEXT),
        by=st.one_of(st.none(), TEXT),
        at=st.one_of(st.none(), st.integers(0, 4 * 10**15)),
        until=st.one_of(st.none(), st.integers(0, 4 * 10**15)),
    ),
)


@given(AGENT, st.one_of(st.none(), st.just("00uowner")))
def test_a_user_made_as_wanted_is_seen_as_wanted(agent, owner_id) -> None:
    wanted = wanted_attributes(agent, owner_id)
    user = {
        "id": "00u1",
        "status": "ACTIVE" if agent.enabled else "STAGED",
        "profile": {**new_profile(wanted), "mobilePhone": None},
    }
    seen = observed(user, "aiAgent", owner_id)
    assert difference(agent, Wanted(wanted), seen, None).change is None


@given(
    st.sampled_from(PROFILE), st.one_of(st.text(max_size=1500), st.lists(st.text(max_size=300), max_size=4))
)
def test_what_is_sent_is_within_the_lengths_the_schema_names_and_stays_as_it_is(name, value) -> None:
    once = normal(name, value)
    assert normal(name, once) == once
    if name in PROPERTIES and isinstance(once, str):
        assert len(once) <= definition(name).get("maxLength", len(once))


@given(st.text())
def test_a_literal_in_a_search_cannot_end_early(value) -> None:
    literal = text_literal(value)
    inner = literal[1:-1].replace("\\\\", "").replace('\\"', "")
    assert literal[0] == literal[-1] == '"' and '"' not in inner and "\\" not in inner


@given(st.sampled_from([400, 401, 403, 404, 409, 429, 500, 503]), st.binary(max_size=80))
def test_any_refusal_is_an_error_with_a_code_and_says_whether_waiting_helps(status, body) -> None:
    error = refusal("do it", status, {}, body)
    assert error.code.startswith("okta-") and "do it" in error.message
    assert error.transient == (status >= 500 or status == 429)
    assert (error.retry_after is not None) == (status == 429)


def test_causes_are_told_and_a_user_still_being_activated_is_tried_again() -> None:
    body = {
        "errorCode": "E0000112",
        "errorSummary": "still being activated",
        "errorCauses": [{"errorSummary": "why"}],
    }
    error = refusal("suspend the user", 409, {}, json.dumps(body).encode())
    assert error.transient and error.retry_after == SOON and "(why)" in error.message


@pytest.mark.parametrize(
    "headers, seconds",
    [
        ({"x-rate-limit-reset": "1795000030", "date": "Wed, 18 Nov 2026 11:06:40 GMT"}, 31),
        ({"x-rate-limit-reset": "1795000000", "date": "Wed, 18 Nov 2026 11:06:40 GMT"}, 1),
        ({"x-rate-limit-reset": "1799999999", "date": "Wed, 18 Nov 2026 11:06:40 GMT"}, 120),
        ({"x-rate-limit-limit": "0", "x-rate-limit-remaining": "0"}, 1),
        ({"x-rate-limit-reset": "soon", "date": "today"}, SOON),
        ({}, SOON),
    ],
)
def test_the_pause_is_what_oktas_own_clock_says_within_reason(headers, seconds) -> None:
    assert pause(headers) == seconds


def test_endpoints_are_told_apart_by_their_words_not_by_ids() -> None:
    same = {endpoint_of("GET", f"/api/v1/users/{name}") for name in ("00u8DsP1", "a@b.test", "x%40y")}
    assert same == {"GET api/v1/users/*"}
    assert (
        endpoint_of("POST", "/api/v1/users/00u1/lifecycle/suspend") == "POST api/v1/users/*/lifecycle/suspend"
    )


class Window60:
    """A limit as Okta keeps one: a minute's calls, then 429."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0
        self.time = 0.0
        self.refused = 0
        self.reset = 60

    def headers(self) -> dict[str, str]:
        if self.time >= self.reset:
            self.reset, self.used = int(self.time) + 60, 0
        if self.used >= self.limit:
            self.refused += 1
        else:
            self.used += 1
        stamp = f"Thu, 01 Jan 1970 00:{int(self.time) // 60:02d}:{int(self.time) % 60:02d} GMT"
        return {
            "x-rate-limit-limit": str(self.limit),
            "x-rate-limit-remaining": str(self.limit - self.used),
            "x-rate-limit-reset": str(self.reset),
            "date": stamp,
        }


@given(st.integers(30, 200), st.integers(1, 3), st.integers(0, 30))
def test_at_full_speed_the_reserve_is_left_and_nine_tenths_of_the_rest_are_used(
    limit, minutes, reserve
) -> None:
    okta = Window60(limit)

    async def sleep(seconds: float) -> None:
        okta.time += seconds

    async def main() -> int:
        pace = Pace(now=lambda: okta.time, sleep=sleep, patience=100, reserve=reserve)
        made = 0
        while okta.time < minutes * 60:
            window = await pace.enter("GET users")
            okta.time += 0.01
            pace.leave("GET users", window, okta.headers())
            assert (okta.limit - okta.used) * 100 >= okta.limit * reserve - 100, "the reserve was touched"
            made += 1
        return made

    made = asyncio.run(main())
    assert okta.refused == 0
    assert made >= 0.9 * limit * (100 - reserve) / 100 * minutes


def test_a_long_wait_is_handed_back_instead_of_slept() -> None:
    async def main() -> None:
        pace = Pace(now=lambda: 0.0)
        window = await pace.enter("GET users")
        headers = {
            "x-rate-limit-limit": "600",
            "x-rate-limit-remaining": "3",
            "x-rate-limit-reset": "40",
            "date": "Thu, 01 Jan 1970 00:00:00 GMT",
        }
        pace.leave("GET users", window, headers)
        with pytest.raises(IdpError) as error:
            await pace.enter("GET users")
        assert error.value.transient and error.value.retry_after == 42

    asyncio.run(main())


def test_endpoints_that_share_a_window_are_paced_together() -> None:
    async def main() -> None:
        pace = Pace(now=lambda: 0.0, reserve=0)
        for remaining, endpoint in ((3, "POST users"), (2, "PUT users/*"), (1, "POST users")):
            window = await pace.enter(endpoint)
            headers = {
                "x-rate-limit-limit": "10",
                "x-rate-limit-remaining": str(remaining - 1),
                "x-rate-limit-reset": "40",
                "date": "Thu, 01 Jan 1970 00:00:00 GMT",
            }
            pace.leave(endpoint, window, headers)
        with pytest.raises(IdpError):
            await pace.enter("PUT users/*")

    asyncio.run(main())


@pytest.mark.parametrize(
    "link, target",
    [
        (
            '<https://o.test/api/v1/users?limit=2>; rel="self", <https://o.test/api/v1/users?after=a,b>; rel="next"',
            "https://o.test/api/v1/users?after=a,b",
        ),
        ('<https://o.test/x>; rel="self"', ""),
        ("", ""),
        ("nonsense", ""),
    ],
)
def test_the_next_page_is_found_among_the_links(link, target) -> None:
    assert next_link({"link": link}) == target
