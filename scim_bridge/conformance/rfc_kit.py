"""What the RFC's checks share: users and groups of a step's own, filters asked and judged, what is supported."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final

from scim_bridge.conformance.expect import GROUP, PATCH_OP, USER, filled_in, ids, status
from scim_bridge.conformance.model import Step
from scim_bridge.conformance.reply import Reply, at, one, shown
from scim_bridge.conformance.run import Run

Body = Callable[[Run], Awaitable[None]]
Row = tuple[str, str, str, Body]

NOT_OFFERED: Final = "a server may refuse a filter it does not offer (RFC 7644 section 3.4.2.2)"
SHOULD: Final = "the RFC says should here, not must"


def steps(*rows: Row) -> tuple[Step, ...]:
    """Steps of the RFC suite: requirement, title, section, function."""
    return tuple(
        Step(f"rfc.{requirement}", title, f"{section} ({requirement})", body)
        for requirement, title, section, body in rows
    )


def person(run: Run, name: str, /, **more: Any) -> dict[str, Any]:
    """The body of a user of this run; a name is used once in a suite."""
    login = run.mail(f"{name}.{run.id}")
    return {
        "schemas": [USER],
        "userName": login,
        "name": {"givenName": name.capitalize(), "familyName": run.id},
        "emails": [{"value": login, "type": "work", "primary": True}],
        **more,
    }


async def user(run: Run, name: str, /, **more: Any) -> Any:
    """A new user; what the server answered. The step ends when it is not created."""
    made = await run.post("/Users", person(run, name, **more))
    run.demand(made, status(201), filled_in("id"))
    return made.body


async def group(run: Run, name: str, *members: str, **more: Any) -> Any:
    """A new group with these members; what the server answered."""
    body = {"schemas": [GROUP], "displayName": f"{name} {run.id}", **more}
    if members:
        body["members"] = [{"value": member} for member in members]
    made = await run.post("/Groups", body)
    run.demand(made, status(201), filled_in("id"))
    return made.body


async def patch(run: Run, path: str, *operations: Mapping[str, Any], **query: Any) -> Reply:
    """A PATCH with these operations, whatever comes of it."""
    body = {"schemas": [PATCH_OP], "Operations": list(operations)}
    return await run.ask("PATCH", path, body=body, query=query)


async def patched(run: Run, path: str, *operations: Mapping[str, Any]) -> Any:
    """A PATCH that has to succeed; the resource as GET then gives it."""
    run.demand(await patch(run, path, *operations), status(200, 204))
    return (await there(run, path)).body


async def there(run: Run, path: str, **query: Any) -> Reply:
    """A GET that has to find something."""
    reply = await run.get(path, **query)
    run.demand(reply, status(200))
    return reply


def is_(run: Run, body: Any, path: str | tuple[str | int, ...], wanted: Any, words: str) -> bool:
    """Note whether a place in a document has exactly this value."""
    found = at(body, path)
    return run.expect(words, type(found) is type(wanted) and found == wanted, shown(found))


async def finds(
    run: Run, filter_: str, wanted: Iterable[Any], *, endpoint: str = "/Users", beyond: str = ""
) -> bool:
    """Note whether a filter finds exactly these ids. Refusing it with invalidFilter is told as a skip."""
    reply = await run.get(endpoint, filter=filter_)
    refused = reply.status in (400, 403, 501) and reply.get("scimType") in ("invalidFilter", "tooMany")
    found, expected = sorted(map(str, ids(reply))), sorted(map(str, wanted))
    right = reply.status == 200 and found == expected
    came = f"{len(found)} found" if reply.status == 200 else f"status {reply.status}"
    text = f"{filter_} finds {len(expected)} of ours and nobody else"
    return run.expect(text, right, came, beyond=NOT_OFFERED if refused else beyond)


async def configuration(run: Run) -> Any:
    """ServiceProviderConfig, asked once."""
    if "configuration" not in run.notes:
        reply = await run.get("/ServiceProviderConfig")
        run.keep("configuration", reply.body if reply.status == 200 else {})
    return run.kept("configuration")


async def needs(run: Run, feature: str) -> None:
    """Skip the step unless the server says it supports this."""
    if at(await configuration(run), f"{feature}.supported") is not True:
        run.skip(f"ServiceProviderConfig does not offer {feature}")


def users(identity: Any) -> str:
    """The address of a user."""
    return one("/Users", identity)


def groups(identity: Any) -> str:
    """The address of a group."""
    return one("/Groups", identity)


def bad(reply: Reply) -> str | None:
    """For `matches`: a 400."""
    return None if reply.status == 400 else f"status {reply.status}"


def kind_of(reply: Reply, *wanted: str) -> str | None:
    """For `matches`: an error with one of these types."""
    found = reply.get("scimType")
    return None if found in wanted else f"scimType is {shown(found)}"
