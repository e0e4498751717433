"""RFC 7644 sections 3.5.1 and 3.5.2: PUT replaces, PATCH changes in order and all or nothing."""

from __future__ import annotations

from typing import Any, Final

from scim_bridge.conformance.expect import (
    PATCH_OP,
    answers,
    equals,
    filled_in,
    matches,
    refused,
    status,
)
from scim_bridge.conformance.reply import ABSENT, at, shown
from scim_bridge.conformance.rfc_kit import (
    bad,
    is_,
    kind_of,
    patch,
    patched,
    person,
    steps,
    there,
    user,
    users,
)
from scim_bridge.conformance.run import Run

NOBODY: Final = "/Users/00000000-0000-4000-8000-000000000001"
EXACT_TYPE: Final = "the RFC has the type of an error optional"


async def _never_creates(run: Run) -> None:
    reply = await run.ask("PUT", NOBODY, body=person(run, "putnew"))
    if reply.status == 200:
        run.made.note(NOBODY)
    run.hold(reply, *refused(404))


async def _clears(run: Run) -> None:
    made = await user(run, "clears", title="Boss", nickName="Nick")
    path = users(made["id"])
    reply = await run.ask("PUT", path, body=person(run, "clears", title="Clerk"))
    run.demand(reply, status(200), filled_in("id"), equals("title", "Clerk"))
    found = (await there(run, path)).get("nickName")
    reason = "the RFC lets a server keep what a PUT leaves out"
    run.expect("what is left out is cleared", found in (ABSENT, None), shown(found), beyond=reason)


async def _body(run: Run) -> None:
    made = await user(run, "patchbody")
    path = users(made["id"])
    for words, operations in (
        ("an unknown op", [{"op": "merge", "path": "title", "value": "x"}]),
        ("no operations", []),
        ("operations that are no list", "x"),
    ):
        reply = await run.ask("PATCH", path, body={"schemas": [PATCH_OP], "Operations": operations})
        run.hold(reply, matches(f"{words}: 400", bad))
    run.hold(await there(run, path), equals("id", made["id"]))


async def _atomic(run: Run) -> None:
    made = await user(run, "atomic", title="Before")
    path = users(made["id"])
    reply = await patch(
        run,
        path,
        {"op": "replace", "path": "title", "value": "After"},
        {"op": "replace", "path": "id", "value": "other"},
    )
    run.hold(reply, matches("the second operation fails", bad))
    run.hold(await there(run, path), equals("title", "Before"))


async def _in_order(run: Run) -> None:
    made = await user(run, "order")
    body = await patched(
        run,
        users(made["id"]),
        {"op": "add", "path": "title", "value": "One"},
        {"op": "replace", "path": "title", "value": "Two"},
        {"op": "add", "path": "nickName", "value": "Nick"},
        {"op": "remove", "path": "nickName"},
    )
    is_(run, body, "title", "Two", "the last operation counts")
    run.expect("what was added is removed again", at(body, "nickName") is ABSENT, shown(at(body, "nickName")))


async def _without_path(run: Run) -> None:
    made = await user(run, "nopath", title="Before")
    path = users(made["id"])
    refusal = await patch(run, path, {"op": "remove"})
    run.hold(refusal, matches("remove without a path: 400", bad))
    kind = matches("with scimType noTarget", lambda r: kind_of(r, "noTarget"))
    run.hold(refusal, kind.unless(EXACT_TYPE, answers(400)))
    body = await patched(run, path, {"op": "replace", "value": {"title": "After", "nickName": "Nick"}})
    is_(run, body, "title", "After", "replace without a path changes what it names")
    is_(run, body, "nickName", "Nick", "and adds what is not there")
    body = await patched(run, path, {"op": "add", "value": {"title": "Added"}})
    is_(run, body, "title", "Added", "add without a path likewise")


async def _adds(run: Run) -> None:
    made = await user(run, "adds")
    path = users(made["id"])
    mail = {"value": f"second@{run.id}.example", "type": "home"}
    body = await patched(run, path, {"op": "add", "path": "emails", "value": [mail]})
    _count(run, body, "emails", 2, "add appends an element")
    body = await patched(run, path, {"op": "add", "path": "emails", "value": [mail]})
    _count(run, body, "emails", 2, "and not twice")
    body = await patched(run, path, {"op": "add", "path": "name", "value": {"middleName": "M"}})
    is_(run, body, "name.middleName", "M", "add to a complex attribute adds a part")
    is_(run, body, "name.familyName", run.id, "and leaves the others")


def _count(run: Run, body: Any, name: str, wanted: int, words: str) -> None:
    found = at(body, name)
    count = len(found) if isinstance(found, list) else 0
    run.expect(words, count == wanted, f"{name} is {shown(found)}")


async def _replaces(run: Run) -> None:
    made = await user(run, "replaces")
    path = users(made["id"])
    body = await patched(run, path, {"op": "replace", "path": "nickName", "value": "Nick"})
    is_(run, body, "nickName", "Nick", "replace of nothing adds")
    mail = {"value": f"only@{run.id}.example", "type": "other"}
    body = await patched(run, path, {"op": "replace", "path": "emails", "value": [mail]})
    _count(run, body, "emails", 1, "replace of a list replaces all of it")
    body = await patched(run, path, {"op": "replace", "path": "name", "value": {"givenName": "New"}})
    is_(run, body, "name.givenName", "New", "replace of a complex attribute replaces the parts it names")
    is_(run, body, "name.familyName", run.id, "and leaves the others")


async def _null(run: Run) -> None:
    made = await user(run, "patchnull", title="Boss")
    body = await patched(run, users(made["id"]), {"op": "replace", "path": "title", "value": None})
    run.expect("replace with null unassigns", at(body, "title") in (ABSENT, None), shown(at(body, "title")))


async def _deactivated(run: Run) -> None:
    made = await user(run, "deactivated", active=True)
    path = users(made["id"])
    body = await patched(run, path, {"op": "replace", "path": "active", "value": False})
    is_(run, body, "active", False, "a deactivated user is there and says so")
    body = await patched(run, path, {"op": "replace", "path": "active", "value": True})
    is_(run, body, "active", True, "and can be active again")


STEPS: Final = steps(
    ("U-01", "PUT never creates", "RFC 7644 section 3.5.1", _never_creates),
    ("U-02", "PUT replaces", "RFC 7644 section 3.5.1", _clears),
    ("X-01", "A PATCH body is checked", "RFC 7644 section 3.5.2", _body),
    ("X-02", "A PATCH is done whole or not at all", "RFC 7644 section 3.5.2", _atomic),
    ("X-03", "Operations are done in their order", "RFC 7644 section 3.5.2", _in_order),
    ("X-04", "Operations without a path", "RFC 7644 section 3.5.2", _without_path),
    ("X-05", "add", "RFC 7644 section 3.5.2.1", _adds),
    ("X-06", "replace", "RFC 7644 section 3.5.2.3", _replaces),
    ("X-13", "replace with null unassigns", "RFC 7644 section 3.5.2.3", _null),
    ("X-16", "active=false is no deletion", "RFC 7644 section 3.6", _deactivated),
)
