"""Bulk: references in any order, circles, errors, limits."""

from __future__ import annotations

from typing import Any

import orjson

from scim_bridge.registry.model import AGENT_URN, ENTERPRISE_URN
from tests.scim.bridge import Bridge, Client
from tests.scim.proving import op

REQUEST = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"


async def bulk(client: Client, *operations: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    """The outcomes of a Bulk request."""
    answer = await client.post("/Bulk", {"schemas": [REQUEST], "Operations": list(operations), **more})
    assert answer.status == 200, answer.content
    assert answer["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:BulkResponse"]
    return list(answer["Operations"])


def post(endpoint: str, bulk_id: str, **data: Any) -> dict[str, Any]:
    return {"method": "POST", "path": f"/{endpoint}", "bulkId": bulk_id, "data": data}


def test_every_method_and_its_outcome(door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        user = (await client.post("/Users", {"userName": "old"}))["id"]
        gone = (await client.post("/Users", {"userName": "gone"}))["id"]
        patch = {"Operations": [{"op": "add", "path": "title", "value": "x"}]}
        found = await bulk(
            client,
            post("Users", "new", userName="new"),
            {"method": "PUT", "path": f"/Users/{user}", "data": {"userName": "older"}, "version": 'W/"1"'},
            {"method": "PATCH", "path": f"/Users/{user}", "data": patch},
            {"method": "DELETE", "path": f"/Users/{gone}"},
            {"method": "PATCH", "path": f"/Users/{user}", "data": patch, "version": 'W/"1"'},
            post("Users", "again", userName="NEW"),
            {"method": "DELETE", "path": "/Users/nobody"},
        )
        assert [item["status"] for item in found] == ["201", "200", "200", "204", "412", "409", "404"]
        assert found[0]["bulkId"] == "new" and found[0]["location"].startswith(
            "http://bridge.test/scim/v2/Users/"
        )
        assert (found[0]["version"], found[2]["version"]) == ('W/"1"', 'W/"3"')
        assert found[5]["response"]["scimType"] == "uniqueness" and "location" not in found[5]
        assert found[6]["location"].endswith("/Users/nobody")
        assert (await client.get(f"/Users/{user}"))["userName"] == "older"

    door(body)


def test_references_are_resolved_whichever_way_they_point(door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        found = await bulk(
            client,
            post("Groups", "g", displayName="Crew", members=[{"value": "bulkId:a"}, {"value": "bulkId:m"}]),
            post("Agents", "a", agentUserName="bot", owners=[{"value": "bulkId:m"}]),
            post("Users", "m", userName="maria", **{ENTERPRISE_URN: {"manager": {"value": "bulkId:b"}}}),
            post("Users", "b", userName="boss"),
            {
                "method": "PATCH",
                "path": "/Groups/bulkId:g",
                "data": {"Operations": [{"op": "remove", "path": 'members[value eq "bulkId:m"]'}]},
            },
        )
        assert [item["status"] for item in found] == ["201", "201", "201", "201", "200"]
        assert [item.get("bulkId") for item in found] == ["g", "a", "m", "b", None], (
            "in the order they were sent"
        )
        ids = [item["location"].rpartition("/")[2] for item in found]
        group = (await client.get(f"/Groups/{ids[0]}")).body
        assert [member["value"] for member in group["members"]] == [ids[1]]
        assert (await client.get(f"/Users/{ids[1]}"))[AGENT_URN]["owner"]["value"] == ids[2]
        assert (await client.get(f"/Users/{ids[2]}"))[ENTERPRISE_URN]["manager"]["value"] == ids[3]

    door(body)


def test_two_who_refer_to_each_other_both_come_into_being(door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        found = await bulk(
            client,
            post("Users", "a", userName="a", **{ENTERPRISE_URN: {"manager": {"value": "bulkId:b"}}}),
            post("Users", "b", userName="b", **{ENTERPRISE_URN: {"manager": {"value": "bulkId:a"}}}),
        )
        assert [item["status"] for item in found] == ["201", "201"]
        first, second = [item["location"].rpartition("/")[2] for item in found]
        for user, manager in ((first, second), (second, first)):
            read = await client.get(f"/Users/{user}")
            assert read[ENTERPRISE_URN]["manager"]["value"] == manager
        assert found[0]["version"] == (await client.get(f"/Users/{first}")).headers["etag"]

    door(body)


def test_a_circle_of_groups_cannot_be_made_and_is_taken_back(door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        found = await bulk(
            client,
            post("Groups", "a", displayName="a", members=[{"value": "bulkId:b"}]),
            post("Groups", "b", displayName="b", members=[{"value": "bulkId:a"}]),
        )
        assert [item["status"] for item in found] == ["409", "201"]
        assert (await client.get("/Groups"))["totalResults"] == 1
        group = found[1]["location"].rpartition("/")[2]
        assert "members" not in (await client.get(f"/Groups/{group}")).body

    door(body)


def test_what_is_changed_beside_a_circle_is_kept(door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        manager = {name: {ENTERPRISE_URN: {"manager": {"value": f"bulkId:{name}"}}} for name in "ab"}
        title = {"Operations": [{"op": "add", "path": "title", "value": "kept"}]}
        found = await bulk(
            client,
            {"method": "PATCH", "path": "/Users/bulkId:a", "data": title},
            post("Users", "a", userName="a", **manager["b"]),
            post("Users", "b", userName="b", **manager["a"]),
        )
        assert [item["status"] for item in found] == ["200", "201", "201"]
        first = await client.get(f"/Users/{found[1]['location'].rpartition('/')[2]}")
        assert first["title"] == "kept", "completing the circle undoes nothing"
        assert first[ENTERPRISE_URN]["manager"]["value"] == found[2]["location"].rpartition("/")[2]

    door(body)


def test_of_a_circle_that_is_half_wrong_nothing_is_left(door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        found = await bulk(
            client,
            post("Groups", "a", displayName="a", members=[{"value": "bulkId:b"}]),
            post("Groups", "b", displayName="", members=[{"value": "bulkId:a"}]),
            {"method": "DELETE", "path": "/Groups/bulkId:a"},
        )
        assert [item["status"] for item in found] == ["409", "400", "409"]
        assert (await client.get("/Groups"))["totalResults"] == 0

    door(body)


def test_what_needs_something_that_failed_fails_and_the_rest_goes_on(door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        found = await bulk(
            client,
            post("Users", "bad", userName=""),
            post("Groups", "g", displayName="g", members=[{"value": "bulkId:bad"}]),
            post("Groups", "h", displayName="h", members=[{"value": "bulkId:nobody"}]),
            {"method": "BREW", "path": "/Users"},
            {"method": "POST", "path": "/Users", "data": {"userName": "x"}},
            {"method": "PUT", "path": "/Users", "data": {"userName": "x"}},
            {"method": "PATCH", "path": "/Users/x"},
            {"method": "POST", "path": "/Teapots", "bulkId": "t", "data": {}},
            post("Users", "good", userName="good"),
        )
        statuses = ["400", "409", "409", "400", "400", "400", "400", "404", "201"]
        assert [item["status"] for item in found] == statuses
        assert all(item["response"]["detail"] for item in found if item["status"] != "201")

    door(body)


def test_fail_on_errors_stops_and_leaves_the_rest_unanswered(door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        operations = [post("Users", str(n), userName="" if n in (1, 3) else f"u{n}") for n in range(6)]
        found = await bulk(client, *operations, failOnErrors=2)
        assert [item["status"] for item in found] == ["201", "400", "201", "400"]
        assert (await client.get("/Users"))["totalResults"] == 2

    door(body)


def test_limits_and_wrong_shapes_are_refused_as_a_whole(sqlite_door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        many = [post("Users", str(n), userName=f"u{n}") for n in range(1001)]
        answer = await client.post("/Bulk", {"schemas": [REQUEST], "Operations": many})
        assert answer.status == 413 and "maxOperations" in answer["detail"]
        big = orjson.dumps({"Operations": [], "padding": "x" * 1_100_000})
        assert (await client.post("/Bulk", big)).status == 413
        wrong: list[Any] = [
            {},
            {"Operations": {}},
            {"Operations": [7]},
            {"Operations": [{"method": 7}]},
            {"Operations": [], "failOnErrors": 0},
            {"Operations": [], "failOnErrors": "two"},
            {"Operations": [post("Users", "a", userName="a"), post("Users", "a", userName="b")]},
        ]
        for sent in wrong:
            answer = await client.post("/Bulk", sent)
            assert answer.status == 400, (sent, answer.content)
        assert await bridge.count("sb_resource") == 0

    sqlite_door(body)


def test_hundreds_of_creates_in_one_request(sqlite_door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        found = await bulk(
            client, *(post("Users", str(n), userName=f"u{n}", userType="Agent") for n in range(300))
        )
        assert {item["status"] for item in found} == {"201"}
        assert (await client.get("/Agents"))["totalResults"] == 300

    sqlite_door(body)


def test_a_text_that_looks_like_a_reference_is_a_text_where_no_ids_stand(door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        texts = [op("add", "title", "bulkId:m"), op("add", 'emails[type eq "work"].value', "bulkId:nobody")]
        found = await bulk(
            client,
            post("Users", "m", userName="maria", title="bulkId:zz", nickName="see bulkId:m"),
            post("Users", "n", userName="ben", emails=[{"value": "bulkId:zz", "display": "bulkId:m"}]),
            {"method": "PATCH", "path": "/Users/bulkId:n", "data": {"Operations": texts}},
            post(
                "Groups", "g", displayName="bulkId:m", members=[{"value": "bulkId:n", "display": "bulkId:n"}]
            ),
        )
        assert [item["status"] for item in found] == ["201", "201", "200", "201"], found
        maria, ben, _, crew = [
            (await client.get(item["location"].partition("/v2")[2])).body for item in found
        ]
        assert (maria["title"], maria["nickName"]) == ("bulkId:zz", "see bulkId:m")
        assert ben["title"] == "bulkId:m" and ben["emails"][0]["display"] == "bulkId:m"
        assert {each["value"] for each in ben["emails"]} == {"bulkId:zz", "bulkId:nobody"}
        assert crew["displayName"] == "bulkId:m" and crew["members"][0]["value"] == ben["id"]

    door(body)


def test_a_bulk_id_is_whatever_the_client_chose_slashes_and_all(door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        found = await bulk(
            client,
            {
                "method": "PATCH",
                "path": "/Users/bulkId:hr/7/m/",
                "data": {"Operations": [op("add", "title", "x")]},
            },
            post("Groups", "hr/g", displayName="g", members=[{"value": "bulkId:hr/7/m"}]),
            post("Users", "hr/7/m", userName="maria"),
            post("Users", "hr/7", userName="ben"),
            {"method": "DELETE", "path": "/Users/bulkId:hr/7"},
            {"method": "DELETE", "path": "/Users/bulkId:hr/8"},
        )
        assert [item["status"] for item in found] == ["200", "201", "201", "201", "204", "409"], found
        assert "hr/8" in found[5]["response"]["detail"]
        maria = found[2]["location"].rpartition("/")[2]
        assert found[0]["location"] == found[2]["location"]
        crew = await client.get(f"/Groups/{found[1]['location'].rpartition('/')[2]}")
        assert [each["value"] for each in crew["members"]] == [maria]

    door(body)


def test_references_are_read_in_every_form_an_id_may_have(door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("entra")
        manager = f"{ENTERPRISE_URN}:manager"
        for number, operation in enumerate(
            (
                op("add", manager, "bulkId:m"),
                op("add", manager, {"value": "bulkId:m"}),
                op("add", f"{manager}.value", "bulkId:m"),
                op("add", "manager", "bulkId:m"),
                {"op": "add", "value": {manager: "bulkId:m"}},
                {"op": "add", "value": {ENTERPRISE_URN: {"manager": {"value": "bulkId:m"}}}},
                {"op": "add", "value": {ENTERPRISE_URN: {"manager": "bulkId:m"}}},
            )
        ):
            found = await bulk(
                client,
                {"method": "PATCH", "path": "/Users/bulkId:u", "data": {"Operations": [operation]}},
                post("Users", "u", userName=f"u{number}"),
                post("Users", "m", userName=f"m{number}"),
            )
            assert [item["status"] for item in found] == ["200", "201", "201"], (operation, found)
            ids = [item["location"].rpartition("/")[2] for item in found]
            shown = await client.get(f"/Users/{ids[1]}")
            assert shown[ENTERPRISE_URN]["manager"]["value"] == ids[2], operation
        member = op("add", "members", [{"value": "bulkId:m"}])
        bare = op("add", "members", "bulkId:u")
        found = await bulk(
            client,
            {"method": "PATCH", "path": "/Groups/bulkId:g", "data": {"Operations": [member, bare]}},
            post("Groups", "g", displayName="g"),
            post("Users", "u", userName="last u"),
            post("Users", "m", userName="last m"),
        )
        group = await client.get(f"/Groups/{found[1]['location'].rpartition('/')[2]}")
        assert len(group["members"]) == 2 and all("type" in each for each in group["members"])

    door(body)
