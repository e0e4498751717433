"""Whatever is sent, the answer is a SCIM error that says what was wrong, and nothing changed."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from scim_bridge.kernel.work import Work
from scim_bridge.registry import people
from scim_bridge.registry.model import AGENT_URN, GROUP_URN, USER_URN
from scim_bridge.registry.standing import standing
from scim_bridge.registry.tokens import create_token, new_token, revoke_token
from tests.conftest import MASTER, TESTER
from tests.scim.bridge import Bridge, Client
from tests.scim.proving import PATCH_URN, op, refused


def user(name: str = "a@x.example", **more: Any) -> dict[str, Any]:
    return {"schemas": [USER_URN], "userName": name, **more}


def test_without_a_good_token_every_address_answers_401(door) -> None:
    async def body(bridge: Bridge) -> None:
        good = await bridge.client("okta", days=1)
        other = await bridge.client("okta")

        async def admin(work):
            return await create_token(work, MASTER, connection_id=None, scopes=("admin",))

        tokens = {
            "absent": None,
            "malformed": "nonsense",
            "unknown": new_token(),
            "mistyped": str(good.token)[:-1] + ("0" if str(good.token)[-1] != "0" else "1"),
        }
        for name, token in tokens.items():
            for path in ("/Users", "/Users/x", "/nowhere", "/ServiceProviderConfig"):
                answer = refused(await Client(bridge.http, token, name).get(path), 401)
                assert answer.headers["www-authenticate"].startswith("Bearer")
                assert token is None or token not in answer.content.decode()
        assert (await good.get("/Users")).status == 200
        bridge.clock.advance(days=1.1)
        refused(await good.get("/Users"), 401)
        row = await bridge.store.reads.one("SELECT id FROM sb_token WHERE expires IS NULL")
        assert (await other.get("/Users")).status == 200
        await bridge.store.transact(TESTER, lambda work: revoke_token(work, row["id"]))
        refused(await other.get("/Users"), 401)
        api = Client(bridge.http, await bridge.store.transact(TESTER, admin), "admin")
        refused(await api.get("/Users"), 403)

    door(body)


def test_a_token_may_do_what_its_scopes_say_and_no_more(door) -> None:
    async def body(bridge: Bridge) -> None:
        reader = await bridge.client("okta", scopes=("read",))
        users = await bridge.client("okta", scopes=("users",))
        groups = await bridge.client("okta", scopes=("groups",))
        made = await users.post("/Users", user())
        assert made.status == 201
        path = f"/Users/{made['id']}"
        refused(await users.get(path), 403)
        assert (await reader.get(path)).status == 200
        assert (await reader.post("/Users/.search", {"count": 1})).status == 200
        refused(await reader.post("/Users", user("b")), 403)
        refused(await reader.put(path, user()), 403)
        refused(await groups.patch(path, {"op": "add", "path": "title", "value": "x"}), 403)
        refused(await groups.delete(path), 403)
        refused(await users.post("/Groups", {"displayName": "g"}), 403)
        assert (await groups.post("/Groups", {"displayName": "g"})).status == 201
        bulk = {
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
            "Operations": [
                {"method": "POST", "path": "/Groups", "bulkId": "1", "data": {"displayName": "h"}}
            ],
        }
        assert (await users.post("/Bulk", bulk))["Operations"][0]["status"] == "403"

    door(body)


BODIES = [
    (b"", "invalidSyntax"),
    (b"{", "invalidSyntax"),
    (b"not json", "invalidSyntax"),
    (b'{"userName":"a",}', "invalidSyntax"),
    (b"\xff\xfe{}", "invalidSyntax"),
    (b"[]", "invalidSyntax"),
    (b'"text"', "invalidSyntax"),
    (b"null", "invalidSyntax"),
    (b"[" * 10_000 + b"]" * 10_000, "invalidSyntax"),
    (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "invalidSyntax"),
    (b'{"userName":"a","userName":"b"}', "invalidSyntax"),
    (b'{"userName":"a","USERNAME":"b"}', "invalidSyntax"),
    (b'{"userName":"a\\u0000b"}', "invalidSyntax"),
    (b'{"userName":"\\ud800"}', "invalidSyntax"),
    (b'{"userName":NaN}', "invalidSyntax"),
    (b"{}", "invalidValue"),
    (b'{"userName":null}', "invalidValue"),
    (b'{"userName":""}', "invalidValue"),
    (b'{"userName":7}', "invalidValue"),
    (b'{"userName":["a","b"]}', "invalidValue"),
    (b'{"userName":{"a":1}}', "invalidValue"),
    (b'{"userName":"a","emails":[7]}', "invalidValue"),
    (b'{"userName":"a","emails":[[1]]}', "invalidValue"),
    (b'{"userName":"a","name":"x"}', "invalidValue"),
    (b'{"userName":"a","active":"maybe"}', "invalidValue"),
    (b'{"userName":"a","active":7}', "invalidValue"),
    (b'{"userName":"a","externalId":7}', "invalidValue"),
    (
        b'{"userName":"a","emails":[{"value":"x","primary":true},{"value":"y","primary":true}]}',
        "invalidValue",
    ),
    (b'{"userName":"' + b"a" * 3000 + b'"}', "invalidValue"),
    (b'{"userName":"a","externalId":"' + b"a" * 3000 + b'"}', "invalidValue"),
    (b'{"userName":"a","emails":[{"value":"' + b"a" * 3000 + b'"}]}', "invalidValue"),
    (b'{"userName":"a","userType":"Agent","%s":"x"}' % AGENT_URN.encode(), "invalidValue"),
    (
        b'{"userName":"a","userType":"Agent","%s":{"expiresAt":"tomorrow"}}' % AGENT_URN.encode(),
        "invalidValue",
    ),
    (
        b'{"userName":"a","userType":"Agent","%s":{"expiresAt":"9999-99-99T00:00:00Z"}}' % AGENT_URN.encode(),
        "invalidValue",
    ),
    (
        b'{"userName":"a","userType":"Agent","%s":{"owner":{"value":"stranger"}}}' % AGENT_URN.encode(),
        "invalidValue",
    ),
]


def test_bodies_that_are_wrong_are_refused_and_leave_nothing_behind(door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain", "generic")
        there = (await client.post("/Users", user("there@x.example")))["id"]
        rows, effects = await bridge.count("sb_audit"), await bridge.count("sb_effect")
        before = (await client.get(f"/Users/{there}")).content
        for sent, scim_type in BODIES:
            for method, path in (("POST", "/Users"), ("PUT", f"/Users/{there}")):
                if method == "PUT" and b"stranger" in sent:
                    continue  # a person has no owner, and cannot become an agent
                refused(await client.call(method, path, sent), 400, scim_type)
        assert (await client.get("/Users"))["totalResults"] == 1
        assert (await client.get(f"/Users/{there}")).content == before
        assert await bridge.count("sb_audit") == rows
        assert await bridge.count("sb_effect") == effects

    door(body)


PATCHES: list[tuple[Any, str]] = [
    ([], "invalidSyntax"),
    ("x", "invalidSyntax"),
    ([7], "invalidSyntax"),
    ([{}], "invalidSyntax"),
    ([{"op": "explode", "path": "title", "value": "x"}], "invalidSyntax"),
    ([{"op": 7}], "invalidSyntax"),
    ([{"op": "remove"}], "noTarget"),
    ([{"op": "add", "path": "name..x", "value": "x"}], "invalidPath"),
    ([{"op": "add", "path": "emails[", "value": "x"}], "invalidPath"),
    ([{"op": "add", "path": 7, "value": "x"}], "invalidSyntax"),
    ([{"op": "replace", "path": "userName", "value": ""}], "invalidValue"),
    ([{"op": "remove", "path": "userName"}], "mutability"),
    ([{"op": "replace", "path": "emails", "value": 7}], "invalidValue"),
    ([{"op": "replace", "path": "active", "value": "maybe"}], "invalidValue"),
    ([{"op": "replace", "path": "userName", "value": "x" * 3000}], "invalidValue"),
    ([{"op": "replace", "path": "emails[type eq]", "value": "x"}], "invalidFilter"),
    (
        [{"op": "add", "path": "title", "value": "x"}, {"op": "replace", "path": "name", "value": 3}],
        "invalidValue",
    ),
]


def test_patches_that_are_wrong_change_nothing(door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain", "generic")
        there = (await client.post("/Users", user("there@x.example")))["id"]
        before = (await client.get(f"/Users/{there}")).content
        rows = await bridge.count("sb_audit")
        for operations, scim_type in PATCHES:
            sent = {"schemas": [PATCH_URN], "Operations": operations}
            answer = await client.call("PATCH", f"/Users/{there}", sent)
            assert answer.status == 400, (operations, answer.content)
            assert refused(answer, 400, answer["scimType"])["scimType"] in (
                scim_type,
                "invalidFilter",
                "invalidPath",
            )
        assert (await client.get(f"/Users/{there}")).content == before
        assert await bridge.count("sb_audit") == rows

    door(body)


FILTERS = [
    "userName",
    "userName eq",
    'userName eq "a',
    'userName xx "a"',
    'userName eq "a" and',
    "(" * 3000 + 'userName eq "a"' + ")" * 3000,
    'unheardOf eq "a"',
    "active gt true",
    'userName eq "a" or ' * 400 + 'userName eq "a"',
    'userName eq "' + "a" * 9000 + '"',
    'userName eq "\\u0000"',
    "emails[type eq",
    'password eq "x"',
]


def test_filters_that_are_wrong_are_refused_and_never_answered_with_everything(door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain", "generic")
        await client.post("/Users", user())
        for text in FILTERS:
            refused(await client.post("/Users/.search", {"filter": text}), 400, "invalidFilter")
        refused(await client.get("/Users?filter=userName%20eq%20%22a%00b%22"), 400, "invalidValue")
        refused(await client.get("/Users?" + "&".join(f"a{n}=1" for n in range(100))), 400, "invalidValue")
        refused(await client.get("/Users?filter=" + "a" * 40_000), 414)
        refused(await client.get("/Users?count=many"), 400, "invalidValue")
        refused(await client.get("/Users?startIndex=1.5"), 400, "invalidValue")
        for wrong in (
            {"filter": 7},
            {"count": "x"},
            {"count": True},
            {"attributes": [7]},
            {"startIndex": 1.5},
        ):
            refused(await client.post("/Users/.search", wrong), 400, "invalidValue")

    door(body)


def test_ids_nobody_has_are_404_whatever_is_in_them(door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain", "generic")
        for name in (
            "nobody",
            "a%2Fb",
            "..%2F..%2Fetc",
            "%00",
            "%F0%9F%A4%96",
            "'%20OR%201=1",
            "x" * 2000,
            "%FF",
            "*",
        ):
            for endpoint in ("/Users", "/Groups", "/Agents"):
                refused(await client.get(f"{endpoint}/{name}"), 404)
            refused(await client.put(f"/Users/{name}", user()), 404)
            refused(await client.patch(f"/Users/{name}", {"op": "add", "path": "title", "value": "x"}), 404)
            refused(await client.delete(f"/Users/{name}"), 404)
        assert await bridge.count("sb_resource") == 0, "PUT creates nothing"

    door(body)


def test_what_is_of_another_kind_is_not_found_here(door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain", "generic")
        person = (await client.post("/Users", user()))["id"]
        group = (await client.post("/Groups", {"displayName": "g"}))["id"]
        for path in (f"/Groups/{person}", f"/Agents/{person}", f"/Users/{group}", f"/Agents/{group}"):
            refused(await client.get(path), 404)
            refused(await client.delete(path), 404)
            name = {"Groups": "displayName", "Agents": "agentUserName", "Users": "userName"}[
                path.split("/")[1]
            ]
            refused(await client.put(path, {name: "x"}), 404)

    door(body)


def test_addresses_and_methods_nobody_knows_are_json_errors(sqlite_door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain", "generic")
        for path in ("", "/", "/nothing", "/Users/a/b", "/users", "/Schemas/a/b", "/Bulk/x", "/.search/x"):
            refused(await client.get(path), 404)
        answer = refused(await client.call("PUT", "/Users", user()), 405)
        assert answer.headers["allow"] == "GET, HEAD, POST"
        answer = refused(await client.post("/Users/x", user()), 405)
        assert answer.headers["allow"] == "GET, HEAD, PUT, PATCH, DELETE"
        for path in (
            "/ServiceProviderConfig",
            "/ResourceTypes",
            "/Schemas",
            f"/Schemas/{USER_URN}",
            "/ResourceTypes/User",
        ):
            for method in ("POST", "PUT", "PATCH", "DELETE"):
                assert refused(await client.call(method, path, {}), 405).headers["allow"] == "GET, HEAD"
        for method in ("GET", "POST", "PATCH", "DELETE"):
            refused(await client.call(method, "/Me", None if method == "GET" else {}), 501)
        refused(await client.call("BREW", "/Users"), 405)
        assert (await client.get("/Users/")).status == 200, "a trailing slash is answered, not redirected"

    sqlite_door(body)


def test_bodies_are_limited_before_they_are_read(sqlite_door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain", "generic")
        refused(await client.post("/Users", b'{"userName":"' + b"a" * 20_000 + b'"}'), 413)
        refused(await client.call("POST", "/Users", b"{}", content_length="99999999999999999999"), 413)
        refused(await client.post("/Users", b"<user/>", content_type="application/xml"), 415)
        plain = await client.post("/Users", orjson.dumps(user()), content_type="application/json")
        assert plain.status == 201

    sqlite_door(body, max_body_kib=16)


def test_a_group_without_a_name_or_with_nameless_members_is_refused(door) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain", "generic")
        for wrong in (
            {},
            {"displayName": ""},
            {"displayName": "g", "members": [{"value": 7}]},
            {"displayName": "g", "members": [{"value": "x" * 3000}]},
            {"displayName": "x" * 3000},
        ):
            refused(await client.post("/Groups", {"schemas": [GROUP_URN], **wrong}), 400, "invalidValue")
        assert await bridge.count("sb_resource") == 0
        assert await bridge.count("sb_member") == 0

    door(body)


def test_strict_refuses_what_the_tolerant_dialects_read(door) -> None:
    async def body(bridge: Bridge) -> None:
        strict = await bridge.client("letter", "strict")
        made = await strict.post("/Users", user())
        assert made.status == 201
        refused(await strict.post("/Users", {"userName": "b"}), 400, "invalidSyntax")
        refused(await strict.post("/Users", user("b", favouriteColour="green")), 400, "invalidSyntax")
        refused(await strict.post("/Users", user("b", active="True")), 400, "invalidValue")
        refused(
            await strict.post(
                "/Groups", {"schemas": [GROUP_URN], "displayName": "g", "members": [{"value": "nobody"}]}
            ),
            400,
            "invalidValue",
        )
        group = (await strict.post("/Groups", {"schemas": [GROUP_URN], "displayName": "g"}))["id"]
        listed = {"op": "remove", "path": "members", "value": [{"value": made["id"]}]}
        refused(await strict.patch(f"/Groups/{group}", listed), 400, "invalidValue")
        refused(await strict.post("/Users", user()), 409, "uniqueness")

    door(body)


@pytest.mark.parametrize("given", ["ok-1", "bad\r\nset-cookie: x", "x" * 500])
def test_a_request_id_is_given_back_when_it_is_harmless(sqlite_door, given: str) -> None:
    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain", "generic")
        answer = await client.get("/Users", x_request_id=given.replace("\r\n", " "))
        echoed = answer.headers["x-request-id"]
        assert (echoed == given) is (given == "ok-1")
        assert 0 < len(echoed) <= 64

    sqlite_door(body)


def test_names_nobody_could_read_are_refused_and_those_that_are_there_stay_usable(door) -> None:
    async def body(bridge: Bridge) -> None:
        for dialect in ("strict", "generic", "okta-put", "entra"):
            client = await bridge.client(dialect, dialect)
            made = await client.post("/Users", user(f"fine {dialect}"))
            assert made.status == 201
            address = f"/Users/{made['id']}"
            for name in ("  ", " a", "a ", "a\n", "a\r\nb", "a\x01b", "\u00a0", "a\x7f", "\x85"):
                refused(await client.post("/Users", user(name)), 400, "invalidValue")
                refused(await client.put(address, user(name)), 400, "invalidValue")
                refused(await client.patch(address, op("replace", "userName", name)), 400, "invalidValue")
            assert (await client.get(address))["userName"] == f"fine {dialect}"
        agents = await bridge.client("generic", "generic")
        refused(await agents.post("/Agents", {"agentUserName": "bot "}), 400, "invalidValue")
        await bridge.store.transact(TESTER, lambda work: was_there(work, made["id"]))
        kept = await agents.patch(address, op("replace", "title", "x"))
        assert (kept.status, kept["userName"]) == (200, "old "), "what was taken before can be worked with"

    async def was_there(work: Work, person_id: str) -> None:
        before = await standing(work, person_id)
        doc = {**before.resource.doc, "userName": "old "}
        await people.save_person(work, before, await people.described(work, before, doc, True))

    door(body)
