"""Order, pages, projection and search as RFC 7644 sections 3.4.2 to 3.4.3 and 3.9 demand them, and RFC 9865."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from scim_bridge.registry.model import ENTERPRISE_URN, USER_URN
from tests.scim.bridge import Bridge, Client
from tests.scim.proving import BULK_URN, LIST_URN, group, made, op, people, refused, user, written


async def names(client: Client, query: str, path: str = "/Users") -> list[str]:
    """The userNames on one page."""
    answer = await client.get(f"{path}?{query}")
    assert answer.status == 200, (query, answer.content)
    return [each["userName"] for each in answer.body.get("Resources", ())]


def test_order_follows_the_attribute_and_who_lacks_it_is_last_or_descending_first(door) -> None:
    """S-01, S-02, S-04."""

    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        for name, title in (("Zoe", "b"), ("adam", "É"), ("Mia", None), ("élan", "A")):
            await made(client, "/Users", user(name, title=title))
        assert await names(client, "sortBy=userName") == ["adam", "Mia", "Zoe", "élan"]
        assert await names(client, "sortBy=USERNAME&sortOrder=Descending") == ["élan", "Zoe", "Mia", "adam"]
        assert await names(client, "sortBy=title") == ["élan", "Zoe", "adam", "Mia"]
        assert await names(client, "sortBy=title&sortOrder=descending") == ["Mia", "adam", "Zoe", "élan"]
        assert await names(client, "sortBy=title&startIndex=2&count=2") == ["Zoe", "adam"]
        refused(await client.get("/Users?sortBy=title&sortOrder=sideways"), 400, "invalidValue")

    door(body)


def test_a_complex_attribute_is_sorted_by_a_part_of_its_primary_or_first_element(door) -> None:
    """S-03."""

    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        for name, first, second in (
            ("a", "3@x.test", None),
            ("b", "1@x.test", "9@x.test"),
            ("c", "2@x.test", None),
        ):
            emails = [{"value": first}, *([{"value": second, "primary": True}] if second else [])]
            await made(client, "/Users", user(name, name={"familyName": f"F{first}"}, emails=emails))
        assert await names(client, "sortBy=emails.value") == ["c", "a", "b"]
        assert await names(client, "sortBy=name.familyName") == ["b", "c", "a"]
        refused(await client.get("/Users?sortBy=name"), 400, "invalidValue")

    door(body)


def test_a_list_says_what_it_is_and_how_much_there_is(door) -> None:
    """G-01, G-02, G-03, G-04."""

    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        await people(client, "a", "b", "c")
        whole = (await client.get("/Users")).body
        assert whole["schemas"] == [LIST_URN]
        assert (whole["totalResults"], len(whole["Resources"])) == (3, 3)
        for query, start, listed in (
            ("startIndex=2&count=1", 2, ["b"]),
            ("startIndex=0&count=2", 1, ["a", "b"]),
            ("startIndex=-5&count=2", 1, ["a", "b"]),
            ("count=0", 1, []),
            ("count=-3", 1, []),
            ("startIndex=4", 4, []),
            ("startIndex=400&count=5", 400, []),
        ):
            answer = await client.get(f"/Users?{query}")
            assert (answer.status, answer["totalResults"]) == (200, 3), query
            assert (answer["startIndex"], answer["itemsPerPage"]) == (start, len(listed)), query
            assert [each["userName"] for each in answer.body.get("Resources", ())] == listed, query

    door(body)


def test_pages_hold_everybody_once_whatever_happens_meanwhile(door) -> None:
    """G-05."""

    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        ids = await people(client, *(f"u{n:02}" for n in range(11)))
        for query in ("", "sortBy=title&", "filter=userName sw %22u%22&"):
            seen: list[str] = []
            for start in range(1, 12, 3):
                seen += await names(client, f"{query}startIndex={start}&count=3")
            assert seen == [f"u{n:02}" for n in range(11)], query
        seen = await names(client, "startIndex=1&count=4")
        await client.delete(f"/Users/{ids[0]}")
        seen += await names(client, "startIndex=5&count=4") + await names(client, "startIndex=9&count=4")
        assert seen == [f"u{n:02}" for n in range(11)], "nobody is passed over because another went"

    door(body)


ORDERS = ("", "userName", "meta.created", "meta.lastModified", "title", "nickName")
FILTERS = (None, 'userName sw "p"', 'userName ew "x"', 'emails eq "all@x.test" and title pr')
GOING: tuple[Callable[[list[str]], list[str]], ...] = (list, lambda page: page[:1], lambda page: page[-1:])


@pytest.mark.parametrize("descending", [False, True])
def test_who_stays_is_on_one_page_whoever_goes_meanwhile(door, descending: bool) -> None:
    """G-05, P-01: in every order, by number and by cursor, whoever of a page is deleted before the next is read."""

    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        direction = "descending" if descending else "ascending"
        lists = itertools.product(ORDERS, FILTERS, ("startIndex", "cursor"))
        for (order, text, by), going in zip(lists, itertools.cycle(GOING), strict=False):
            said = {"filter": text, "sortBy": order or None, "sortOrder": direction}
            await one_list(client, {name: value for name, value in said.items() if value}, by, going)

    door(body)


async def one_list(
    client: Client, said: dict[str, Any], by: str, going: Callable[[list[Any]], list[Any]]
) -> None:
    """Page through nine people while some go; everybody there at the start is shown once."""
    operations = [
        {"method": "POST", "path": "/Users", "bulkId": str(n), "data": user(f"p{n}x", **numbered(n))}
        for n in range(9)
    ]
    created = (await client.post("/Bulk", {"schemas": [BULK_URN], "Operations": operations}))["Operations"]
    left = {each["location"].rpartition("/")[2] for each in created}
    seen: list[str] = []
    at: dict[str, Any] = {by: "" if by == "cursor" else 1}
    while True:
        answer = await client.post("/Users/.search", {**said, **at, "count": 2})
        assert answer.status == 200, answer.content
        page = [each["id"] for each in answer["Resources"]]
        seen += page
        at = {by: answer.body.get("nextCursor") if by == "cursor" else len(seen) + 1}
        if at[by] is None or not page:
            break
        gone = going(page)
        left -= set(gone)
        away = [{"method": "DELETE", "path": f"/Users/{each}"} for each in gone]
        await client.post("/Bulk", {"schemas": [BULK_URN], "Operations": away})
    assert len(seen) == len(set(seen)) == 9, (said, by, len(seen))
    away = [{"method": "DELETE", "path": f"/Users/{each}"} for each in left]
    await client.post("/Bulk", {"schemas": [BULK_URN], "Operations": away})


def numbered(n: int) -> dict[str, Any]:
    """What people are sorted by: titles and nicknames that repeat, some without."""
    more = {"nickName": f"{'n' * 300}{n}"} if n % 3 else {}
    return {"title": f"t{n % 4}", "emails": [{"value": "all@x.test"}], **more}


def test_a_page_is_a_hundred_by_default_and_never_more_than_allowed(sqlite_door) -> None:
    """G-06, G-07."""

    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        await bridge_filled(client, 205)
        assert len((await client.get("/Users"))["Resources"]) == 100
        assert len((await client.get("/Users?count=150"))["Resources"]) == 150
        capped = await client.get("/Users?count=100000")
        assert (capped["totalResults"], len(capped["Resources"]), capped["itemsPerPage"]) == (205, 200, 200)
        for wrong in (
            "count=x",
            "count=1.5",
            "startIndex=one",
            "startIndex=2.0",
            "count=1_0",
            "count=%2B1",
            "count=１",
            "startIndex=٣",
        ):
            refused(await client.get(f"/Users?{wrong}"), 400, "invalidValue")

    sqlite_door(body)


async def bridge_filled(client: Client, number: int) -> None:
    """So many people by one Bulk request."""
    operations = [
        {"method": "POST", "path": "/Users", "bulkId": str(n), "data": user(f"u{n}")} for n in range(number)
    ]
    urn = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
    assert (await client.post("/Bulk", {"schemas": [urn], "Operations": operations})).status == 200


def test_an_answer_holds_what_was_asked_for_on_every_method(door) -> None:
    """A-01, A-02, A-05."""

    async def body(bridge: Bridge) -> None:
        client, strict = await bridge.client("plain"), await bridge.client("letter", "strict")
        sent = user("maria", title="Dr", name={"givenName": "M", "familyName": "S"})
        some, less = "attributes=NAME.givenName,nobodyKnows", "excludedAttributes=name,nobodyKnows"
        created = await client.post(f"/Users?{some}", sent)
        path = f"/Users/{created['id']}"
        answers = [
            created.body,
            (await client.get(f"{path}?{some}")).body,
            (await client.put(f"{path}?{some}", sent)).body,
            (await client.patch(f"{path}?{some}", op("add", "nickName", "x"))).body,
            (await client.get(f"/Users?{some}"))["Resources"][0],
            (await client.post("/Users/.search", {"attributes": ["name.givenName"]}))["Resources"][0],
        ]
        for answer in answers:
            assert answer == {"schemas": [USER_URN], "id": created["id"], "name": {"givenName": "M"}}
        for answer in (
            (await client.get(f"{path}?{less}")).body,
            (await client.put(f"{path}?{less}", sent)).body,
            (await client.post("/Users/.search", {"excludedAttributes": ["name"]}))["Resources"][0],
        ):
            assert "name" not in answer
            assert answer["title"] == "Dr"
        refused(await strict.get(f"{path}?{some}&{less}"), 400, "invalidValue")

    door(body)


def test_members_that_are_left_out_are_not_read_and_a_urn_stands_for_its_extension(door) -> None:
    """A-03, A-04."""

    async def body(bridge: Bridge) -> None:
        client = await bridge.client("entra")
        (maria,) = await people(client, "maria", **{ENTERPRISE_URN: {"department": "Ops", "division": "D"}})
        crew = await made(client, "/Groups", group(members=[{"value": maria}]))
        assert "members" in (await client.get(f"/Groups/{crew}")).body
        assert "members" not in (await client.get(f"/Groups/{crew}?excludedAttributes=members")).body
        whole = (await client.get(f"/Users/{maria}?attributes={ENTERPRISE_URN}")).body
        assert whole[ENTERPRISE_URN] == {"department": "Ops", "division": "D"}
        assert "userName" not in whole

    door(body)


def test_a_search_is_a_list_asked_for_in_a_body_and_creates_nothing(door) -> None:
    """R-01, R-02, H-20."""

    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        await people(client, "b", "a", "c")
        rows = await written(bridge)
        urn = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"
        asked = {
            "schemas": [urn],
            "attributes": ["userName"],
            "filter": 'userName lt "c"',
            "sortBy": "userName",
            "sortOrder": "descending",
            "startIndex": 1,
            "count": 1,
        }
        for path in ("/Users/.search", "/.search"):
            answer = await client.post(path, asked)
            assert (answer.status, answer["schemas"], answer["totalResults"]) == (200, [LIST_URN], 2)
            assert [each["userName"] for each in answer["Resources"]] == ["b"]
        for method in ("PATCH", "PUT", "DELETE"):
            refused(await client.call(method, '/Users?filter=userName eq "a"', {}), 405)
        assert await written(bridge) == rows

    door(body)


def test_cursors_lead_through_a_list_and_are_refused_when_they_are_not_ours(door) -> None:
    """P-01, P-02, P-03, P-04."""

    async def body(bridge: Bridge) -> None:
        client, strict = await bridge.client("plain"), await bridge.client("letter", "strict")
        await people(client, *(f"u{n}" for n in range(5)))
        page, seen = (await client.get("/Users?cursor&count=2")).body, []
        assert "previousCursor" not in page
        cursors = []
        while True:
            seen += [each["userName"] for each in page["Resources"]]
            if "nextCursor" not in page:
                break
            cursors.append(page["nextCursor"])
            page = (await client.get(f"/Users?cursor={cursors[-1]}&count=2")).body
        assert seen == [f"u{n}" for n in range(5)]
        back = (await client.get(f"/Users?cursor={page['previousCursor']}&count=2")).body
        assert [each["userName"] for each in back["Resources"]] == ["u2", "u3"]
        assert (await client.post("/Users/.search", {"cursor": cursors[0]})).status == 200
        refused(await client.get("/Users?cursor=forged"), 400, "invalidCursor")
        refused(await strict.get(f"/Users?cursor={cursors[0]}"), 400, "invalidCursor")
        refused(await client.get(f"/Users?cursor={cursors[0]}&filter=title pr"), 400, "invalidCursor")
        refused(await client.get("/Users?cursor&startIndex=2"), 400, "invalidValue")
        refused(await strict.get("/Users?cursor&count=100000"), 400, "invalidCount")
        bridge.clock.advance(seconds=7200)
        refused(await client.get(f"/Users?cursor={cursors[0]}"), 400, "expiredCursor")

    door(body)
