"""RFC 7643 sections 4 and 7: who may change which attribute, what is unique, required, always or never shown."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from scim_bridge.conformance.expect import (
    ENTERPRISE,
    GROUP,
    USER,
    absent,
    equals,
    filled_in,
    lacks,
    refused,
    status,
)
from scim_bridge.conformance.reply import ABSENT, Reply, at, shown
from scim_bridge.conformance.rfc_kit import (
    SHOULD,
    finds,
    group,
    groups,
    is_,
    patch,
    patched,
    person,
    steps,
    there,
    user,
    users,
)
from scim_bridge.conformance.run import Run

SECRET: Final = "t1meMa$heen-never-shown"


async def _user_name(run: Run) -> None:
    sent = person(run, "CaseName")
    made = await run.post("/Users", sent)
    run.demand(made, status(201), equals("userName", sent["userName"]))
    upper = {**sent, "userName": sent["userName"].upper()}
    run.hold(await run.post("/Users", upper), *refused(409, "uniqueness"))
    await finds(run, f'userName eq "{upper["userName"]}"', [made.get("id")])


async def _password(run: Run) -> None:
    made = await run.post("/Users", person(run, "password", password=SECRET))
    run.demand(made, status(201), filled_in("id"))
    path = users(made.get("id"))
    replies = [made, await run.get(path), await run.get(path, attributes="password,userName")]
    replies.append(await run.ask("PUT", path, body=person(run, "password", password=SECRET)))
    for reply in replies:
        run.hold(reply, absent("password"), lacks(SECRET))


async def _groups_of_users(run: Run) -> None:
    made = await user(run, "grouped")
    holder = await group(run, "Grouping", made["id"])
    reply = await there(run, users(made["id"]))
    values = (
        [at(item, "value") for item in reply.get("groups")] if isinstance(reply.get("groups"), list) else []
    )
    run.expect(
        "groups of a user names the group",
        holder["id"] in values,
        shown(values),
        beyond="a server may leave groups out",
    )
    body = person(run, "grouped", groups=[])
    run.hold(await run.ask("PUT", users(made["id"]), body=body), status(200))
    members = (await there(run, groups(holder["id"]))).get("members")
    run.expect("a PUT of the user changes no membership", bool(members), shown(members))


async def _groups(run: Run) -> None:
    run.hold(await run.post("/Groups", {"schemas": [GROUP]}), *refused(400))
    made = await group(run, "Nobody")
    run.expect("a group may be empty", at(made, "members") in (ABSENT, None, []), shown(at(made, "members")))


async def _enterprise(run: Run) -> None:
    boss = await user(run, "boss")
    extension = {"employeeNumber": "701984", "department": "Tours", "manager": {"value": boss["id"]}}
    made = await user(run, "employee", **{"schemas": [USER, ENTERPRISE], ENTERPRISE: extension})
    for name in ("employeeNumber", "department"):
        is_(run, made, (ENTERPRISE, name), extension[name], f"{name} is kept under the extension's URN")
    is_(run, made, (ENTERPRISE, "manager", "value"), boss["id"], "the manager is kept")


async def _extension_removed(run: Run) -> None:
    made = await user(
        run, "extension", **{"schemas": [USER, ENTERPRISE], ENTERPRISE: {"department": "Tours"}}
    )
    body = await patched(run, users(made["id"]), {"op": "remove", "path": f"{ENTERPRISE}:department"})
    run.expect(
        "the empty extension is gone", at(body, ENTERPRISE) in (ABSENT, {}), shown(at(body, ENTERPRISE))
    )
    listed = at(body, "schemas")
    run.expect(
        "and its URN with it",
        isinstance(listed, list) and ENTERPRISE not in listed,
        shown(listed),
        beyond=SHOULD,
    )


async def _always_returned(run: Run) -> None:
    made = await user(run, "always", title="Boss")
    path = users(made["id"])
    run.hold(
        await run.get(path, excludedAttributes="id,title"),
        status(200),
        equals("id", made["id"]),
        absent("title"),
    )
    run.hold(
        await run.get(path, attributes="title"),
        status(200),
        equals("id", made["id"]),
        equals("title", "Boss"),
    )


async def _read_only(run: Run) -> None:
    made = await user(run, "readonly")
    path = users(made["id"])
    sent = person(run, "readonly", id="other", meta={"created": "2001-01-01T00:00:00Z"})
    run.hold(await run.ask("PUT", path, body=sent), status(200), equals("id", made["id"]))
    for target, value in (("id", "other"), ("meta.created", "2001-01-01T00:00:00Z")):
        reply = await patch(run, path, {"op": "replace", "path": target, "value": value})
        run.hold(reply, *refused(400, "mutability"))
        run.hold(await there(run, path), equals("id", made["id"]))


async def _unique(run: Run) -> None:
    await user(run, "unique1")
    second = await user(run, "unique2")
    login = person(run, "unique1")["userName"]
    run.hold(await run.post("/Users", person(run, "unique1")), *refused(409, "uniqueness"))
    renamed = person(run, "unique2", userName=login)
    run.hold(await run.ask("PUT", users(second["id"]), body=renamed), *refused(409, "uniqueness"))
    operation = {"op": "replace", "path": "userName", "value": login}
    run.hold(await patch(run, users(second["id"]), operation), *refused(409, "uniqueness"))


async def _unique_at_once(run: Run) -> None:
    body = person(run, "atonce")
    answers_ = await asyncio.gather(*(run.post("/Users", body) for _ in range(8)), return_exceptions=True)
    replies = [reply for reply in answers_ if isinstance(reply, Reply)]
    made = sum(reply.status == 201 for reply in replies)
    others = [reply.status for reply in replies if reply.status != 201]
    run.expect("eight creates at once make one", made == 1, f"{made} were answered with 201")
    run.expect("the others are told so", set(others) == {409}, f"statuses: {sorted(others)}")
    reply = await run.get("/Users", filter=f'userName eq "{body["userName"]}"')
    run.hold(reply, status(200), equals("totalResults", 1))


async def _required(run: Run) -> None:
    nameless: dict[str, Any] = person(run, "nameless")
    del nameless["userName"]
    run.hold(await run.post("/Users", nameless), *refused(400, "invalidValue", "invalidSyntax"))
    made = await user(run, "required")
    path = users(made["id"])
    run.hold(await run.ask("PUT", path, body=nameless), *refused(400, "invalidValue", "invalidSyntax"))
    reply = await patch(run, path, {"op": "remove", "path": "userName"})
    run.hold(reply, *refused(400, "mutability", "invalidValue"))
    run.hold(await there(run, path), equals("userName", person(run, "required")["userName"]))


STEPS: Final = steps(
    ("C-15", "userName is unique and found whatever its case", "RFC 7643 section 4.1.1", _user_name),
    ("C-16", "A password is never shown", "RFC 7643 section 4.1.1", _password),
    ("C-17", "The groups of a user follow from the groups", "RFC 7643 section 4.1.2", _groups_of_users),
    ("C-18", "A group has a name and may be empty", "RFC 7643 section 4.2", _groups),
    ("C-19", "The enterprise extension is kept", "RFC 7643 section 4.3", _enterprise),
    ("C-20", "An extension goes with its last attribute", "RFC 7643 section 3.3", _extension_removed),
    ("C-21", "`id` is always returned", "RFC 7643 section 7", _always_returned),
    ("C-22", "What is read-only is ignored in PUT and refused in PATCH", "RFC 7644 section 3.5", _read_only),
    ("C-24", "What has to be unique is refused with 409", "RFC 7644 section 3.3", _unique),
    ("C-24.atonce", "It stays unique when eight ask at once", "RFC 7644 section 3.3", _unique_at_once),
    ("C-25", "What is required cannot be left out or removed", "RFC 7644 section 3.12", _required),
)
