"""Okta's sequences, as documented and captured, in both of its dialects."""

from __future__ import annotations

from typing import Any

import pytest

from scim_bridge.registry.model import AGENT_URN, GROUP_URN, USER_URN
from scim_bridge.registry.signal import LEFT, RETURNED
from tests.scim.bridge import Bridge, Client

DIALECTS = ["okta-put", "okta-patch"]
HEADERS = {
    "accept": "application/scim+json",
    "accept-charset": "utf-8",
    "user-agent": "Okta SCIM Client 1.0.0",
}
PATCH_OP = '{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":'


def created(login: str, okta_id: str, extra: str = "") -> str:
    """A create as Okta writes it, byte for byte."""
    return (
        '{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"'
        + (f',"{AGENT_URN}"' if extra else "")
        + "],"
        f'"userName":"{login}","name":{{"givenName":"Agent","familyName":"One"}},'
        f'"emails":[{{"primary":true,"value":"{login}","type":"work"}}],'
        f'"displayName":"Agent One","locale":"en-US","externalId":"{okta_id}",'
        f'"groups":[],"password":"hunter2-placeholder",{extra}"active":true}}'
    )


AGENT = f'"{AGENT_URN}":{{"purpose":"triage"}},'


async def look_up(okta: Client, login: str) -> list[Any]:
    """Okta's first step of every assignment."""
    found = await okta.get(f"/Users?filter=userName%20eq%20%22{login}%22&startIndex=1&count=100", **HEADERS)
    assert found.status == 200
    return list(found["Resources"])


async def assign(okta: Client, login: str, okta_id: str, extra: str = AGENT) -> str:
    """Look up, then create or take over; the id on our side."""
    known = await look_up(okta, login)
    if not known:
        made = await okta.post("/Users", created(login, okta_id, extra), **HEADERS)
        assert made.status == 201, made.content
        return str(made["id"])
    return await switch(okta, known[0]["id"], True, profile=True)


async def switch(okta: Client, user_id: str, active: bool, *, profile: bool = False) -> str:
    """Activate or deactivate, as this connection's kind of app does."""
    if okta.name == "okta-patch" and not profile:
        value = "true" if active else "false"
        sent = PATCH_OP + '[{"op":"replace","value":{"active":' + value + "}}]}"
        answer = await okta.call("PATCH", f"/Users/{user_id}", sent, **HEADERS)
    else:
        # Okta's PUT is its profile merged onto what our GET returned, read-only attributes and all.
        merged = (await okta.get(f"/Users/{user_id}", **HEADERS)).body
        answer = await okta.put(f"/Users/{user_id}", {**merged, "active": active}, **HEADERS)
    assert answer.status == 200, answer.content
    assert answer["id"] == user_id
    return user_id


@pytest.fixture(params=DIALECTS)
def dialect(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_the_connection_test_is_a_list_answer_even_with_nobody_there(door) -> None:
    async def body(bridge: Bridge) -> None:
        okta = await bridge.client("okta")
        answer = await okta.get("/Users?startIndex=1&count=2", **HEADERS)
        assert answer.status == 200
        assert answer.headers["content-type"].startswith("application/scim+json")
        assert answer.body == {
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
            "totalResults": 0,
            "startIndex": 1,
            "itemsPerPage": 0,
            "Resources": [],
        }

    door(body)


def test_an_agent_is_assigned_deactivated_and_reactivated_under_one_id(door, dialect) -> None:
    async def body(bridge: Bridge) -> None:
        okta = await bridge.client(dialect, dialect)
        agent = await assign(okta, "agent-1@agents.example", "00uAAA")
        await switch(okta, agent, False)
        held = (await okta.get(f"/Users/{agent}")).body
        assert held["active"] is False
        holds = held[AGENT_URN]["holds"]
        assert [hold["reason"] for hold in holds] == [f"Okta connection '{dialect}' deactivated it"]
        assert holds[0]["releasedBy"] == f"Okta connection '{dialect}' activates it again (active: true)"
        assert [user["id"] for user in await look_up(okta, "agent-1@agents.example")] == [agent]
        assert await assign(okta, "agent-1@agents.example", "00uAAA") == agent
        back = (await okta.get(f"/Users/{agent}")).body
        assert back["active"] is True
        assert "holds" not in back[AGENT_URN]
        assert back["externalId"] == "00uAAA"
        assert bridge.signals == [], "an agent is no person who leaves"

    door(body)


def test_a_person_is_assigned_deactivated_and_reactivated_and_both_are_signals(door, dialect) -> None:
    async def body(bridge: Bridge) -> None:
        okta = await bridge.client(dialect, dialect)
        person = await assign(okta, "maria@corp.example", "00uBBB", extra="")
        await switch(okta, person, False)
        await switch(okta, person, False)
        assert bridge.kinds == [LEFT], "saying it twice is one departure"
        await switch(okta, person, True)
        assert bridge.kinds == [LEFT, RETURNED]
        assert {signal.source for signal in bridge.signals} == {f"scim:{dialect}"}
        assert len({signal.key for signal in bridge.signals}) == 2
        assert await bridge.count("sb_signal") == 2

    door(body)


def test_creating_somebody_deprovisioned_brings_back_the_same_id(door, dialect) -> None:
    async def body(bridge: Bridge) -> None:
        okta = await bridge.client(dialect, dialect)
        for login, okta_id, extra in (("a@x.example", "00u1", AGENT), ("m@x.example", "00u2", "")):
            user = await assign(okta, login, okta_id, extra)
            await switch(okta, user, False)
            again = await okta.post("/Users", created(login, okta_id, extra), **HEADERS)
            assert (again.status, again["id"], again["active"]) == (201, user, True)
        assert bridge.kinds == [LEFT, RETURNED]
        assert len(await bridge.audit("agent.revived")) == 1

    door(body)


def test_a_create_that_comes_again_finds_what_the_first_one_made(door, dialect) -> None:
    async def body(bridge: Bridge) -> None:
        okta = await bridge.client(dialect, dialect)
        sent = created("a@x.example", "00u1", AGENT)
        first = await okta.post("/Users", sent)
        rows = await bridge.count("sb_audit")
        second = await okta.post("/Users", sent)
        assert (first.status, second.status) == (201, 201)
        assert first.body == second.body
        assert await bridge.count("sb_audit") == rows, "nothing happened the second time"

    door(body)


def test_another_active_user_of_the_same_name_is_a_conflict(door, dialect) -> None:
    async def body(bridge: Bridge) -> None:
        okta = await bridge.client(dialect, dialect)
        await assign(okta, "a@x.example", "00u1")
        other = await okta.post("/Users", created("A@X.example", "00u2", AGENT))
        assert other.status == 409
        assert other["scimType"] == "uniqueness"
        without = created("a@x.example", "00u1", AGENT).replace('"externalId":"00u1",', "")
        assert (await okta.post("/Users", without)).status == 409

    door(body)


def test_the_name_of_somebody_deprovisioned_under_another_id_is_not_given_away(door) -> None:
    async def body(bridge: Bridge) -> None:
        okta = await bridge.client("okta")
        user = await assign(okta, "m@x.example", "00u1", extra="")
        await switch(okta, user, False)
        namesake = await okta.post("/Users", created("m@x.example", "00u9"))
        assert namesake.status == 409, "the same address under another id is another person"
        assert bridge.kinds == [LEFT]

    door(body)


def test_a_password_is_never_stored_or_shown(sqlite_door) -> None:
    async def body(bridge: Bridge) -> None:
        okta = await bridge.client("okta")
        await assign(okta, "a@x.example", "00u1")
        for table, column in (("sb_resource", "doc"), ("sb_resource", "rendered"), ("sb_audit", "detail")):
            for row in await bridge.store.reads.all(f"SELECT {column} AS text FROM {table}"):
                assert b"hunter2" not in bytes(
                    row["text"] if isinstance(row["text"], bytes) else row["text"].encode()
                )
        probe = await okta.get("/Users?filter=password%20eq%20%22hunter2-placeholder%22")
        assert (probe.status, probe["scimType"]) == (400, "invalidFilter")

    sqlite_door(body)


def test_a_profile_put_without_our_extension_leaves_owner_and_purpose_alone(door) -> None:
    async def body(bridge: Bridge) -> None:
        okta = await bridge.client("okta")
        owner = (await okta.post("/Users", created("maria@x.example", "00u1")))["id"]
        agent = await okta.post(
            "/Users",
            created(
                "a@x.example", "00u2", f'"{AGENT_URN}":{{"purpose":"triage","owner":{{"value":"{owner}"}}}},'
            ),
        )
        plain = {
            "schemas": [USER_URN],
            "userName": "a@x.example",
            "name": {"givenName": "Agent", "familyName": "Renamed"},
            "emails": [{"primary": True, "value": "a@x.example", "type": "work"}],
            "active": True,
        }
        after = await okta.put(f"/Users/{agent['id']}", plain)
        assert after.status == 200
        assert after["name"]["familyName"] == "Renamed"
        assert after[AGENT_URN]["purpose"] == "triage"
        assert after[AGENT_URN]["owner"]["value"] == owner
        assert after[AGENT_URN]["owner"]["$ref"] == f"http://bridge.test/scim/v2/Users/{owner}"
        assert after["externalId"] == "00u2"

    door(body)


def test_the_same_put_again_changes_nothing_and_keeps_the_version(door, dialect) -> None:
    async def body(bridge: Bridge) -> None:
        okta = await bridge.client(dialect, dialect)
        agent = await assign(okta, "a@x.example", "00u1")
        before = await okta.get(f"/Users/{agent}")
        bridge.clock.advance(seconds=60)
        after = await okta.put(f"/Users/{agent}", before.body)
        assert after.body == before.body
        assert after.headers["etag"] == before.headers["etag"]

    door(body)


def test_empty_values_are_taken_as_no_value(door, dialect) -> None:
    async def body(bridge: Bridge) -> None:
        okta = await bridge.client(dialect, dialect)
        person = await assign(okta, "m@x.example", "00u1", extra="")
        merged = (await okta.get(f"/Users/{person}")).body
        sent = {**merged, "title": "", "nickName": "", "phoneNumbers": None, "timezone": ""}
        after = await okta.put(f"/Users/{person}", sent)
        assert after.status == 200
        assert not {"title", "nickName", "phoneNumbers", "timezone"} & after.body.keys()

    door(body)


async def push_group(okta: Client, name: str, members: list[str]) -> str:
    """Okta's group push, in the dialect of its kind of app."""
    found = await okta.get(
        f"/Groups?filter=displayName%20eq%20%22{name}%22&startIndex=1&count=100", **HEADERS
    )
    assert (found.status, found["totalResults"]) == (200, 0)
    made = await okta.post(
        "/Groups", f'{{"schemas":["{GROUP_URN}"],"displayName":"{name}","members":[]}}', **HEADERS
    )
    assert made.status == 201, made.content
    group = str(made["id"])
    assert (await okta.get(f"/Groups/{group}", **HEADERS)).status == 200
    listed = [{"value": member, "display": f"{member}@y"} for member in members]
    if okta.name == "okta-put":
        body = {"schemas": [GROUP_URN], "id": group, "displayName": name, "members": listed}
        answer = await okta.put(f"/Groups/{group}", body, **HEADERS)
        assert answer.status == 200
    else:
        operation = {"op": "replace", "path": "members", "value": listed}
        answer = await okta.patch(f"/Groups/{group}", operation, **HEADERS)
        assert answer.status == 204
    return group


async def members(okta: Client, group: str) -> list[str]:
    """Who is in a group, as the door says."""
    return sorted(member["value"] for member in (await okta.get(f"/Groups/{group}")).body.get("members", []))


def test_a_group_is_pushed_renamed_changed_emptied_and_deleted(door, dialect) -> None:
    async def body(bridge: Bridge) -> None:
        okta = await bridge.client(dialect, dialect)
        ids = sorted([await assign(okta, f"a{n}@x.example", f"00u{n}") for n in range(3)])
        group = await push_group(okta, "Deployers", ids[:2])
        assert await members(okta, group) == ids[:2]
        assert (await okta.get(f"/Users/{ids[0]}"))["groups"][0]["value"] == group
        if dialect == "okta-put":
            renamed = {"schemas": [GROUP_URN], "id": group, "displayName": "Shippers"}
            wanted = [{"value": ids[1], "display": None}, {"value": ids[2], "display": "z"}]
            assert (await okta.put(f"/Groups/{group}", {**renamed, "members": wanted})).status == 200
        else:
            sent = PATCH_OP + f'[{{"op":"replace","value":{{"id":"{group}","displayName":"Shippers"}}}},'
            sent += f'{{"op":"remove","path":"members[value eq \\"{ids[0]}\\"]"}},'
            sent += f'{{"op":"add","path":"members","value":[{{"value":"{ids[2]}","display":"x@y"}}]}}]}}'
            assert (await okta.call("PATCH", f"/Groups/{group}", sent, **HEADERS)).status == 204
        assert await members(okta, group) == ids[1:]
        assert (await okta.get(f"/Groups/{group}"))["displayName"] == "Shippers"
        if dialect == "okta-put":
            emptied = await okta.put(
                f"/Groups/{group}", {"schemas": [GROUP_URN], "displayName": "Shippers", "members": []}
            )
            assert emptied.status == 200
        else:
            sent = PATCH_OP + '[{"op":"replace","path":"members","value":[]}]}'
            assert (await okta.call("PATCH", f"/Groups/{group}", sent)).status == 204
        assert await members(okta, group) == []
        assert (await bridge.audit("group.members_removed"))[-1][1]["count"] == 2
        assert (await okta.delete(f"/Groups/{group}")).status == 204
        assert (await okta.get(f"/Groups/{group}")).status == 404

    door(body)


def test_a_replace_without_path_may_carry_members_too(door) -> None:
    async def body(bridge: Bridge) -> None:
        okta = await bridge.client("okta-patch", "okta-patch")
        agent = await assign(okta, "a@x.example", "00u1")
        group = await push_group(okta, "Deployers", [])
        value = {"id": group, "displayName": "Deployers", "members": [{"value": agent}]}
        assert (await okta.patch(f"/Groups/{group}", {"op": "replace", "value": value})).status == 204
        assert await members(okta, group) == [agent]

    door(body)


def test_a_bare_token_without_bearer_is_taken(sqlite_door) -> None:
    async def body(bridge: Bridge) -> None:
        okta = await bridge.client("okta")
        answer = await okta.get("/Users", authorization=str(okta.token))
        assert answer.status == 200

    sqlite_door(body)


def test_the_spec_suite_of_okta_passes(door) -> None:
    async def body(bridge: Bridge) -> None:
        okta = await bridge.client("okta")
        await assign(okta, "first@atko.example", "00u0", extra="")
        first = await okta.get("/Users?count=1&startIndex=1")
        assert first["Resources"][0]["name"]["familyName"]
        assert all(isinstance(first[name], int) for name in ("itemsPerPage", "startIndex", "totalResults"))
        one = await okta.get(f"/Users/{first['Resources'][0]['id']}")
        assert one["emails"][0]["value"] and one["active"] is True
        assert (await okta.get('/Users?filter=userName eq "abcdefgh@atko.com"'))["totalResults"] == 0
        missing = await okta.get("/Users/010101001010101011001010101011")
        assert (missing.status, missing["status"]) == (404, "404") and missing["detail"]
        sent = {
            "schemas": [USER_URN],
            "userName": "Runscope300Xabcdefgh123@atko.com",
            "name": {"givenName": "Runscope300", "familyName": "Xabcdefgh123"},
            "emails": [{"primary": True, "value": "Runscope300Xabcdefgh123@atko.com", "type": "work"}],
            "displayName": "Runscope300 Xabcdefgh123",
            "active": True,
        }
        plain = {"content_type": "application/json", "accept": "application/scim+json; charset=utf-8"}
        made = await okta.post("/Users", sent, **plain)
        assert made.status == 201 and made["userName"] == sent["userName"]
        assert (await okta.post("/Users", sent, **plain)).status == 409
        caps = await okta.get(f'/Users?filter=userName eq "{sent["userName"].upper()}"')
        assert caps["totalResults"] == 1
        assert (await okta.get("/Groups")).status == 200
        refused = await okta.get("/Users", authorization="non-token")
        assert (refused.status, refused["status"]) == (401, "401") and refused["detail"]

    door(body)


def shown(person: Any) -> tuple[str, str, str]:
    """What Okta asks of every user."""
    return person["name"]["givenName"], person["name"]["familyName"], person["emails"][0]["value"]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_okta_is_shown_names_and_an_address_of_everybody_and_nothing_of_it_is_kept(
    door, dialect: str
) -> None:
    async def body(bridge: Bridge) -> None:
        okta, other = await bridge.client("okta", dialect), await bridge.client("entra")
        bare = await other.post("/Users", {"userName": "zoe"})
        named = await other.post("/Users", {"userName": "mia@x.test", "displayName": "Mia de Luca"})
        half = await other.post(
            "/Users", {"userName": "kai", "name": {"givenName": "Kai", "familyName": "Wu"}}
        )
        wanted = {
            bare["id"]: ("zoe", "-", "zoe@made.test"),
            named["id"]: ("Mia de Luca", "-", "mia@x.test"),
            half["id"]: ("Kai", "Wu", "kai@made.test"),
        }
        everybody = (await okta.get("/Users?count=100", **HEADERS))["Resources"]
        assert {each["id"]: shown(each) for each in everybody} == wanted
        for each in wanted:
            assert shown((await okta.get(f"/Users/{each}")).body) == wanted[each]
            changed = await okta.patch(f"/Users/{each}", {"op": "replace", "path": "title", "value": "x"})
            assert shown(changed.body) == wanted[each]
            part = await okta.get(f"/Users/{each}?attributes=emails")
            assert "name" not in part.body and part["emails"][0]["value"] == wanted[each][2]
        assert not (await okta.get('/Users?filter=emails.value eq "zoe@made.test"'))["Resources"]
        back = (await okta.get(f"/Users/{bare['id']}")).body
        assert (
            shown((await okta.put(f"/Users/{bare['id']}", {**back, "title": "y"})).body) == wanted[bare["id"]]
        )
        assert "name" not in (await other.get(f"/Users/{bare['id']}")).body
        for each in wanted:
            assert "emails" not in (await other.get(f"/Users/{each}")).body
        assert "name" not in (await other.get(f"/Users/{named['id']}")).body
        assert (await other.get(f"/Users/{half['id']}"))["name"] == {"givenName": "Kai", "familyName": "Wu"}

    door(body, agent_mail_domain="made.test")
