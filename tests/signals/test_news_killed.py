"""A promise about kill -9: what a hook was answered for is acted on, once, whenever the server died."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2

from scim_bridge.kernel.clock import SystemClock
from scim_bridge.kernel.work import Store, Work
from scim_bridge.registry.agent_creation import create_agent
from scim_bridge.registry.connections import create_connection
from scim_bridge.registry.model import AGENT_URN
from scim_bridge.registry.people import create_person
from scim_bridge.registry.resources import set_external_id
from scim_bridge.registry.tokens import create_token
from tests.conftest import MASTER, TESTER, run_with_store
from tests.forked import Forked
from tests.sync.okta_org import CLIENT, Org, okta_org, private_key

SCOPES = ["okta.users.manage"]
PATIENCE = 300.0


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@contextlib.contextmanager
def bridge(url: str, org: Org, ports: tuple[int, int], log: Path, forking: Path) -> Iterator[Forked]:
    """A real server, over HTTPS with the sandbox's authority, until the block ends or it is killed."""
    cert, key = org.sandbox.sandbox.ca.issue(["127.0.0.1"])
    options = [
        "--port",
        str(ports[0]),
        "--tls-port",
        str(ports[1]),
        "--tls-cert",
        str(cert),
        "--tls-key",
        str(key),
    ]
    settings = {
        "SCIM_BRIDGE_DATABASE_URL": url,
        "SCIM_BRIDGE_SECRET_KEY": "test master key, thirty-two bytes or more",
        "SCIM_BRIDGE_ALLOW_NETWORKS": "127.0.0.0/8",
    }
    with log.open("ab") as output:
        process = Forked(
            forking,
            "scim_bridge",
            ["serve", *options],
            env={**os.environ, **settings},
            stdout=output,
            stderr=output,
        )
    try:
        until(lambda: answers(ports[0]), lambda: f"the server did not start: {log.read_text()[-4000:]}")
        yield process
    finally:
        process.kill()
        process.wait(10)


def answers(port: int) -> bool:
    """Whether a server lives there."""
    with contextlib.suppress(httpx2.HTTPError):
        return httpx2.get(f"http://127.0.0.1:{port}/healthz", trust_env=False).status_code == 200
    return False


def until(come: Callable[[], Any], why: Callable[[], str]) -> Any:
    """What comes, once it does."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if found := come():
            return found
        time.sleep(0.1)
    raise AssertionError(why())


def read(url: str, sql: str) -> list[Any]:
    """Rows of the database, whoever else has it open."""
    found: list[Any] = []

    async def body(store: Store) -> None:
        found.extend(await store.reads.all(sql))

    run_with_store(url, SystemClock(), body)  # type: ignore[arg-type]
    return found


def test_a_server_killed_between_the_answer_to_a_hook_and_the_reading_acts_after_its_restart(
    sqlite_url, tmp_path, forking
) -> None:
    with okta_org(tmp_path / "okta", SCOPES) as org:
        org.people("maria@corp.test")
        tokens: list[str] = []

        async def furnish(work: Work) -> None:
            settings = {"org_url": org.sandbox.url, "ca_file": org.sandbox.ca_file}
            # The other doors would find it as well.
            settings |= {"owner_check": "off", "okta_log": "off"}
            secrets = {"client_id": CLIENT, "private_key": private_key(), "kid": "k1", "scopes": SCOPES}
            there = await create_connection(work, MASTER, "acme", "okta", settings=settings, secrets=secrets)
            maria = await create_person(work, {"userName": "maria@corp.test"}, origin="test")
            set_external_id(work, maria, there.id, None, org.user("maria@corp.test")["id"])
            doc = {"userName": "bot@agents.test", AGENT_URN: {"owner": {"value": maria.id}}}
            await create_agent(work, doc, origin="test", slug="bot")
            tokens.append(await create_token(work, MASTER, connection_id=there.id, scopes=("signals",)))

        async def furnished(store: Store) -> None:
            await store.transact(TESTER, furnish)

        run_with_store(sqlite_url, SystemClock(), furnished)  # type: ignore[arg-type]
        ports, log = (free_port(), free_port()), tmp_path / "server.log"
        with bridge(sqlite_url, org, ports, log, forking) as server:
            url = f"https://127.0.0.1:{ports[1]}/signals/okta/acme"
            # Okta waits three seconds for the answer, which a server on a busy machine may need for its first one.
            until(
                lambda: (
                    org.sandbox.control.post("/hooks/add", json={"url": url, "secret": tokens[0]}).is_success
                ),
                lambda: f"the hook was never verified: {log.read_text()[-4000:]}",
            )
            org.fault("GET", "/api/v1/users/", "delay", seconds=30)
            org.control("POST", "/people/lifecycle", {"login": "maria@corp.test", "action": "deactivate"})
            delivered = until(
                lambda: [d for d in org.control("GET", "/hooks/deliveries")["deliveries"] if d["status"]],
                lambda: "no hook was sent",
            )
            assert [one["status"] for one in delivered] == [200]
            until(lambda: org.control("GET", "/faults")["faults"][0]["seen"], lambda: "nobody read the user")
            server.send_signal(signal.SIGKILL)
            server.wait(10)
        assert read(sqlite_url, "SELECT state FROM sb_news")[0]["state"] == "waiting"
        assert read(sqlite_url, "SELECT active FROM sb_resource WHERE kind = 'agent'")[0]["active"] == 1
        org.control("PUT", "/faults", {"faults": []})
        ports = (free_port(), free_port())
        with bridge(sqlite_url, org, ports, log, forking):
            held = "SELECT active FROM sb_resource WHERE kind = 'agent' AND active = 0"
            until(lambda: read(sqlite_url, held), lambda: f"the agent still acts: {log.read_text()[-4000:]}")
        assert len(read(sqlite_url, "SELECT 1 AS x FROM sb_signal")) == 1
        assert len(read(sqlite_url, "SELECT 1 AS x FROM sb_departure")) == 1
