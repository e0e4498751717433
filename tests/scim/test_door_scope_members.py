"""Promises about who is outside a connection's scope where others point to them: shown nowhere, touched by nothing."""

from __future__ import annotations

from itertools import product
from typing import Any
from urllib.parse import quote

import pytest

from scim_bridge.registry.model import ENTERPRISE_URN, GROUP_URN
from scim_bridge.scim import roster
from tests.scim.bridge import Bridge
from tests.scim.scoped import DEV, GHOST, PATCH, PROD, SEARCH, agent, alike, made, members, op, scene


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
