"""RFC 7644 sections 3.1 to 3.12: media types, statuses, deletion, authentication, errors."""

from __future__ import annotations

from typing import Final

from scim_bridge.conformance.expect import (
    ERROR,
    USER,
    answers,
    empty_listing,
    equals,
    filled_in,
    has,
    header,
    matches,
    refused,
    status,
)
from scim_bridge.conformance.reply import ABSENT, Reply, at, shown
from scim_bridge.conformance.rfc_kit import SHOULD, patch, person, steps, user, users
from scim_bridge.conformance.run import SCIM, Run

NOBODY: Final = "/Users/00000000-0000-4000-8000-000000000000"


async def _media_type(run: Run) -> None:
    scim = header("content-type", "application/scim+json")
    run.hold(await run.get("/Users", count=1), status(200), scim)
    run.hold(await run.get(NOBODY), status(404), scim)


async def _accept(run: Run) -> None:
    for words, accept in (
        ("scim+json", "application/scim+json"),
        ("json", "application/json"),
        ("anything", ""),
    ):
        headers = {"accept": accept} if accept else {}
        reply = await run.ask("GET", "/Users", query={"count": 1}, headers=headers)
        check = matches(f"a client that accepts {words} is answered", lambda r: _ok(r))
        run.hold(reply, check if words == "scim+json" else check.unless(SHOULD))
    sent = {**SCIM, "content-type": "application/json"}
    made = await run.ask("POST", "/Users", body=person(run, "plainjson"), headers=sent)
    reason = "the RFC names application/scim+json; Okta and Entra send application/json, too"
    run.hold(made, status(201).unless(reason))


def _ok(reply: Reply) -> str | None:
    return None if reply.status == 200 else f"status {reply.status}"


async def _names_in_any_case(run: Run) -> None:
    sent = person(run, "names")
    body = {"SCHEMAS": [USER], "USERNAME": sent["userName"], "Name": {"GIVENNAME": "Names"}}
    made = await run.post("/Users", body)
    run.demand(made, status(201), equals("userName", sent["userName"]), equals("name.givenName", "Names"))
    run.hold(made, has("schemas", USER))
    shouted = await run.post("/Users", person(run, "urncase", schemas=[USER.upper()]))
    reason = "RFC 7644 section 3.10 says so of paths, not of the values of `schemas`"
    run.hold(shouted, status(201).unless(reason, answers(400)))


async def _created(run: Run) -> None:
    made = await run.post("/Users", person(run, "created"))
    run.demand(made, status(201), filled_in("id"), header("location"))
    where = made.headers.get("location", "")
    run.hold(made, equals("meta.location", where), has("schemas", USER), filled_in("userName"))


async def _statuses(run: Run) -> None:
    made = await user(run, "statuses")
    path = users(made["id"])
    run.hold(await run.get(path), status(200), filled_in("id"))
    run.hold(
        await run.ask("PUT", path, body=person(run, "statuses", title="One")), status(200), filled_in("id")
    )
    operation = {"op": "replace", "path": "title", "value": "Two"}
    reply = await patch(run, path, operation)
    run.hold(reply, matches("200 with the resource, or 204 with nothing", _body_or_nothing))
    asked = await patch(run, path, {**operation, "value": "Three"}, attributes="title")
    run.hold(asked, status(200), equals("title", "Three"))


def _body_or_nothing(reply: Reply) -> str | None:
    whole = reply.status == 200 and at(reply.body, "id") is not ABSENT
    nothing = reply.status == 204 and not reply.text
    return None if whole or nothing else f"status {reply.status} with {len(reply.text)} characters"


async def _deleted(run: Run) -> None:
    sent = person(run, "deleted")
    made = await run.post("/Users", sent)
    run.demand(made, status(201), filled_in("id"))
    path = users(made.get("id"))
    gone = await run.ask("DELETE", path)
    run.demand(gone, status(204), matches("no body", lambda r: None if not r.text else "a body"))
    for method, body in (("GET", None), ("PUT", sent), ("DELETE", None)):
        run.hold(await run.ask(method, path, body=body), status(404))
    run.hold(await patch(run, path, {"op": "replace", "path": "title", "value": "x"}), status(404))
    reply = await run.get("/Users", filter=f'userName eq "{sent["userName"]}"')
    run.hold(reply, *empty_listing())
    run.hold(await run.post("/Users", sent), status(201).unless(SHOULD))


async def _unknown(run: Run) -> None:
    run.hold(await run.get(NOBODY), *refused(404))
    run.hold(await run.get(f"/Nothing{run.id}"), *refused(404))
    run.hold(await run.get("/Users", filter=f'userName eq "nobody.{run.id}"'), *empty_listing())


async def _unauthenticated(run: Run) -> None:
    for words in ("", "Bearer wrong"):
        reply = await run.ask("GET", "/Users", query={"count": 1}, headers={**SCIM, "authorization": words})
        challenge = header("www-authenticate").unless("asked by RFC 9110 section 11.6.1, not by SCIM")
        run.hold(reply, status(401), has("schemas", ERROR), challenge)


async def _me(run: Run) -> None:
    reply = await run.get("/Me")
    run.hold(reply, matches("the person asking, a redirect, or 501", _me_or_not))


def _me_or_not(reply: Reply) -> str | None:
    # 404: the RFC allows that nobody is represented by the credential.
    return None if reply.status in (200, 307, 308, 404, 501) else f"status {reply.status}"


async def _malformed(run: Run) -> None:
    for words, body in (("cut off", b'{"schemas": ['), ("no object", b"[]"), ("empty", b"")):
        reply = await run.ask("POST", "/Users", body=body)
        run.hold(reply, *refused(400))
        syntax = matches(f"a body that is {words} is invalidSyntax", _syntax)
        run.hold(reply, syntax.unless("the RFC has the type of an error optional", answers(400)))


def _syntax(reply: Reply) -> str | None:
    found = reply.get("scimType")
    return None if found == "invalidSyntax" else f"scimType is {shown(found)}"


STEPS: Final = steps(
    ("H-01", "Answers are application/scim+json, errors too", "RFC 7644 section 3.1", _media_type),
    (
        "H-02",
        "Clients that accept scim+json, json or say nothing are answered",
        "RFC 7644 section 3.8",
        _accept,
    ),
    (
        "H-03",
        "Names of attributes and schemas are read in any case",
        "RFC 7643 section 2.1",
        _names_in_any_case,
    ),
    ("H-05", "A create is answered with 201, Location and the resource", "RFC 7644 section 3.3", _created),
    ("H-06", "GET, PUT and PATCH are answered as they have to be", "RFC 7644 section 3.5", _statuses),
    ("H-07", "What is deleted is gone from everywhere", "RFC 7644 section 3.6", _deleted),
    ("H-08", "Nobody there is 404; nobody found is 200", "RFC 7644 section 3.4.2", _unknown),
    ("H-09", "Nobody in particular is refused with 401", "RFC 7644 section 3.12", _unauthenticated),
    ("H-09.me", "/Me is the caller, or not implemented", "RFC 7644 section 3.11", _me),
    ("X-12.syntax", "A body that is no JSON object is 400", "RFC 7644 section 3.12", _malformed),
)
