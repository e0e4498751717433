"""What a run plays on: a database with people, agents and groups, two sandbox IdPs, a platform, and the settings."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx2

from scim_bridge.app import Bridge, open_bridge
from scim_bridge.kernel.work import Work
from scim_bridge.registry.agent_creation import create_agent
from scim_bridge.registry.connections import create_connection
from scim_bridge.registry.credentials import register_credential
from scim_bridge.registry.groups import add_members, create_group
from scim_bridge.registry.model import AGENT_URN
from scim_bridge.registry.people import create_person
from scim_bridge.registry.tokens import CONNECTION_SCOPES, create_token
from scim_bridge.settings.load import load_settings
from tests.conftest import TESTER
from tests.sandbox.servers import trust
from tests.sync.scale.peer import OWNERS, Peer, owner

T = TypeVar("T")
SECRET = "chaos master key, thirty-two bytes or more"
STAYING = OWNERS // 2
GROUP = "source-code"
# Whoever leaves is believed: the brake has tests of its own.
POLICIES = """version: 1
brake:
  owners: 0
  owners_percent: 0
  people_percent: 0
"""


def webhook_secret() -> str:
    """A new Standard Webhooks secret."""
    return "whsec_" + base64.b64encode(os.urandom(32)).decode()


class Platform:
    """The sandbox platform as a process: runtime hooks, notices and revocations, each acted on once."""

    def __init__(self, data: Path) -> None:
        self.secret = webhook_secret()
        command = [sys.executable, "-m", "scim_bridge.sandbox.platform", "--data", str(data)]
        self.process = subprocess.Popen(
            [*command, "--exit-with-parent"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self.process.stdout is not None
        ready = json.loads(self.process.stdout.readline())
        self.url, self.ca_file = str(ready["url"]), str(ready["ca_file"])
        token = Path(ready["control_token_file"]).read_text()
        self._control = httpx2.Client(
            base_url=f"{self.url}/sandbox",
            verify=trust(self.ca_file),
            trust_env=False,
            headers={"authorization": f"Bearer {token}"},
            timeout=60,
        )
        self._control.post("/configure", json={"secret": self.secret}).raise_for_status()

    def deliveries(self) -> dict[str, Any]:
        """What arrived and what was done about it."""
        return dict(self._control.get("/deliveries").raise_for_status().json())

    def close(self) -> None:
        """Stop it."""
        self._control.close()
        self.process.terminate()
        self.process.wait(20)
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()


@dataclass
class Ground:
    """What clients need to know: tokens by name, ids by name, and who is whose."""

    tokens: dict[str, str] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    connections: dict[str, str] = field(default_factory=dict)
    # Agents that may act, by their slug: IdPs switch them off and on.
    switched: list[str] = field(default_factory=list)
    # Owners who will leave; each has agents of their own.
    leavers: list[str] = field(default_factory=list)


@dataclass
class Site:
    """The database's URL and everything around it."""

    url: str
    folder: Path
    peers: dict[str, Peer]
    platform: Platform
    hr_secret: str = field(default_factory=webhook_secret)
    ground: Ground = field(default_factory=Ground)

    @classmethod
    def opened(cls, url: str, folder: Path) -> Site:
        """Sandboxes started."""
        peers = {kind: Peer(kind, folder / kind) for kind in ("okta", "entra")}
        (folder / "departures.yaml").write_text(POLICIES)
        return cls(url, folder, peers, Platform(folder / "platform"))

    def close(self) -> None:
        """Sandboxes stopped."""
        for peer in self.peers.values():
            peer.close()
        self.platform.close()

    @property
    def environment(self) -> dict[str, str]:
        """The settings of every process of the bridge."""
        trusted = self.folder / "trusted.pem"
        files = [*(peer.ca_file for peer in self.peers.values()), self.platform.ca_file]
        trusted.write_text("".join(dict.fromkeys(Path(one).read_text() for one in files)))
        return {
            "SCIM_BRIDGE_DATABASE_URL": self.url,
            "SCIM_BRIDGE_SECRET_KEY": SECRET,
            "SCIM_BRIDGE_LOG_LEVEL": "warning",
            "SCIM_BRIDGE_LOG_FORMAT": "json",
            "SCIM_BRIDGE_ALLOW_NETWORKS": "127.0.0.0/8",
            "SCIM_BRIDGE_CA_FILE": str(trusted),
            "SCIM_BRIDGE_RUNTIME_SECRET": self.platform.secret,
            "SCIM_BRIDGE_NOTIFY_URL": f"{self.platform.url}/inbox",
            "SCIM_BRIDGE_NOTIFY_SECRET": self.platform.secret,
            "SCIM_BRIDGE_REVOKERS__VAULT__URL": f"{self.platform.url}/credentials/revoke",
            "SCIM_BRIDGE_REVOKERS__VAULT__SECRET": self.platform.secret,
            "SCIM_BRIDGE_HR__CHAOS": self.hr_secret,
            "SCIM_BRIDGE_DEPARTURES__POLICIES": str(self.folder / "departures.yaml"),
            "SCIM_BRIDGE_CREDENTIALS__SCAN_MINUTES": "0",
        }

    def with_bridge(self, body: Callable[[Bridge], Awaitable[T]]) -> T:
        """Open the bridge as a command does, run `body`, close it."""

        async def main() -> T:
            bridge = await open_bridge(load_settings(None, self.environment), create=True)
            try:
                return await body(bridge)
            finally:
                await bridge.close()

        return asyncio.run(main())

    def furnish(self, agents: int, leavers: int) -> None:
        """Fill the empty database: so many agents that stay, and two of each owner who will leave."""
        self.with_bridge(lambda bridge: self._furnish(bridge, agents, leavers))

    async def _furnish(self, bridge: Bridge, agents: int, leavers: int) -> None:
        ground, master = self.ground, bridge.ctx.master

        async def body(work: Work) -> None:
            for number in range(OWNERS):
                doc = {"userName": owner(number), "displayName": f"Owner {number}"}
                doc["emails"] = [{"value": owner(number), "primary": True}]  # type: ignore[assignment]
                ground.ids[owner(number)] = (await create_person(work, doc, origin="chaos")).id
            for number in range(agents):
                slug = f"agent-{number}"
                await self._agent(work, slug, owner(number % STAYING))
                ground.switched.append(slug)
            for number in range(leavers):
                leaver = owner(STAYING + number)
                ground.leavers.append(leaver)
                for each in range(2):
                    await self._agent(work, f"orphan-{number}-{each}", leaver, credentials=1)
            for name in (GROUP, "okta-group", "entra-group"):
                ground.ids[name] = (await create_group(work, {"displayName": name}, origin="chaos")).id
            members = [(ground.ids[slug], None) for slug in ground.switched]
            await add_members(work, ground.ids[GROUP], members)
            for kind, peer in self.peers.items():
                dialect = {"okta": "okta-patch", "entra": "entra"}[kind]
                made = await create_connection(
                    work, master, kind, kind, dialect=dialect, settings=peer.settings, secrets=peer.secrets
                )
                ground.connections[kind] = made.id
                ground.tokens[kind] = await create_token(
                    work, master, connection_id=made.id, scopes=CONNECTION_SCOPES, label="chaos"
                )
            for scope in ("access", "admin"):
                ground.tokens[scope] = await create_token(
                    work, master, connection_id=None, scopes=(scope,), label="chaos"
                )

        await bridge.ctx.store.transact(TESTER, body)

    async def _agent(self, work: Work, slug: str, owned_by: str, credentials: int = 0) -> None:
        facts = {"purpose": f"does {slug}", "platform": "in-house", "riskTier": "low"}
        facts["owner"] = {"value": self.ground.ids[owned_by]}  # type: ignore[assignment]
        doc: dict[str, Any] = {"userName": f"{slug}@agents.test", "displayName": slug, AGENT_URN: facts}
        runtime = f"{self.platform.url}/hooks/agents/{slug}"
        made = await create_agent(work, doc, origin="chaos", slug=slug, runtime_url=runtime)
        self.ground.ids[slug] = made.id
        for number in range(credentials):
            await register_credential(
                work,
                made.id,
                label=f"key-{number}",
                kind="api_key",
                system="vault",
                reference=f"kv/{slug}/{number}",
                expires=None,
            )
