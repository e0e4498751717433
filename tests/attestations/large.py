"""A campaign at size, by hand: 1,000 agents of 120 owners, answered over HTTP, both sandbox IdPs kept in step.

python -m tests.attestations.large [--agents 1000] [--owners 120]

Not part of the suite: writing every agent into two IdPs at their allowed rate takes minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx2
import uvicorn
from starlette.applications import Starlette

from scim_bridge.attestations.bundle import bundle, verify_bundle
from scim_bridge.attestations.campaign_model import Policy
from scim_bridge.attestations.campaigns import campaign, counts, open_campaign
from scim_bridge.attestations.chasing import chase
from scim_bridge.attestations.routes import routes
from scim_bridge.kernel.clock import SECOND, ManualClock, SystemClock
from scim_bridge.kernel.telemetry import configure_logging
from scim_bridge.kernel.work import Store
from scim_bridge.migrations import upgrade
from scim_bridge.registry.connections import create_connection
from scim_bridge.sandbox.entra.app import build as build_entra
from scim_bridge.sync.run import run
from tests.attestations.crowd import company, mails, play
from tests.attestations.scene import SETTINGS, context
from tests.conftest import MASTER, TESTER, run_with_store
from tests.sandbox.servers import running
from tests.sync.bench import Bench
from tests.sync.entra_tenant import Tenant
from tests.sync.okta_org import okta_org

BRAKELESS = {"brake_count": "1000000", "brake_percent": "100"}
# The benches open their tenants themselves; a connection with credentials is one that is pushed to.
UNUSED = {"okta": {"ssws_token": "x"}, "entra": {"client_id": "x", "client_secret": "x"}}


def say(text: str) -> None:
    """One line of the report."""
    print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)


@contextlib.asynccontextmanager
async def served(ctx: Any) -> Any:
    """The owner's door on 127.0.0.1, and a client of it."""
    server = uvicorn.Server(
        uvicorn.Config(Starlette(routes=routes(ctx, SETTINGS)), host="127.0.0.1", port=0, log_level="error")
    )
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    port = server.servers[0].sockets[0].getsockname()[1]
    async with httpx2.AsyncClient(
        base_url=f"http://127.0.0.1:{port}", headers={"accept": "application/json"}
    ) as web:
        yield web
    server.should_exit = True
    await task


async def bench(store: Store, name: str, idp: Any) -> Bench:
    """A bench for one more connection."""
    made = await store.transact(
        TESTER,
        lambda work: create_connection(work, MASTER, name, name, settings=BRAKELESS, secrets=UNUSED[name]),
    )
    return Bench(store, idp, made)


async def synced(store: Store, benches: dict[str, Bench]) -> None:
    """Push everything; the second plan must be empty."""
    for name, one in benches.items():
        begun = time.monotonic()
        done = await one.apply(perform=False)
        while done.state == "RUNNING":
            pauses = await one.perform(("sync.change",), tries=1)
            await asyncio.sleep(max(pauses, default=0))
            done = await run(store.reads, done.id)
        again = await one.plan()
        say(
            f"{name}: {done.state}, {done.done} written in {time.monotonic() - begun:.0f} s;"
            f" second plan {again.changes}"
        )
        assert again.changes == 0, f"{name}: the second plan is not empty"


def shown(org: Any, tenant: Any) -> dict[str, Counter]:
    """The states of attestations as each IdP keeps them."""
    users = [user["profile"] for user in org.objects("user")]
    okta = Counter(user["agentAttestation"] for user in users if "agentAttestation" in user)
    entra = Counter(
        one["$"]["attributes"]["scimBridge"].get("attestationState", "?") for one in tenant.identities()
    )
    return {"okta": okta, "entra": entra}


async def story(store: Store, clock: ManualClock, agents: int, owners: int, org: Any, tenant: Any) -> None:
    """Open, ask, answer, escalate, lapse; the IdPs kept in step before and after."""
    ctx = context(store)
    crowd = await company(store, agents, owners)
    people = [f"owner{number}@corp.test" for number in range(owners)] + [
        "boss@corp.test",
        "sponsor@corp.test",
    ]
    org.people(*people)
    users = [{"userPrincipalName": one, "mail": one} for one in people]
    tenant.running.control.post("/directory", json={"users": users}).raise_for_status()
    idps = {"okta": org.open(store), "entra": tenant.open(store)}
    benches = {name: await bench(store, name, idp) for name, idp in idps.items()}
    say(f"{agents} agents of {owners} owners; {len(crowd.agents)} made")
    await synced(store, benches)
    made = await open_campaign(ctx, TESTER, "Everybody", Policy())
    say(f"opened over {made.total} agents; asked {await chase(ctx)}")
    links = [link for mail in await mails(store, "campaign-request") for link in mail["links"]]
    async with served(ctx) as web:
        begun = time.monotonic()
        said = await play(web, links, seed=11, share=0.7)
        say(f"answered over HTTP in {time.monotonic() - begun:.0f} s: {dict(said)}")
        for days in (7, 4):
            clock.advance(days=days)
            say(f"day {(clock.now() - made.opened) // (86400 * SECOND)}: {await chase(ctx)} chased")
        late = [link for mail in await mails(store, "campaign-escalated") for link in mail["links"]]
        answered = await play(web, late, seed=12, share=0.5)
        say(f"the sponsor answered: {dict(answered)}")
    for days in (2, 1, 7):
        clock.advance(days=days)
        say(f"day {(clock.now() - made.opened) // (86400 * SECOND)}: {await chase(ctx)} chased")
    over = await campaign(store.reads, "Everybody")
    counted = await counts(store.reads, over.id)
    say(f"{over.state}: { ({state: n for state, n in counted.items() if n}) }, sum {sum(counted.values())}")
    assert sum(counted.values()) == agents and counted["waiting"] == 0
    expected = said + answered
    assert counted["confirmed"] == expected["confirm"] and counted["refused"] == expected["refuse"]
    assert counted["reduced"] == expected["reduce"] and counted["retired"] == expected["retire"]
    await synced(store, benches)
    for name, states in shown(org, tenant).items():
        say(f"{name} shows {dict(states)}")
    found = await bundle(ctx, TESTER, of="Everybody")
    say(
        f"bundle of {found.statements} statements, {len(found.content) / 1e6:.1f} MB, {verify_bundle(found.content)}"
    )
    for idp in idps.values():
        await idp.close()


def main() -> int:
    """Play it against fresh sandboxes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--agents", type=int, default=1000)
    parser.add_argument("--owners", type=int, default=120)
    read = parser.parse_args()
    configure_logging("error", "text")
    with tempfile.TemporaryDirectory() as folder:
        there = Path(folder)
        url = f"sqlite:///{there / 'bridge.db'}"
        asyncio.run(upgrade(url, create=True))
        clock = ManualClock(SystemClock().now())
        for name in ("okta", "entra"):
            (there / name).mkdir()
        with okta_org(there / "okta") as org, running("entra", build_entra, there / "entra") as entra:
            tenant = Tenant.fresh(entra)
            run_with_store(
                url, clock, lambda store: story(store, clock, read.agents, read.owners, org, tenant)
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
