"""Rotates the credentials of many agents at both sandbox IdPs while each of them is used.

python -m tests.credentials.rotate500 --agents 500 [--interval 2] [--database-url …]
python -m tests.credentials.rotate500 --agents 500 --at-once 15 --interval 0.1

Two cores give about 150 authentications a second. So either all agents are rotated together and each uses its
credential every two seconds, or so many at once, each from before its rotation until after it ten times a second.

Half of the agents are at Okta (secrets and keys by turns), half at Entra (secrets, and a certificate at one
in ten); half are kept in a real OpenBao server, half in moto's Secrets Manager. The bridge is a whole server
with its worker. Succeeds when every rotation is done, no authentication failed, and every old one is refused.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from joserfc.jwk import ECKey

from scim_bridge.credentials.begin import rotate_agent
from scim_bridge.kernel.clock import SystemClock
from scim_bridge.kernel.work import Store
from scim_bridge.migrations import upgrade
from scim_bridge.server import serving
from scim_bridge.settings.load import load_settings
from scim_bridge.settings.model import Settings
from tests.conftest import TESTER, run_with_store
from tests.credentials import house, servers
from tests.credentials.house import EntraApp, House, OktaApp
from tests.sandbox.servers import Running
from tests.sandbox.test_processes import ended, started
from tests.sync.okta_org import Org

PLENTY = 10**9
# Seconds that clients use their credentials before their rotation is begun, and after it has ended.
BEFORE, AFTER = 3, 2


def reached(name: str, data: Path, stack: contextlib.ExitStack) -> Running:
    """A sandbox as a process of its own."""
    process, control = started(name, data)
    stack.callback(ended, process, control, kill=False)
    url = str(control.base_url).removesuffix("/sandbox/").removesuffix("/sandbox")
    return Running(url, str(data / "ca.pem") if (data / "ca.pem").exists() else _ca(data), control, None)  # type: ignore[arg-type]


def _ca(data: Path) -> str:
    return str(next(file for file in data.rglob("*.pem") if "ca" in file.name and "key" not in file.name))


class Show:
    """What is set up, and used by the clients."""

    def __init__(self, agents: int, seconds: int, bao: servers.Bao, aws: servers.Aws) -> None:
        self.agents, self.seconds, self.bao, self.aws = agents, seconds, bao, aws
        self.apps: list[tuple[str, OktaApp | EntraApp]] = []
        self.entries: list[dict[str, str]] = []

    def settings(self, url: str, folder: Path) -> Settings:
        """The bridge's."""
        tables: dict[str, Any] = {
            "database_url": url,
            "secret_key": "test master key, thirty-two bytes or more",
            "allow_networks": ("127.0.0.0/8",),
            "public_url": "http://127.0.0.1:8080",
            "stores": {"vault": self.bao.settings(), "aws": self.aws.settings(create="true")},
        }
        return load_settings(None, {}, tables)

    async def set_up(self, store: Store, org: Org, running: Running) -> None:
        """Agents, their clients at the IdPs, what they have in their stores, and a scan."""
        bridge = House(store, SystemClock(), Path(tempfile.mkdtemp()), org, house.fresh_tenant(running))  # type: ignore[arg-type]
        org.emptied(house.TOKEN)
        org.control("PUT", "/limits", {"default": 10**7, "buckets": dict.fromkeys(("apps", "token"), 10**7)})
        bridge.tenant.configure(throttle_units=PLENTY, throttle_writes=PLENTY)  # type: ignore[union-attr]
        await bridge.connect()
        vault, aws = self.bao.client(), self.aws.client()
        for number in range(self.agents):
            slug = f"agent-{number:04}"
            agent = await bridge.agent(slug)
            value = self._client(bridge, agent, slug, number)
            in_vault = number % 4 < 2
            if in_vault:
                vault.secrets.kv.v2.create_or_update_secret(path=f"agents/{slug}", secret={"value": value})
                address = {"path": "agents/{slug}"}
            else:
                aws.create_secret(Name=f"agents/{slug}", SecretString=json.dumps({"value": value}))
                address = {"secret": "agents/{slug}", "field": "value"}
            self.entries[-1] |= {"store": "vault" if in_vault else "aws", "place": f"agents/{slug}"}
            kind = ("vault", "openbao") if in_vault else ("aws", "aws")
            key = {"kind": "key"} if number % 20 == 1 else {}
            told = {"store": kind[0], "store_kind": kind[1], "address": address, **key}
            times = {"confirm_seconds": self.seconds, "overlap_seconds": self.seconds}
            await bridge.policy(f"agent:{slug}", confirm="time", **times, **told)
        for name in ("okta", "entra"):
            print(f"  scanned {await bridge.scan(name)}", flush=True)
        await bridge.close()

    def _client(self, bridge: House, agent: str, slug: str, number: int) -> str:
        """An agent's client at its IdP, and its first value."""
        made: OktaApp | EntraApp
        if number % 2:
            made = bridge.entra_app(agent)
            value = made.secret
            url = f"{made.tenant.settings['authority']}/oauth2/v2.0/token"
            entry = {"idp": "entra", "client": made.app_id, "url": url}
        else:
            jwk = None
            if number % 4 == 0:
                key = ECKey.generate_key("P-256", {"kid": f"first-{number}", "alg": "ES256"})
                jwk = {**key.as_dict(private=False)}
            made = bridge.okta_app(agent, slug, jwk=jwk)
            value = made.secret or json.dumps(key.as_dict(private=True))
            entry = {
                "idp": "okta",
                "client": made.id,
                "url": f"{made.org.sandbox.url}/oauth2/default/v1/token",
            }
        self.apps.append((value, made))
        self.entries.append(entry)
        return value

    async def rotate(self, settings: Settings, at_once: int, patience: float, using: Using) -> Counter[str]:
        """Rotate every agent's credential with a whole server, `at_once` in use; how the rotations ended."""
        until = time.monotonic() + patience
        async with serving(settings) as server:
            store = server.bridge.ctx.store
            rows = await store.reads.all("SELECT id, slug FROM sb_agent ORDER BY slug")
            for start in range(0, len(rows), at_once):
                with using.these(self.entries[start : start + at_once]):
                    await asyncio.sleep(BEFORE)
                    for row in rows[start : start + at_once]:
                        begin = partial(
                            rotate_agent, agent_id=row["id"], slug=row["slug"], cause="demand", reason="show"
                        )
                        await store.transact(TESTER, begin)
                    states = await _ended(store, until)
                    await asyncio.sleep(AFTER)
            return states


async def _ended(store: Store, until: float) -> Counter[str]:
    """Wait until every rotation that was begun has ended; how."""
    while True:
        rows = await store.reads.all("SELECT state, COUNT(*) AS n FROM sb_rotation GROUP BY state")
        states = Counter({row["state"]: row["n"] for row in rows})
        print(f"  {time.strftime('%H:%M:%S')} {dict(states)}", flush=True)
        open_ = sum(n for state, n in states.items() if state not in ("done", "undone", "refused", "stuck"))
        if not open_ or time.monotonic() > until:
            return states
        await asyncio.sleep(2)


class Using:
    """Processes of clients, one after the other, and what all of them were told."""

    def __init__(self, spec: dict[str, Any], folder: Path) -> None:
        self._spec, self._folder = spec, folder
        self.told: Counter[str] = Counter()
        self.slowest = 0.0
        self.changed = 0

    @contextlib.contextmanager
    def these(self, entries: list[dict[str, str]]) -> Iterator[None]:
        """These clients use their credentials until the block ends."""
        (self._folder / "spec.json").write_text(json.dumps({**self._spec, "clients": entries}))
        command = [sys.executable, "-m", "tests.credentials.using", str(self._folder / "spec.json")]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None and process.stdout.readline() == "ready\n"
                yield
            finally:
                told = json.loads(process.communicate("", timeout=120)[0])
        self.told.update({name: told[name] for name in ("authentications", "failed")})
        self.told.update(told["told"])
        self.slowest = max(self.slowest, told["slowest"])
        self.changed += told["changed"]
        print(f"  clients: {told}", flush=True)


def main() -> int:
    """Play it; the exit code."""
    parser = argparse.ArgumentParser(prog="rotate500")
    parser.add_argument("--agents", type=int, default=500)
    parser.add_argument("--interval", type=float, default=2.0, help="seconds between two uses by one agent")
    parser.add_argument(
        "--at-once", type=int, default=0, help="agents that are rotated at once; default: all"
    )
    parser.add_argument("--seconds", type=int, default=0, help="of confirmation and of overlap")
    parser.add_argument("--patience", type=float, default=1800.0)
    parser.add_argument("--database-url", default="")
    chosen = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rotate")))
        bao, aws = (
            stack.enter_context(servers.openbao(folder)),
            stack.enter_context(servers.secrets_manager()),
        )
        okta, entra = (reached(name, folder / name, stack) for name in ("okta", "entra"))
        url = chosen.database_url or f"sqlite:///{folder / 'bridge.db'}"
        asyncio.run(upgrade(url, create=True))
        show = Show(chosen.agents, chosen.seconds or (8 if chosen.at_once else 20), bao, aws)
        run_with_store(url, SystemClock(), lambda store: show.set_up(store, Org(okta), entra))  # type: ignore[arg-type]
        spec = {
            "interval": chosen.interval,
            "ca_file": okta.ca_file,
            "more_ca_files": [entra.ca_file],
            "bao": bao.url,
            "bao_token": bao.token,
            "aws": aws.url,
        }
        using, began = Using(spec, folder), time.monotonic()
        at_once = chosen.at_once or chosen.agents
        states = asyncio.run(show.rotate(show.settings(url, folder), at_once, chosen.patience, using))
        took = time.monotonic() - began
        alive = sum(app.login(value) in (200, True) for value, app in show.apps)
    print(f"rotations: {dict(states)} in {took:.0f} s")
    print(f"clients: {dict(using.told)}, slowest {using.slowest} s, {using.changed} changed their credential")
    print(f"old credentials that still work: {alive} of {len(show.apps)}")
    good = states == Counter({"done": chosen.agents}) and not using.told["failed"] and not alive
    print("good" if good else "NOT good")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
