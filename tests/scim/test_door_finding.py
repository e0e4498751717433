"""A filter finds what matches it, whichever way it is looked for: by index, in SQL, or document by document."""

from __future__ import annotations

import random
from typing import Any
from urllib.parse import quote

from scim_bridge.registry.model import ENTERPRISE_URN
from scim_bridge.scim.grammar import parse
from scim_bridge.scim.match import predicate
from tests.scim.bridge import Bridge, Client

NAMES = ("Ann@x.test", "bob@X.test", "bot-1", "bot-2", "Ärger@x.test", "ann", "straße", "z'\"\\%_")


async def world(bridge: Bridge) -> Client:
    """People and agents, created and changed at different times; groups within groups."""
    client = await bridge.client("plain")
    ids = []
    for number, name in enumerate(NAMES):
        bridge.clock.advance(seconds=0.7)
        sent: dict[str, Any] = {
            "userName": name,
            "title": ("Boss", "Clerk")[number % 2],
            "emails": [
                {"value": f"{name[:3]}@mail.test", "type": "work"},
                {"value": "ALL@mail.test", "type": "home"},
            ][: number % 3],
            ENTERPRISE_URN: {"department": "Ops"} if number % 2 else {},
        }
        if number % 3:
            sent["externalId"] = f"E-{number}"
        if name.startswith("bot"):
            sent["userType"] = "Agent"
        made = await client.post("/Users", sent)
        assert made.status == 201, made.content
        ids.append(made["id"])
    for number in (1, 3, 4):
        bridge.clock.advance(seconds=1.001)
        await client.patch(f"/Users/{ids[number]}", {"op": "replace", "path": "active", "value": False})
    inner = (await client.post("/Groups", {"displayName": "Inner", "members": [{"value": ids[0]}]}))["id"]
    both = [{"value": inner}, {"value": ids[2]}, {"value": "nobody"}]
    await client.post("/Groups", {"displayName": "Outer", "externalId": "G", "members": both})
    await client.post("/Groups", {"displayName": "empty"})
    return client


def drawn(random_: random.Random, leaves: list[str], depth: int = 2) -> str:
    """A filter of these terms."""
    kind = random_.random()
    if depth == 0 or kind < 0.4:
        return random_.choice(leaves)
    if kind < 0.55:
        return f"not ({drawn(random_, leaves, depth - 1)})"
    by = " and " if kind < 0.8 else " or "
    return by.join(f"({drawn(random_, leaves, depth - 1)})" for _ in range(2))


def text(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def user_terms(users: list[dict[str, Any]], groups: list[dict[str, Any]]) -> list[str]:
    named = [f"userName {op} {text(name)}" for name in NAMES for op in ("eq", "ne", "gt", "ge", "lt", "le")]
    parts = [
        f"userName {op} {text(part)}"
        for part in ("AN", "x.TEST", "ss", "", "%", '"')
        for op in ("co", "sw", "ew")
    ]
    times = [
        f"meta.{attribute} {op} {text(user['meta'][attribute])}"
        for user in users
        for attribute in ("created", "lastModified")
        for op in ("eq", "ne", "gt", "ge", "lt", "le")
    ]
    between = [
        'meta.created gt "2026-11-18T12:26:40.0005Z"',
        'meta.lastModified le "2027-01-01T00:00:00+02:00"',
    ]
    ids = [f"id {op} {text(user['id'])}" for user in users for op in ("eq", "ne", "gt")]
    external = ["externalId pr", 'externalId eq "E-1"', 'externalId eq "e-1"', 'externalId ne "E-2"']
    emails = [
        'emails.value eq "ann@MAIL.test"',
        'emails eq "all@mail.test"',
        'emails[value eq "all@mail.test"]',
        'emails[type eq "home" and value eq "all@mail.test"]',
        'emails.value co "mail"',
        "emails pr",
    ]
    state = ["active eq true", "active ne true", 'active eq "False"', "userName pr", "title pr", "id pr"]
    among = [f"groups.value eq {text(group['id'])}" for group in groups] + ['groups.display eq "outer"']
    plain = ['title eq "boss"', 'userType eq "Agent"', f'{ENTERPRISE_URN}:department eq "ops"']
    return named + parts + times + between + ids + external + emails + state + among + plain


def group_terms(users: list[dict[str, Any]], groups: list[dict[str, Any]]) -> list[str]:
    named = [f'displayName {op} "INNER"' for op in ("eq", "ne", "sw", "co", "ew", "gt", "le")]
    members = [f"members.value eq {text(user['id'])}" for user in users]
    more = [
        "members pr",
        'members eq "nobody"',
        'members[display eq "bot-1"]',
        'externalId eq "G"',
        "meta.created pr",
    ]
    ids = [f"id eq {text(group['id'])}" for group in groups]
    return named + members + more + ids


async def listed(client: Client, path: str, query: str) -> list[str]:
    """Every id of a list, by startIndex, three at a time."""
    found: list[str] = []
    while True:
        page = (await client.get(f"{path}?{query}&startIndex={len(found) + 1}&count=3")).body
        assert "totalResults" in page, page
        found += [resource["id"] for resource in page["Resources"]]
        if len(found) >= page["totalResults"] or not page["Resources"]:
            assert len(found) == page["totalResults"], query
            return found


async def followed(client: Client, path: str, query: str) -> list[str]:
    """Every id of a list, by cursor, three at a time."""
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = (await client.get(f"{path}?{query}&cursor={cursor}&count=3")).body
        assert "Resources" in page, page
        found += [resource["id"] for resource in page["Resources"]]
        cursor = page.get("nextCursor")
    return found


def test_every_way_of_looking_finds_the_same(door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await world(bridge)
        users = (await client.get("/Users"))["Resources"]
        groups = (await client.get("/Groups"))["Resources"]
        agents = (await client.get("/Agents"))["Resources"]
        for agent in agents:
            agent["name"] = agent["agentUserName"]
        random_ = random.Random(20261118)
        agent_terms = [
            t.replace("userName", "agentUserName") for t in user_terms(agents, groups) if "title" not in t
        ]
        known = {"emails", "userType", "urn:"}
        kinds = (
            ("/Users", "User", users, user_terms(users, groups), 120),
            ("/Groups", "Group", groups, group_terms(users, groups), 60),
            ("/Agents", "Agent", agents, [t for t in agent_terms if not any(k in t for k in known)], 60),
        )
        for path, kind, documents, leaves, count in kinds:
            for each in leaves + [drawn(random_, leaves) for _ in range(count)]:
                test = predicate(parse(each), kind)
                expected = [document["id"] for document in documents if test(document)]
                query = f"filter={quote(each)}"
                assert sorted(await listed(client, path, query)) == expected, each
                if random_.random() < 0.3:
                    assert sorted(await followed(client, path, query)) == expected, each
                    ordered = f"{query}&sortBy=id&sortOrder=descending"
                    assert await listed(client, path, ordered) == expected[::-1], each

    door(body)


def test_what_is_understood_at_sight_is_what_the_filter_says(sqlite_door) -> None:
    async def body(bridge: Bridge) -> None:
        await world(bridge)
        for dialect in ("okta-put", "okta-patch", "entra", "entra-062020", "generic", "strict"):
            client = await bridge.client(f"c-{dialect}", dialect)
            await client.post("/Users", {"userName": f"u-{dialect}", "externalId": "E-1"})
            for each in (
                'userName eq "ANN"',
                'USERNAME EQ "ann"',
                'externalId eq "E-1"',
                'externalid  eq  "e-1"',
                'emails.value eq "all@mail.test"',
                'emails eq "ALL@MAIL.test"',
                'userName eq ""',
                'userName eq "z\'\\"\\\\%_"',
                'id eq "nobody"',
            ):
                bare = (await client.get(f"/Users?filter={quote(each)}")).body
                # In parentheses it is read by the grammar, and rewritten by the dialect.
                whole = (await client.get(f"/Users?filter={quote(f'({each})')}")).body
                assert bare == whole, (dialect, each)

    sqlite_door(body)
