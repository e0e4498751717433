"""Promises of instants: they are read from RFC 3339 and written back, or refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scim_bridge.kernel.clock import iso, parse_iso


@given(st.integers(min_value=-62_135_596_800_000, max_value=253_402_300_799_999))
def test_what_is_written_is_read_back(milliseconds: int) -> None:
    assert parse_iso(iso(milliseconds * 1000)) == milliseconds * 1000


def test_zones_are_taken_into_account() -> None:
    assert parse_iso("2026-11-25T10:00:00+02:00") == parse_iso("2026-11-25T08:00:00Z")


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-25",
        "2026-11-25T10:00:00",
        "2026-13-01T00:00:00Z",
        "2026-02-30T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "2026-11-25T10:00:00+25:99",
        "2026-11-25T10:00:00+24:00",
        "2026-11-25T10:00:00-12:60",
        "٢٠٢٦-11-25T10:00:00Z",
        "x",
        "",
    ],
)
def test_what_is_no_instant_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_iso(text)
