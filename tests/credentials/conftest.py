"""Fixtures: real stores that are started once for all tests of this room."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.credentials import kube, servers


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
