"""Bodies, filters and addresses made to hurt: a proper refusal, a server that goes on, and nothing changed."""

from __future__ import annotations

import itertools
from typing import Any

from scim_bridge.registry.model import ENTERPRISE_URN, USER_URN
from tests.scim.bridge import Bridge
from tests.scim.proving import BULK_URN, PATCH_URN, group, made, op, people, refused, unharmed, user

DEEP = (b"[" * 10_000 + b"]" * 10_000, b'{"a":' * 10_000 + b"1" + b"}" * 10_000)


def test_ten_thousand_parentheses(door) -> None:
    """Q-16, X-12."""

    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")

        async def attack(maria: str, crew: str) -> None:
            for text in (
                "(" * 10_000,
                "(" * 4_000 + "title pr" + ")" * 4_000,
                "(" * 8_192,
                "title pr" + ")" * 8_000,
            ):
                refused(await client.get(f"/Users?filter={text}"), 400, "invalidFilter")
                for path in ("/Users/.search", "/Groups/.search", "/Agents/.search", "/.search"):
                    refused(await client.post(path, {"filter": text}), 400, "invalidFilter")
                for path, attribute in ((maria, "emails"), (crew, "members")):
                    answer = await client.patch(path, op("remove", f"{attribute}[{text}]"))
                    refused(answer, 400, answer["scimType"])
                    assert answer["scimType"] in ("invalidFilter", "invalidPath")

        await unharmed(bridge, client, attack)

    door(body)


def test_ten_thousand_operations(door) -> None:
    """X-02, B-08."""

    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")

        async def attack(maria: str, crew: str) -> None:
            fine, wrong = op("add", "externalId", "x"), op("add", "externalId", 7)
            joins = op("add", "members", [{"value": "nobody"}])
            stops = op("replace", "active", False)
            for path in (maria, crew):
                refused(await client.patch(path, *[fine] * 999, wrong), 400, "invalidValue")
                for many in ([fine] * 1_001, [fine] * 10_000, [{"op": "no"}] * 10_000, [stops] * 10_000):
                    said = refused(await client.patch(path, *many), 400, "invalidValue")["detail"]
                    assert said.startswith(f"{len(many)} operations are too many") and "at most 1000" in said
            refused(await client.patch(crew, *[joins] * 900, op("remove", "members", 7)), 400, "invalidValue")
            many = [{"method": "DELETE", "path": maria}] * 10_000
            refused(await client.post("/Bulk", {"schemas": [BULK_URN], "Operations": many}), 413)

        await unharmed(bridge, client, attack)
        (other,) = await people(client, "other")
        titles = [op("replace", "title", str(n)) for n in range(1_000)]
        done = await client.patch(f"/Users/{other}", *titles)
        assert (done.status, done["title"], done.headers["etag"]) == (200, "999", 'W/"2"')
        # One operation may have many values.
        mails = [{"value": f"m{n}@corp.test"} for n in range(200)]
        for sent, left in ((op("add", "emails", mails), 200), (op("remove", "emails", mails[:150]), 50)):
            done = await client.patch(f"/Users/{other}", sent)
            assert (done.status, len(done["emails"])) == (200, left)
        crowd = [{"value": f"m{n}"} for n in range(5_000)]
        crew = await made(client, "/Groups", group("Crowd"))
        for sent, left in (
            (op("add", "members", crowd), 5_000),
            (op("remove", "members", crowd[:4_000]), 1_000),
        ):
            done = await client.patch(f"/Groups/{crew}", sent)
            assert (done.status, len(done["members"])) == (200, left)

    door(body)


def test_json_ten_thousand_deep(door) -> None:
    """H-01, X-12."""

    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")

        async def attack(maria: str, crew: str) -> None:
            for deep in (
                *DEEP,
                b'{"Operations":' + DEEP[0] + b"}",
                b'{"userName":"x","name":' + DEEP[1] + b"}",
            ):
                for method, path in (
                    *(
                        ("POST", f"/{name}{part}")
                        for name in ("Users", "Groups", "Agents")
                        for part in ("", "/.search")
                    ),
                    *((method, path) for method in ("PUT", "PATCH") for path in (maria, crew)),
                    ("POST", "/Bulk"),
                    ("POST", "/.search"),
                ):
                    refused(await client.call(method, path, deep), 400, "invalidSyntax")

        await unharmed(bridge, client, attack)

    door(body)


def test_what_no_text_may_hold(door) -> None:
    """C-12, H-03: NUL, half a surrogate pair, and bytes that are no UTF-8."""

    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")

        async def attack(maria: str, crew: str) -> None:
            for text in (b"a\\u0000b", b"\\ud800", b"\\udc00\\ud800", b"\xff", b"\xed\xa0\x80"):
                for method, path, sent in (
                    ("POST", "/Users", b'{"userName":"%s"}'),
                    ("POST", "/Users", b'{"userName":"u","%s":1}'),
                    ("PUT", maria, b'{"userName":"u","title":"%s"}'),
                    ("PATCH", maria, b'{"Operations":[{"op":"add","path":"title","value":"%s"}]}'),
                    ("PATCH", maria, b'{"Operations":[{"op":"add","path":"%s","value":"x"}]}'),
                    (
                        "PATCH",
                        crew,
                        b'{"Operations":[{"op":"add","path":"members","value":[{"value":"%s"}]}]}',
                    ),
                    ("POST", "/Groups", b'{"displayName":"%s"}'),
                    ("POST", "/Agents", b'{"agentUserName":"%s"}'),
                    ("POST", "/Users/.search", b'{"filter":"userName eq \\"%s\\""}'),
                    ("POST", "/Bulk", b'{"Operations":[{"method":"POST","path":"/Users","bulkId":"%s"}]}'),
                ):
                    refused(await client.call(method, path, sent % text), 400, "invalidSyntax")
            for code in ("%00", "a%00b"):
                refused(await client.get(f"/Users?filter=userName%20eq%20%22{code}%22"), 400, "invalidValue")
                refused(await client.get(f"/Users/{code}"), 404)
                refused(await client.delete(f"/Groups/{code}"), 404)

        await unharmed(bridge, client, attack)

    door(body)


def test_keys_that_are_one_attribute_twice(door) -> None:
    """H-04."""

    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")

        async def attack(maria: str, crew: str) -> None:
            for method, path, sent in (
                ("POST", "/Users", b'{"userName":"a","USERNAME":"b"}'),
                ("POST", "/Users", b'{"userName":"a","emails":[{"value":"x","Value":"y"}]}'),
                ("PUT", maria, b'{"userName":"a","active":true,"Active":false}'),
                ("PUT", crew, b'{"displayName":"a","members":[],"MEMBERS":[{"value":"x"}]}'),
                ("PATCH", maria, b'{"Operations":[{"op":"add","value":{"title":"a","TITLE":"b"}}]}'),
                ("PATCH", maria, b'{"Operations":[{"op":"add","op":"remove","path":"title"}]}'),
                ("PATCH", maria, b'{"Operations":[{"op":"add","OP":"remove","path":"title"}]}'),
                ("PATCH", maria, b'{"Operations":[{"op":"remove","path":"title"}],"operations":[]}'),
                ("POST", "/.search", b'{"count":1,"COUNT":2}'),
                (
                    "POST",
                    "/Bulk",
                    b'{"Operations":[{"method":"PATCH","METHOD":"DELETE","path":"%b"}]}' % maria.encode(),
                ),
            ):
                for sender in (client, letter):
                    refused(await sender.call(method, path, sent), 400, "invalidSyntax")

        letter = await bridge.client("letter", "strict")
        await unharmed(bridge, client, attack)

    door(body)


def test_one_attribute_under_two_names(door) -> None:
    """H-04: bare and by its URN, as a whole and by a part. What says two things of `active` deactivates nobody."""
    contradictions: list[dict[str, Any]] = [
        {"active": False, f"{USER_URN}:active": True},
        {"active": False, USER_URN: {"active": True}},
        {"title": "a", f"{USER_URN}:title": "b"},
        {"name": {"familyName": "a"}, "name.familyName": "b"},
        {"emails": [{"value": "a"}], 'emails[type eq "work"].value': "b"},
        {ENTERPRISE_URN: {"department": "a"}, f"{ENTERPRISE_URN}:department": "b"},
        {ENTERPRISE_URN: {"department": "a"}, "department": "b"},
    ]

    async def body(bridge: Bridge) -> None:
        clients = [await bridge.client(name, name) for name in ("generic", "strict", "entra", "okta-put")]

        async def attack(maria: str, crew: str) -> None:
            for client, said in itertools.product(clients, contradictions):
                whole = {"schemas": [USER_URN], "userName": "two-names", **said}
                refused(await client.post("/Users", whole), 400, "invalidSyntax")
                refused(await client.put(maria, whole), 400, "invalidSyntax")
                refused(await client.patch(maria, {"op": "replace", "value": said}), 400, "invalidSyntax")
            part = {"manager": {"value": "x"}, "manager.value": "y"}
            operation = {"op": "add", "path": ENTERPRISE_URN, "value": part}
            refused(await clients[0].patch(maria, operation), 400, "invalidSyntax")

        await unharmed(bridge, clients[0], attack)
        two = {"name.familyName": "B", "name.givenName": "A", f"{ENTERPRISE_URN}:department": "C"}
        two |= {'emails[type eq "work"].value': "w@x.test", 'emails[type eq "home"].value': "h@x.test"}
        made = await clients[2].post("/Users", {"userName": "parts"})
        patched = await clients[2].patch(f"/Users/{made['id']}", {"op": "add", "value": two})
        assert patched.status == 200 and len(patched["emails"]) == 2 and patched["name"]["givenName"] == "A"

    door(body)


def test_urns_nobody_knows(door) -> None:
    """C-01, Q-05, X-12: refused in the letter; elsewhere passed over and never stored."""

    async def body(bridge: Bridge) -> None:
        client = await bridge.client("letter", "strict")
        strange = "urn:nobody:knows:2.0:This"

        async def attack(maria: str, crew: str) -> None:
            sent = user("x", **{strange: {"a": 1}})
            refused(await client.post("/Users", sent), 400, "invalidSyntax")
            refused(await client.put(maria, {**sent, "userName": "maria"}), 400, "invalidSyntax")
            refused(
                await client.post("/Users", {"schemas": [USER_URN, strange], "userName": "x"}),
                400,
                "invalidSyntax",
            )
            refused(await client.patch(maria, op("add", f"{strange}:a", 1)), 400, "invalidPath")
            refused(await client.post("/Users/.search", {"filter": f"{strange}:a pr"}), 400, "invalidFilter")
            message = {"schemas": [strange], "Operations": [op("add", "title", "x")]}
            refused(await client.call("PATCH", maria, message), 400, "invalidSyntax")
            refused(await client.get(f"/Schemas/{strange}"), 404)

        await unharmed(bridge, client, attack)
        plain = await bridge.client("plain")
        passed = await plain.post("/Users", user("y", **{strange: {"a": 1}}))
        assert strange not in passed.content.decode()

    door(body)


def test_ids_with_slashes(door) -> None:
    """H-08."""

    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")

        async def attack(maria: str, crew: str) -> None:
            for path in (f"/Users/..%2F..{maria}", f"{maria}/", f"{maria}/members", f"/Users/%2F{maria[7:]}"):
                if path.endswith("/"):
                    assert (await client.get(path)).status == 200
                    continue
                for method, sent in (("GET", None), ("PUT", user()), ("PATCH", message), ("DELETE", None)):
                    refused(await client.call(method, path, sent), 404)
            for name in ("a%2Fb", "%2F", "..%2F..%2Fetc%2Fpasswd", "%252F", ".search%2F", "%5C..%5C"):
                for endpoint in ("/Users", "/Groups", "/Agents", "/Schemas", "/ResourceTypes"):
                    refused(await client.get(f"{endpoint}/{name}"), 404)

        message = {"schemas": [PATCH_URN], "Operations": [op("add", "title", "x")]}
        await unharmed(bridge, client, attack)

    door(body)
