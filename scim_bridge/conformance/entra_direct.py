"""The eleven of Microsoft's tests that speak to the SCIM server themselves: schemas, null updates, paging, tokens.

Source: the test overview of Microsoft's SCIM validation template, tests 15 to 25.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from scim_bridge.conformance import entra_oauth
from scim_bridge.conformance.entra_engine import group_name, login, manager_is
from scim_bridge.conformance.entra_mapping import OPTIONAL as MAPPED
from scim_bridge.conformance.entra_mapping import SINGLE, Mapped, replacing, undiscoverable
from scim_bridge.conformance.entra_traffic import OPTIONAL, Entra, group, person
from scim_bridge.conformance.expect import ENTERPRISE, equals, filled_in, ids, status
from scim_bridge.conformance.model import Step, Suite
from scim_bridge.conformance.reply import Reply, one
from scim_bridge.conformance.run import Run

PAGE: Final = 5
ENOUGH: Final = 11
MOST_PAGES: Final = 4
MAY_FAIL: Final = (24,)


async def _discoverable(run: Run) -> None:
    reply = await run.get("/Schemas")
    run.demand(reply, status(200), filled_in("Resources"))
    missing = undiscoverable(reply.get("Resources"))
    run.expect("every mapped attribute is in /Schemas", not missing, f"not there: {', '.join(missing)}")


def _full(entra: Entra, name: str) -> dict[str, Any]:
    """A user with a value for every mapped attribute."""
    made = person(login(entra, name), f"0c-{name}-{entra.run.id}")
    made |= {"title": "Site engineer", "preferredLanguage": "da-DK"}
    made["addresses"] = [
        {"type": "work", **{m.path.rpartition(".")[2]: m.first for m in _under("addresses")}}
    ]
    made["phoneNumbers"] = [{"type": m.path.split('"')[1], "value": m.first} for m in _under("phoneNumbers")]
    made[ENTERPRISE] = {"employeeNumber": "1001", "department": "Tours"}
    return made


def _under(name: str) -> list[Mapped]:
    return [mapped for mapped in MAPPED if mapped.path.startswith(f"{name}[")]


async def _null_update(run: Run) -> None:
    entra = Entra(run)
    made = await entra.ask("POST", "/Users", _full(entra, "null"))
    run.demand(made, status(200, 201), filled_in("id"))
    path = one("/Users", made.get("id"))
    for words, value in (("an empty text", ""), ("null", None)):
        await entra.patch(path, *replacing({m.path: m.second for m in MAPPED}))
        await entra.patch(path, *replacing(dict.fromkeys((m.path for m in MAPPED), value)))
        there = await entra.read(path)
        left = [m.path for m in MAPPED if m.read(there.body) is not None]
        run.expect(f"what was replaced by {words} is empty", not left, f"still there: {', '.join(left)}")


async def _create_user(run: Run) -> None:
    entra = Entra(run)
    sent = _full(entra, "direct")
    made = await entra.ask("POST", "/Users", sent)
    run.demand(made, status(200, 201), filled_in("id"), equals("userName", sent["userName"]))
    run.keep("direct", made.get("id"))


async def _update_user(run: Run) -> None:
    entra, path = Entra(run), one("/Users", run.kept("direct"))
    await entra.patch(path, *replacing({m.path: m.second for m in SINGLE}))
    there = await entra.read(path)
    wrong = [m.path for m in SINGLE if m.read(there.body) != m.second]
    run.expect("every single-valued attribute has the value sent", not wrong, f"not: {', '.join(wrong)}")


async def _create_group(run: Run) -> None:
    entra = Entra(run)
    sent = group(group_name(entra, "Direct"), f"0d-{run.id}", old=False)
    made = await entra.ask("POST", "/Groups", sent)
    run.demand(made, status(200, 201), filled_in("id"), equals("displayName", sent["displayName"]))
    run.keep("group", made.get("id"))


async def _update_group(run: Run) -> None:
    entra, path = Entra(run), one("/Groups", run.kept("group"))
    name = group_name(entra, "Direct updated")
    await entra.patch(path, {"op": "replace", "path": "displayName", "value": name})
    await entra.read(path, equals("displayName", name))


async def _paged(run: Run, endpoint: str, create: Callable[[int], Awaitable[Reply]]) -> None:
    """Fill up to eleven resources, then read page by page, a few pages of a large store."""
    first = await run.get(endpoint, startIndex=1, count=PAGE)
    run.demand(first, status(200))
    total = first.get("totalResults")
    for number in range(ENOUGH - total if isinstance(total, int) and total < ENOUGH else 0):
        run.demand(await create(number), status(200, 201))
    seen: list[Any] = []
    for page in range(MOST_PAGES):
        start = page * PAGE + 1
        reply = await run.get(endpoint, startIndex=start, count=PAGE)
        run.demand(reply, status(200), equals("startIndex", start))
        seen += ids(reply)
        total = reply.get("totalResults")
        if not isinstance(total, int) or start + PAGE > total:
            break
    pages = -(-len(seen) // PAGE)
    run.expect("there are two pages or more", pages >= 2, f"{pages} pages")
    run.expect("no page repeats another", len(set(map(str, seen))) == len(seen), f"ids: {seen}")


async def _user_pages(run: Run) -> None:
    entra = Entra(run)

    async def create(number: int) -> Reply:
        return await entra.ask(
            "POST", "/Users", person(login(entra, f"page{number}"), f"0e-{number}-{run.id}")
        )

    await _paged(run, "/Users", create)


async def _group_pages(run: Run) -> None:
    entra = Entra(run)

    async def create(number: int) -> Reply:
        return await entra.ask(
            "POST", "/Groups", group(group_name(entra, f"Page {number}"), f"0f-{number}-{run.id}", old=False)
        )

    await _paged(run, "/Groups", create)


async def _manager(run: Run) -> None:
    entra, attribute = Entra(run), f"{ENTERPRISE}:manager"
    bosses = []
    for number in (1, 2):
        sent = person(login(entra, f"direct.boss{number}"), f"0g-{number}-{run.id}")
        made = await entra.ask("POST", "/Users", sent)
        run.demand(made, status(200, 201), filled_in("id"))
        bosses.append(str(made.get("id")))
    made = await entra.ask("POST", "/Users", person(login(entra, "direct.report"), f"0g-3-{run.id}"))
    run.demand(made, status(200, 201), filled_in("id"))
    path = one("/Users", made.get("id"))
    for op, value, boss in (
        ("Add", bosses[0], bosses[0]),
        ("Replace", bosses[1], bosses[1]),
        ("Replace", "", None),
    ):
        await entra.patch(path, {"op": op, "path": attribute, "value": value})
        await entra.read(path, manager_is(boss))


ROWS: Final[tuple[tuple[int, str, str, Callable[[Run], Awaitable[None]], tuple[str, ...]], ...]] = (
    (
        15,
        "Schema_Discoverability",
        "Every attribute of the default mapping is in /Schemas",
        _discoverable,
        (),
    ),
    (
        16,
        "SCIM_Null_Update",
        "Attributes replaced by an empty text, then by null, are empty",
        _null_update,
        (),
    ),
    (17, "SCIM_User_Create", "A user is created with every mapped attribute", _create_user, ()),
    (18, "SCIM_User_Update", "Single-valued attributes of the user change", _update_user, ("entra.17",)),
    (19, "SCIM_Group_Create", "A group is created", _create_group, ()),
    (20, "SCIM_Group_Update", "The group's name changes", _update_group, ("entra.19",)),
    (
        21,
        "Validate_Credentials",
        "A client secret gives a token for one to six hours",
        entra_oauth.secret,
        (),
    ),
    (22, "Federated_Identity", "A signed assertion gives a token", entra_oauth.federated, ()),
    (23, "SCIM_User_Pagination", "Pages of five users follow each other", _user_pages, ()),
    (24, "SCIM_Group_Pagination", "Pages of five groups follow each other (optional)", _group_pages, ()),
    (25, "SCIM_Update_Manager", "The manager is added, replaced, emptied", _manager, ()),
)

SUITE: Final = Suite(
    "entra.direct",
    "Microsoft's SCIM validation: tests that speak to the server directly",
    tuple(
        Step(
            f"entra.{number}",
            title,
            f"Microsoft's SCIM validation, test {number} {name}",
            body,
            needs,
            OPTIONAL if number in MAY_FAIL else "",
        )
        for number, name, title, body, needs in ROWS
    ),
)
