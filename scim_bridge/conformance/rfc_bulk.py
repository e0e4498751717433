"""RFC 7644 sections 3.7 and 3.14: bulk operations and entity tags, where the server says it has them."""

from __future__ import annotations

import uuid
from typing import Any, Final

from scim_bridge.conformance.expect import GROUP, equals, has, header, matches, status
from scim_bridge.conformance.reply import Reply, at, shown
from scim_bridge.conformance.rfc_kit import configuration, needs, patch, person, steps, there, user, users
from scim_bridge.conformance.run import Run

REQUEST: Final = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
RESPONSE: Final = "urn:ietf:params:scim:api:messages:2.0:BulkResponse"
MOST_OPERATIONS: Final = 5_000
MOST_BYTES: Final = 8_000_000


async def bulk(run: Run, *operations: dict[str, Any], **more: Any) -> Reply:
    """Send a bulk request; what it creates is remembered like any other create, by location or by name."""
    await needs(run, "bulk")
    creates = [op for op in operations if op.get("method") == "POST"]
    intended = [run.made.intend(op["path"], op["data"]) for op in creates]
    reply = await run.post("/Bulk", {"schemas": [REQUEST], "Operations": list(operations), **more})
    base = run.target.base_url
    for item in _operations(reply):
        location = at(item, "location")
        if at(item, "method") == "POST" and str(at(item, "status")) == "201" and isinstance(location, str):
            place = next((n for n in ("/Users/", "/Groups/") if n in location), None)
            if place is not None:
                run.made.note(place + location.removeprefix(base).rpartition(place)[2])
    if reply.status < 500:
        for pair in filter(None, intended):
            if _told_of_all(reply, creates):
                run.made.settled(*pair)
    return reply


def _told_of_all(reply: Reply, creates: list[dict[str, Any]]) -> bool:
    """True when the answer tells of every create, or refuses the whole."""
    told = {at(item, "bulkId") for item in _operations(reply) if isinstance(at(item, "bulkId"), str)}
    return reply.status >= 400 or all(op.get("bulkId") in told for op in creates)


def _operations(reply: Reply) -> list[Any]:
    found = reply.get("Operations")
    return found if isinstance(found, list) else []


def _create(run: Run, name: str, identity: str) -> dict[str, Any]:
    return {"method": "POST", "path": "/Users", "bulkId": identity, "data": person(run, name)}


def _group(run: Run, name: str, identity: str, *members: str) -> dict[str, Any]:
    data = {"schemas": [GROUP], "displayName": f"{name} {run.id}", "members": [{"value": m} for m in members]}
    return {"method": "POST", "path": "/Groups", "bulkId": identity, "data": data}


async def _processed(run: Run) -> None:
    reply = await bulk(run, _create(run, "bulk1", "one"), _create(run, "bulk2", "two"))
    run.demand(reply, status(200), has("schemas", RESPONSE))
    for item in _operations(reply):
        run.expect("status is the text 201", at(item, "status") == "201", shown(at(item, "status")))
        for member in ("method", "bulkId", "location"):
            run.expect(f"{member} is told", isinstance(at(item, member), str), shown(at(item, member)))
    run.expect("both are told of", len(_operations(reply)) == 2, f"{len(_operations(reply))} operations")


async def _failures(run: Run) -> None:
    missing = {"method": "DELETE", "path": f"/Users/{uuid.uuid4()}"}
    reply = await bulk(run, missing, _create(run, "bulk3", "three"))
    run.demand(reply, status(200), has("schemas", RESPONSE))
    found = [str(at(item, "status")) for item in _operations(reply)]
    run.expect("one fails, the other is done", found == ["404", "201"], shown(found))
    told = at(reply.body, ("Operations", 0, "response", "status"))
    run.expect("the failure is told as an error", str(told) == "404", shown(told))


async def _stops(run: Run) -> None:
    missing = [{"method": "DELETE", "path": f"/Users/{uuid.uuid4()}"} for _ in range(3)]
    reply = await bulk(run, *missing, failOnErrors=1)
    run.demand(reply, status(200))
    run.expect(
        "it stops after one error", len(_operations(reply)) == 1, f"{len(_operations(reply))} operations told"
    )


async def _references(run: Run) -> None:
    reply = await bulk(run, _group(run, "Bulk", "g", "bulkId:u"), _create(run, "bulk4", "u"))
    run.demand(reply, status(200))
    places = {
        at(item, "bulkId"): str(at(item, "location"))
        for item in _operations(reply)
        if at(item, "bulkId") in ("g", "u")
    }
    run.expect("both are created", len(places) == 2, reply.summary)
    listed = await run.get("/Groups", filter=f'displayName eq "Bulk {run.id}"')
    member = listed.get("Resources[0].members[0].value")
    right = isinstance(member, str) and places.get("u", "").endswith(member)
    run.expect("the group's member is the user made with it", right, shown(member))


async def _circle(run: Run) -> None:
    reply = await bulk(run, _group(run, "CircleA", "a", "bulkId:b"), _group(run, "CircleB", "b", "bulkId:a"))
    run.hold(reply, matches("tried, or given up with an error; never a crash", _tried))


def _tried(reply: Reply) -> str | None:
    found = [str(at(item, "status")) for item in _operations(reply)]
    right = reply.status < 500 and not any(text.startswith("5") for text in found)
    return None if right else f"status {reply.status}, operations {found}"


async def _limits(run: Run) -> None:
    await needs(run, "bulk")
    said = await configuration(run)
    most, size = at(said, "bulk.maxOperations"), at(said, "bulk.maxPayloadSize")
    if isinstance(most, int) and 0 < most < MOST_OPERATIONS:
        missing = {"method": "DELETE", "path": f"/Users/{uuid.uuid4()}"}
        reply = await bulk(run, *[missing] * (most + 1))
        run.hold(reply, matches(f"{most + 1} operations: 413", _too_large))
    if isinstance(size, int) and 0 < size < MOST_BYTES:
        reply = await run.ask("POST", "/Bulk", body=b'{"schemas":["' + b" " * size + b'"]}')
        run.hold(reply, matches(f"more than {size} bytes: 413", _too_large))


def _too_large(reply: Reply) -> str | None:
    return None if reply.status == 413 else f"status {reply.status}"


async def _tags(run: Run) -> None:
    await needs(run, "etag")
    made = await user(run, "tags")
    reply = await there(run, users(made["id"]))
    run.demand(reply, header("etag"))
    run.hold(reply, equals("meta.version", reply.headers["etag"]))
    changed = await patch(run, users(made["id"]), {"op": "replace", "path": "title", "value": "New"})
    run.hold(changed, status(200, 204))
    again = await there(run, users(made["id"]))
    run.expect(
        "a change gives another tag", again.headers.get("etag") != reply.headers["etag"], "the same tag"
    )


async def _unchanged(run: Run) -> None:
    await needs(run, "etag")
    made = await user(run, "unchanged")
    path = users(made["id"])
    tag = (await there(run, path)).headers.get("etag", "")
    reply = await run.ask("GET", path, headers={"accept": "application/scim+json", "if-none-match": tag})
    run.hold(reply, status(304), matches("no body", lambda r: None if not r.text else "a body"))


async def _conditional(run: Run) -> None:
    await needs(run, "etag")
    made = await user(run, "conditional", title="Before")
    path = users(made["id"])
    tag = (await there(run, path)).headers.get("etag", "")
    run.hold(await patch(run, path, {"op": "replace", "path": "title", "value": "After"}), status(200, 204))
    old = {"accept": "application/scim+json", "if-match": tag}
    run.hold(await run.ask("PUT", path, body=person(run, "conditional"), headers=old), status(412))
    run.hold(await run.ask("DELETE", path, headers=old), status(412))
    run.hold(await there(run, path), equals("title", "After"))


STEPS: Final = steps(
    ("E-01", "Every resource has a tag that changes with it", "RFC 7644 section 3.14", _tags),
    ("E-02", "If-None-Match: what is known already is not sent again", "RFC 7644 section 3.14", _unchanged),
    ("E-03", "If-Match: nothing is changed by mistake", "RFC 7644 section 3.14", _conditional),
    ("B-01", "Operations are processed and told of", "RFC 7644 section 3.7", _processed),
    ("B-03", "What fails is told of as an error; the rest is done", "RFC 7644 section 3.7", _failures),
    ("B-04", "failOnErrors stops", "RFC 7644 section 3.7", _stops),
    ("B-05", "bulkId refers forward", "RFC 7644 section 3.7.2", _references),
    ("B-06", "References in a circle do no harm", "RFC 7644 section 3.7.1", _circle),
    ("B-08", "Too much at once is refused with 413", "RFC 7644 section 3.7.4", _limits),
)
