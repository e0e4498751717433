"""A connection with a scope: an agent outside it is to the connection as one that does not exist.

Every address and method is tried with its token, and what is answered for a hidden agent is compared with
what is answered for an id nobody has.
"""

from __future__ import annotations

from itertools import product
from typing import Any
from urllib.parse import quote

from scim_bridge.registry.model import AGENT_URN
from scim_bridge.scim.routing import COLLECTIONS, FIXED_ROUTES, ITEM_ROUTES, RESOURCES, SEARCHES
from tests.scim.bridge import Bridge, Client
from tests.scim.scoped import BULK, DEV, GHOST, PATCH, PROD, SEARCH, agent, alike, made, op, scene

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def bodies(target: str) -> dict[str, list[Any]]:
    """What is sent with each method to an address of `target`."""
    patched = [
        [op("replace", "displayName", "Mine")],
        [op("replace", "active", False)],
        [op("replace", "nonsense[", 1), op("replace", "active", False)],
        [{"op": "replace", "value": {"title": "Mine"}}],
    ]
    whole = {
        "userName": "mine",
        "agentUserName": "mine",
        "displayName": "Mine",
        "active": False,
        "id": target,
    }
    return {
        "GET": [None],
        "DELETE": [None],
        "PUT": [whole, {"userName": ""}],
        "PATCH": [{"schemas": [PATCH], "Operations": some} for some in patched],
        "POST": [whole],
    }


def test_whatever_is_asked_of_a_hidden_agents_id_is_answered_as_for_an_id_nobody_has(door) -> None:
    async def body(bridge: Bridge) -> None:
        s = await scene(bridge)
        before = await s.state()
        tried = 0
        heads = [*RESOURCES, *COLLECTIONS, *SEARCHES, *FIXED_ROUTES, *ITEM_ROUTES, "Me", "Nothing"]
        for head, method in product(dict.fromkeys(heads), METHODS):
            for number in range(len(bodies("")[method])):
                answers = []
                for target in (GHOST, s.hidden):
                    sent = bodies(target)[method][number]
                    answer = await s.dev.call(method, f"/{head}/{target}", sent, if_match='W/"1"')
                    answers.append(alike(answer, target))
                    assert answer.status >= 400, (method, head)
                assert answers[0] == answers[1], (method, head)
                tried += 1
        assert tried > 60
        assert await s.state() == before

    door(body)


def test_bulk_answers_for_a_hidden_agent_as_for_nobody(door) -> None:
    async def body(bridge: Bridge) -> None:
        s = await scene(bridge)
        before = await s.state()
        for head, method in product(RESOURCES, ("PUT", "PATCH", "DELETE")):
            for number in range(len(bodies("")[method])):
                answers = []
                for target in (GHOST, s.hidden):
                    data = bodies(target)[method][number]
                    step = {"method": method, "path": f"/{head}/{target}", "data": data}
                    answer = await s.dev.post("/Bulk", {"schemas": [BULK], "Operations": [step]})
                    assert int(answer["Operations"][0]["status"]) >= 400
                    answers.append(alike(answer, target))
                assert answers[0] == answers[1], (method, head)
        assert await s.state() == before

    door(body)


FILTERS = [
    None,
    'userName eq "hidden"',
    'userName sw "hid"',
    'not (userName eq "nobody")',
    'externalId eq "x-hidden"',
    'emails.value eq "hidden@corp.test"',
    'emails[value eq "hidden@corp.test"]',
    "active eq true",
    "active eq true and title pr",
    'title eq "The hidden"',
    'title co "The"',
    'displayName sw "Agent"',
    'userType eq "Agent"',
    'meta.created gt "2000-01-01T00:00:00Z"',
    f'{AGENT_URN}:environment eq "{PROD}"',
]
SORTS = ["", "&sortBy=userName&sortOrder=descending", "&sortBy=title", "&sortBy=meta.created"]


async def ids(client: Client, path: str) -> tuple[list[str], int]:
    """The ids of a list in its order, gathered page by page, and its total, the same on every page."""
    found: list[str] = []
    while True:
        answer = await client.get(f"{path}&startIndex={len(found) + 1}&count=2")
        assert answer.status == 200, answer.content
        found += [one["id"] for one in answer["Resources"]]
        if not answer["Resources"] or len(found) >= answer["totalResults"]:
            return found, answer["totalResults"]


async def by_cursor(client: Client, path: str) -> list[str]:
    """The same by cursor, there and back."""
    found: list[str] = []
    answer = await client.get(f"{path}&count=2&cursor")
    while True:
        found += [one["id"] for one in answer["Resources"]]
        if "nextCursor" not in answer.body:
            break
        answer = await client.get(f"{path}&count=2&cursor={answer['nextCursor']}")
    back = [one["id"] for one in answer["Resources"]]
    while "previousCursor" in answer.body:
        answer = await client.get(f"{path}&count=2&cursor={answer['previousCursor']}")
        back = [one["id"] for one in answer["Resources"]] + back
    assert back == found
    return found


def test_lists_filters_orders_totals_and_pages_are_those_of_everybody_without_who_is_hidden(door) -> None:
    async def body(bridge: Bridge) -> None:
        s = await scene(bridge)
        for n in range(3):
            await made(s.every, "/Users", agent(f"prod{n}", PROD))
            await made(s.every, "/Users", agent(f"dev{n}", DEV))
        hidden = set()
        for one in (await s.every.get("/Users"))["Resources"]:
            if one.get(AGENT_URN, {}).get("environment") == PROD:
                hidden.add(one["id"])
        assert len(hidden) == 4
        asked = [f'groups.value eq "{s.mixed}"', f'id eq "{s.hidden}"', *FILTERS]
        compared = 0
        for head, text, sort in product(("Users", "Agents"), asked, SORTS):
            path = f"/{head}?{'' if text is None else 'filter=' + quote(text)}{sort}"
            if (await s.every.get(path)).status == 400:
                # Agents do not have every attribute of users.
                assert head == "Agents" and (await s.dev.get(path)).status == 400
                continue
            compared += 1
            all_of_them, _ = await ids(s.every, path)
            left = [one for one in all_of_them if one not in hidden]
            assert await ids(s.dev, path) == (left, len(left)), path
            assert (await s.dev.get(f"{path}&count=0"))["totalResults"] == len(left)
            assert sorted(await by_cursor(s.dev, path)) == sorted(left), path
            search = {"schemas": [SEARCH], **({} if text is None else {"filter": text})}
            for searched in (f"/{head}/.search", "/.search"):
                answer = await s.dev.post(searched, search)
                told = {one["id"] for one in answer["Resources"]}
                assert not told & hidden
                assert answer["totalResults"] == len(answer["Resources"])
                assert set(left) <= told
        assert compared > 80

    door(body)
