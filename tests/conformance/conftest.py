"""Fixtures: our server and scim2-server, each listening on 127.0.0.1."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from scim_bridge.conformance.catalogue import planned
from scim_bridge.conformance.model import OAuthClient, Report
from scim_bridge.conformance.perform import Telling, perform
from scim_bridge.conformance.target import Target
from tests.conformance.servers import TOKEN, bridge, listening, scim2_server
from tests.logs import plain

BASE = "/scim/v2"


@dataclass(frozen=True)
class Ours:
    """Our server: its SCIM base and a token for each dialect."""

    base_url: str
    tokens: dict[str, str]


@pytest.fixture(autouse=True, scope="session")
def quiet_logs() -> Iterator[None]:
    """Warnings and worse only: our server tells of every call."""
    with plain():
        yield


@pytest.fixture(scope="module")
def ours(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ours]:
    """Our server over a fresh SQLite file."""
    path = tmp_path_factory.mktemp("bridge") / "bridge.db"
    shutil.copy(sqlite_template, path)
    tokens: dict[str, str] = {}
    with listening(bridge(f"sqlite:///{path}", tokens)) as url:
        yield Ours(url + BASE, tokens)


@pytest.fixture(scope="module")
def peer() -> Iterator[str]:
    """The base URL of a scim2-server."""
    with listening(scim2_server()) as url:
        yield f"{url}/v2"


Prove = Callable[..., Report]


async def run_against(
    base_url: str,
    vendor: str,
    *only: str,
    token: str = TOKEN,
    telling: Telling | None = None,
    oauth: OAuthClient | None = None,
    **target: Any,
) -> Report:
    """Run a vendor's suites, or some steps of them, against a server."""
    opened = Target(base_url, token, **target)
    try:
        return await perform(opened, vendor, planned(vendor, only), telling, oauth=oauth)
    finally:
        await opened.aclose()


@pytest.fixture(scope="session")
def prove() -> Prove:
    """`run_against`, to its end."""
    return lambda *args, **more: asyncio.run(run_against(*args, **more))
