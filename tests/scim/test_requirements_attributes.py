"""Common attributes, types and mutability (RFC 7643 sections 2 and 3), requirement by requirement, at the door."""

from __future__ import annotations

import itertools
import re
from typing import Any

from scim_bridge.registry.model import AGENT_URN, ENTERPRISE_URN, USER_URN
from tests.scim.bridge import Bridge
from tests.scim.proving import group, made, op, people, refused, user, written

UUID_V7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def test_schemas_list_what_is_there_and_in_the_letter_are_asked_for(sqlite_door) -> None:
    """C-01."""

    async def body(bridge: Bridge) -> None:
        plain, strict = await bridge.client("plain"), await bridge.client("letter", "strict")
        for wrong in (
            {"userName": "a"},
            {"userName": "a", "schemas": []},
            {"userName": "a", "schemas": ["urn:nobody:knows"]},
            {"userName": "a", "schemas": [ENTERPRISE_URN]},
            {"userName": "a", "schemas": [USER_URN, USER_URN]},
            {"userName": "a", "schemas": [USER_URN], ENTERPRISE_URN: {"department": "Ops"}},
        ):
            refused(await strict.post("/Users", wrong), 400, "invalidSyntax")
        answer = await plain.post("/Users", {"userName": "a", ENTERPRISE_URN: {"department": "Ops"}})
        assert answer["schemas"] == [USER_URN, ENTERPRISE_URN]
        for path in ("/Users", "/Groups", "/Schemas", "/ServiceProviderConfig", "/nowhere"):
            assert (await plain.get(path))["schemas"]

    sqlite_door(body)


def test_ids_are_ours_stay_and_are_never_given_again(sqlite_door) -> None:
    """C-02."""

    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        answer = await client.post("/Users", user(id="bulkId:mine"))
        first = answer["id"]
        assert UUID_V7.fullmatch(first)
        assert (await client.put(f"/Users/{first}", user("other", id="mine")))["id"] == first
        refused(await client.get(f"/Users/{first.upper()}"), 404)
        await client.delete(f"/Users/{first}")
        assert await made(client, "/Users", user()) != first

    sqlite_door(body)


def test_an_external_id_belongs_to_its_connection(sqlite_door) -> None:
    """C-03."""

    async def body(bridge: Bridge) -> None:
        one, two = await bridge.client("one"), await bridge.client("two")
        (mine,) = await people(one, "a", externalId="X1")
        (yours,) = await people(two, "b", externalId="X1")
        for client, own in ((one, mine), (two, yours)):
            listed = await client.get('/Users?filter=externalId eq "X1"')
            assert [each["id"] for each in listed["Resources"]] == [own]
            assert (await client.get('/Users?filter=externalId eq "x1"'))["totalResults"] == 0
        answer = await one.patch(f"/Users/{mine}", op("replace", "externalId", "X2"))
        assert answer["externalId"] == "X2"

    sqlite_door(body)


def test_meta_is_ours_whole_and_agrees_with_the_headers(sqlite_door) -> None:
    """C-04, C-05."""

    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        odd = {"resourceType": "Teapot", "created": "1999", "version": "9", "location": "x"}
        answer = await client.post("/Users", user(meta=odd))
        meta = answer["meta"]
        assert meta.keys() == {"resourceType", "created", "lastModified", "location", "version"}
        assert meta["resourceType"] == "User"
        assert meta["location"] == answer.headers["location"]
        assert meta["version"] == answer.headers["etag"]
        assert meta["created"] == meta["lastModified"]
        bridge.clock.advance(seconds=60)
        path = f"/Users/{answer['id']}"
        after = await client.put(path, user(title="Dr", meta=odd))
        assert after["meta"]["created"] == meta["created"] < after["meta"]["lastModified"]
        assert after.headers["etag"] == after["meta"]["version"] != meta["version"]

    sqlite_door(body)


def test_a_write_that_changes_nothing_leaves_version_and_time_alone(door) -> None:
    """C-06."""

    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        (maria,) = await people(client, "maria", roles=[{"value": "a"}, {"value": "b"}])
        crew = await made(client, "/Groups", group(members=[{"value": maria}]))
        meta = (await client.get(f"/Users/{maria}"))["meta"]
        before = (await client.get(f"/Groups/{crew}"))["meta"]
        rows = await written(bridge)
        bridge.clock.advance(seconds=60)
        same = user("maria", roles=[{"value": "b"}, {"value": "a"}])
        assert (await client.put(f"/Users/{maria}", same))["meta"] == meta
        for nothing in (
            op("add", "roles", [{"value": "a"}]),
            op("replace", "userName", "maria"),
            op("remove", "title"),
        ):
            assert (await client.patch(f"/Users/{maria}", nothing))["meta"] == meta
        again = await client.patch(f"/Groups/{crew}", op("add", "members", [{"value": maria}]))
        assert again["meta"] == before
        assert await written(bridge) == rows

    door(body)


def test_null_absent_and_empty_are_one_and_are_not_shown(sqlite_door) -> None:
    """C-08."""

    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        full = {"title": "Dr", "roles": [{"value": "a"}], "name": {"givenName": "M"}}
        (maria,) = await people(client, "maria", **full)
        for empty in ({"title": None, "roles": [], "name": {}}, {}, {"roles": None, "name": None}):
            answer = await client.put(f"/Users/{maria}", user(**empty))
            assert not {"title", "roles", "name"} & answer.body.keys()
            await client.put(f"/Users/{maria}", user(**full))

    sqlite_door(body)


def test_one_element_is_primary_at_most_and_none_is_there_twice(sqlite_door) -> None:
    """C-09, C-10."""

    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        two = [{"value": "a@x.test", "primary": True}, {"value": "b@x.test", "primary": True}]
        refused(await client.post("/Users", user(emails=two)), 400, "invalidValue")
        twice = [{"value": "a@x.test", "type": "work"}, {"value": "a@x.test", "type": "work"}]
        (maria,) = await people(client, "maria")
        answer = await client.patch(f"/Users/{maria}", op("add", "emails", twice))
        assert answer["emails"] == twice[:1]
        again = await client.patch(f"/Users/{maria}", op("add", "emails", twice[0]))
        assert again["emails"] == twice[:1]
        for sender, path in itertools.product(
            (client, await bridge.client("letter", "strict")),
            ('emails[type eq "work"].value', "emails.value", 'emails[value sw "b"].value'),
        ):
            others = [{"value": "a@x.test", "type": "work"}, {"value": "b@x.test", "type": "work"}]
            await sender.patch(f"/Users/{maria}", op("replace", "emails", others))
            made_one = await sender.patch(f"/Users/{maria}", op("replace", path, "a@x.test"))
            assert (made_one.status, made_one["emails"]) == (200, twice[:1]), path

    sqlite_door(body)


def test_values_are_of_their_type(sqlite_door) -> None:
    """C-11, C-12."""

    async def body(bridge: Bridge) -> None:
        client, strict = await bridge.client("plain"), await bridge.client("letter", "strict")

        def agent(name: str, **more: Any) -> dict[str, Any]:
            return user(name, userType="Agent", **{AGENT_URN: more})

        for wrong in ("2026-11-23", "10:00:00Z", "2026-13-01T00:00:00Z", 1795000000, "tomorrow"):
            refused(await client.post("/Users", agent("bot", expiresAt=wrong)), 400, "invalidValue")
        kept = await client.post("/Users", agent("bot", expiresAt="2027-11-23T10:00:00+02:00"))
        assert kept[AGENT_URN]["expiresAt"].startswith("2027-11-23T")
        for sent, status in (("aGVsbG8=", 201), ("not base64!", 400), (7, 400)):
            answer = await strict.post("/Users", user("cert", x509Certificates=[{"value": sent}]))
            assert answer.status == status, (sent, answer.content)
        assert await client.get("/Users?filter=x509Certificates.value eq %22AGVSBG8=%22")
        shouted = await client.post("/Users/.search", {"filter": 'x509Certificates.value eq "AGVSBG8="'})
        assert shouted["totalResults"] == 0, "binary compares exactly"
        refused(await strict.post("/Users", user("b", active="True")), 400, "invalidValue")
        assert (await client.post("/Users", user("b", active="False")))["active"] is False
        for wrong in (1, "maybe"):
            refused(await client.post("/Users", user("c", active=wrong)), 400, "invalidValue")

    sqlite_door(body)


def test_what_is_read_only_is_ignored_in_a_document_and_refused_in_a_patch(sqlite_door) -> None:
    """C-17, C-19, C-22, X-10."""

    async def body(bridge: Bridge) -> None:
        strict, client = await bridge.client("letter", "strict"), await bridge.client("plain")
        boss, maria = await people(strict, "boss", "maria")
        crew = await made(strict, "/Groups", group(members=[{"value": maria}]))
        path = f"/Users/{maria}"
        said = {"value": boss, "displayName": "Somebody Else"}
        sent = user("maria", groups=[{"value": "nobody"}], **{ENTERPRISE_URN: {"manager": said}})
        answer = await strict.put(path, sent)
        assert [each["value"] for each in answer["groups"]] == [crew]
        assert answer[ENTERPRISE_URN]["manager"].get("displayName") != "Somebody Else"
        before = (await strict.get(path)).body
        for name, value in (
            ("id", "x"),
            ("meta.created", "2026-01-01T00:00:00Z"),
            ("groups", [{"value": crew}]),
            (f"{ENTERPRISE_URN}:manager.displayName", "x"),
        ):
            for change in (op("add", name, value), op("replace", name, value), op("remove", name)):
                refused(await strict.patch(path, change), 400, "mutability")
            tolerated = await client.patch(path, op("replace", name, value))
            assert tolerated.status == 200, "other dialects pass over it"
        assert (await strict.get(path)).body == before
        await strict.patch(f"/Groups/{crew}", op("remove", f'members[value eq "{maria}"]'))
        assert "groups" not in (await strict.get(path)).body

    sqlite_door(body)


def test_required_attributes_are_asked_for_and_stay(sqlite_door) -> None:
    """C-15, C-18, C-25, X-10."""

    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        for endpoint, name, sent in (("/Users", "userName", user()), ("/Groups", "displayName", group())):
            path = f"{endpoint}/{await made(client, endpoint, sent)}"
            for missing in ({"schemas": sent["schemas"]}, {**sent, name: None}, {**sent, name: ""}):
                refused(await client.post(endpoint, missing), 400, "invalidValue")
                refused(await client.put(path, missing), 400, "invalidValue")
            refused(await client.patch(path, op("remove", name)), 400, "mutability")
            assert (await client.get(path))[name] == sent[name]

    sqlite_door(body)
