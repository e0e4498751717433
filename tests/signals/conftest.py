"""Fixtures of the doors' tests: HR's door, one sandbox transmitter for all of them, and a stage for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from scim_bridge.kernel.clock import ManualClock
from scim_bridge.kernel.work import Store, Work
from scim_bridge.registry.people import create_person
from tests.conftest import TESTER
from tests.sandbox.servers import Running
from tests.signals.hr_door import Door
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


@pytest.fixture
def at_door(on_store, clock) -> Callable[[Callable[[Door], Any]], None]:
    """Run a test with the door of a company where Maria, Ben and Ana work."""

    def run(test: Callable[[Door], Any]) -> None:
        async def body(store: Store) -> None:
            async def people(work: Work) -> dict[str, str]:
                made = {}
                for user_name, mails in (
                    ("maria@corp.test", ["maria@corp.test"]),
                    ("ben", ["ben@corp.test", "shared@corp.test"]),
                    ("ana", ["ana@corp.test", "shared@corp.test"]),
                ):
                    doc = {
                        "userName": user_name,
                        "emails": [{"value": mail} for mail in mails],
                        "timezone": "Asia/Tokyo",
                    }
                    made[user_name] = (await create_person(work, doc, origin="test")).id
                return made

            await test(Door(store, clock, await store.transact(TESTER, people)))

        on_store(body)

    return run
