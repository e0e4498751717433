"""Promises of roles and entitlements: discovered by Okta, shown on users, and assigned as membership.

Sources: Okta's guide to SCIM with entitlements and its Entitlements test (exported 2025-11): /ResourceTypes names
the endpoints by Okta's two URNs; users carry `roles` and `entitlements`; assignments arrive as PUT of the user, in
which an absent list means none.
"""

from __future__ import annotations

from typing import Any

import pytest

from scim_bridge.inventory.problems import ManifestProblems
from scim_bridge.inventory.service import import_manifest
from scim_bridge.kernel.errors import Invalid
from scim_bridge.kernel.work import Work
from scim_bridge.registry.connections import configure_connection, create_connection
from tests.conftest import MASTER, TESTER
from tests.scim.bridge import Bridge, Client
from tests.scim.conftest import Door

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
OURS = "urn:ietf:params:scim:schemas:extension:scimbridge:2.0:Group"
ROLE = "urn:okta:scim:schemas:core:1.0:Role"
ENTITLEMENT = "urn:okta:scim:schemas:core:1.0:Entitlement"


async def group(client: Client, name: str, **said: Any) -> str:
    """A new group's id."""
    body: dict[str, Any] = {"schemas": [GROUP, OURS], "displayName": name}
    made = await client.post("/Groups", body | ({OURS: said} if said else {}))
    assert made.status == 201, made.content
    return str(made["id"])


async def user(client: Client, name: str = "ann", **more: Any) -> dict[str, Any]:
    """A new user as answered."""
    made = await client.post("/Users", {"schemas": [USER], "userName": name, **more})
    assert made.status == 201, made.content
    return dict(made.body)


async def members(client: Client, group_id: str) -> list[str]:
    """Who is in a group."""
    return [item["value"] for item in (await client.get(f"/Groups/{group_id}")).body.get("members", [])]


def test_okta_finds_the_endpoints_and_reads_them_page_by_page(door: Door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("okta")
        for number in range(3):
            await group(client, f"g{number}", description=f"Grants {number}. " + "x" * 2000)
        await group(client, "Admin", kind="role", description="Everything.")
        types = {item["schema"]: item for item in (await client.get("/ResourceTypes"))["Resources"]}
        assert {(types[urn]["endpoint"], types[urn]["id"]) for urn in (ROLE, ENTITLEMENT)} == {
            ("/Roles", "Role"),
            ("/Entitlements", "Entitlement"),
        }
        for urn in (ROLE, ENTITLEMENT):
            assert (await client.get(f"/Schemas/{urn}")).status == 200
            page = await client.get(f"{types[urn]['endpoint']}?count=1&startIndex=1")
            assert (page["itemsPerPage"], page["startIndex"]) == (1, 1)
        page = (await client.get("/Entitlements?count=2&startIndex=2")).body
        assert page["totalResults"] == 3
        assert [item["displayName"] for item in page["Resources"]] == ["g1", "g2"]
        one = page["Resources"][0]
        assert one["schemas"] == [ENTITLEMENT] and one["type"] == "Entitlement"
        assert one["description"].startswith("Grants 1.") and len(one["description"]) == 1000
        assert one["meta"]["location"].endswith(f"/Entitlements/{one['id']}")
        assert (await client.get(f"/Entitlements/{one['id']}")).body == one
        role = (await client.get("/Roles"))["Resources"]
        assert [(item["displayName"], item["description"]) for item in role] == [("Admin", "Everything.")]
        assert "type" not in role[0] and (await client.get(f"/Entitlements/{role[0]['id']}")).status == 404
        found = await client.get('/Entitlements?filter=displayName eq "G2"')
        assert [item["displayName"] for item in found["Resources"]] == ["g2"]
        found = await client.get(
            '/Entitlements?filter=displayName co "g" and description co "2."&attributes=type'
        )
        assert [set(item) for item in found["Resources"]] == [{"schemas", "id", "type"}]
        # They are groups, and changed there.
        assert (await client.post("/Entitlements", {"displayName": "x"})).status == 405
        assert (await client.delete(f"/Entitlements/{one['id']}")).status == 405

    door(body)


def test_an_endpoint_without_anything_in_it_is_not_named(sqlite_door: Door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("okta")

        async def named() -> set[str]:
            return {item["id"] for item in (await client.get("/ResourceTypes"))["Resources"]}

        assert not await named() & {"Role", "Entitlement"}
        made = await group(client, "g")
        assert await named() & {"Role", "Entitlement"} == {"Entitlement"}
        path = f"{OURS}:kind"
        await client.patch(f"/Groups/{made}", {"op": "add", "path": path, "value": "role"})
        assert await named() & {"Role", "Entitlement"} == {"Role"}
        assert (await client.get("/Entitlements"))["totalResults"] == 0
        wrong = await client.patch(f"/Groups/{made}", {"op": "add", "path": path, "value": "king"})
        assert wrong.status == 400

    sqlite_door(body)


@pytest.mark.parametrize("dialect", ["entra", "generic", "strict"])
def test_others_see_nothing_of_it_unless_they_ask(sqlite_door: Door, dialect: str) -> None:
    async def body(bridge: Bridge) -> None:
        okta = await bridge.client("okta")
        other = await bridge.client("other", dialect)
        asking = await bridge.client("asking", dialect, entitlements="on")
        refusing = await bridge.client("refusing", "okta-put", entitlements="off")
        made = await group(okta, "g")
        ann = await user(okta, entitlements=[{"value": made}])
        for client, sees in ((other, False), (asking, True), (refusing, False)):
            types = {item["schema"] for item in (await client.get("/ResourceTypes"))["Resources"]}
            schemas = {item["id"] for item in (await client.get("/Schemas"))["Resources"]}
            assert (ENTITLEMENT in types) is (ENTITLEMENT in schemas) is sees
            assert (await client.get("/Entitlements")).status == (200 if sees else 404)
            assert (await client.post("/Entitlements/.search", {})).status == (200 if sees else 404)
            assert ("entitlements" in (await client.get(f"/Users/{ann['id']}")).body) is sees
        # What they write there is kept as an attribute, and grants nothing.
        eve = (
            await other.post("/Users", {"schemas": [USER], "userName": "eve", "roles": [{"value": made}]})
        ).body
        assert eve["roles"] == [{"value": made}] and "groups" not in eve

    sqlite_door(body)


def test_assigning_is_membership_and_shown_wherever_the_user_is(door: Door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("okta")
        pay, read, admin = (
            await group(client, "Pay"),
            await group(client, "Read"),
            await group(client, "Admin", kind="role"),
        )
        ann = await user(client, entitlements=[{"value": pay, "display": "Pay", "type": "Entitlement"}])
        address = f"/Users/{ann['id']}"
        assert ann["entitlements"] == [{"value": pay, "display": "Pay", "type": "Entitlement"}]
        assert await members(client, pay) == [ann["id"]]
        sent = {
            "schemas": [USER],
            "userName": "ann",
            "roles": [{"value": admin, "display": "Admin"}],
            "entitlements": [{"value": read, "type": "Entitlement"}, {"value": "elsewhere", "display": "E"}],
        }
        put = (await client.put(address, sent)).body
        assert put["roles"] == [{"value": admin, "display": "Admin"}]
        assert put["entitlements"] == [
            {"value": "elsewhere", "display": "E"},
            {"value": read, "display": "Read", "type": "Entitlement"},
        ]
        assert [item["display"] for item in put["groups"]] == ["Admin", "Read"]
        assert await members(client, pay) == [] and await members(client, admin) == [ann["id"]]
        assert (await client.get(address)).body == put
        assert (await client.get("/Users"))["Resources"] == [put]
        shown = (await client.get(f"{address}?attributes=entitlements")).body
        assert shown["entitlements"] == put["entitlements"] and set(shown) == {
            "schemas",
            "id",
            "entitlements",
        }
        assert set((await client.get(f"{address}?excludedAttributes=roles,entitlements")).body) == set(
            put
        ) - {
            "roles",
            "entitlements",
        }
        for text in (
            f'entitlements.value eq "{read}"',
            f'roles[value eq "{admin}"]',
            'entitlements.display eq "E"',
        ):
            found = await client.call("POST", "/Users/.search", {"filter": text})
            assert found["totalResults"] == 1, text
        # The same once more changes nothing, and what comes from the other side is shown here.
        versions = [(await client.get(f"/Groups/{one}"))["meta"]["version"] for one in (pay, read, admin)]
        assert (await client.put(address, put)).body == put
        assert versions == [
            (await client.get(f"/Groups/{one}"))["meta"]["version"] for one in (pay, read, admin)
        ]
        await client.patch(
            f"/Groups/{pay}", {"op": "add", "path": "members", "value": [{"value": ann["id"]}]}
        )
        names = [item["display"] for item in (await client.get(address))["entitlements"]]
        assert names == ["E", "Pay", "Read"]
        added = [row for row in await bridge.audit("group.members_added") if row[1]["members"] == [ann["id"]]]
        assert len(added) == 4

    door(body)


def test_a_list_that_is_not_sent_stays_unless_the_connection_manages_it(door: Door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("okta")
        pay, admin = await group(client, "Pay"), await group(client, "Admin", kind="role")
        ann = await user(client, entitlements=[{"value": pay}], roles=[{"value": admin}])
        address = f"/Users/{ann['id']}"
        plain = {"schemas": [USER], "userName": "ann"}
        await client.put(address, plain)
        assert await members(client, pay) == await members(client, admin) == [ann["id"]]
        put = await client.put(address, plain | {"roles": []})
        assert "roles" not in put.body and [item["display"] for item in put["entitlements"]] == ["Pay"]

        async def manage(work: Work) -> None:
            await configure_connection(work, MASTER, "okta", settings={"entitlements": "managed"})

        await bridge.store.transact(TESTER, manage)
        put = await client.put(address, plain | {"roles": [{"value": admin}]})
        assert "entitlements" not in put.body and await members(client, pay) == []
        put = await client.put(address, plain)
        assert "roles" not in put.body and "groups" not in put.body

    door(body)


def test_patch_adds_and_removes_them_one_by_one(door: Door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("okta", "okta-patch")
        pay, read = await group(client, "Pay"), await group(client, "Read")
        ann = await user(client)
        address = f"/Users/{ann['id']}"
        added = await client.patch(
            address, {"op": "add", "path": "entitlements", "value": [{"value": pay}, {"value": read}]}
        )
        assert [item["display"] for item in added["entitlements"]] == ["Pay", "Read"]
        left = await client.patch(address, {"op": "remove", "path": f'entitlements[value eq "{pay}"]'})
        assert [item["display"] for item in left["entitlements"]] == ["Read"]
        assert await members(client, pay) == [] and await members(client, read) == [ann["id"]]
        # A PATCH about something else leaves them alone.
        other = await client.patch(address, {"op": "replace", "value": {"displayName": "Ann"}})
        assert [item["display"] for item in other["entitlements"]] == ["Read"]
        gone = await client.patch(address, {"op": "remove", "path": "entitlements"})
        assert "entitlements" not in gone.body and await members(client, read) == []

    door(body)


def test_an_agent_gets_what_is_assigned_and_decisions_see_it(door: Door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("okta")
        pay = await group(client, "Pay")
        bot = await user(client, "bot", userType="Agent", entitlements=[{"value": pay}])
        assert [item["display"] for item in bot["groups"]] == ["Pay"]
        agent = (await client.get(f"/Agents/{bot['id']}")).body
        assert [item["display"] for item in agent["groups"]] == ["Pay"]
        # The same create once more finds what the first one made.
        again = {"schemas": [USER], "userName": "bot2", "userType": "Agent", "externalId": "x"}
        first = await user(client, "bot2", userType="Agent", externalId="x", entitlements=[{"value": pay}])
        second = await client.post("/Users", again | {"entitlements": [{"value": pay}]})
        assert (second.status, second["id"]) == (201, first["id"])

    door(body)


def test_who_may_not_write_groups_cannot_assign(sqlite_door: Door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("okta")
        pay = await group(client, "Pay")
        ann = await user(client, entitlements=[{"value": pay}])
        narrow = await bridge.client("okta", scopes=("read", "users"))
        sent = {"schemas": [USER], "userName": "ann", "displayName": "A"}
        assert (await narrow.put(f"/Users/{ann['id']}", sent | {"entitlements": []})).status == 403
        assert await members(client, pay) == [ann["id"]]
        assert (
            await narrow.put(f"/Users/{ann['id']}", sent | {"entitlements": [{"value": pay}]})
        ).status == 200
        post = {"schemas": [USER], "userName": "eve", "entitlements": [{"value": pay}]}
        assert (await narrow.post("/Users", post)).status == 403
        assert (await client.get('/Users?filter=userName eq "eve"'))["totalResults"] == 0

    sqlite_door(body)


def test_bulk_assigns_like_a_single_request(door: Door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("okta")
        pay = await group(client, "Pay")
        steps = [
            {
                "method": "POST",
                "path": "/Users",
                "bulkId": f"b{n}",
                "data": {"schemas": [USER], "userName": f"u{n}", "entitlements": [{"value": pay}]},
            }
            for n in range(3)
        ]
        urn = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
        answer = await client.post("/Bulk", {"schemas": [urn], "Operations": steps})
        assert [item["status"] for item in answer["Operations"]] == ["201"] * 3
        assert len(await members(client, pay)) == 3

    door(body)


def test_a_group_push_leaves_what_a_group_is(door: Door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("okta")
        admin = await group(client, "Admin", kind="role", description="Everything.")
        put = await client.put(
            f"/Groups/{admin}", {"schemas": [GROUP], "displayName": "Admins", "members": []}
        )
        assert put.status == 200 and put[OURS] == {"kind": "role", "description": "Everything."}
        assert [item["displayName"] for item in (await client.get("/Roles"))["Resources"]] == ["Admins"]

    door(body)


def test_the_setting_has_three_values(sqlite_door: Door) -> None:
    async def body(bridge: Bridge) -> None:
        async def wrong(work: Work) -> None:
            await create_connection(work, MASTER, "x", "okta", settings={"entitlements": "yes"})

        with pytest.raises(Invalid, match="entitlements"):
            await bridge.store.transact(TESTER, wrong)

    sqlite_door(body)


def test_a_manifest_says_what_a_group_is_and_one_that_does_not_leaves_it(sqlite_door: Door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("okta")

        async def imported(text: str) -> int:
            result = await import_manifest(bridge.store, TESTER, text.encode(), "m.yaml")
            return int(result.as_dict()["updated"])

        await imported("groups: [{name: Admin, kind: role}, {name: Pay}]")
        assert [item["displayName"] for item in (await client.get("/Roles"))["Resources"]] == ["Admin"]
        assert await imported("groups: [{name: Admin, description: All}, {name: Pay}]") == 1
        role = (await client.get("/Roles"))["Resources"][0]
        assert (role["displayName"], role["description"]) == ("Admin", "All")
        assert await imported("groups: [{name: Admin, kind: entitlement}, {name: Pay}]") == 1
        assert (await client.get("/Roles"))["totalResults"] == 0
        assert (await client.get("/Entitlements"))["totalResults"] == 2
        with pytest.raises(ManifestProblems, match="1 problem"):
            await imported("groups: [{name: Admin, kind: king}]")

    sqlite_door(body)


def test_a_groups_id_in_other_letters_is_refused_and_hides_no_group(door: Door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("okta")
        payments, ann = await group(client, "Payments"), (await user(client))["id"]

        def add(value: str) -> dict[str, Any]:
            return {"op": "add", "path": "entitlements", "value": [{"value": value}]}

        refused = await client.patch(f"/Users/{ann}", add(payments.upper()))
        assert refused.status == 400 and refused["scimType"] == "invalidValue"
        assert payments in refused["detail"]
        assert (await client.patch(f"/Users/{ann}", add("PAYMENTS"))).status == 200, "any other text is kept"
        added = await client.patch(f"/Users/{ann}", add(payments))
        assert [one["value"] for one in added["groups"]] == [payments]

    door(body)
