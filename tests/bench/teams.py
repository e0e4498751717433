"""What T12 adds to a filled database: teams as groups, a thousand policies over them, and a gateway's token."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scim_bridge.access.policy_file import packaged
from scim_bridge.kernel.clock import SystemClock
from scim_bridge.kernel.crypto import MasterKey
from scim_bridge.kernel.database import open_database
from scim_bridge.kernel.ids import UuidV7
from scim_bridge.kernel.work import Store, Work
from scim_bridge.registry.groups import create_group
from scim_bridge.registry.tokens import create_token
from tests.bench.client import request
from tests.bench.fill import FILLER
from tests.bench.population import sample, slug
from tests.bench.servers import SECRET

TEAMS = 200
POLICIES = 1000
CHUNK = 5000
EVALUATION = "/access/v1/evaluation"
EVALUATIONS = "/access/v1/evaluations"
# (action of the policy, action that is asked, resource type): five policies for each team.
GRANTS = (
    ("reads", "read", "Repository"),
    ("writes", "update", "Ticket"),
    ("reads", "read", "Dataset"),
    ("deploy", "deploy", "Deployment"),
    ("reads", "read", "Api"),
)
MEMBER = (
    "INSERT INTO sb_member (group_id, member_id, kind, display, since, added_by)"
    " VALUES (?, ?, 'agent', ?, ?, 'bench')"
)


def teams_of(number: int) -> tuple[int, int]:
    """The two teams of an agent by its number."""
    first = number % TEAMS
    return first, (first + 1 + number * 7 % (TEAMS - 1)) % TEAMS


def write_policies(path: Path) -> None:
    """A policy file of a thousand: the packaged ones, and five for each team as far as they go."""
    packed = packaged().policies
    lines = []
    for number in range(POLICIES - packed.count("@id(")):
        (granted, _, kind), team = GRANTS[number // TEAMS], number % TEAMS
        action = f'action == Action::"{granted}"' if granted == "deploy" else f'action in Action::"{granted}"'
        lines.append(
            f'@id("team-{team}-{number}") @reason("Team {team} may {granted} {kind}.")'
            f' permit (principal in Group::"team-{team}", {action}, resource is {kind});'
        )
    path.write_text("\n".join([packed, *lines]))


def peer_policies() -> list[tuple[str, str, str]]:
    """The teams' policies as (group, action, resource type)."""
    return [(f"team-{t}", asked, kind.casefold()) for _, asked, kind in GRANTS for t in range(TEAMS)]


def peer_members(agents: int) -> list[tuple[str, str]]:
    """Every agent with each of its teams."""
    return [(slug(n), f"team-{team}") for n in range(agents) for team in teams_of(n)]


def fill_teams(url: str) -> str:
    """Put every agent into its two teams; a gateway's token."""
    return asyncio.run(_fill(url))


async def _fill(url: str) -> str:
    database = await open_database(url)
    try:
        clock = SystemClock()
        store = Store(database, clock, UuidV7(clock))
        rows = await store.reads.all("SELECT id, slug FROM sb_agent WHERE slug LIKE 'agent-%'")
        groups: list[str] = []

        async def create(work: Work) -> None:
            for team in range(TEAMS):
                groups.append((await create_group(work, {"displayName": f"team-{team}"}, origin="bench")).id)

        await store.transact(FILLER, create)
        members = [
            (groups[team], row["id"], row["slug"], clock.now())
            for row in rows
            for team in teams_of(int(row["slug"].rpartition("-")[2]))
        ]
        for start in range(0, len(members), CHUNK):
            await store.transact(
                FILLER, lambda work, start=start: _join(work, members[start : start + CHUNK])
            )
        master = MasterKey(SECRET.encode())
        return await store.transact(
            FILLER, lambda work: create_token(work, master, connection_id=None, scopes=("access",))
        )
    finally:
        await database.close()


async def _join(work: Work, members: Sequence[tuple[Any, ...]]) -> None:
    work.bookkeeping("the benchmark's teams")
    await work.tx.many(MEMBER, members)


@dataclass(frozen=True, slots=True)
class Asked:
    """One question of the benchmark, about an agent by its number."""

    number: int
    action: str
    kind: str

    def body(self) -> dict[str, Any]:
        """The question as AuthZEN has it."""
        return {
            "subject": {"type": "agent", "id": slug(self.number)},
            "action": {"name": self.action},
            "resource": {"type": self.kind, "id": "storefront"},
        }


def asked(agents: int, wanted: int, *, denied_every: int = 0) -> Iterator[Asked]:
    """Questions about agents from all over the database, that are allowed but for one in `denied_every`."""
    for index, number in enumerate(sample(agents, wanted)):
        # Nobody may approve a repository.
        refused = denied_every and index % denied_every == 0
        yield Asked(number, "approve" if refused else "read", "repository")


def posted(path: str, token: str, body: bytes) -> bytes:
    """A question on the wire."""
    made = request("POST", path, token=token, headers=[("Content-Type", "application/json")])
    head = made[: -len(b"\r\n\r\n")].replace(b"Content-Length: 0", f"Content-Length: {len(body)}".encode())
    return head + b"\r\n\r\n" + body
