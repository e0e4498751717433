"""A fresh tenant for each test."""

from __future__ import annotations

import pytest

from tests.sandbox.entra.world import World


@pytest.fixture
def world() -> World:
    """A tenant without a network."""
    return World()
