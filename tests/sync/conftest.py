"""Fixtures: a sandbox Okta org, as new for each test, and a bench whose tenant it is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from functools import cache

import pytest
from okta.jwt import JWT

from scim_bridge.kernel.clock import ManualClock
from scim_bridge.kernel.work import Store
from scim_bridge.sandbox.entra.app import build
from tests.conftest import run_with_store
from tests.sandbox.servers import Running, running
from tests.sync.bench import Bench
from tests.sync.okta_org import Org, okta_org

Body = Callable[[Bench, Org], Awaitable[None]]


@pytest.fixture(scope="session", autouse=True)
def keys_read_once() -> Iterator[None]:
    """The SDK reads and proves the same key at every sign-in, a sixth of a second each time: here once a key."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JWT, "get_PEM_JWK", staticmethod(cache(JWT.get_PEM_JWK)))
        yield


@pytest.fixture(scope="module")
def running_org(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Org]:
    """An org that runs as long as this file's tests."""
    with okta_org(tmp_path_factory.mktemp("okta")) as made:
        yield made


@pytest.fixture
def org(running_org: Org) -> Org:
    """The org as new, with two people in it."""
    running_org.afresh()
    running_org.people("maria@corp.test", "omar@corp.test")
    return running_org


@pytest.fixture
def on_okta(org: Org, sqlite_url: str, clock: ManualClock) -> Callable[[Body], None]:
    """Run a test body with a bench whose tenant is the org."""

    def runner(body: Body, settings: dict[str, object] | None = None, **secrets: object) -> None:
        async def main(store: Store) -> None:
            bench = await Bench.opened(
                store, lambda there: org.open(store, there, **secrets), **(settings or {})
            )
            try:
                await bench.person("maria@corp.test")
                await bench.person("omar@corp.test")
                await body(bench, org)
            finally:
                await bench.idp.close()

        run_with_store(sqlite_url, clock, main)

    return runner


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A sandbox Entra that runs as long as this file's tests; `Tenant.fresh` empties it."""
    with running("entra", build, tmp_path_factory.mktemp("entra")) as found:
        yield found
