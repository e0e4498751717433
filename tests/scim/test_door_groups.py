"""Groups: members as rows, strangers kept aside, nesting without circles."""

from __future__ import annotations

import pytest

from scim_bridge.registry.model import GROUP_URN
from tests.scim.bridge import Bridge, Client


async def group(client: Client, name: str, *members: str) -> str:
    """A group with these members."""
    sent = {"schemas": [GROUP_URN], "displayName": name, "members": [{"value": member} for member in members]}
    made = await client.post("/Groups", sent)
    assert made.status == 201, made.content
    return str(made["id"])


async def users(client: Client, count: int) -> list[str]:
    """So many users, in the order of their ids."""
    return [(await client.post("/Users", {"userName": f"u{n}"}))["id"] for n in range(count)]


async def members(client: Client, group_id: str) -> list[str]:
    """Who is in a group."""
    return sorted(item["value"] for item in (await client.get(f"/Groups/{group_id}")).body.get("members", []))


def test_a_member_nobody_knows_is_kept_shown_and_grants_nothing(door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        [known] = await users(client, 1)
        made = await client.post(
            "/Groups",
            {"displayName": "g", "members": [{"value": "stranger", "display": "S"}, {"value": known}]},
        )
        shown = {item["value"]: item for item in made["members"]}
        assert shown["stranger"] == {"value": "stranger", "display": "S"}
        assert shown[known]["type"] == "User"
        assert shown[known]["$ref"] == f"http://bridge.test/scim/v2/Users/{known}"
        row = await bridge.store.reads.one("SELECT kind FROM sb_member WHERE member_id = 'stranger'")
        assert row["kind"] == "unresolved"

    door(body)


def test_groups_may_be_nested_but_not_in_a_circle(door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        inner = await group(client, "inner")
        middle = await group(client, "middle", inner)
        outer = await group(client, "outer", middle)
        shown = (await client.get(f"/Groups/{outer}"))["members"][0]
        assert (shown["type"], shown["$ref"]) == ("Group", f"http://bridge.test/scim/v2/Groups/{middle}")
        for wrong in (outer, middle, inner):
            add = {"op": "add", "path": "members", "value": [{"value": wrong}]}
            answer = await client.patch(f"/Groups/{inner}", add)
            assert (answer.status, answer["scimType"]) == (400, "invalidValue")
            put = {"displayName": "inner", "members": [{"value": wrong}]}
            assert (await client.put(f"/Groups/{inner}", put)).status == 400
        assert await members(client, inner) == []

    door(body)


def test_in_the_letter_a_member_is_of_the_type_that_is_said(door) -> None:
    """RFC 7643 section 4.2; elsewhere the type follows from the id and what is sent of it does not count."""

    async def body(bridge: Bridge) -> None:
        plain, letter = await bridge.client("plain"), await bridge.client("letter", "strict")
        (person,), inner = await users(plain, 1), await group(plain, "inner")
        bot = (await plain.post("/Agents", {"agentUserName": "bot"}))["id"]
        right = [
            (person, "User"),
            (person, "user"),
            (bot, "User"),
            (bot, "Agent"),
            (inner, "Group"),
            (inner, None),
        ]
        wrong = [(person, "Group"), (person, "Agent"), (bot, "Group"), (inner, "User"), (person, "Robot")]
        crew = await group(plain, "crew")
        for number, (member, kind) in enumerate((*right, *wrong)):
            item = {"value": member, **({"type": kind} if kind else {})}
            whole = {"schemas": [GROUP_URN], "displayName": f"g{number}", "members": [item]}
            changes = [
                {"op": "add", "path": "members", "value": [item]},
                {"op": "replace", "value": {"members": [item]}},
            ]
            answers = [
                await letter.post("/Groups", whole),
                await letter.put(f"/Groups/{crew}", {**whole, "displayName": "crew"}),
                *[await letter.patch(f"/Groups/{crew}", change) for change in changes],
            ]
            if (member, kind) in right:
                assert [each.status for each in answers] == [201, 200, 200, 200], (member, kind)
            else:
                assert {(each.status, each["scimType"]) for each in answers} == {(400, "invalidValue")}
                assert kind in answers[0]["detail"] and member in answers[0]["detail"]
                assert (await plain.patch(f"/Groups/{crew}", *changes)).status == 200
        shown = (await plain.get(f"/Groups/{crew}"))["members"]
        assert [each["type"] for each in shown] == ["User"]

    door(body)


def test_members_are_removed_by_whatever_a_filter_says_of_them(door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        ids = await users(client, 4)
        inner = await group(client, "inner")
        crew = await group(client, "crew", *ids, inner)

        async def remove(text: str) -> list[str]:
            answer = await client.patch(f"/Groups/{crew}", {"op": "remove", "path": f"members[{text}]"})
            assert answer.status == 200, answer.content
            return await members(client, crew)

        assert await remove('value eq "nobody"') == sorted([*ids, inner])
        assert await remove('value eq "nobody" and type eq "Group"') == sorted([*ids, inner])
        assert await remove('type eq "Group"') == ids
        assert await remove('display eq "U3"') == ids[:3]
        assert await remove(f'value eq "{ids[0]}" or value eq "{ids[1]}"') == ids[2:3]
        answer = await client.patch(f"/Groups/{crew}", {"op": "remove", "path": "members"})
        assert "members" not in answer.body, "asked for in so many words"
        assert (await bridge.audit("group.members_removed"))[-1][1]["members"] == ids[2:3]

    door(body)


def test_a_put_changes_members_only_when_it_names_them(door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        ids = await users(client, 2)
        crew = await group(client, "crew", *ids)
        assert (await client.put(f"/Groups/{crew}", {"displayName": "Crew"})).status == 200
        assert await members(client, crew) == ids
        assert (await client.put(f"/Groups/{crew}", {"displayName": "Crew", "members": None})).status == 200
        assert await members(client, crew) == []
        strict = await bridge.client("letter", "strict")
        full = {"schemas": [GROUP_URN], "displayName": "Crew", "members": [{"value": ids[0]}]}
        assert (await strict.put(f"/Groups/{crew}", full)).status == 200
        del full["members"]
        assert "members" not in (await strict.put(f"/Groups/{crew}", full)).body

    door(body)


def test_names_of_groups_are_unique_whatever_their_case(door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        first, second = await group(client, "Straße"), await group(client, "b")
        assert (await client.post("/Groups", {"displayName": "STRASSE"})).status == 409
        taken = await client.patch(
            f"/Groups/{second}", {"op": "replace", "path": "displayName", "value": "strasse"}
        )
        assert (taken.status, taken["scimType"]) == (409, "uniqueness")
        assert (await client.delete(f"/Groups/{first}")).status == 204
        assert (await client.post("/Groups", {"displayName": "strasse"})).status == 201

    door(body)


def test_a_large_group_is_read_whole_and_not_read_where_nobody_asks_for_it(door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        names = [f"stranger-{n:05}" for n in range(2500)]
        crew = await group(client, "crew", *names)
        assert await members(client, crew) == names
        one = {"op": "remove", "path": f'members[value eq "{names[7]}"]'}
        light = await client.patch(f"/Groups/{crew}?excludedAttributes=members", one)
        assert (light.status, "members" in light.body) == (200, False)
        listed = await client.get('/Groups?excludedAttributes=members&filter=displayName eq "crew"')
        assert "members" not in listed["Resources"][0]
        assert (await client.get(f'/Groups?filter=members eq "{names[8]}"&attributes=id'))[
            "totalResults"
        ] == 1
        assert len(await members(client, crew)) == 2499

    door(body)


def test_a_filter_without_an_index_gives_up_before_it_takes_too_long(door, monkeypatch) -> None:
    monkeypatch.setattr("scim_bridge.scim.finding.SCAN_SECONDS", 0.0)

    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        await users(client, 6)
        answer = await client.get("/Users?filter=title pr")
        assert (answer.status, answer["scimType"]) == (400, "tooMany")
        assert (await client.get('/Users?filter=userName eq "u1" and title pr'))["totalResults"] == 0

    door(body)


@pytest.mark.parametrize("dialect", ["okta-put", "okta-patch", "entra", "entra-062020", "generic", "strict"])
def test_null_empties_no_group_in_a_patch(sqlite_door, dialect: str) -> None:
    async def body(bridge: Bridge) -> None:
        client, plain = await bridge.client("idp", dialect), await bridge.client("plain")
        bots = await users(plain, 2)
        people = await group(plain, "g", *bots)
        path = f"/Groups/{people}"
        for verb in ("add", "replace"):
            for where in ("members", "Members"):
                await client.patch(path, {"op": verb, "path": where, "value": None})
                await client.patch(path, {"op": verb, "value": {where: None}})
        refused = await client.patch(path, {"op": "replace", "path": "members", "value": None})
        assert (refused.status, refused["scimType"]) == (400, "invalidValue")
        assert (
            await client.patch(
                path,
                {"op": "replace", "path": f"{GROUP_URN}:members", "value": None},
                {"op": "replace", "path": "displayName", "value": "h"},
            )
        ).status == 400
        assert await members(client, people) == sorted(bots)

    sqlite_door(body)
