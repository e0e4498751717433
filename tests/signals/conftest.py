"""Fixtures of the doors' tests: one sandbox transmitter for all of them, and a stage for each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from scim_bridge.kernel.clock import ManualClock
from scim_bridge.kernel.work import Store
from tests.sandbox.servers import Running
from tests.signals.ssf_stage import OnStage, SharedClock, afresh, staged, transmitter


@pytest.fixture(scope="session")
def ssf_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, SharedClock]]:
    """A sandbox transmitter that listens for all tests: starting one for each took longer than the tests."""
    with transmitter(tmp_path_factory.mktemp("ssf")) as started:
        yield started


@pytest.fixture
def on_stage(on_store, clock: ManualClock, ssf_sandbox: tuple[Running, SharedClock]) -> OnStage:
    """Run a test with an empty transmitter and our door, each over HTTPS."""
    sandbox, shared = ssf_sandbox

    def run(test) -> None:
        shared.inner = clock
        afresh(sandbox)

        async def body(store: Store) -> None:
            async with staged(store, clock, sandbox) as stage:
                await test(stage)

        on_store(body)

    return run
