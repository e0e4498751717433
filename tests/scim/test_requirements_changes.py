"""PUT and PATCH as RFC 7644 section 3.5 demands them, requirement by requirement, at the door."""

from __future__ import annotations

from typing import Any

from scim_bridge.registry.model import ENTERPRISE_URN, USER_URN
from tests.scim.bridge import Bridge, Client
from tests.scim.proving import PATCH_URN, group, made, op, people, refused, user, written

WORK = {"value": "ann@x.test", "type": "work", "primary": True}
HOME = {"value": "ann@y.test", "type": "home"}


async def both(bridge: Bridge) -> list[Client]:
    """A tolerant connection and one held to the letter."""
    return [await bridge.client("plain"), await bridge.client("letter", "strict")]


async def patched(client: Client, path: str, *operations: Any) -> dict[str, Any]:
    """The resource after a PATCH that succeeds."""
    answer = await client.patch(path, *operations)
    assert answer.status == 200, answer.content
    return dict(answer.body)


def test_a_put_replaces_and_never_creates(door) -> None:
    """U-01, U-02, U-03."""

    async def body(bridge: Bridge) -> None:
        for number, client in enumerate(await both(bridge)):
            refused(await client.put("/Users/nobody", user()), 404)
            name = f"u{number}"
            full = user(name, title="Dr", name={"givenName": "M"}, **{ENTERPRISE_URN: {"department": "Ops"}})
            path = f"/Users/{await made(client, '/Users', full)}"
            answer = await client.put(path, user(name, nickName="n", id="x", meta={"version": "9"}))
            assert answer.status == 200
            assert answer.body.keys() == {"schemas", "id", "userName", "nickName", "active", "meta"}
            assert answer["schemas"] == [USER_URN]
            assert (await client.get(path)).body == answer.body

    door(body)


def test_a_patch_message_has_its_schema_its_operations_and_their_names(sqlite_door) -> None:
    """X-01, X-18."""

    async def body(bridge: Bridge) -> None:
        client, strict = await both(bridge)
        path = f"/Users/{(await people(client, 'maria'))[0]}"
        for name in ("add", "Add", "REPLACE", "Replace"):
            assert (await patched(strict, path, op(name, "title", name)))["title"] == name
        for wrong in (
            {"schemas": [PATCH_URN], "Operations": []},
            {"schemas": [PATCH_URN]},
            {"schemas": [PATCH_URN], "Operations": {}},
            {"schemas": [PATCH_URN], "Operations": [op("move", "title", "x")]},
            {"schemas": [PATCH_URN], "Operations": [{"path": "title", "value": "x"}]},
        ):
            for each in (client, strict):
                refused(await each.call("PATCH", path, wrong), 400, "invalidSyntax")
        for odd in (
            {"Operations": [op("add", "title", "x")]},
            {"schemas": [PATCH_URN], "operations": [op("add", "title", "y")]},
        ):
            refused(await strict.call("PATCH", path, odd), 400, "invalidSyntax")
            assert (await client.call("PATCH", path, odd)).status == 200

    sqlite_door(body)


def test_a_patch_is_done_in_order_and_whole_or_not_at_all(door) -> None:
    """X-02, X-03."""

    async def body(bridge: Bridge) -> None:
        for number, client in enumerate(await both(bridge)):
            maria, crew = f"m{number}", f"Crew {number}"
            user_id = (await people(client, maria, emails=[WORK]))[0]
            path, team = f"/Users/{user_id}", f"/Groups/{await made(client, '/Groups', group(crew))}"
            after = await patched(
                client,
                path,
                op("remove", "emails"),
                op("add", "emails", [HOME]),
                op("replace", 'emails[type eq "home"].value', "z@x.test"),
                op("replace", "title", "one"),
                op("replace", "title", "two"),
            )
            assert (after["emails"], after["title"]) == ([{**HOME, "value": "z@x.test"}], "two")
            before, standing = await written(bridge), (await client.get(path)).body
            wrong = op("replace", "emails", 7)
            refused(await client.patch(path, op("replace", "title", "three"), wrong), 400, "invalidValue")
            joins = op("add", "members", [{"value": user_id}])
            refused(await client.patch(team, joins, op("replace", "displayName", 7)), 400, "invalidValue")
            assert (await client.get(path)).body == standing
            assert await written(bridge) == before, "no row, no version, no effect"

    door(body)


def test_without_a_path_attributes_are_set_and_nothing_is_removed(sqlite_door) -> None:
    """X-04."""

    async def body(bridge: Bridge) -> None:
        for number, client in enumerate(await both(bridge)):
            path = f"/Users/{(await people(client, f'm{number}', title='Dr'))[0]}"
            for name in ("add", "replace"):
                value = {"nickName": name, f"{ENTERPRISE_URN}:division": name}
                after = await patched(client, path, {"op": name, "value": value})
                assert (after["nickName"], after[ENTERPRISE_URN]["division"]) == (name, name)
            for remove in (op("remove"), {"op": "remove", "value": {"title": "Dr"}}):
                refused(await client.patch(path, remove), 400, "noTarget")
            assert (await client.get(path))["title"] == "Dr"

    sqlite_door(body)


def test_add_sets_merges_and_appends_once(sqlite_door) -> None:
    """X-05, X-13."""

    async def body(bridge: Bridge) -> None:
        for number, client in enumerate(await both(bridge)):
            name = {"givenName": "A", "familyName": "L"}
            path = f"/Users/{(await people(client, f'm{number}', title='Dr', name=name, emails=[WORK]))[0]}"
            after = await patched(
                client,
                path,
                op("add", "title", "Prof"),
                op("add", "name", {"middleName": "M", "givenName": "Anna"}),
                op("add", "emails", [HOME]),
                op("add", "emails", [HOME]),
            )
            assert after["title"] == "Prof"
            assert after["name"] == {"givenName": "Anna", "familyName": "L", "middleName": "M"}
            assert after["emails"] == [WORK, HOME]
            refused(await client.patch(path, op("add", "title")), 400, "invalidValue")
        refused(await client.patch(path, op("add", "title", None)), 400, "invalidValue")

    sqlite_door(body)


def test_replace_sets_adds_what_is_missing_and_replaces_lists(sqlite_door) -> None:
    """X-06, X-07, X-13."""

    async def body(bridge: Bridge) -> None:
        client, strict = await both(bridge)
        for number, each in enumerate((client, strict)):
            name = {"givenName": "A", "familyName": "L"}
            path = f"/Users/{(await people(each, f'm{number}', name=name, emails=[WORK]))[0]}"
            after = await patched(
                each,
                path,
                op("replace", "title", "Prof"),
                op("replace", "name", {"familyName": "Li"}),
                op("replace", "emails", [HOME]),
            )
            assert (after["title"], after["emails"]) == ("Prof", [HOME])
            assert after["name"] == {"givenName": "A", "familyName": "Li"}
            assert "title" not in await patched(each, path, op("replace", "title", None))
        absent = op("replace", 'emails[type eq "other"].value', "o@x.test")
        refused(await strict.patch(path, absent), 400, "noTarget")
        after = await patched(client, path, absent)
        assert after["emails"] == [HOME, {"type": "other", "value": "o@x.test"}], "Entra counts on it"

    sqlite_door(body)


def test_remove_takes_what_is_chosen_and_nothing_when_nothing_is(sqlite_door) -> None:
    """X-08, X-09."""

    async def body(bridge: Bridge) -> None:
        for number, client in enumerate(await both(bridge)):
            marked = [WORK, {**HOME, "display": "Home"}]
            path = f"/Users/{(await people(client, f'm{number}', emails=marked))[0]}"
            nothing = await client.patch(path, op("remove", 'emails[type eq "other"]'))
            assert (nothing.status, nothing["emails"], nothing["meta"]["version"]) == (200, marked, 'W/"1"')
            less = await patched(client, path, op("remove", 'emails[type eq "home"].display'))
            assert less["emails"] == [WORK, HOME]
            one = await patched(client, path, op("remove", 'emails[type eq "work"]'))
            assert one["emails"] == [HOME]
            last = await patched(client, path, op("remove", "emails[value pr]"))
            assert "emails" not in last
            ims = await patched(client, path, op("add", "addresses", [{"region": "x"}]))
            assert ims["addresses"] == [{"region": "x"}]
            gone = await patched(client, path, op("remove", "addresses[region pr].region"))
            assert "addresses" not in gone

    sqlite_door(body)


def test_a_new_primary_takes_the_mark_from_the_old_one(sqlite_door) -> None:
    """X-11."""

    async def body(bridge: Bridge) -> None:
        for number, client in enumerate(await both(bridge)):
            path = f"/Users/{(await people(client, f'm{number}', emails=[WORK, HOME]))[0]}"
            for change in (
                op("add", "emails", [{"value": "new@x.test", "primary": True}]),
                op("replace", 'emails[type eq "home"].primary', True),
            ):
                after = await patched(client, path, change)
                assert [each.get("primary", False) for each in after["emails"]].count(True) == 1
            assert next(each for each in after["emails"] if each.get("primary"))["type"] == "home"
            two = [{"value": "a", "primary": True}, {"value": "b", "primary": True}]
            refused(await client.patch(path, op("add", "emails", two)), 400, "invalidValue")

    sqlite_door(body)


def test_each_fault_has_its_scim_type_and_changes_nothing(door) -> None:
    """X-12, X-19."""

    async def body(bridge: Bridge) -> None:
        strict = await bridge.client("letter", "strict")
        path = f"/Users/{(await people(strict, 'maria'))[0]}"
        rows, before = await written(bridge), (await strict.get(path)).body
        for change, scim_type in (
            (op("replace", "name..x", "x"), "invalidPath"),
            (op("replace", "nobodyKnows", "x"), "invalidPath"),
            (op("replace", "__class__", "x"), "invalidPath"),
            (op("replace", "__proto__.polluted", "x"), "invalidPath"),
            ({"op": "replace", "value": {"__init__": "x", "title": "Dr"}}, "invalidPath"),
            (op("replace", "emails[type xx 1].value", "x"), "invalidFilter"),
            (op("replace", 'emails[nobody eq "x"].value', "x"), "invalidFilter"),
            (op("replace", "active", "maybe"), "invalidValue"),
            (op("replace", "name", "x"), "invalidValue"),
            ({"op": "replace", "path": "title", "value": "x", "extra": 1}, "invalidSyntax"),
        ):
            refused(await strict.patch(path, change), 400, scim_type)
        assert (await strict.get(path)).body == before
        assert await written(bridge) == rows

    door(body)


def test_paths_may_name_an_extension_or_a_part_of_it(sqlite_door) -> None:
    """X-14."""

    async def body(bridge: Bridge) -> None:
        for number, client in enumerate(await both(bridge)):
            path = f"/Users/{(await people(client, f'm{number}'))[0]}"
            one = await patched(client, path, op("add", f"{ENTERPRISE_URN}:employeeNumber", "7"))
            assert one[ENTERPRISE_URN] == {"employeeNumber": "7"}
            all_ = await patched(client, path, op("add", ENTERPRISE_URN, {"division": "D"}))
            assert all_[ENTERPRISE_URN] == {"employeeNumber": "7", "division": "D"}
            none = await patched(client, path, op("remove", ENTERPRISE_URN))
            assert none["schemas"] == [USER_URN]
            core = await patched(client, path, op("add", f"{USER_URN}:title", "Dr"))
            assert core["title"] == "Dr"

    sqlite_door(body)


def test_members_are_removed_by_filter_or_by_list_and_never_all_by_mistake(door) -> None:
    """X-15, X-17."""

    async def body(bridge: Bridge) -> None:
        entra = await bridge.client("entra")
        ids = await people(entra, *(f"u{n:02}" for n in range(60)))
        path = f"/Groups/{await made(entra, '/Groups', group())}"

        async def inside() -> list[str]:
            answer = (await entra.get(path)).body
            return sorted(member["value"] for member in answer.get("members", ()))

        many = [op("add", "members", [{"value": member}]) for member in ids]
        assert (await entra.patch(path, *many)).status == 204
        assert await inside() == sorted(ids)
        for change in (
            op("remove", f'members[value eq "{ids[0]}"]'),
            op("Remove", "members", [{"value": ids[1]}]),
        ):
            assert (await entra.patch(path, change)).status == 204
        assert await inside() == sorted(ids[2:])
        for odd in (op("remove", "members", {"nobody": "x"}), op("remove", "members", 7)):
            refused(await entra.patch(path, odd), 400, "invalidValue")
        assert await inside() == sorted(ids[2:])
        gone = [op("remove", f'members[value eq "{member}"]') for member in ids[2:54]]
        assert (await entra.patch(path, *gone)).status == 204
        assert await inside() == sorted(ids[54:])

    door(body)


def test_who_is_deactivated_is_still_there_and_comes_back(door) -> None:
    """X-16."""

    async def body(bridge: Bridge) -> None:
        for number, client in enumerate(await both(bridge)):
            for name, kind in ((f"m{number}", None), (f"bot{number}", "Agent")):
                path = f"/Users/{(await people(client, name, userType=kind))[0]}"
                assert (await patched(client, path, op("replace", "active", False)))["active"] is False
                assert (await client.get(path))["active"] is False
                assert (await client.get(f'/Users?filter=userName eq "{name}"'))["totalResults"] == 1
                assert (await patched(client, path, op("replace", "active", True)))["active"] is True

    door(body)
