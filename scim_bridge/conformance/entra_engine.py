"""The fourteen of Microsoft's tests that run through Entra's engine, as the SCIM traffic the engine sends.

Source: the test overview of Microsoft's SCIM validation template (25 tests; the others are in entra_direct.py).
What those tests read in Entra's provisioning log is read on the server instead. Where the PATCH dialects
differ, a test runs in both.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from scim_bridge.conformance.entra_mapping import OPTIONAL as MAPPED
from scim_bridge.conformance.entra_traffic import DIALECTS, LEGACY, OPTIONAL, WORDS, Entra
from scim_bridge.conformance.expect import (
    ENTERPRISE,
    GROUP,
    Check,
    empty_listing,
    equals,
    ids,
    matches,
    status,
)
from scim_bridge.conformance.model import Step, Suite
from scim_bridge.conformance.reply import ABSENT, Reply, one, shown
from scim_bridge.conformance.run import Run

Body = Callable[[Entra], Awaitable[None]]
MAY_FAIL: Final = (4, 10, 14)
MANAGER: Final = (ENTERPRISE, "manager", "value")


def login(entra: Entra, name: str) -> str:
    """The userName of somebody of this step."""
    return entra.run.mail(f"{name}.{entra.run.id}.{entra.dialect}")


def group_name(entra: Entra, name: str) -> str:
    """The name of a group of this step."""
    return f"{name} {entra.run.id} {entra.dialect}"


async def _create_user(entra: Entra) -> None:
    await entra.test_connection()
    name = login(entra, "create")
    identity = await entra.provision(name)
    found = await entra.match("userName", name)
    entra.run.expect("the new user is found by its userName", found == identity, shown(found))


async def _update_user(entra: Entra) -> None:
    identity = await entra.provision(login(entra, "update"))
    path = one("/Users", identity)
    await entra.read(path, equals("id", identity))
    for which in ("first", "second"):
        await entra.update(identity, {mapped.path: getattr(mapped, which) for mapped in MAPPED})
        there = await entra.read(path)
        wrong = [m.path for m in MAPPED if m.read(there.body) != getattr(m, which)]
        entra.run.expect(
            f"every mapped attribute has its {which} value", not wrong, f"not: {', '.join(wrong)}"
        )


async def _disable_user(entra: Entra) -> None:
    name = login(entra, "disable")
    identity = await entra.provision(name)
    await entra.set_active(identity, False)
    await entra.read(one("/Users", identity), equals("active", False))
    found = await entra.match("userName", name)
    entra.run.expect("a disabled user stays visible to filters", found == identity, shown(found))


async def _delete_user(entra: Entra) -> None:
    name = login(entra, "delete")
    path = one("/Users", await entra.provision(name))
    entra.run.hold(await entra.ask("DELETE", path), status(204))
    entra.run.hold(await entra.ask("GET", path), status(404))
    query = {"filter": f'userName eq "{name}"'}
    entra.run.hold(await entra.ask("GET", "/Users", **query), *empty_listing())


async def _manager(entra: Entra) -> None:
    bosses = [await entra.provision(login(entra, f"boss{n}")) for n in (1, 2)]
    identity = await entra.provision(login(entra, "report"))
    path, attribute = one("/Users", identity), f"{ENTERPRISE}:manager"
    if entra.dialect == LEGACY:
        listed = [{"$ref": f"../Users/{bosses[0]}", "value": bosses[0]}]
        shapes: list[tuple[dict[str, Any], str | None]] = [
            ({"op": "Add", "path": "manager", "value": listed}, bosses[0]),
            ({"op": "Replace", "path": attribute, "value": bosses[1]}, bosses[1]),
            ({"op": "Remove", "path": attribute}, None),
        ]
    else:
        shapes = [
            ({"op": "add", "path": attribute, "value": {"value": bosses[0]}}, bosses[0]),
            ({"op": "replace", "path": attribute, "value": {"value": bosses[1]}}, bosses[1]),
            ({"op": "remove", "path": attribute}, None),
        ]
    for operation, boss in shapes:
        await entra.patch(path, operation)
        await entra.read(path, manager_is(boss))
        if boss is not None:
            query = {"filter": f'id eq "{identity}" and manager eq "{boss}"', "attributes": "id"}
            reply = await entra.ask("GET", "/Users", **query)
            entra.run.hold(reply, status(200), equals("Resources[0].id", identity))


def manager_is(boss: str | None) -> Check:
    """The manager of a user is this one, or nobody: absent, null or empty."""

    def test(reply: Reply) -> str | None:
        found = reply.get(MANAGER)
        same = found in (ABSENT, None, "") if boss is None else found == boss
        return None if same else f"manager is {shown(found)}"

    return matches("there is no manager" if boss is None else f"the manager is {boss}", test)


async def _restore_user(entra: Entra) -> None:
    name = login(entra, "restore")
    identity = await entra.provision(name)
    await entra.set_active(identity, False)
    await entra.read(one("/Users", identity), equals("active", False))
    found = await entra.match("externalId", f"0a-{name}")
    entra.run.expect("re-assigning finds the same user by externalId", found == identity, shown(found))
    await entra.set_active(identity, True)
    await entra.read(one("/Users", identity), equals("active", True), equals("userName", name))


async def _on_demand_user(entra: Entra) -> None:
    name = login(entra, "ondemand")
    await entra.test_connection()
    identity = await entra.provision(name)
    # The second run on demand finds the user and changes what differs.
    found = await entra.match("userName", name)
    entra.run.expect("the second run finds the user", found == identity, shown(found))
    await entra.update(identity, {"displayName": "On Demand"})
    await entra.read(one("/Users", identity), equals("displayName", "On Demand"))


async def _create_group(entra: Entra) -> None:
    reply = await entra.ask("GET", "/Schemas")
    offered = ids(reply) if reply.status == 200 else []
    # Microsoft's test fails, rather than being skipped, without it.
    entra.run.expect(
        "/Schemas offers the Group schema", GROUP in offered, f"status {reply.status}, {len(offered)} schemas"
    )
    identity = await entra.provision_group(group_name(entra, "Create"))
    query = {"excludedAttributes": "members"}
    reply = await entra.ask("GET", one("/Groups", identity), **query)
    entra.run.hold(reply, status(200), equals("id", identity))


async def _update_group(entra: Entra) -> None:
    identity = await entra.provision_group(group_name(entra, "Update"))
    path, name = one("/Groups", identity), group_name(entra, "Updated")
    op = "Replace" if entra.dialect == LEGACY else "replace"
    await entra.patch(path, {"op": op, "path": "displayName", "value": name})
    await entra.read(path, equals("displayName", name))


async def _delete_group(entra: Entra) -> None:
    name = group_name(entra, "Delete")
    path = one("/Groups", await entra.provision_group(name))
    entra.run.hold(await entra.ask("DELETE", path), status(204))
    query = {"excludedAttributes": "members", "filter": f'displayName eq "{name}"'}
    entra.run.hold(await entra.ask("GET", "/Groups", **query), *empty_listing())


async def _add_members(entra: Entra) -> None:
    users = [await entra.provision(login(entra, f"in{n}")) for n in range(3)]
    identity = await entra.provision_group(group_name(entra, "Adding"))
    await entra.add_members(identity, users[:1])
    await entra.add_members(identity, users[1:])
    there = await entra.members(identity)
    entra.run.expect("all three are members", there == sorted(users), f"members: {there}")
    reply = await entra.ask("GET", one("/Groups", identity), excludedAttributes="members")
    entra.run.hold(reply, matches("a read without members has none", lambda r: _some(r, "members")))


async def _remove_members(entra: Entra) -> None:
    users = [await entra.provision(login(entra, f"out{n}")) for n in range(3)]
    identity = await entra.provision_group(group_name(entra, "Removing"))
    await entra.add_members(identity, users)
    await entra.remove_members(identity, users[:1])
    there = await entra.members(identity)
    entra.run.expect("one has left and the two others stay", there == sorted(users[1:]), f"members: {there}")


def _some(reply: Reply, name: str) -> str | None:
    found = reply.get(name)
    return None if found in (ABSENT, None, []) else f"{name} is {shown(found)}"


async def _on_demand_group(entra: Entra) -> None:
    await entra.test_connection()
    users = [await entra.provision(login(entra, f"pod{n}")) for n in range(5)]
    identity = await entra.provision_group(group_name(entra, "OnDemand"))
    await entra.add_members(identity, users)
    there = await entra.members(identity)
    entra.run.expect(
        "the group has the five members of one run on demand", there == sorted(users), f"members: {there}"
    )


async def _restore_group(entra: Entra) -> None:
    name = group_name(entra, "Restore")
    path = one("/Groups", await entra.provision_group(name))
    entra.run.hold(await entra.ask("DELETE", path), status(204))
    await entra.provision_group(name)


ROWS: Final[tuple[tuple[int, str, str, Body, bool], ...]] = (
    (1, "Create_User", "the user is created and found by its userName", _create_user, False),
    (2, "Update_User", "every mapped attribute changes, twice", _update_user, True),
    (3, "Disable_User", "a disabled user is inactive and stays visible", _disable_user, True),
    (4, "Delete_User", "a deleted user is gone (optional)", _delete_user, False),
    (5, "User_Update_Manager", "the manager is set, changed, removed", _manager, True),
    (6, "Restore_User", "unassigned and assigned again is the same user, active", _restore_user, True),
    (7, "POD_User", "provisioning on demand creates, then updates", _on_demand_user, False),
    (8, "Create_Group", "the group is created; the Group schema is offered", _create_group, False),
    (9, "Update_Group", "the group's name changes", _update_group, True),
    (10, "Delete_Group", "a deleted group is gone (optional)", _delete_group, False),
    (11, "Group_Update_Add_Member", "members come in", _add_members, True),
    (12, "Group_Update_Remove_Member", "only the member named goes", _remove_members, True),
    (13, "POD_Group", "provisioning on demand of a group with five members", _on_demand_group, False),
    (14, "Restore_Group", "a deleted group can be created again (optional)", _restore_group, False),
)


def _steps(number: int, name: str, title: str, body: Body, both: bool) -> tuple[Step, ...]:
    def step(dialect: str) -> Step:
        async def run_it(run: Run) -> None:
            await body(Entra(run, dialect))

        suffix, words = (f".{dialect}", f" ({WORDS[dialect]})") if both else ("", "")
        source = f"Microsoft's SCIM validation, test {number} {name}{words}"
        beyond = OPTIONAL if number in MAY_FAIL else ""
        return Step(f"entra.{number}{suffix}", title[0].upper() + title[1:], source, run_it, beyond=beyond)

    return tuple(step(dialect) for dialect in (DIALECTS if both else DIALECTS[:1]))


SUITE: Final = Suite(
    "entra.engine",
    "Microsoft's SCIM validation: tests through the engine, as the traffic it sends",
    tuple(step for row in ROWS for step in _steps(*row)),
)
