"""Promises of policies and windows: the more particular wins, and nothing begins outside its window."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scim_bridge.credentials.policy import Policy, checked, kind_of, layered, next_rotation, target_of
from scim_bridge.credentials.windows import next_open, read_windows
from scim_bridge.kernel.clock import DAY, HOUR, SECOND
from scim_bridge.kernel.errors import Invalid

WINDOWS = ("02:00-04:00", "Mon-Fri 22:00-02:00 Europe/Berlin", "Sat,Sun 00:00-23:59", "Fri-Mon 01:30-01:31")
NOW = 1_795_000_000 * SECOND


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * SECOND


@given(st.sampled_from(WINDOWS), st.integers(min_value=0, max_value=400 * 24 * 3600))
def test_the_next_opening_is_inside_a_window_and_never_before_now(text: str, ahead: int) -> None:
    windows, now = read_windows(text), NOW + ahead * SECOND
    opens = next_open(windows, now)
    assert now <= opens <= now + 8 * DAY
    assert next_open(windows, opens) == opens, "what is open is open"


def test_windows_are_read_in_their_own_zone_and_over_midnight() -> None:
    windows = read_windows("Mon 22:00-02:00 Europe/Berlin")
    assert next_open(windows, at("2026-11-30T12:00:00")) == at("2026-11-30T21:00:00")
    inside = at("2026-12-01T00:30:00")
    assert next_open(windows, inside) == inside
    assert next_open(windows, at("2026-12-01T01:00:00")) == at("2026-12-07T21:00:00")
    assert next_open((), NOW) == NOW


@pytest.mark.parametrize(
    "text",
    [
        "now",
        "25:00-26:00",
        "Mon 02:00-02:00",
        "Mon 02:00-03:00 Mars/Base",
        "Mo 02:00-03:00",
        "02:00-03:00 Europe",
        "02:00-03:00 " + "A" * 300,
    ],
)
def test_a_window_that_cannot_be_is_refused_by_name(text: str) -> None:
    with pytest.raises(Invalid, match="maintenance window"):
        read_windows(text)


def test_layers_win_name_by_name_and_what_cannot_be_is_refused() -> None:
    merged = layered([{"max_age_days": 90, "confirm": "time"}, {"max_age_days": 30}])
    assert (merged.max_age_days, merged.confirm, merged.overlap_seconds) == (30, "time", 3600)
    for wrong in (
        {"max_age_days": -1},
        {"confirm": "hope"},
        {"kind": "password"},
        {"signals": ["rain"]},
        {"store": "vault"},
        {"window": "now"},
        {"address": {"path": "{nobody}"}},
        {"health_url": "ftp://x"},
        {"overlap_seconds": 10**9},
        {"confirm": "store", "store": "vault", "store_kind": "openbao"},
    ):
        with pytest.raises(Invalid):
            checked(wrong)


def test_a_credential_is_replaced_by_age_and_always_before_it_expires() -> None:
    policy = Policy(max_age_days=90)
    assert next_rotation(policy, NOW, None) == NOW + 90 * DAY
    assert next_rotation(policy, NOW, NOW + 30 * DAY) == NOW + 27 * DAY
    assert next_rotation(Policy(), NOW, NOW + DAY) is None, "nobody asked for it"
    slow = Policy(max_age_days=90, overlap_seconds=10 * 86400, confirm_seconds=5 * 86400)
    assert next_rotation(slow, NOW, NOW + 30 * DAY) == NOW + 15 * DAY - HOUR


def test_keys_are_preferred_where_nothing_else_is_said_or_they_are_asked_for() -> None:
    both = ("certificate", "client_secret")
    assert kind_of(Policy(), "", both) == "certificate"
    assert kind_of(Policy(), "client_secret", both) == "client_secret", (
        "a consumer that reads a secret keeps it"
    )
    assert kind_of(Policy(kind="key"), "client_secret", both) == "certificate"
    with pytest.raises(Invalid, match="cannot have"):
        kind_of(Policy(kind="key"), "client_secret", ("client_secret",))
    target = target_of(
        Policy(store="vault", store_kind="openbao", address={"path": "a/{slug}"}), {"slug": "x"}
    )
    assert target is not None and target.address == {"path": "a/x"}
    assert target_of(Policy(), {}) is None
