"""One Okta sandbox for a whole file, as new for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from scim_bridge.sandbox.okta.app import build
from tests.sandbox.okta.okta_client import register
from tests.sandbox.okta.scim_app import ScimApp, serve
from tests.sandbox.servers import Running, running


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A running org."""
    with running("okta", build, tmp_path_factory.mktemp("okta")) as found:
        yield found


@pytest.fixture
def org(served: Running) -> Running:
    """A running org nobody used yet, with the service app of the tests."""
    assert served.control.post("/reset").status_code == 200
    register(served)
    return served


@pytest.fixture(scope="module")
def scim_served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScimApp]:
    """A SCIM service over HTTPS that writes down every byte it gets."""
    with serve(tmp_path_factory.mktemp("scimapp")) as found:
        yield found


@pytest.fixture
def app(scim_served: ScimApp) -> ScimApp:
    """The SCIM service, empty."""
    scim_served.reset()
    return scim_served
