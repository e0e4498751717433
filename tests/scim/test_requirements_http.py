"""HTTP and media types as RFC 7644 demands them; the ids are those of docs/reference/scim-requirements.md."""

from __future__ import annotations

import ssl
from pathlib import Path

import httpx2
import uvicorn

from scim_bridge.cli.serve import OPTIONS
from scim_bridge.doors import doors
from scim_bridge.kernel.edge import Edge
from scim_bridge.registry.model import ENTERPRISE_URN, USER_URN
from scim_bridge.sandbox.kit.tls import ensure_ca
from tests.scim.bridge import Bridge, Client, Reply
from tests.scim.proving import group, made, op, people, refused, user

SCIM = "application/scim+json"


def test_bodies_and_answers_are_scim_json(sqlite_door) -> None:
    """H-01."""

    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        answers = [
            await client.post("/Users", user(), content_type=SCIM),
            await client.get("/Users"),
            await client.get("/ServiceProviderConfig"),
            await client.get("/Users/nobody"),
            await client.post("/Users", b"{"),
        ]
        assert [answer.status for answer in answers] == [201, 200, 200, 404, 400]
        for answer in answers:
            assert answer.headers["content-type"].split(";")[0] == SCIM
        refused(await client.post("/Users", b"<user/>", content_type="application/xml"), 415)

    sqlite_door(body)


def test_plain_json_is_taken_and_whatever_is_accepted_gets_scim_json(sqlite_door) -> None:
    """H-02."""

    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        sent = await client.post("/Users", user(), content_type="application/json; charset=utf-8")
        assert sent.status == 201
        for accept in (SCIM, "application/json", "*/*", "text/html", ""):
            answer = await client.get("/Users", accept=accept)
            assert answer.status == 200, accept
            assert answer.headers["content-type"].split(";")[0] == SCIM

    sqlite_door(body)


def test_names_and_urns_come_in_any_case_and_go_in_the_schemas(sqlite_door) -> None:
    """H-03."""

    async def body(bridge: Bridge) -> None:
        client = await bridge.client("letter", "strict")
        sent = {
            "SCHEMAS": [USER_URN.upper(), ENTERPRISE_URN.lower()],
            "USERNAME": "maria",
            "Name": {"GIVENNAME": "Müller"},
            ENTERPRISE_URN.upper(): {"DEPARTMENT": "Ops"},
        }
        answer = await client.post("/Users", sent)
        assert answer.status == 201, answer.content
        assert answer["userName"] == "maria"
        assert answer["name"] == {"givenName": "Müller"}
        assert answer[ENTERPRISE_URN] == {"department": "Ops"}
        assert answer["schemas"] == [USER_URN, ENTERPRISE_URN]
        assert "Müller".encode() in answer.content, "UTF-8, not escapes of another encoding"

    sqlite_door(body)


def test_two_keys_that_differ_in_case_only_are_refused(sqlite_door) -> None:
    """H-04."""

    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        for sent in (
            b'{"userName":"a","USERNAME":"b"}',
            b'{"userName":"a","userName":"b"}',
            b'{"userName":"a","name":{"givenName":"x","GivenName":"y"}}',
        ):
            refused(await client.post("/Users", sent), 400, "invalidSyntax")
        assert await bridge.count("sb_resource") == 0

    sqlite_door(body)


def test_a_create_answers_201_with_location_and_what_is_stored(sqlite_door) -> None:
    """H-05, C-05."""

    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        for path, sent in (("/Users", user()), ("/Groups", group()), ("/Agents", {"agentUserName": "bot"})):
            answer = await client.post(path, sent)
            assert answer.status == 201
            location = answer.headers["location"]
            assert (
                location == answer["meta"]["location"] == f"http://bridge.test/scim/v2{path}/{answer['id']}"
            )
            assert answer.headers["etag"] == answer["meta"]["version"]
            read = await client.get(f"{path}/{answer['id']}")
            assert (read.body, read.headers["etag"]) == (answer.body, answer.headers["etag"])

    sqlite_door(body)


def test_get_put_and_patch_answer_200_and_204_never_when_attributes_are_asked_for(sqlite_door) -> None:
    """H-06, U-03."""

    async def body(bridge: Bridge) -> None:
        client, entra = await bridge.client("plain"), await bridge.client("entra")
        path = f"/Users/{await made(client, '/Users', user())}"
        for answer in (
            await client.get(path),
            await client.put(path, user(title="Dr")),
            await client.patch(path, op("add", "title", "Prof")),
        ):
            assert answer.status == 200
            assert answer["userName"] == "maria"
        crew = f"/Groups/{await made(entra, '/Groups', group())}"
        silent = await entra.patch(crew, op("replace", "displayName", "Staff"))
        assert (silent.status, silent.content) == (204, b"")
        assert silent.headers["etag"] == 'W/"2"', "a 204 tells the version too"
        told = await entra.patch(f"{crew}?attributes=displayName", op("replace", "displayName", "Team"))
        assert (told.status, told["displayName"]) == (200, "Team")

    sqlite_door(body)


def test_what_is_deleted_is_gone_everywhere_and_its_name_is_free(door) -> None:
    """H-07."""

    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        for endpoint, sent in (("/Users", user(externalId="7")), ("/Groups", group())):
            key = "userName" if endpoint == "/Users" else "displayName"
            path = f"{endpoint}/{await made(client, endpoint, sent)}"
            answer = await client.delete(path)
            assert (answer.status, answer.content) == (204, b"")
            refused(await client.get(path), 404)
            refused(await client.put(path, sent), 404)
            refused(await client.patch(path, op("add", "externalId", "8")), 404)
            refused(await client.delete(path), 404)
            assert (await client.get(endpoint))["totalResults"] == 0
            assert (await client.post(f"{endpoint}/.search", {"filter": f"{key} pr"}))["totalResults"] == 0
            # Somebody who is created again is the same, with history and holds; a group is another one.
            again = await made(client, endpoint, sent)
            assert (again == path.rpartition("/")[2]) is (endpoint == "/Users")

    door(body)


def test_what_is_not_there_is_404_and_a_list_of_nothing_is_200(sqlite_door) -> None:
    """H-08."""

    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        for path in ("/Users/nobody", "/Groups/nobody", "/Agents/nobody", "/Teapots", "/Teapots/1", "/"):
            refused(await client.get(path), 404)
        for path in ("/Users", "/Groups", "/Agents", '/Users?filter=userName eq "nobody"'):
            answer = await client.get(path)
            assert (answer.status, answer["totalResults"]) == (200, 0)

    sqlite_door(body)


def test_501_401_and_403_are_told_apart(sqlite_door) -> None:
    """H-09, H-19: no token is read from the address."""

    async def body(bridge: Bridge) -> None:
        client, reader = await bridge.client("plain"), await bridge.client("plain", scopes=("read",))
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            refused(await client.call(method, "/Me", None if method == "GET" else {}), 501)
        nobody = Client(bridge.http, None, "nobody")
        for path in ("/Users", f"/Users?access_token={client.token}", f"/Users?token={client.token}"):
            answer = refused(await nobody.get(path), 401)
            assert answer.headers["www-authenticate"].startswith("Bearer")
            assert str(client.token) not in answer.content.decode()
        refused(await reader.post("/Users", user()), 403)
        refused(await reader.delete("/Users/nobody"), 403)
        assert await people(client, "maria"), "and the other token may"

    sqlite_door(body)


def test_tls_is_1_2_or_newer(tmp_path: Path) -> None:
    """H-19: as `scim-bridge serve --tls-cert --tls-key` opens it."""
    chain, key = ensure_ca(tmp_path).issue(["127.0.0.1"])
    config = uvicorn.Config(lambda: None, ssl_certfile=str(chain), ssl_keyfile=str(key), **OPTIONS)
    config.load()
    assert config.ssl is not None
    assert config.ssl.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_another_version_is_refused_by_its_name(sqlite_door) -> None:
    """H-18."""

    async def body(bridge: Bridge) -> None:
        edge = Edge(doors(bridge.app), None)
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(edge)) as http:
            client = Client(http, (await bridge.client("plain")).token, "plain")
            assert (await client.get("/Users")).status == 200
            for version in ("../v1", "../v3", "../V2", ".."):
                for method in ("GET", "POST"):
                    refused(await client.call(method, f"/{version}/Users", None), 400, "invalidVers")
            for nowhere in ("/scim", "/scim/", "/scim//v2", "/scim//v2/Users", "/scim///v2/Users/x"):
                there = await http.get("http://bridge.test" + nowhere)
                said = refused(Reply(there.status_code, there.content, there.headers), 404)["detail"]
                assert "/scim/v2" in said
                assert (await http.head("http://bridge.test" + nowhere)).content == b""

    sqlite_door(body)


def test_head_is_get_without_the_body_and_a_coded_body_is_refused(sqlite_door) -> None:
    """RFC 9110 sections 9.3.2 and 15.5.16."""

    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        one = f"/Users/{await made(client, '/Users', user())}"
        for path in ("/Users", one, "/Users?count=0", "/ServiceProviderConfig", "/Schemas", "/Users/nobody"):
            got, head = await client.get(path), await client.call("HEAD", path)
            assert (head.status, head.content) == (got.status, b"")
            for name in ("content-type", "content-length", "etag"):
                assert head.headers.get(name) == got.headers.get(name), (path, name)
        assert (await client.call("HEAD", "/Bulk")).status == 405
        refused(await client.post("/Users", user(), content_encoding="gzip"), 415)
        same = await client.put(one, user(), content_encoding="identity")
        assert same.status == 200

    sqlite_door(body)
