"""RFC 7644 section 3.4.2.2: filters. Every one finds people of this run only."""

from __future__ import annotations

from typing import Final

from scim_bridge.conformance.expect import ENTERPRISE, USER, answers, matches
from scim_bridge.conformance.reply import Reply, shown
from scim_bridge.conformance.rfc_kit import SHOULD, finds, group, steps, there, users
from scim_bridge.conformance.rfc_people import login, people
from scim_bridge.conformance.run import Run

PROFILE: Final = "asked by the draft interoperability profiles; the RFC leaves filters to the server"
ERROR_TYPE: Final = "the RFC has the type of an error optional"


async def _any_case(run: Run) -> None:
    who = await people(run)
    await finds(run, f'USERNAME EQ "{login(run, "ann")}"', [who["ann"]])
    await finds(run, f'userName Eq "{login(run, "ben")}"', [who["ben"]])


async def _precedence(run: Run) -> None:
    who = await people(run)
    ann, ben, cat = (f'displayName eq "{name} {run.id}"' for name in ("Ann", "Ben", "Cat"))
    await finds(run, f"{ann} or {ben} and {cat}", [who["ann"]])
    await finds(run, f"({ann} or {ben}) and {cat}", [])
    await finds(run, f"{ann} and {cat} or {ben}", [who["ben"]])


async def _not(run: Run) -> None:
    who = await people(run)
    name = f'userName eq "{login(run, "ann")}"'
    await finds(run, f'{name} and not (title eq "nothing")', [who["ann"]])
    await finds(run, f'{name} and not(title eq "Boss {run.id}")', [])


async def _bad_filters(run: Run) -> None:
    for filter_ in ('userName xx "a"', "userName eq", 'userName eq "a" and', '(userName eq "a"'):
        reply = await run.get("/Users", filter=filter_)
        run.hold(reply, matches(f"{filter_} is refused with 400", _invalid_filter))
        kind = matches("with scimType invalidFilter", lambda r: _kind(r, "invalidFilter"))
        run.hold(reply, kind.unless(ERROR_TYPE, answers(400)))


def _invalid_filter(reply: Reply) -> str | None:
    return None if reply.status == 400 else f"status {reply.status}"


def _kind(reply: Reply, wanted: str) -> str | None:
    found = reply.get("scimType")
    return None if found == wanted else f"scimType is {shown(found)}"


async def _case_exact(run: Run) -> None:
    who = await people(run)
    await finds(run, f'userName eq "{login(run, "ann").upper()}"', [who["ann"]])
    await finds(run, f'displayName eq "ANN {run.id.upper()}"', [who["ann"]])
    await finds(run, f'id eq "{who["ann"]}"', [who["ann"]])


async def _present(run: Run) -> None:
    who = await people(run)
    await finds(run, f'userName eq "{login(run, "ann")}" and title pr', [who["ann"]])
    await finds(run, f'userName eq "{login(run, "cat")}" and title pr', [])
    await finds(run, f'userName eq "{login(run, "cat")}" and name pr', [who["cat"]])


async def _comparisons(run: Run) -> None:
    who = await people(run)
    name = f'userName eq "{login(run, "ann")}"'
    created = (await there(run, users(who["ann"]))).get("meta.created")
    await finds(run, f'{name} and meta.created ge "2001-01-01T00:00:00Z"', [who["ann"]])
    await finds(run, f'{name} and meta.created lt "2001-01-01T00:00:00Z"', [])
    await finds(run, f'{name} and meta.created le "{created}"', [who["ann"]])
    reply = await run.get("/Users", filter=f"{name} and active gt true")
    run.hold(reply, matches("a boolean is not greater: 400", _invalid_filter))


async def _operators(run: Run) -> None:
    who = await people(run)
    name = f'userName eq "{login(run, "ann")}"'
    for operator, value in (("co", "oss"), ("sw", "Bos"), ("ew", run.id), ("ne", "Clerk")):
        await finds(run, f'{name} and title {operator} "{value}"', [who["ann"]])
    await finds(run, f"{name} and active eq true", [who["ann"]])
    await finds(run, f'userName eq "{login(run, "cat")}" and active eq false', [who["cat"]])


async def _any_element(run: Run) -> None:
    who = await people(run)
    for path in ("emails", "emails.value"):
        await finds(run, f'{path} co "ann.two@{run.id}"', [who["ann"]])
    await finds(run, f'emails.value eq "ben.one@{run.id}.example"', [who["ben"]])


async def _same_element(run: Run) -> None:
    who = await people(run)
    await finds(run, f'emails[type eq "work" and value co "ann.one@{run.id}"]', [who["ann"]])
    await finds(run, f'emails[type eq "home" and value co "ann.one@{run.id}"]', [])


async def _null(run: Run) -> None:
    who = await people(run)
    await finds(run, f'userName eq "{login(run, "cat")}" and title eq null', [who["cat"]], beyond=SHOULD)
    await finds(run, f'userName eq "{login(run, "ann")}" and title eq null', [], beyond=SHOULD)


async def _meta_filters(run: Run) -> None:
    who = await people(run)
    name = f'userName eq "{login(run, "ann")}"'
    for term in (
        f'schemas eq "{USER}"',
        'meta.resourceType eq "User"',
        'meta.lastModified gt "2001-01-01T00:00:00Z"',
    ):
        await finds(run, f"{name} and {term}", [who["ann"]], beyond=SHOULD)


async def _minimum(run: Run) -> None:
    who = await people(run)
    value = f"ann.one@{run.id}.example"
    holder = await group(run, "Minimum", who["ann"])
    for filter_ in (
        f'userName eq "{login(run, "ann")}"',
        f'emails[value eq "{value}"]',
        f'emails[type eq "work" and value eq "{value}"]',
        f'{ENTERPRISE}:employeeNumber eq "Ann-{run.id}"',
    ):
        await finds(run, filter_, [who["ann"]], beyond=PROFILE)
    for filter_ in (f'displayName eq "Minimum {run.id}"', f'members[value eq "{who["ann"]}"]'):
        await finds(run, filter_, [holder["id"]], endpoint="/Groups", beyond=PROFILE)


STEPS: Final = steps(
    ("Q-01", "Operators and attribute names are read in any case", "RFC 7644 section 3.4.2.2", _any_case),
    ("Q-02", "`and` binds more than `or`", "RFC 7644 section 3.4.2.2", _precedence),
    ("Q-03", "`not` takes parentheses, with a blank or without", "RFC 7644 section 3.4.2.2", _not),
    ("Q-04", "What is no filter is refused, never passed over", "RFC 7644 section 3.4.2.2", _bad_filters),
    ("Q-06", "Texts compare by the attribute's own rule of case", "RFC 7644 section 3.4.2.2", _case_exact),
    ("Q-07", "`pr` is true of what has a value", "RFC 7644 section 3.4.2.2", _present),
    (
        "Q-08",
        "Instants are compared as instants, booleans not at all",
        "RFC 7644 section 3.4.2.2",
        _comparisons,
    ),
    ("Q-08.texts", "co, sw, ew, ne, and eq of booleans", "RFC 7644 section 3.4.2.2", _operators),
    ("Q-09", "One matching element is enough", "RFC 7644 section 3.4.2.2", _any_element),
    ("Q-10", "In brackets it is one and the same element", "RFC 7644 section 3.4.2.2", _same_element),
    ("Q-12", "`eq null` finds what has no value", "RFC 7644 section 3.4.2.2", _null),
    ("Q-13", "`schemas` and `meta` can be asked for", "RFC 7644 section 3.4.2.2", _meta_filters),
    ("Q-14", "The filters identity providers need", "draft IPSIE and interoperability profiles", _minimum),
)
