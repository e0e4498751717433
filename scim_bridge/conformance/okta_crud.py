"""Okta's CRUD suite without an Okta org: its Okta steps become the SCIM traffic they cause, its SCIM steps stay.

Source: Okta-SCIM-20-CRUD-Test. Its steps 2 and 9 (a user is created or activated in Okta) cause no SCIM traffic
and are left out; every other one keeps its number. Run in both ways Okta speaks.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from scim_bridge.conformance.expect import LIST, Check, equals, has, number, status
from scim_bridge.conformance.model import Step, Suite
from scim_bridge.conformance.okta_spec import DOMAIN
from scim_bridge.conformance.okta_traffic import PAGE, WAYS, WORDS, Okta, person
from scim_bridge.conformance.reply import one
from scim_bridge.conformance.run import Run

Body = Callable[[Run, Okta], Awaitable[None]]


def _somebody(run: Run, way: str) -> dict[str, Any]:
    family = f"{run.id.capitalize()}x{way}"
    return person(run.mail(f"Agent1.{family}", DOMAIN), "Agent1", family, f"00u{run.id}{way}")


async def _test_connector(run: Run, okta: Okta) -> None:
    reply = await okta.ask("GET", "/Users", startIndex=1, count=2)
    run.hold(reply, status(200), has("schemas", LIST), *map(number, ("totalResults", "startIndex")))
    groups = await okta.ask("GET", "/Groups", **PAGE)
    reason = "Okta asks for groups only where group import is on"
    for check in (status(200), has("schemas", LIST)):
        run.hold(groups, check.unless(reason))


async def _assign(run: Run, okta: Okta) -> None:
    body = _somebody(run, okta.way)
    there = await okta.look_up(body["userName"])
    run.expect("the lookup before the create finds nobody", there is None, f"id {there}")
    run.keep("created", await okta.create(body))


async def _found(run: Run, okta: Okta) -> None:
    sent, created = _somebody(run, okta.way), run.kept("created")
    reply = await run.get("/Users", filter=f'userName eq "{sent["userName"]}"')
    run.demand(
        reply,
        status(200),
        equals("Resources[0].userName", sent["userName"]),
        equals("Resources[0].emails[0].value", sent["userName"]),
        equals("Resources[0].name.givenName", sent["name"]["givenName"]),
        equals("Resources[0].name.familyName", sent["name"]["familyName"]),
        equals("Resources[0].id", created),
    )
    run.keep("scim_id", reply.get("Resources[0].id"))


async def _rename(run: Run, okta: Okta) -> None:
    sent = _somebody(run, okta.way)
    name = {**sent["name"], "givenName": "Agent1update"}
    await okta.merged(
        run.kept("scim_id"),
        name=name,
        displayName=f"Agent1update {name['familyName']}",
        title="Engineer",
        phoneNumbers=[{"value": "415.123.4567", "type": "work", "primary": True}],
    )


async def _deactivate(run: Run, okta: Okta) -> None:
    await okta.set_active(run.kept("scim_id"), False)


async def _assign_again(run: Run, okta: Okta) -> None:
    sent = _somebody(run, okta.way)
    identity = await okta.assign(sent)
    run.expect(
        "it is the same user: no second one comes into being", identity == run.kept("scim_id"), identity
    )


def _reads(*checks: Check) -> Body:
    async def body(run: Run, _: Okta) -> None:
        identity = run.kept("scim_id")
        reply = await run.ask("GET", one("/Users", identity))
        run.hold(reply, status(200), equals("id", identity), *checks)

    return body


TITLES: Final[tuple[tuple[int, str, Body, tuple[int, ...]], ...]] = (
    (1, "Okta tests the connector: first pages of users and groups", _test_connector, ()),
    (3, "Okta assigns a user: it looks the userName up and creates", _assign, ()),
    (4, "The user is found with its names and address", _found, (3,)),
    (5, "Okta changes the first name: GET, then PUT of everything", _rename, (4,)),
    (6, "The first name has changed", _reads(equals("name.givenName", "Agent1update")), (5,)),
    (7, "Okta deactivates the user", _deactivate, (4,)),
    (8, "The user is there and not active", _reads(equals("active", False)), (7,)),
    (
        10,
        "Okta assigns the user again: the lookup finds the inactive one, which is linked",
        _assign_again,
        (8,),
    ),
    (11, "The same user is active again", _reads(equals("active", True)), (10,)),
    (12, "Okta removes the assignment", _deactivate, (11,)),
    (13, "The user is there and not active", _reads(equals("active", False)), (12,)),
)


def _step(way: str, number_: int, title: str, body: Body, needs: tuple[int, ...]) -> Step:
    async def run_it(run: Run) -> None:
        await body(run, Okta(run, way))

    name = f"okta.crud.{way}"
    return Step(
        f"{name}.{number_}",
        title,
        f"Okta SCIM 2.0 CRUD test, step {number_} ({WORDS[way]})",
        run_it,
        tuple(f"{name}.{need}" for need in needs),
    )


def suite(way: str) -> Suite:
    """The suite in one of the two ways Okta speaks."""
    steps = tuple(_step(way, *row) for row in TITLES)
    return Suite(f"okta.crud.{way}", f"Okta SCIM 2.0 CRUD test ({WORDS[way]})", steps)


SUITES: Final = tuple(suite(way) for way in WAYS)
