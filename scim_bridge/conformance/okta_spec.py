"""Okta's SPEC suite: twelve requests every SCIM server has to answer before Okta lists an integration.

Source: Okta's published test file (Okta-SCIM-20-SPEC-Test, exported 2024-05), its requests, headers and
assertions in their order. Its pauses are left out: nothing here waits for anybody.
"""

from __future__ import annotations

import random
from typing import Final

from scim_bridge.conformance.asking import Ask, asking
from scim_bridge.conformance.expect import (
    ERROR,
    LIST,
    USER,
    equals,
    faster,
    filled_in,
    has,
    matches,
    number,
    reads,
    status,
)
from scim_bridge.conformance.model import Step, Suite
from scim_bridge.conformance.reply import ABSENT, Reply, shown
from scim_bridge.conformance.run import Run

SOURCE: Final = "Okta SCIM 2.0 SPEC test, step {}"
DOMAIN: Final = "atko.com"
UNKNOWN: Final = "010101001010101011001010101011"

READING: Final = {
    "accept": "application/scim+json",
    "accept-charset": "utf-8",
    "content-type": "application/scim+json; charset=utf-8",
    "user-agent": "OKTA SCIM Integration",
}
WRITING: Final = {"content-type": "application/json", "accept": "application/scim+json; charset=utf-8"}

PERSON: Final = {
    "schemas": [USER],
    "userName": "{email}",
    "name": {"givenName": "{given}", "familyName": "{family}"},
    "emails": [{"primary": True, "value": "{email}", "type": "work"}],
    "displayName": "{given} {family}",
    "active": True,
}


def _required(path: str) -> tuple[str, ...]:
    return tuple(
        path + name
        for name in ("id", "name.familyName", "name.givenName", "userName", "active", "emails[0].value")
    )


async def _prepared(run: Run) -> None:
    """Names as the suite makes them up, and a first user where the store is empty."""
    digits = random.SystemRandom().randrange(100, 1000)
    given, family = f"Runscope{digits}", f"{run.id[0].upper()}{run.id[1:]}x{digits}"
    email = run.mail(f"{given}{family}", DOMAIN)
    run.notes |= {"given": given, "family": family, "email": email, "CAPS": email.upper()}
    run.keep("invalid", run.mail("abcdefgh", DOMAIN))
    reply = await run.ask("GET", "/Users", query={"count": 1, "startIndex": 1}, headers=READING)
    if reply.get("totalResults") != 0:
        run.expect("there is a user already", reply.get("Resources[0]") is not ABSENT, reply.summary)
        return
    first = run.mail(f"first.{run.id}", DOMAIN)
    person = {
        **PERSON,
        "userName": first,
        "name": {"givenName": "First", "familyName": "User"},
        "emails": [{"primary": True, "value": first, "type": "work"}],
        "displayName": "First User",
    }
    run.hold(await run.ask("POST", "/Users", body=person, headers=WRITING), status(201))


def _array_when_any(reply: Reply) -> str | None:
    found = reply.get("Resources")
    if reply.get("totalResults") in (0, "0") or isinstance(found, list):
        return None
    return f"Resources is {shown(found)}"


def _get(path: str, **query: object) -> Ask:
    return Ask("GET", path, query, headers=READING)


STEPS: Final[tuple[Step, ...]] = (
    Step(
        "okta.spec.0",
        "At least one user exists, as the suite wants; one is made in an empty store",
        "Okta SCIM 2.0 SPEC test, preconditions",
        _prepared,
    ),
    asking(
        "okta.spec.1",
        "The first page of users has numbers for paging and complete users",
        SOURCE.format(1),
        _get("/Users", count=1, startIndex=1),
        status(200),
        filled_in("Resources"),
        has("schemas", LIST),
        number("itemsPerPage"),
        number("startIndex"),
        number("totalResults"),
        *map(filled_in, _required("Resources[0].")),
        saves={"ISVUserid": "Resources[0].id"},
        needs=("okta.spec.0",),
    ),
    asking(
        "okta.spec.2",
        "That user is found by its id",
        SOURCE.format(2),
        _get("/Users/{ISVUserid}"),
        status(200),
        *map(filled_in, _required("")),
        equals("id", "{ISVUserid}"),
        needs=("okta.spec.1",),
    ),
    asking(
        "okta.spec.3",
        "A userName nobody has gives an empty list, not an error",
        SOURCE.format(3),
        _get("/Users", filter='userName eq "{invalid}"'),
        status(200),
        has("schemas", LIST),
        reads("totalResults", "0"),
        needs=("okta.spec.0",),
    ),
    asking(
        "okta.spec.4",
        "An id nobody has is refused with a SCIM error",
        SOURCE.format(4),
        _get(f"/Users/{UNKNOWN}"),
        status(404),
        filled_in("detail"),
        has("schemas", ERROR),
    ),
    asking(
        "okta.spec.5",
        "The userName about to be created is free",
        SOURCE.format(5),
        _get("/Users", filter='userName eq "{email}"'),
        status(200),
        reads("totalResults", "0"),
        has("schemas", LIST),
        needs=("okta.spec.0",),
    ),
    asking(
        "okta.spec.6",
        "A user is created and answered as it was sent, its userName in the same case",
        SOURCE.format(6),
        Ask("POST", "/Users", body=PERSON, headers=WRITING),
        status(201),
        equals("active", True),
        filled_in("id"),
        equals("name.familyName", "{family}"),
        equals("name.givenName", "{given}"),
        has("schemas", USER),
        equals("userName", "{email}"),
        saves={"idUserOne": "id", "randomUserEmail": "emails[0].value"},
        needs=("okta.spec.0",),
    ),
    asking(
        "okta.spec.7",
        "The new user is found by its id",
        SOURCE.format(7),
        _get("/Users/{idUserOne}"),
        status(200),
        equals("userName", "{email}"),
        equals("name.familyName", "{family}"),
        equals("name.givenName", "{given}"),
        needs=("okta.spec.6",),
    ),
    asking(
        "okta.spec.8",
        "The same user cannot be created twice",
        SOURCE.format(8),
        Ask("POST", "/Users", body=PERSON, headers=WRITING),
        status(409),
        needs=("okta.spec.6",),
    ),
    asking(
        "okta.spec.9",
        "A filter with the userName in capitals is answered",
        SOURCE.format(9),
        _get("/Users", filter='userName eq "{CAPS}"'),
        status(200),
        needs=("okta.spec.6",),
    ),
    asking(
        "okta.spec.10",
        "Groups are listed, quickly (optional: only for group push)",
        SOURCE.format(10),
        _get("/Groups"),
        *(
            check.unless("Okta asks for groups only where group push is used")
            for check in (
                status(200),
                faster(600),
                matches("Resources is a list when there are groups", _array_when_any),
            )
        ),
    ),
    asking(
        "okta.spec.11",
        "A wrong token is refused with a SCIM error",
        SOURCE.format(11),
        Ask(
            "GET",
            "/Users",
            {"filter": 'userName eq "{CAPS}"'},
            headers={**READING, "authorization": "non-token"},
        ),
        status(401),
        filled_in("detail"),
        reads("status", "401"),
        has("schemas", ERROR),
        needs=("okta.spec.0",),
    ),
    asking(
        "okta.spec.12",
        "An unknown id of another form is refused with a SCIM error",
        SOURCE.format(12),
        _get("/Users/00919288221112222"),
        status(404),
        filled_in("detail"),
        reads("status", "404"),
        has("schemas", ERROR),
    ),
)

SUITE: Final = Suite("okta.spec", "Okta SCIM 2.0 SPEC test", STEPS)
