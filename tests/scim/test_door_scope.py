"""A connection with a scope: an agent outside it is to the connection as one that does not exist.

Every address and method is tried with its token, and what is answered for a hidden agent is compared with
what is answered for an id nobody has.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any
from urllib.parse import quote

import pytest

from scim_bridge.access.facts import facts_about
from scim_bridge.kernel import postgres_session, sqlite_transaction
from scim_bridge.kernel.errors import BridgeError
from scim_bridge.registry.connections import configure_connection, create_connection
from scim_bridge.registry.model import AGENT_URN, ENTERPRISE_URN, GROUP_URN
from scim_bridge.registry.scope import parse_scope
from scim_bridge.scim import roster
from scim_bridge.scim.routing import COLLECTIONS, FIXED_ROUTES, ITEM_ROUTES, RESOURCES, SEARCHES
from tests.conftest import MASTER, TESTER
from tests.scim.bridge import Bridge, Client, Reply

BULK = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
SEARCH = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"
DEV, PROD = "dev", "production"
GHOST = "01890000-0000-7000-8000-000000000000"
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def agent(name: str, environment: str | None, **more: Any) -> dict[str, Any]:
    """An agent as an IdP sends one."""
    extension = {} if environment is None else {AGENT_URN: {"environment": environment}}
    return {
        "userName": name,
        "userType": "Agent",
        "displayName": f"Agent {name}",
        "title": f"The {name}",
        "emails": [{"value": f"{name}@corp.test", "primary": True}],
        **extension,
        **more,
    }


def members(*ids: str) -> list[dict[str, str]]:
    return [{"value": one} for one in ids]


def op(verb: str, path: str, value: Any = None) -> dict[str, Any]:
    return {"op": verb, "path": path, **({} if value is None else {"value": value})}


@dataclass
class Scene:
    """One agent inside the scope and one outside, in the groups where they could meet."""

    every: Client
    dev: Client
    seen: str
    hidden: str
    person: str
    mixed: str
    secret: str
    open: str

    async def told(self, group: str, client: Client | None = None) -> set[str]:
        """The members of a group as a connection is shown them; the one that sees all, unless said."""
        found = await (client or self.every).get(f"/Groups/{group}")
        assert found.status == 200
        return {one["value"] for one in found.body.get("members", ())}

    async def state(self) -> list[Any]:
        """All that must stay as it is: the hidden agent, and who is in which group."""
        found = [(await self.every.get(f"/Users/{self.hidden}")).content]
        return [*found, *[sorted(await self.told(group)) for group in (self.mixed, self.secret, self.open)]]


async def made(client: Client, path: str, body: dict[str, Any]) -> str:
    answer = await client.post(path, body)
    assert answer.status == 201, answer.content
    return str(answer["id"])


async def scene(bridge: Bridge, dialect: str | None = None, scope: str = f"environment={DEV}") -> Scene:
    every = await bridge.client("every")
    dev = await bridge.client("dev", dialect, scope=scope)
    seen = await made(every, "/Users", agent("sandy", DEV))
    hidden = await made(every, "/Users", agent("hidden", PROD, externalId="x-hidden"))
    person = await made(every, "/Users", {"userName": "maria"})
    secret = await made(every, "/Groups", {"displayName": "Secret", "members": members(hidden)})
    mixed = await made(
        every, "/Groups", {"displayName": "Mixed", "members": members(seen, hidden, person, secret)}
    )
    opened = await made(every, "/Groups", {"displayName": "Open", "members": members(seen, person)})
    return Scene(every, dev, seen, hidden, person, mixed, secret, opened)


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


def alike(answer: Reply, target: str) -> tuple[int, bytes]:
    """An answer without the id it was asked for."""
    return answer.status, answer.content.replace(target.encode(), b"ID")


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


def test_members_that_are_hidden_are_in_no_answer(door, monkeypatch: pytest.MonkeyPatch) -> None:
    # Pieces of two: how a large group goes on is tried too.
    monkeypatch.setattr(roster, "PIECE", 2)
    roster._one.cache_clear()
    roster._many.cache_clear()

    async def body(bridge: Bridge) -> None:
        s = await scene(bridge)
        late = await made(s.every, "/Users", agent("hidden-late", PROD))
        await s.every.patch(f"/Groups/{s.mixed}", op("add", "members", members(late)))
        expected = {s.seen, s.person, s.secret}
        assert await s.told(s.mixed) == expected | {s.hidden, late}
        assert await s.told(s.mixed, s.dev) == expected
        assert await s.told(s.secret, s.dev) == set()
        for path in ("/Groups?count=10", '/Groups?filter=displayName sw ""', "/Groups?attributes=members"):
            answer = await s.dev.get(path)
            assert s.hidden.encode() not in answer.content
            assert answer["totalResults"] == 3
        for answer in (
            await s.dev.post("/.search", {"schemas": [SEARCH]}),
            await s.dev.post("/Groups/.search", {"schemas": [SEARCH]}),
            await s.dev.put(f"/Groups/{s.mixed}", {"displayName": "Mixed", "externalId": "m"}),
            await s.dev.call(
                "PATCH",
                f"/Groups/{s.mixed}?attributes=members",
                {"schemas": [PATCH], "Operations": [op("replace", "externalId", "n")]},
            ),
        ):
            assert answer.status == 200
            assert s.mixed.encode() in answer.content
            assert s.hidden.encode() not in answer.content
            assert b"hidden" not in answer.content

    try:
        door(body)
    finally:
        monkeypatch.undo()
        roster._one.cache_clear()
        roster._many.cache_clear()


def test_no_filter_on_members_tells_in_which_groups_somebody_hidden_is(door) -> None:
    async def body(bridge: Bridge) -> None:
        s = await scene(bridge)
        forms = [
            'members.value eq "{}"',
            'members[value eq "{}"]',
            'members eq "{}"',
            'members.value eq "{}" and displayName pr',
            'not (members.value eq "{}")',
            'members[value eq "{}" and type eq "User"]',
            'members.value sw "{}"',
            'displayName eq "Mixed" and members.value eq "{}"',
        ]
        for form in forms:
            path = "/Groups?filter=" + quote(form)
            found = []
            for target in (GHOST, s.hidden):
                answer = await s.dev.get(path.replace(quote("{}"), target))
                assert answer.status == 200, answer.content
                found.append([one["id"] for one in answer["Resources"]])
                # Who is seen is found: the filter is one that works.
                seen = await s.dev.get(path.replace(quote("{}"), s.seen))
                assert seen["totalResults"] > 0
            assert found[0] == found[1], form
        for text in ('members.display co "hidden"', 'members[display eq "hidden"]'):
            assert (await s.every.get(f"/Groups?filter={quote(text)}"))["totalResults"] == 2
            assert (await s.dev.get(f"/Groups?filter={quote(text)}"))["totalResults"] == 0
        named = [one["displayName"] for one in (await s.dev.get("/Groups?filter=members pr"))["Resources"]]
        assert named == ["Mixed", "Open"]

    door(body)


def test_a_manager_that_is_a_hidden_agent_is_not_shown(door) -> None:
    async def body(bridge: Bridge) -> None:
        s = await scene(bridge)
        people = []
        for number, manager in enumerate((s.hidden, "hidden", s.seen)):
            enterprise = {"manager": {"value": manager}, "department": "Ops"}
            person = {"userName": f"p{number}", ENTERPRISE_URN: enterprise}
            people.append(await made(s.every, "/Users", person))
        for answer in (
            await s.dev.get("/Users?count=50"),
            await s.dev.get(f"/Users/{people[0]}"),
            await s.dev.get(f"/Users/{people[1]}"),
            await s.dev.patch(f"/Users/{people[0]}", op("replace", "title", "Chief")),
        ):
            assert answer.status == 200
            assert s.hidden.encode() not in answer.content
            assert b'"hidden"' not in answer.content
            assert b'"department":"Ops"' in answer.content
        shown = (await s.dev.get(f"/Users/{people[2]}"))[ENTERPRISE_URN]["manager"]["value"]
        assert shown == s.seen
        for value, total in ((s.hidden, 0), (s.seen, 1)):
            text = quote(f'{ENTERPRISE_URN}:manager.value eq "{value}"')
            assert (await s.dev.get(f"/Users?filter={text}"))["totalResults"] == total
        kept = (await s.every.get(f"/Users/{people[0]}"))[ENTERPRISE_URN]["manager"]["value"]
        assert kept == s.hidden, "what is not shown is not lost"

    door(body)


@pytest.mark.parametrize("dialect", ["generic", "strict"])
def test_a_hidden_agent_joins_no_group_and_is_taken_for_somebody_unknown(door, dialect: str) -> None:
    async def body(bridge: Bridge) -> None:
        s = await scene(bridge, dialect)
        before = await s.state()
        for group in (s.open, s.mixed):
            add = [op("add", "members", members("{}"))]
            whole = {"displayName": "Mixed" if group == s.mixed else "Open"}
            stay = members(*(await s.told(group, s.dev)))
            for method, sent in (
                ("PATCH", {"schemas": [PATCH], "Operations": add}),
                ("PUT", {**whole, "members": [*stay, *members("{}")]}),
            ):
                answers = []
                for target in (GHOST, s.hidden):
                    text = _filled(sent, target)
                    answer = await s.dev.call(method, f"/Groups/{group}", text)
                    assert answer.status == (400 if dialect == "strict" else 200)
                    answers.append(alike(answer, target))
                assert answers[0] == answers[1]
        created = []
        for target in (GHOST, s.hidden):
            sent = {"displayName": f"New {target}", "members": members(target, s.seen)}
            answer = await s.dev.post("/Groups", sent)
            created.append((answer.status, answer.body.get("members")))
        assert [status for status, _ in created] == [400 if dialect == "strict" else 201] * 2
        assert created[0][1] == created[1][1]
        assert await s.state() == before
        groups = {one["display"] for one in (await s.every.get(f"/Users/{s.hidden}"))["groups"]}
        assert groups == {"Secret", "Mixed"}

    door(body)


def _filled(sent: Any, target: str) -> Any:
    if isinstance(sent, dict):
        return {key: _filled(value, target) for key, value in sent.items()}
    if isinstance(sent, list):
        return [_filled(value, target) for value in sent]
    return target if sent == "{}" else sent


@pytest.mark.parametrize("dialect", ["generic", "strict"])
def test_no_replace_and_no_remove_touches_members_that_are_hidden(door, dialect: str) -> None:
    async def body(bridge: Bridge) -> None:
        s = await scene(bridge, dialect)
        group = await made(
            s.every, "/Groups", {"displayName": "Pay", "members": members(s.seen, s.hidden, s.person)}
        )
        refill = op("add", "members", members(s.seen, s.person))
        changes = [
            (op("remove", f'members[value eq "{s.hidden}"]'), {s.seen, s.person, s.hidden}),
            (op("remove", 'members[type eq "User"]'), {s.hidden}),
            (op("remove", 'members[value sw "0"]'), {s.hidden}),
            (op("remove", "members"), {s.hidden}),
            (op("replace", "members", []), {s.hidden}),
            (op("replace", "members", members(s.person)), {s.hidden, s.person}),
        ]
        for change, left in changes:
            answer = await s.dev.patch(f"/Groups/{group}", change)
            assert answer.status == 200, answer.content
            assert await s.told(group) == left, change
            assert await s.told(group, s.dev) == left - {s.hidden}
            assert (await s.dev.patch(f"/Groups/{group}", refill)).status == 200
        for sent in (
            {"schemas": [GROUP_URN], "displayName": "Pay", "members": []},
            {"schemas": [GROUP_URN], "displayName": "Pay", "members": members(s.seen)},
        ):
            assert (await s.dev.put(f"/Groups/{group}", sent)).status == 200
            assert s.hidden in await s.told(group)
        assert await s.told(group) == {s.hidden, s.seen}

    door(body)


def test_what_would_change_the_access_of_hidden_members_is_refused_and_names_the_scope(door) -> None:
    async def body(bridge: Bridge) -> None:
        s = await scene(bridge)
        outer = await made(s.every, "/Groups", {"displayName": "Outer", "members": members(s.mixed)})
        before = await s.state()
        refused = [
            await s.dev.delete(f"/Groups/{s.secret}"),
            await s.dev.delete(f"/Groups/{s.mixed}"),
            await s.dev.delete(f"/Groups/{outer}"),
            await s.dev.patch(f"/Groups/{s.secret}", op("replace", "displayName", "Admins")),
            await s.dev.put(f"/Groups/{outer}", {"displayName": "Admins"}),
            await s.dev.patch(f"/Groups/{s.open}", op("add", "members", members(s.secret))),
            await s.dev.patch(f"/Groups/{s.open}", op("replace", "members", members(outer))),
            await s.dev.post("/Groups", {"displayName": "Admins", "members": members(s.secret)}),
            await s.dev.patch(f"/Groups/{s.mixed}", op("remove", f'members[value eq "{s.secret}"]')),
            await s.dev.put(f"/Groups/{s.mixed}", {"displayName": "Mixed", "members": members(s.seen)}),
        ]
        for answer in refused:
            assert answer.status == 403, answer.content
            assert f"environment={DEV}" in answer["detail"]
            assert s.hidden not in answer["detail"]
        assert await s.state() == before
        # Where everybody is seen, nothing is in the way.
        assert (await s.dev.patch(f"/Groups/{s.open}", op("replace", "displayName", "Wide"))).status == 200
        assert (await s.dev.delete(f"/Groups/{s.open}")).status == 204

    door(body)


def test_applications_show_and_lose_no_agent_that_is_hidden(door) -> None:
    async def body(bridge: Bridge) -> None:
        s = await scene(bridge)
        both = await made(
            s.every, "/AgenticApplications", {"name": "desk", "agents": members(s.seen, s.hidden)}
        )
        path = f"/AgenticApplications/{both}"

        async def inside() -> set[str]:
            return {one["value"] for one in (await s.every.get(path)).body.get("agents", ())}

        for answer in (
            await s.dev.get(path),
            await s.dev.get("/AgenticApplications"),
            await s.dev.post("/.search", {"schemas": [SEARCH]}),
            await s.dev.patch(path, op("replace", "displayName", "Desk")),
        ):
            assert answer.status == 200
            assert both.encode() in answer.content
            assert s.hidden.encode() not in answer.content
        for form, target in product(('agents.value eq "{}"', 'agents[value eq "{}"]'), (GHOST, s.hidden)):
            text = quote(form.replace("{}", target))
            assert (await s.dev.get(f"/AgenticApplications?filter={text}"))["totalResults"] == 0
        for change in (op("remove", "agents"), op("replace", "agents", members(s.seen))):
            assert (await s.dev.patch(path, change)).status == 200
            assert s.hidden in await inside()
        assert (await s.dev.put(path, {"name": "desk", "agents": []})).status == 200
        assert await inside() == {s.hidden}
        refused = await s.dev.delete(path)
        assert refused.status == 403
        assert f"environment={DEV}" in refused["detail"]
        assert await inside() == {s.hidden}
        assert (await s.every.patch(path, op("remove", "agents"))).status == 200
        assert (await s.dev.delete(path)).status == 204

    door(body)


def test_an_agent_is_created_inside_the_scope_only(door) -> None:
    async def body(bridge: Bridge) -> None:
        s = await scene(bridge)
        count = await bridge.count("sb_resource")
        wzdk = {"agentUserName": "w", AGENT_URN: {"environment": PROD}}
        refused = [
            await s.dev.post("/Users", agent("a", PROD)),
            await s.dev.post("/Users", agent("b", None)),
            await s.dev.post("/Agents", wzdk),
            await s.dev.post("/Agents", {"agentUserName": "x"}),
        ]
        for answer in refused:
            assert answer.status == 403
            assert f"outside the scope of connection 'dev' (environment={DEV})" in answer["detail"]
        assert await bridge.count("sb_resource") == count
        steps = [
            {"method": "POST", "path": "/Users", "bulkId": str(n), "data": agent(f"bulk{n}", environment)}
            for n, environment in enumerate((DEV, PROD, DEV, None, DEV))
        ]
        answer = await s.dev.post("/Bulk", {"schemas": [BULK], "Operations": steps})
        assert [one["status"] for one in answer["Operations"]] == ["201", "403", "201", "403", "201"]
        inside = {**wzdk, AGENT_URN: {"environment": DEV}}
        assert (await s.dev.post("/Agents", inside)).status == 201
        assert (await s.dev.post("/Users", {"userName": "ben"})).status == 201, "people are not limited"

    door(body)


def test_no_change_takes_an_agent_out_of_the_scope_but_a_deactivation_in_it_is_done(door) -> None:
    async def body(bridge: Bridge) -> None:
        s = await scene(bridge)
        path = f"{AGENT_URN}:environment"
        for answer in (
            await s.dev.patch(f"/Users/{s.seen}", op("replace", path, PROD)),
            await s.dev.patch(f"/Agents/{s.seen}", op("remove", path)),
            await s.dev.put(f"/Users/{s.seen}", agent("sandy", PROD)),
        ):
            assert answer.status == 403, answer.content
            assert f"environment={DEV}" in answer["detail"]
        both = [op("replace", path, PROD), op("replace", "active", False)]
        answer = await s.dev.patch(f"/Users/{s.seen}", *both)
        assert answer.status == 200
        assert answer["active"] is False
        assert answer[AGENT_URN]["environment"] == DEV
        assert (await s.every.patch(f"/Users/{s.seen}", op("replace", path, PROD))).status == 200
        assert (await s.dev.get(f"/Users/{s.seen}")).status == 404
        assert (await s.every.get(f"/Users/{s.seen}"))["active"] is False, "the hold stays"
        assert (await s.every.patch(f"/Users/{s.seen}", op("replace", path, DEV))).status == 200
        assert (await s.dev.patch(f"/Users/{s.seen}", op("replace", "active", True)))["active"] is True

    door(body)


def test_a_hidden_agents_name_is_taken_and_nothing_more_is_said_of_it(door) -> None:
    async def body(bridge: Bridge) -> None:
        s = await scene(bridge)
        # The connection knew it once, by an externalId of its own.
        gone = await made(s.dev, "/Users", agent("gone", DEV, externalId="own-1"))
        assert (
            await s.every.patch(f"/Users/{gone}", op("replace", f"{AGENT_URN}:environment", PROD))
        ).status == 200
        person = await s.dev.post("/Users", {"userName": "hidden"})
        again = await s.dev.post("/Users", agent("gone", DEV, externalId="own-1"))
        other = await s.dev.post("/Users", agent("another", DEV, externalId="own-1"))
        renamed = await s.dev.patch(f"/Users/{s.seen}", op("replace", "userName", "hidden"))
        numbered = await s.dev.patch(f"/Users/{s.seen}", op("replace", "externalId", "own-1"))
        outside = await s.dev.post("/Users", agent("hidden", PROD))
        for answer in (person, again, other, renamed, numbered, outside):
            assert answer.status == 409
            assert answer["scimType"] == "uniqueness"
            for word in (s.hidden, gone, PROD, "Agent hidden", "Agent gone"):
                assert word not in answer["detail"]
        # Word for word what is said of a name whose owner is seen.
        taken = await s.dev.post("/Users", {"userName": "sandy"})
        assert taken["detail"].replace("sandy", "hidden") == person["detail"]
        assert "gone" not in other["detail"]
        # Nor does a create bring back somebody who is hidden and off.
        assert (await s.every.patch(f"/Users/{gone}", op("replace", "active", False))).status == 200
        assert (await s.dev.post("/Users", agent("gone", DEV, externalId="own-1"))).status == 409
        assert (await s.every.get(f"/Users/{gone}"))["active"] is False

    door(body)


def test_a_scope_by_group_sees_its_members_and_loses_who_leaves(door) -> None:
    async def body(bridge: Bridge) -> None:
        s = await scene(bridge, scope="group=payments; group=Refunds; environment=dev")
        pay = await made(
            s.every, "/Groups", {"displayName": "Payments", "members": members(s.seen, s.hidden)}
        )
        assert (await s.dev.get("/Agents"))["totalResults"] == 1
        assert await s.told(pay, s.dev) == {s.seen}
        refused = await s.dev.post("/Users", agent("new", DEV))
        assert refused.status == 403
        assert "group=payments" in refused["detail"]
        assert "no group" in refused["detail"]
        # Somebody who was off comes back under the same id, as for every connection.
        assert (await s.dev.patch(f"/Users/{s.seen}", op("replace", "active", False))).status == 200
        back = await s.dev.post("/Users", agent("sandy", DEV))
        assert (back.status, back["id"], back["active"]) == (201, s.seen, True)
        # Nobody pulls an agent in, by its id or by what a group is called.
        other = await made(s.every, "/Users", agent("other", DEV))
        away = await made(s.every, "/Groups", {"displayName": "Away", "members": members(other)})
        await s.dev.patch(f"/Groups/{pay}", op("add", "members", members(other)))
        assert (await s.dev.patch(f"/Groups/{away}", op("replace", "displayName", "Refunds"))).status == 403
        assert (await s.dev.get(f"/Users/{other}")).status == 404
        # Access is taken away when it is asked for, though the connection then no longer sees whose it was.
        gone = op("remove", f'members[value eq "{s.seen}"]')
        assert (await s.dev.patch(f"/Groups/{pay}", gone)).status == 200
        assert (await s.dev.get(f"/Users/{s.seen}")).status == 404
        assert await s.told(pay) == {s.hidden}

    door(body)


def test_another_scope_counts_from_the_next_request_on_also_for_a_cursor(sqlite_door) -> None:
    async def body(bridge: Bridge) -> None:
        s = await scene(bridge)
        first = await s.every.get("/Agents?count=1&cursor")

        async def limited(work: Any) -> None:
            await configure_connection(work, MASTER, "every", settings={"scope": "environment=nowhere"})

        await bridge.store.transact(TESTER, limited)
        more = await s.every.get(f"/Agents?count=1&cursor={first['nextCursor']}")
        assert (more.status, more["Resources"]) == (200, [])
        assert (await s.every.get("/Agents"))["totalResults"] == 0

    sqlite_door(body)


WRONG = [
    ("environment", "not name=value"),
    ("environment=", "not name=value"),
    ("stage=production", "environment, platform, riskTier, group"),
    ("environment=a; Environment=b", "'Environment'"),
    (" ; ", "names nothing"),
    ("group=a\nb", "not name=value"),
    ("group=" + "x" * 2000, "longer than"),
    (";".join(f"platform=p{n}" for n in range(51)), "more than 50"),
    (["environment=a"], "not a text"),
]


@pytest.mark.parametrize(("scope", "said"), WRONG)
def test_a_wrong_scope_is_refused_with_one_line_when_it_is_set(sqlite_door, scope: Any, said: str) -> None:
    async def body(bridge: Bridge) -> None:
        await bridge.client("okta")

        async def created(work: Any) -> None:
            await create_connection(work, MASTER, "new", "okta", settings={"scope": scope})

        async def configured(work: Any) -> None:
            await configure_connection(work, MASTER, "okta", settings={"scope": scope})

        for attempt in (created, configured):
            with pytest.raises(BridgeError) as refused:
                await bridge.store.transact(TESTER, attempt)
            assert (refused.value.status, refused.value.code) == (400, "scope")
            assert said in refused.value.text()
            assert "\n" not in refused.value.text()
        assert await bridge.count("sb_connection") == 1

    sqlite_door(body)


def test_a_scope_that_cannot_be_read_any_more_shows_nothing(sqlite_door) -> None:
    async def body(bridge: Bridge) -> None:
        s = await scene(bridge)

        async def spoilt(work: Any) -> None:
            work.bookkeeping("as an older version may have written it")
            await work.tx.run(
                "UPDATE sb_connection SET settings = ? WHERE name = 'dev'", '{"scope":"nonsense"}'
            )
            work.touched("connection", "dev")

        await bridge.store.transact(TESTER, spoilt)
        answer = await s.dev.get("/Users")
        assert answer.status == 403
        assert "'nonsense' is not name=value" in answer["detail"]

    sqlite_door(body)


def test_a_scope_is_written_as_it_is_read() -> None:
    text = "environment=production; riskTier=low; group=payments; group=refunds"
    scope = parse_scope(" group=Refunds ;group=PAYMENTS; riskTier = low;;environment=production;")
    assert str(scope) == text
    assert parse_scope(text) == scope
    assert not parse_scope("")


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Every statement of both back ends."""
    found: list[str] = []

    def noted(owner: type, name: str) -> None:
        before = getattr(owner, name)

        def wrapped(self: Any, sql: Any, *rest: Any, **more: Any) -> Any:
            found.append(str(sql))
            return before(self, sql, *rest, **more)

        monkeypatch.setattr(owner, name, wrapped)

    noted(sqlite_transaction.SqliteReader, "_execute")
    for name in ("one", "all", "run", "many"):
        noted(postgres_session.Session, name)
    yield found


def test_who_has_no_scope_pays_no_statement_and_no_condition_for_it(door, sent: list[str]) -> None:
    async def body(bridge: Bridge) -> None:
        s = await scene(bridge)

        async def used(client: Client, seen: str) -> list[str]:
            sent.clear()
            for answer in (
                await client.get(f"/Users/{seen}"),
                await client.get("/Users?count=5"),
                await client.get('/Groups?filter=displayName eq "Mixed"'),
                await client.patch(f"/Users/{seen}", op("replace", "title", client.name)),
                await client.patch(f"/Groups/{s.open}", op("remove", f'members[value eq "{seen}"]')),
                await client.patch(f"/Groups/{s.open}", op("add", "members", members(seen))),
            ):
                assert answer.status == 200
            return list(sent)

        await s.every.get("/Users?count=1"), await s.dev.get("/Users?count=1")
        free, limited = await used(s.every, s.seen), await used(s.dev, s.seen)
        assert any("in_a" in statement for statement in limited), "a scope is a condition"
        assert not any("in_a" in statement for statement in free)

    door(body)


def test_a_manager_nobody_knows_is_answered_as_one_that_is_outside(door) -> None:
    async def body(bridge: Bridge) -> None:
        every = await bridge.client("every")
        inside = await bridge.client("inside", dialect="generic", scope=f"environment={PROD}")
        hidden = (await every.post("/Users", agent("hidden", DEV)))["id"]
        boss = (await every.post("/Users", {"userName": "boss", "emails": [{"value": "b@corp.test"}]}))["id"]
        person = (await inside.post("/Users", {"userName": "ann", "title": "CTO"}))["id"]
        path = f"{ENTERPRISE_URN}:manager"
        for name in (hidden, GHOST, "hidden", "nobody", "hidden@corp.test", "nobody@corp.test"):
            answer = await inside.patch(f"/Users/{person}", op("replace", path, {"value": name}))
            assert answer.status == 200 and ENTERPRISE_URN not in answer.body, name
            assert ENTERPRISE_URN not in (await inside.get(f"/Users/{person}")).body
        for name in (boss, "Boss", "B@corp.test"):
            answer = await inside.patch(f"/Users/{person}", op("replace", path, {"value": name}))
            assert answer[ENTERPRISE_URN]["manager"]["value"] == name

    door(body)


def test_a_workload_id_of_an_agent_outside_is_refused_and_makes_nothing_unclear(door) -> None:
    async def body(bridge: Bridge) -> None:
        every = await bridge.client("every")
        inside = await bridge.client("inside", scope=f"environment={PROD}")
        workload = "spiffe://corp.example/agents/payments"
        facts = {AGENT_URN: {"environment": DEV, "workloadId": workload}}
        outside = await every.post("/Users", agent("outside", None, **facts))
        evil = agent("evil", None, **{AGENT_URN: facts[AGENT_URN] | {"environment": PROD}})
        refused = await inside.post("/Users", evil)
        assert refused.status == 409 and refused["scimType"] == "uniqueness"
        assert "outside" not in refused["detail"]
        twice = [{"method": "POST", "path": "/Users", "bulkId": one, "data": evil} for one in "ab"]
        bulk = await inside.post("/Bulk", {"schemas": [BULK], "Operations": twice})
        assert [one["status"] for one in bulk["Operations"]] == ["409", "409"]
        for name in (workload, outside["id"]):
            assert (await inside.post("/Users", agent(name, PROD))).status == 201
            assert [found.id for found in await facts_about(bridge.store.reads, name)] == [outside["id"]]

    door(body)


def test_an_environment_in_other_case_is_the_one_that_scopes_and_imports_know(sqlite_door) -> None:
    async def body(bridge: Bridge) -> None:
        anybody = await bridge.client("open", "generic")
        scoped = await bridge.client("scoped", "generic", scope="environment=production; riskTier=low")
        sent = {"environment": "PRODUCTION", "riskTier": "Low"}
        made = await anybody.post("/Agents", {"agentUserName": "bot", AGENT_URN: sent})
        assert (made[AGENT_URN]["environment"], made[AGENT_URN]["riskTier"]) == ("production", "low")
        assert (await scoped.get(f"/Agents/{made['id']}")).status == 200
        other = await anybody.post("/Agents", {"agentUserName": "other", AGENT_URN: {"environment": "dev"}})
        path = f"{AGENT_URN}:environment"
        patched = await anybody.patch(
            f"/Agents/{other['id']}", {"op": "replace", "path": path, "value": "Staging"}
        )
        assert patched[AGENT_URN]["environment"] == "staging"

    sqlite_door(body)
