"""Fixtures: real stores that are started once for all tests of this room."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scim_bridge.kernel.clock import ManualClock, SystemClock
from scim_bridge.kernel.work import Store
from scim_bridge.sandbox.entra.app import build as build_entra
from tests.conftest import run_with_store
from tests.credentials import house, kube, servers
from tests.sandbox.servers import Running, running
from tests.sync.okta_org import Org, okta_org


@pytest.fixture(scope="session")
def bao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Bao]:
    """A real OpenBao server."""
    with servers.openbao(tmp_path_factory.mktemp("bao")) as running:
        yield running


@pytest.fixture(scope="session")
def aws() -> Iterator[servers.Aws]:
    """moto's Secrets Manager."""
    with servers.secrets_manager() as running:
        yield running


@pytest.fixture
def cluster() -> Iterator[kube.Cluster]:
    """A Kubernetes API of one test."""
    with kube.cluster() as running:
        yield running


@pytest.fixture(scope="session")
def the_org(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Org]:
    """A sandbox Okta for the whole session."""
    with okta_org(tmp_path_factory.mktemp("okta")) as made:
        yield made


@pytest.fixture(scope="session")
def the_tenant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A sandbox Entra for the whole session."""
    with running("entra", build_entra, tmp_path_factory.mktemp("entra")) as found:
        yield found


@pytest.fixture
def present() -> ManualClock:
    """A clock that begins now, as the sandboxes' do, and moves when told to."""
    return ManualClock(SystemClock().now())


At = Callable[[house.Scene], None]


def _runner(url: str, clock: ManualClock, tmp_path: Path, **parts: object) -> At:
    def run(scene: house.Scene) -> None:
        async def main(store: Store) -> None:
            made = house.House(store, clock, tmp_path / "store", **parts)  # type: ignore[arg-type]
            try:
                await made.connect()
                await scene(made)
            finally:
                await made.close()

        (tmp_path / "store").mkdir(mode=0o700, exist_ok=True)
        run_with_store(url, clock, main)

    return run


@pytest.fixture
def at_okta(the_org: Org, sqlite_url: str, present: ManualClock, tmp_path: Path) -> At:
    """Run a test with a bridge over an emptied org."""
    the_org.emptied(house.TOKEN)
    return _runner(sqlite_url, present, tmp_path, org=the_org)


@pytest.fixture
def at_entra(the_tenant: Running, sqlite_url: str, present: ManualClock, tmp_path: Path) -> At:
    """Run a test with a bridge over an emptied tenant."""
    return _runner(sqlite_url, present, tmp_path, tenant=house.fresh_tenant(the_tenant))


@pytest.fixture
def at_both(the_org: Org, the_tenant: Running, database_url: str, present: ManualClock, tmp_path: Path) -> At:
    """Run a test with a bridge over both, on both back ends."""
    the_org.emptied(house.TOKEN)
    return _runner(database_url, present, tmp_path, org=the_org, tenant=house.fresh_tenant(the_tenant))
