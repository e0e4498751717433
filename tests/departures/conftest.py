"""Fixtures of the departures' tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.receiver import Receiver, receiving


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """The other side of every outward call."""
    with receiving() as found:
        yield found
