"""Users, groups and extensions (RFC 7643 sections 3.3, 4 and 7), requirement by requirement, at the door."""

from __future__ import annotations

import socket

import pytest

from scim_bridge.registry.model import ENTERPRISE_URN, USER_URN
from tests.scim.bridge import Bridge
from tests.scim.proving import found, group, made, op, people, refused, user

SECRET = "t1meMa$heen-2026"


def test_a_reference_of_a_client_is_never_followed(sqlite_door) -> None:
    """C-14."""

    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.setblocking(False)
            there = f"http://127.0.0.1:{listener.getsockname()[1]}/Users/1"
            (boss,) = await people(client, "boss")
            manager = {ENTERPRISE_URN: {"manager": {"value": boss, "$ref": there}}}
            (maria,) = await people(client, "maria", profileUrl=there, **manager)
            crew = await client.post("/Groups", group(members=[{"value": maria, "$ref": there}]))
            assert crew["members"][0]["$ref"] == f"http://bridge.test/scim/v2/Users/{maria}"
            refused(await client.post("/Groups", group("b", members=[{"$ref": there}])), 400, "invalidValue")
            with pytest.raises(BlockingIOError):
                listener.accept()

    sqlite_door(body)


def test_user_names_are_unique_and_found_by_one_rule_of_case(door) -> None:
    """C-15, C-24, Q-06."""

    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        await people(client, "Straße@Corp.test", "other")
        for same in ("Straße@Corp.test", "STRASSE@corp.TEST"):
            refused(await client.post("/Users", user(same)), 409, "uniqueness")
            assert await found(client, f'userName eq "{same}"') == ["Straße@Corp.test"]
        (maria,) = await people(client, "maria")
        refused(await client.put(f"/Users/{maria}", user("OTHER")), 409, "uniqueness")
        refused(await client.patch(f"/Users/{maria}", op("replace", "userName", "OTHER")), 409, "uniqueness")
        await made(client, "/Groups", group())
        refused(await client.post("/Groups", group("CREW")), 409, "uniqueness")

    door(body)


def test_a_password_is_never_kept_shown_or_probed(door) -> None:
    """C-16, C-21, Q-15."""

    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        answers = [await client.post("/Users?attributes=password,userName", user(password=SECRET))]
        path = f"/Users/{answers[0]['id']}"
        answers += [
            await client.put(path, user(password=SECRET)),
            await client.patch(f"{path}?attributes=password", op("replace", "password", SECRET)),
            await client.get(f"{path}?attributes=password"),
        ]
        for answer in answers:
            assert answer.status < 300
            assert "password" not in answer.body
            assert SECRET not in answer.content.decode()
        for text in (f'password eq "{SECRET}"', 'password sw "t"', "password pr"):
            refused(await client.post("/Users/.search", {"filter": text}), 400, "invalidFilter")
        refused(await client.get("/Users?sortBy=password"), 400, "invalidValue")
        for table in ("sb_resource", "sb_audit", "sb_effect", "sb_attr"):
            rows = await bridge.store.reads.all(f"SELECT * FROM {table}")
            assert SECRET not in "".join(str(tuple(bytes_shown(row))) for row in rows)

    door(body)


def bytes_shown(row: object) -> list[str]:
    """A row's values as text, documents too."""
    values = tuple(row)  # type: ignore[call-overload]
    return [
        each.decode() if isinstance(each, bytes | memoryview) else str(each) for each in map(plain, values)
    ]


def plain(value: object) -> object:
    """A value that can be looked into."""
    return bytes(value) if isinstance(value, memoryview) else value


def test_a_group_may_be_empty_and_a_members_value_is_not_edited(sqlite_door) -> None:
    """C-18, C-23, H-07."""

    async def body(bridge: Bridge) -> None:
        strict = await bridge.client("letter", "strict")
        maria, ben = await people(strict, "maria", "ben")
        path = f"/Groups/{await made(strict, '/Groups', group())}"
        assert "members" not in (await strict.get(path)).body
        assert (await strict.patch(path, op("add", "members", [{"value": maria}]))).status == 200
        for sub, value in (("value", ben), ("type", "Group"), ("$ref", "../Users/x")):
            edited = op("replace", f'members[value eq "{maria}"].{sub}', value)
            answer = await strict.patch(path, edited)
            assert (answer.status, answer.body.get("scimType")) == (400, "mutability"), answer.content
        swapped = await strict.patch(
            path, op("remove", f'members[value eq "{maria}"]'), op("add", "members", [{"value": ben}])
        )
        (member,) = swapped["members"]
        assert (member["value"], member["type"]) == (ben, "User")
        assert member["$ref"].endswith(f"/Users/{ben}")

    sqlite_door(body)


def test_an_extension_lives_under_its_urn_and_goes_with_its_last_attribute(sqlite_door) -> None:
    """C-19, C-20, X-14."""

    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        (boss,) = await people(client, "boss", displayName="The Boss")
        path = f"/Users/{(await people(client, 'maria'))[0]}"
        set_ = await client.patch(
            path,
            op("add", f"{ENTERPRISE_URN}:department", "Ops"),
            op("add", f"{ENTERPRISE_URN}:manager.value", boss),
        )
        assert set_["schemas"] == [USER_URN, ENTERPRISE_URN]
        assert set_[ENTERPRISE_URN]["department"] == "Ops"
        assert set_[ENTERPRISE_URN]["manager"]["value"] == boss
        less = await client.patch(path, op("remove", f"{ENTERPRISE_URN}:manager"))
        assert less[ENTERPRISE_URN] == {"department": "Ops"}
        none = await client.patch(path, op("remove", f"{ENTERPRISE_URN}:department"))
        assert none["schemas"] == [USER_URN]
        assert ENTERPRISE_URN not in none.body

    sqlite_door(body)


def test_what_is_always_returned_cannot_be_left_out(sqlite_door) -> None:
    """C-21, A-03; `returned: request` is proved by test_returned_request_and_never_hold_at_every_level."""

    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        for endpoint, sent in (("/Users", user()), ("/Groups", group()), ("/Agents", {"agentUserName": "b"})):
            path = f"{endpoint}/{await made(client, endpoint, sent)}"
            less = (await client.get(f"{path}?excludedAttributes=id,schemas,meta,displayName")).body
            assert less["id"] and less["schemas"]
            assert "meta" not in less
            one = (await client.get(f"{path}?attributes=meta.version")).body
            assert one.keys() == {"schemas", "id", "meta"}

    sqlite_door(body)
