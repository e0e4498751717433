"""Promises of pages and throttles: who gets JSON, how time is written, who has to wait."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.requests import Request

from scim_bridge.kernel.clock import DAY, HOUR, MINUTE, SECOND, ManualClock, iso
from scim_bridge.kernel.pages import ago, code, day, moment, prefers_json, span, until
from scim_bridge.kernel.throttle import KEYS, Throttle


def asking(accept: str) -> Request:
    return Request({"type": "http", "method": "GET", "headers": [(b"accept", accept.encode("latin-1"))]})


@pytest.mark.parametrize(
    ("accept", "json"),
    [
        ("application/json", True),
        ("application/problem+json", True),
        ("APPLICATION/JSON; charset=utf-8", True),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", False),
        ("application/json, text/html;q=0.9", True),
        ("text/html, application/json;q=0.9", False),
        ("text/html, application/json", True),
        ("application/json;q=0", False),
        ("application/json;q=nonsense", False),
        ("*/*", False),
        ("", False),
        (",,;q=,", False),
    ],
)
def test_json_is_for_those_who_ask_for_it(accept: str, json: bool) -> None:
    assert prefers_json(asking(accept)) is json


@given(st.text(alphabet=st.characters(codec="latin-1"), max_size=200))
@settings(deadline=None)
def test_no_accept_header_is_too_odd(accept: str) -> None:
    assert prefers_json(asking(accept)) in (True, False)


def test_time_is_written_for_people() -> None:
    instant = 1_795_000_000 * SECOND
    assert day(instant) == day(iso(instant)) == "18 Nov 2026"
    assert moment(instant) == "18 Nov 2026, 11:06 UTC"
    spans = [30 * SECOND, MINUTE, 90 * MINUTE, 26 * HOUR, 45 * DAY, 800 * DAY]
    written = ["less than a minute", "1 minute", "1 hour", "1 day", "1 month", "2 years"]
    assert [span(length) for length in spans] == written
    assert ago(instant - 2 * DAY, instant) == "2 days ago" and ago(instant, instant) == "just now"
    assert (
        until(instant + 3 * HOUR, instant) == "in 3 hours" and until(instant - HOUR, instant) == "1 hour ago"
    )


def test_a_throttle_lets_as_many_through_as_it_says_in_any_window() -> None:
    clock = ManualClock()
    throttle = Throttle(clock, 3, 60)
    for _ in range(3):
        assert throttle.wait("one") is None
        throttle.count("one")
        clock.advance(seconds=10)
    assert throttle.wait("one") == 30 and throttle.wait("other") is None
    clock.advance(seconds=29.5)
    assert throttle.wait("one") == 1
    clock.advance(seconds=0.5)
    assert throttle.wait("one") is None
    throttle.count("one")
    assert throttle.wait("one") == 10
    throttle.forget("one")
    assert throttle.wait("one") is None


def test_a_throttle_forgets_the_oldest_before_it_fills_memory() -> None:
    throttle = Throttle(ManualClock(), 1, 60)
    for number in range(KEYS + 5):
        throttle.count(str(number))
    assert throttle.wait("0") is None and throttle.wait(str(KEYS + 4)) == 60


def test_commands_between_backticks_are_code_and_everything_is_escaped() -> None:
    assert code("Make one: `tokens create <NAME>`; see `doctor`.") == (
        "Make one: <code>tokens create &lt;NAME&gt;</code>; see <code>doctor</code>."
    )
    assert code("<b>` & no end") == "&lt;b&gt;` &amp; no end"
