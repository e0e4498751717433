"""A company of owners with agents, and a crowd that opens the links it was sent and answers over HTTP."""

from __future__ import annotations

import random
import re
from collections import Counter
from dataclasses import dataclass, field

import httpx2
import orjson
from starlette.applications import Starlette

from scim_bridge.attestations.routes import routes
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.edge import unexpected, unrouted
from scim_bridge.kernel.work import Store, Work
from scim_bridge.registry.agent_creation import create_agent
from scim_bridge.registry.groups import add_members, create_group
from scim_bridge.registry.model import AGENT_URN, ENTERPRISE_URN
from scim_bridge.registry.outward import opened_for
from scim_bridge.registry.people import create_person
from scim_bridge.settings.attestations import AttestationSettings
from tests.attestations.scene import person
from tests.conftest import MASTER, TESTER

LINK = re.compile(r"https://bridge\.test(/attest/\S+)")


@dataclass
class Crowd:
    """Who owns what; `boss` leads every owner, `sponsor` stands for every agent."""

    owners: list[str] = field(default_factory=list)
    agents: list[str] = field(default_factory=list)
    boss: str = ""
    sponsor: str = ""
    group: str = ""


async def company(store: Store, agents: int, owners: int) -> Crowd:
    """Agents shared out among owners, all in one group."""
    made = Crowd()

    async def people(work: Work) -> None:
        made.boss = (await create_person(work, person("boss@corp.test"), origin="test")).id
        made.sponsor = (await create_person(work, person("sponsor@corp.test"), origin="test")).id
        for number in range(owners):
            doc = person(f"owner{number}@corp.test") | {ENTERPRISE_URN: {"manager": {"value": made.boss}}}
            made.owners.append((await create_person(work, doc, origin="test")).id)
        made.group = (await create_group(work, {"displayName": "tools"}, origin="test")).id

    async def some(work: Work, numbers: range) -> None:
        fresh = []
        for number in numbers:
            extension = {
                "purpose": f"Does job {number}",
                "environment": "production" if number % 2 else "staging",
                "riskTier": ("low", "medium", "high")[number % 3],
                "owner": {"value": made.owners[number % owners]},
                "sponsors": [{"value": made.sponsor}],
            }
            doc = {
                "userName": f"a{number}@agents.test",
                "displayName": f"Agent {number}",
                AGENT_URN: extension,
            }
            fresh.append((await create_agent(work, doc, origin="test", slug=f"agent-{number:04}")).id)
        await add_members(work, made.group, [(agent, None) for agent in fresh])
        made.agents += fresh

    await store.transact(TESTER, people)
    for start in range(0, agents, 100):
        await store.transact(TESTER, lambda work, s=start: some(work, range(s, min(s + 100, agents))))
    return made


async def mails(store: Store, template: str = "") -> list[dict]:
    """The notices that were written, oldest first: template, to, data, and the opened links."""
    rows = await store.reads.all("SELECT payload FROM sb_effect WHERE kind = 'notify' ORDER BY created, id")
    found = []
    for row in rows:
        said = orjson.loads(row["payload"])
        if template and said["template"] != template:
            continue
        private = said.get("private")
        links = opened_for(MASTER, said["to"]["id"], private) if private else {}
        text = "\n".join(links.values())
        found.append({**said, "links": LINK.findall(text)})
    return found


def browser(ctx: Context, settings: AttestationSettings) -> httpx2.AsyncClient:
    """Somebody's browser in front of the owner's door."""
    app = Starlette(
        routes=routes(ctx, settings),
        exception_handlers={404: unrouted, 405: unrouted, Exception: unexpected},
    )
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    return httpx2.AsyncClient(
        transport=transport, base_url="https://bridge.test", headers={"accept": "application/json"}
    )


async def open_link(web: httpx2.AsyncClient, link: str) -> dict:
    """What a link shows."""
    seen = await web.get(link)
    assert seen.status_code == 200, seen.text
    return seen.json()


async def answer(web: httpx2.AsyncClient, link: str, verdict: str, **more: object) -> httpx2.Response:
    """Open a link and answer it."""
    seen = await open_link(web, link)
    return await web.post(link, json={"verdict": verdict, "digest": seen["digest"], "comment": "", **more})


async def play(web: httpx2.AsyncClient, links: list[str], seed: int, share: float) -> Counter:
    """A share of the links is answered, mostly by confirming; how many of which verdict."""
    rnd = random.Random(seed)
    done: Counter = Counter()
    for link in links:
        if rnd.random() > share:
            done["ignored"] += 1
            continue
        verdict = rnd.choices(["confirm", "reduce", "refuse", "retire"], [80, 8, 8, 4])[0]
        seen = await open_link(web, link)
        groups = [group["id"] for group in seen["facts"]["groups"]]
        drop = groups[:1] if verdict == "reduce" else []
        body = {"verdict": verdict, "digest": seen["digest"], "comment": "as seen", "drop": drop}
        said = await web.post(link, json=body)
        assert said.status_code == 200, said.text
        done[verdict] += 1
    return done
