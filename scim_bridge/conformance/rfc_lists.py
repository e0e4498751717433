"""RFC 7644 sections 3.4.2 and 3.9: sorting, paging, projection, searches by POST."""

from __future__ import annotations

from typing import Any, Final

from scim_bridge.conformance.expect import (
    ENTERPRISE,
    LIST,
    absent,
    answers,
    equals,
    has,
    ids,
    listing,
    matches,
    number,
    refused,
    status,
)
from scim_bridge.conformance.reply import ABSENT, Reply, shown
from scim_bridge.conformance.rfc_kit import group, needs, patch, steps, users
from scim_bridge.conformance.rfc_people import login, people
from scim_bridge.conformance.run import Run

SEARCH: Final = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"


async def _sorted(run: Run) -> None:
    await needs(run, "sort")
    who = await people(run)
    filter_ = f'displayName ew "{run.id}"'
    for order, wanted in (("ascending", ["ann", "ben", "cat"]), ("descending", ["cat", "ben", "ann"])):
        reply = await run.get("/Users", filter=filter_, sortBy="displayName", sortOrder=order)
        run.expect(f"by displayName, {order}", ids(reply) == [who[n] for n in wanted], reply.summary)
    # What has no title comes last ascending and first descending.
    for order, wanted in (("ascending", ["ann", "ben", "cat"]), ("descending", ["cat", "ben", "ann"])):
        reply = await run.get("/Users", filter=filter_, sortBy="title", sortOrder=order)
        run.expect(f"by title, {order}", ids(reply) == [who[n] for n in wanted], reply.summary)


async def _list_response(run: Run) -> None:
    who = await people(run)
    reply = await run.get("/Users", filter=f'userName eq "{login(run, "ann")}"')
    run.hold(reply, *listing(), equals("totalResults", 1), equals("Resources[0].id", who["ann"]))
    part = await run.get("/Users", startIndex=1, count=1)
    run.hold(part, *listing(), number("startIndex"), number("itemsPerPage"))


async def _start_below_one(run: Run) -> None:
    await people(run)
    for start in (0, -5):
        reply = await run.get("/Users", startIndex=start, count=1)
        text = f"startIndex={start} means 1"
        run.hold(reply, status(200), matches(text, lambda r: _at_start(r)))


def _at_start(reply: Reply) -> str | None:
    found = reply.get("startIndex")
    return None if found in (1, ABSENT) and len(ids(reply)) <= 1 else f"startIndex is {shown(found)}"


async def _counts(run: Run) -> None:
    await people(run)
    for count in (0, -1):
        reply = await run.get("/Users", count=count)
        run.hold(reply, status(200), matches(f"count={count} gives no resources", lambda r: _nobody(r)))
        run.hold(reply, matches("and the total all the same", _some_total))
    reply = await run.get("/Users", count=2)
    run.hold(reply, status(200), matches("never more than asked for", lambda r: _at_most(r, 2)))


def _nobody(reply: Reply) -> str | None:
    return None if not ids(reply) else f"{len(ids(reply))} resources"


def _some_total(reply: Reply) -> str | None:
    found = reply.get("totalResults")
    return None if isinstance(found, int) and found >= 3 else f"totalResults is {shown(found)}"


def _at_most(reply: Reply, most: int) -> str | None:
    return None if len(ids(reply)) <= most else f"{len(ids(reply))} resources"


async def _past_the_end(run: Run) -> None:
    await people(run)
    reply = await run.get("/Users", startIndex=1_000_000_000, count=5)
    run.hold(reply, status(200), matches("an empty page", _nobody), matches("with the total", _some_total))


async def _pages(run: Run) -> None:
    who = await people(run)
    filter_ = (
        f'displayName eq "Ann {run.id}" or displayName eq "Ben {run.id}" or displayName eq "Cat {run.id}"'
    )
    seen: list[Any] = []
    for start in (1, 2, 3):
        reply = await run.get("/Users", filter=filter_, startIndex=start, count=1)
        if reply.status != 200:
            run.skip(f"the server refuses the filter: {reply.summary}")
        seen += ids(reply)
        run.hold(reply, equals("totalResults", 3))
    right = sorted(map(str, seen)) == sorted(map(str, who.values()))
    run.expect("three pages of one show each of three once", right, shown(seen))


async def _no_number(run: Run) -> None:
    for name in ("startIndex", "count"):
        reply = await run.get("/Users", **{name: "two"})
        run.hold(reply, status(400).unless("the RFC leaves open what becomes of a text here", answers(200)))


async def _attributes(run: Run) -> None:
    who = await people(run)
    path = users(who["ann"])
    only = (
        equals("id", who["ann"]),
        equals("title", f"Boss {run.id}"),
        absent("displayName"),
        absent("emails"),
    )
    run.hold(await run.get(path, attributes="title"), status(200), *only)
    filter_ = f'userName eq "{login(run, "ann")}"'
    listed = await run.get("/Users", filter=filter_, attributes="title")
    run.hold(
        listed,
        status(200),
        absent("Resources[0].displayName"),
        equals("Resources[0].title", f"Boss {run.id}"),
    )
    operation = {"op": "replace", "path": "nickName", "value": "Annie"}
    run.hold(await patch(run, path, operation, attributes="nickName"), status(200), absent("title"))


async def _sub_attributes(run: Run) -> None:
    who = await people(run)
    reply = await run.get(users(who["ann"]), attributes="name.givenName")
    run.hold(reply, status(200), equals("name.givenName", "Ann"), absent("name.familyName"), absent("title"))


async def _excluded(run: Run) -> None:
    who = await people(run)
    reply = await run.get(users(who["ann"]), excludedAttributes="emails,name.familyName")
    run.hold(reply, status(200), absent("emails"), absent("name.familyName"), equals("id", who["ann"]))
    holder = await group(run, "Excluding", who["ann"])
    listed = await run.get(
        "/Groups", filter=f'displayName eq "Excluding {run.id}"', excludedAttributes="members"
    )
    run.hold(listed, status(200), equals("Resources[0].id", holder["id"]), absent("Resources[0].members"))


async def _extension_named(run: Run) -> None:
    who = await people(run)
    reply = await run.get(users(who["ann"]), attributes=ENTERPRISE)
    run.hold(reply, status(200), equals((ENTERPRISE, "employeeNumber"), f"Ann-{run.id}"), absent("title"))


async def _unknown_named(run: Run) -> None:
    who = await people(run)
    reply = await run.get(users(who["ann"]), attributes="nothing,nothing.else")
    run.hold(reply, matches("no 5xx", lambda r: None if r.status < 500 else f"status {r.status}"))


async def _search(run: Run) -> None:
    who = await people(run)
    filter_ = f'userName eq "{login(run, "ann")}"'
    body = {"schemas": [SEARCH], "filter": filter_, "attributes": ["userName"], "startIndex": 1, "count": 5}
    for path in ("/Users/.search", "/.search"):
        reply = await run.post(path, body)
        if reply.status in (404, 405, 501):
            run.expect(
                f"POST {path} is answered",
                False,
                f"status {reply.status}",
                beyond="searching by POST is optional",
            )
            continue
        run.hold(reply, status(200), has("schemas", LIST), equals("Resources[0].id", who["ann"]))
        run.hold(reply, absent("Resources[0].title"))
    run.hold(await run.get("/Users", filter=filter_), equals("totalResults", 1))


async def _both(run: Run) -> None:
    reply = await run.get("/Users", attributes="userName", excludedAttributes="title", count=1)
    reason = "the RFC does not say that asking for both is an error, and Entra does"
    run.hold(reply, *(check.unless(reason, answers(200)) for check in refused(400)))


STEPS: Final = steps(
    ("S-01", "Sorting both ways, what has no value at the right end", "RFC 7644 section 3.4.2.3", _sorted),
    ("G-01", "A list says how many there are, and of what page", "RFC 7644 section 3.4.2", _list_response),
    ("G-02", "startIndex below 1 is 1", "RFC 7644 section 3.4.2.4", _start_below_one),
    ("G-03", "count below 0 is 0, and 0 gives the total only", "RFC 7644 section 3.4.2.4", _counts),
    ("G-04", "Past the end is an empty page", "RFC 7644 section 3.4.2.4", _past_the_end),
    ("G-05", "Pages neither skip nor repeat", "RFC 7644 section 3.4.2.4", _pages),
    ("G-07", "Paging by text is refused", "RFC 7644 section 3.12", _no_number),
    ("A-01", "attributes and excludedAttributes exclude each other", "RFC 7644 section 3.9", _both),
    ("A-02", "attributes: what is asked for and no more", "RFC 7644 section 3.9", _attributes),
    ("A-02.subs", "Parts of attributes can be asked for", "RFC 7644 section 3.10", _sub_attributes),
    ("A-03", "excludedAttributes: everything else", "RFC 7644 section 3.9", _excluded),
    ("A-04", "An extension can be asked for by its URN", "RFC 7644 section 3.10", _extension_named),
    ("A-05", "Names nobody knows do no harm", "RFC 7644 section 3.9", _unknown_named),
    ("R-01", "Searches by POST find and create nothing", "RFC 7644 section 3.4.3", _search),
)
