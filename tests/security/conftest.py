"""Fixtures of the tests of the whole program."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from tests.logs import plain


@pytest.fixture(autouse=True, scope="session")
def plain_logs() -> Iterator[None]:
    """Errors only, as JSON: a line for each of thousands of calls costs more than the calls."""
    with plain(logging.ERROR):
        yield
