"""What the server says about itself (RFC 7644 section 4, RFC 7643 sections 5 to 7), requirement by requirement."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from scim_bridge.registry.model import GROUP_URN, USER_URN
from scim_bridge.scim.schema import compiled
from tests.scim.bridge import Bridge
from tests.scim.proving import LIST_URN, refused

LISTS = ("/ResourceTypes", "/Schemas")
SCHEMES = {"oauth", "oauth2", "oauthbearertoken", "httpbasic", "httpdigest"}
TYPES = {"string", "boolean", "decimal", "integer", "dateTime", "binary", "reference", "complex"}


def test_the_configuration_is_one_object_and_the_others_are_lists_of_objects(sqlite_door) -> None:
    """H-10, H-11."""

    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        config = await client.get("/ServiceProviderConfig")
        assert config["schemas"] == ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"]
        for path in LISTS:
            listed = (await client.get(path)).body
            assert listed["schemas"] == [LIST_URN]
            assert listed["totalResults"] == len(listed["Resources"]) > 2
            for item in listed["Resources"]:
                one = await client.get(f"{path}/{item['id']}")
                assert (one.status, one.body) == (200, item)
                assert item["meta"]["location"] == f"http://bridge.test/scim/v2{path}/{item['id']}"

    sqlite_door(body)


def test_discovery_passes_over_paging_and_sorting_and_refuses_filters(sqlite_door) -> None:
    """H-12."""

    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        for path in ("/ServiceProviderConfig", *LISTS, f"/Schemas/{USER_URN}"):
            plain = await client.get(path)
            odd = "startIndex=9&count=0&sortBy=id&sortOrder=descending&attributes=id&cursor"
            assert (await client.get(f"{path}?{odd}")).body == plain.body
            refused(await client.get(f'{path}?filter=id eq "x"'), 403)

    sqlite_door(body)


def test_discovery_knows_get_only(sqlite_door) -> None:
    """H-13."""

    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        for path in ("/ServiceProviderConfig", *LISTS, f"/Schemas/{GROUP_URN}", "/ResourceTypes/Group"):
            for method in ("POST", "PUT", "PATCH", "DELETE"):
                assert refused(await client.call(method, path, {}), 405).headers["allow"] == "GET, HEAD"

    sqlite_door(body)


def test_the_configuration_tells_what_is_supported_and_it_is(sqlite_door) -> None:
    """H-14, H-15."""

    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        config = (await client.get("/ServiceProviderConfig")).body
        assert config["patch"] == {"supported": True}
        assert config["bulk"] == {"supported": True, "maxOperations": 1000, "maxPayloadSize": 65536}
        assert config["filter"] == {"supported": True, "maxResults": 7}
        assert config["changePassword"] == {"supported": False}
        assert config["sort"] == config["etag"] == {"supported": True}
        for scheme in config["authenticationSchemes"]:
            assert scheme["type"] in SCHEMES
            assert scheme["name"] and scheme["description"] and scheme["specUri"]
        assert [scheme["primary"] for scheme in config["authenticationSchemes"]].count(True) == 1
        paging = config["pagination"]
        assert (paging["cursor"], paging["index"]) == (True, True)
        assert paging["defaultPaginationMethod"] == "index"
        assert (paging["defaultPageSize"], paging["maxPageSize"]) == (5, 7)
        assert paging["cursorTimeout"] == 3600

    sqlite_door(body, max_body_kib=64, page_size=5, max_page_size=7)


def test_a_resource_type_names_itself_its_endpoint_and_schemas_that_are_served(sqlite_door) -> None:
    """H-16."""

    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        served = {item["id"] for item in (await client.get("/Schemas"))["Resources"]}
        for kind in (await client.get("/ResourceTypes"))["Resources"]:
            assert kind["id"] == kind["name"]
            assert kind["description"]
            assert (await client.get(kind["endpoint"])).status == 200
            assert kind["schema"] in served
            for extension in kind["schemaExtensions"]:
                assert extension["schema"] in served
                assert extension["required"] is False

    sqlite_door(body)


def walked(attributes: list[dict[str, Any]], within: str = "") -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every attribute with its path and the type of what holds it."""
    for attribute in attributes:
        yield within, attribute["name"], attribute
        yield from walked(attribute.get("subAttributes") or [], attribute["type"])


def test_schemas_give_every_characteristic_and_no_complex_attribute_within_another(sqlite_door) -> None:
    """H-17, C-13."""

    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        seen = 0
        for schema in (await client.get("/Schemas"))["Resources"]:
            assert schema["name"] and schema["description"]
            for within, name, attribute in walked(schema["attributes"]):
                seen += 1
                assert attribute["type"] in TYPES, name
                assert within != "complex" or attribute["type"] != "complex", name
                assert isinstance(attribute["multiValued"], bool), name
                assert isinstance(attribute["required"], bool), name
                assert attribute["mutability"] in ("readOnly", "readWrite", "immutable", "writeOnly")
                assert attribute["returned"] in ("always", "never", "default", "request")
                if attribute["type"] == "string":
                    assert isinstance(attribute["caseExact"], bool), name
                    assert attribute["uniqueness"] in ("none", "server", "global"), name
                if attribute["type"] == "reference":
                    assert attribute["referenceTypes"], name
        assert seen > 100

    sqlite_door(body)


def test_what_a_schema_does_not_say_has_the_rfcs_default() -> None:
    """C-07."""
    (plain,) = {id(each): each for each in compiled([{"name": "plain"}]).values()}.values()
    assert (plain.type, plain.multi, plain.required, plain.case_exact) == ("string", False, False, False)
    assert (plain.mutability, plain.returned, plain.uniqueness) == ("readWrite", "default", "none")
