"""Okta's group push, in both its ways: create, rename, members in and out, push now, empty, delete.

Source: Okta's manual test plan v2 for integrations (cases C9312 to C9333) and captures of the traffic. The
public CRUD suite has no groups; an admin who pushes groups wants to know all the same.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from scim_bridge.conformance.expect import GROUP, LIST, equals, filled_in, has, number, status
from scim_bridge.conformance.model import Step, Suite
from scim_bridge.conformance.okta_spec import DOMAIN
from scim_bridge.conformance.okta_traffic import PAGE, PATCH, WAYS, WORDS, Okta, person
from scim_bridge.conformance.reply import at, one
from scim_bridge.conformance.run import Run

Body = Callable[[Run, Okta], Awaitable[None]]


def _name(run: Run, way: str, suffix: str = "") -> str:
    return f"Owners {run.id} {way}{suffix}"


def _member(run: Run, number_: int) -> dict[str, Any]:
    return {"value": run.kept(f"user{number_}"), "display": run.kept(f"login{number_}")}


async def _members_are(run: Run, *numbers: int) -> None:
    reply = await run.ask("GET", one("/Groups", run.kept("group")))
    run.demand(reply, status(200))
    found = reply.get("members")
    there = sorted(str(at(item, "value")) for item in found) if isinstance(found, list) else []
    wanted = sorted(str(run.kept(f"user{n}")) for n in numbers)
    run.expect(f"its members are exactly {len(wanted)} of ours", there == wanted, f"members: {there}")


async def _create(run: Run, okta: Okta) -> None:
    for n in (1, 2, 3):
        login = run.mail(f"Member{n}.{run.id}{okta.way}", DOMAIN)
        run.keep(f"login{n}", login)
        run.keep(
            f"user{n}", await okta.assign(person(login, f"Member{n}", run.id, f"00u{run.id}{okta.way}{n}"))
        )
    name = _name(run, okta.way)
    found = await okta.ask("GET", "/Groups", filter=f'displayName eq "{name}"', **PAGE)
    run.hold(found, status(200), has("schemas", LIST), number("totalResults"), equals("totalResults", 0))
    made = await okta.ask("POST", "/Groups", {"schemas": [GROUP], "displayName": name, "members": []})
    run.demand(made, status(201), filled_in("id"), equals("displayName", name))
    run.keep("group", made.get("id"))


async def _add(run: Run, okta: Okta) -> None:
    group, name = run.kept("group"), _name(run, okta.way)
    if okta.way == PATCH:
        members = [_member(run, 1), _member(run, 2)]
        await okta.patch_group(group, {"op": "add", "path": "members", "value": members})
    else:
        await okta.put_group(group, name, [{**_member(run, 1), "display": None}, _member(run, 2)])
    await _members_are(run, 1, 2)


async def _rename_and_swap(run: Run, okta: Okta) -> None:
    group, name = run.kept("group"), _name(run, okta.way, " renamed")
    if okta.way == PATCH:
        await okta.patch_group(
            group,
            {"op": "replace", "value": {"id": group, "displayName": name}},
            {"op": "remove", "path": f'members[value eq "{run.kept("user1")}"]'},
            {"op": "add", "path": "members", "value": [_member(run, 3)]},
        )
    else:
        await okta.put_group(group, name, [_member(run, 2), _member(run, 3)])
    await _members_are(run, 2, 3)
    run.hold(await run.ask("GET", one("/Groups", group)), equals("displayName", name))


async def _push_now(run: Run, okta: Okta) -> None:
    group, name = run.kept("group"), _name(run, okta.way, " renamed")
    wanted = [_member(run, 1)]
    if okta.way == PATCH:
        await okta.patch_group(group, {"op": "replace", "path": "members", "value": wanted})
        await _members_are(run, 1)
        whole = {"id": group, "displayName": name, "members": [_member(run, 1), _member(run, 2)]}
        await okta.patch_group(group, {"op": "replace", "value": whole})
        await _members_are(run, 1, 2)
    else:
        await okta.put_group(group, name, wanted)
        await _members_are(run, 1)


async def _empty(run: Run, okta: Okta) -> None:
    group = run.kept("group")
    if okta.way == PATCH:
        await okta.patch_group(group, {"op": "replace", "path": "members", "value": []})
    else:
        await okta.put_group(group, _name(run, okta.way, " renamed"), [])
    await _members_are(run)


async def _delete(run: Run, okta: Okta) -> None:
    path = one("/Groups", run.kept("group"))
    run.demand(await okta.ask("DELETE", path), status(204))
    run.hold(await run.ask("GET", path), status(404))


ROWS: Final[tuple[tuple[str, str, Body, tuple[str, ...]], ...]] = (
    ("C9312", "Okta creates the group: it looks the name up and posts it empty", _create, ()),
    ("C9332", "Members are added", _add, ("C9312",)),
    (
        "C9315",
        "A new name, one member out and one in, in one push; nobody else moves",
        _rename_and_swap,
        ("C9332",),
    ),
    ("C9316", "Push now makes the members exactly those sent", _push_now, ("C9332",)),
    ("C9317", "An empty push empties the group", _empty, ("C9332",)),
    ("C9318", "Unlink and delete", _delete, ("C9312",)),
)


def _step(way: str, case: str, title: str, body: Body, needs: tuple[str, ...]) -> Step:
    async def run_it(run: Run) -> None:
        await body(run, Okta(run, way))

    name = f"okta.groups.{way}"
    source = f"Okta manual test plan v2, {case} ({WORDS[way]})"
    return Step(f"{name}.{case}", title, source, run_it, tuple(f"{name}.{need}" for need in needs))


SUITES: Final = tuple(
    Suite(f"okta.groups.{way}", f"Okta group push ({WORDS[way]})", tuple(_step(way, *row) for row in ROWS))
    for way in WAYS
)
