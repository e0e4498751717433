"""Entity tags (RFC 7644 section 3.14) and Bulk (section 3.7), requirement by requirement, at the door."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson

from scim_bridge.registry.model import ENTERPRISE_URN
from tests.scim.bridge import Bridge, Client
from tests.scim.proving import BULK_URN, ERROR_URN, group, made, op, people, refused, user, written

RESPONSE = "urn:ietf:params:scim:api:messages:2.0:BulkResponse"


def test_every_answer_with_one_resource_has_its_tag(door) -> None:
    """E-01, E-02."""

    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        for endpoint, sent in (("/Users", user()), ("/Groups", group()), ("/Agents", {"agentUserName": "b"})):
            created = await client.post(endpoint, sent)
            path, tag = f"{endpoint}/{created['id']}", created.headers["etag"]
            assert tag == 'W/"1"'
            for answer in (created, await client.get(path), await client.put(path, sent)):
                assert answer.headers["etag"] == answer["meta"]["version"] == tag
            changed = await client.patch(path, op("add", "externalId", path))
            assert changed.headers["etag"] == changed["meta"]["version"] != tag
            for known in (changed.headers["etag"], "*", f'"9", {changed.headers["etag"]}'):
                same = await client.get(path, if_none_match=known)
                assert (same.status, same.content) == (304, b"")
                assert same.headers["etag"] == changed.headers["etag"]
            assert (await client.get(path, if_none_match=tag)).status == 200
            refused(await client.get(path, if_match=tag), 412)
            assert (await client.get(path, if_match=changed.headers["etag"])).status == 200

    door(body)


def test_a_change_of_another_version_is_refused_and_none_is_asked_for(door) -> None:
    """E-03, E-05."""

    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        for endpoint, sent, again in (
            ("/Users", user(), user("again")),
            ("/Groups", group(), group("again")),
            ("/AgenticApplications", {"name": "a"}, {"name": "again"}),
        ):
            path = f"{endpoint}/{await made(client, endpoint, sent)}"
            change = op("add", "externalId", "x")
            rows = await written(bridge)
            for stale in ('W/"7"', '"7"', 'W/"7", W/"8"', "nonsense"):
                refused(await client.patch(path, change, if_match=stale), 412)
                refused(await client.put(path, sent, if_match=stale), 412)
                refused(await client.delete(path, if_match=stale), 412)
            for here in ("*", 'W/"1"', 'W/"7", "1"'):
                refused(await client.patch(path, change, if_none_match=here), 412)
                refused(await client.put(path, sent, if_none_match=here), 412)
                refused(await client.delete(path, if_none_match=here), 412)
            assert await written(bridge) == rows
            assert (
                await client.patch(path, op("replace", "externalId", "y"), if_none_match='W/"7"')
            ).status == 200
            path = f"{endpoint}/{await made(client, endpoint, again)}"
            assert (await client.patch(path, change, if_match='W/"1"')).status == 200
            assert (await client.put(path, again, if_match='"2"')).status == 200, "compared weakly"
            assert (await client.put(path, again)).status == 200
            assert (await client.delete(path, if_match="*")).status == 204

    door(body)


def test_of_many_who_saw_one_version_one_changes_it(door) -> None:
    """E-04."""

    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        for endpoint, sent in (("/Users", user()), ("/Groups", group())):
            path = f"{endpoint}/{await made(client, endpoint, sent)}"
            calls = [client.patch(path, op("add", "externalId", f"x{n}"), if_match='W/"1"') for n in range(8)]
            statuses = sorted(answer.status for answer in await asyncio.gather(*calls))
            assert statuses == [200] + [412] * 7
            assert (await client.get(path)).headers["etag"] == 'W/"2"'

    door(body)


async def bulk(client: Client, *operations: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    """The outcomes of a Bulk request."""
    answer = await client.post("/Bulk", {"schemas": [BULK_URN], "Operations": list(operations), **more})
    assert (answer.status, answer["schemas"]) == (200, [RESPONSE]), answer.content
    return list(answer["Operations"])


def post(endpoint: str, bulk_id: str, data: dict[str, Any]) -> dict[str, Any]:
    """An operation that creates."""
    return {"method": "POST", "path": endpoint, "bulkId": bulk_id, "data": data}


def test_each_operation_of_a_bulk_request_has_its_outcome(door) -> None:
    """B-01, B-02, B-03, B-10, E-06."""

    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        maria, ben = await people(client, "maria", "ben")
        change = {"Operations": [op("add", "title", "x")]}
        found = await bulk(
            client,
            post("/Users", "new", user("new")),
            {"method": "PUT", "path": f"/Users/{maria}", "data": user("maria", title="y")},
            {"method": "PATCH", "path": f"/Users/{maria}", "data": change, "version": 'W/"2"'},
            {"method": "DELETE", "path": f"/Users/{ben}"},
            {"method": "PATCH", "path": f"/Users/{maria}", "data": change, "version": 'W/"1"'},
            post("/Users", "again", user("NEW")),
            {"method": "POST", "path": "/Users", "data": user("nameless")},
            {"method": "PUT", "data": user("pathless")},
            {"method": "PATCH", "path": f"/Users/{maria}"},
        )
        statuses = ["201", "200", "200", "204", "412", "409", "400", "404", "400"]
        assert [each["status"] for each in found] == statuses
        assert [each["method"] for each in found[:4]] == ["POST", "PUT", "PATCH", "DELETE"]
        assert (found[0]["bulkId"], found[0]["version"]) == ("new", 'W/"1"')
        for each in found:
            failed = each["status"][0] != "2"
            assert ("location" in each) is not (failed and each["method"] == "POST")
            assert ("response" in each) is failed
            if failed:
                assert each["response"]["schemas"] == [ERROR_URN]
                assert each["response"]["status"] == each["status"]

    door(body)


def test_a_bulk_request_goes_on_through_errors_unless_told_to_stop(door) -> None:
    """B-04."""

    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")

        def operations(prefix: str) -> list[dict[str, Any]]:
            return [post("/Users", str(n), user("" if n in (1, 3) else f"{prefix}{n}")) for n in range(6)]

        found = await bulk(client, *operations("a"))
        assert [each["status"] for each in found] == ["201", "400", "201", "400", "201", "201"]
        for most, statuses in ((1, ["201", "400"]), (2, ["201", "400", "201", "400"])):
            found = await bulk(client, *operations(f"b{most}"), failOnErrors=most)
            assert [each["status"] for each in found] == statuses
        assert (await client.get("/Users"))["totalResults"] == 4 + 1 + 2

    door(body)


def test_bulk_ids_stand_for_what_is_made_wherever_it_is_named(door) -> None:
    """B-05, B-06, B-07, B-09."""

    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")

        def manager(bulk_id: str) -> dict[str, Any]:
            return {ENTERPRISE_URN: {"manager": {"value": f"bulkId:{bulk_id}"}}}

        joins = {"Operations": [op("add", "members", [{"value": "bulkId:m"}])]}
        found = await bulk(
            client,
            post("/Groups", "g", group(members=[{"value": "bulkId:b"}])),
            post("/Users", "m", user("maria", **manager("b"))),
            post("/Users", "b", user("boss", **manager("m"))),
            {"method": "PATCH", "path": "/Groups/bulkId:g", "data": joins},
            post("/Groups", "lost", group("Lost", members=[{"value": "bulkId:nobody"}])),
        )
        assert [each["status"] for each in found] == ["201", "201", "201", "200", "409"]
        crew, maria, boss = [each["location"].rpartition("/")[2] for each in found[:3]]
        inside = (await client.get(f"/Groups/{crew}"))["members"]
        assert {each["value"] for each in inside} == {maria, boss}
        for one, other in ((maria, boss), (boss, maria)):
            assert (await client.get(f"/Users/{one}"))[ENTERPRISE_URN]["manager"]["value"] == other
        twice = [post("/Users", "same", user("x")), post("/Users", "same", user("y"))]
        refused(await client.post("/Bulk", {"schemas": [BULK_URN], "Operations": twice}), 400, "invalidValue")
        circle = await bulk(
            client,
            post("/Groups", "one", group("One", members=[{"value": "bulkId:two"}])),
            post("/Groups", "two", group("Two", members=[{"value": "bulkId:one"}])),
        )
        assert sorted(each["status"] for each in circle) == ["201", "409"], "groups contain no circle"

    door(body)


def test_a_bulk_request_that_is_too_large_is_refused_by_name_of_the_limit(sqlite_door) -> None:
    """B-08."""

    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        rows = await written(bridge)
        many = [post("/Users", str(n), user(f"u{n}")) for n in range(1001)]
        answer = await client.post("/Bulk", {"schemas": [BULK_URN], "Operations": many})
        assert "maxOperations" in refused(answer, 413)["detail"]
        large = orjson.dumps({"schemas": [BULK_URN], "Operations": [], "padding": "x" * 1_100_000})
        assert "1048576 bytes" in refused(await client.post("/Bulk", large), 413)["detail"]
        assert "1048576 bytes" in refused(await client.post("/Bulk", b"{" * 1_100_000), 413)["detail"]
        assert await written(bridge) == rows

    sqlite_door(body)
