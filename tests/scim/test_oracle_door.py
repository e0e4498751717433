"""What the door answers to POST, PUT and PATCH is what scim2-models makes of the same requests, held to the letter."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scim2_models import Context, Group, PatchOp, SCIMException

from scim_bridge.registry.model import AGENT_URN, GROUP_URN, USER_URN
from scim_bridge.scim.errors import ScimError
from scim_bridge.scim.extension import GroupExtension
from scim_bridge.scim.operations import read_operations
from scim_bridge.scim.patch import apply
from tests.scim import oracle
from tests.scim.bridge import Bridge, Client, Reply
from tests.scim.differences_in_bodies import excused_body
from tests.scim.differences_in_patches import excused_patch
from tests.scim.drawn import Doc, documents, mutated, operations

FEW = settings(max_examples=20, deadline=None, database=None)
MODELS: dict[str, Any] = {"User": oracle.MODEL, "Group": Group[GroupExtension]}
URNS = {"User": USER_URN, "Group": GROUP_URN}
# What the service itself puts into an answer.
OURS = ("id", "meta", "groups", "members")


# What the door checks beyond the schema: who a manager and an owner are, and what kinds of groups there are.
BEYOND = ("manager", "owner", "kind")


def held(doc: Doc, kind: str) -> Doc:
    """A document as a client of the letter sends it, without what the door checks beyond the schema."""
    kept = {
        name: value for name, value in doc.items() if name.casefold() not in (AGENT_URN.casefold(), "schemas")
    }
    for urn in [name for name, value in kept.items() if ":" in name and isinstance(value, dict)]:
        part = {name: value for name, value in kept.pop(urn).items() if name.casefold() not in BEYOND}
        kept.update({urn: part} if part else {})
    return {**kept, "schemas": [URNS[kind], *(key for key, value in kept.items() if ":" in key and value)]}


def named(doc: Doc, kind: str, number: int) -> Doc:
    """The same under a name and an externalId nobody has yet; what is no text stays as it is."""
    keys = ("username" if kind == "User" else "displayname", "externalid")
    return {
        key: f"{value}-{number}" if key.casefold() in keys and isinstance(value, str) and value else value
        for key, value in doc.items()
    }


def told(answer: Reply, sent: Doc) -> Any:
    """What an answer says of the client's own attributes; REFUSED for a refusal."""
    if answer.status >= 400:
        assert answer.status == 400, answer.content
        return oracle.REFUSED
    said = {name.casefold() for name in sent}
    extra = OURS if "active" in said else (*OURS, "active")
    return oracle.shape({name: value for name, value in answer.body.items() if name not in extra})


def read_by_oracle(doc: Doc, kind: str, context: Context) -> Any:
    """The oracle's resource; None when it refuses."""
    try:
        with oracle.STRICT:
            return MODELS[kind].model_validate(doc, scim_ctx=context)
    except (ValidationError, SCIMException):
        return None


def shown(resource: Any) -> Any:
    """The oracle's resource as the door is read."""
    if resource is None:
        return oracle.REFUSED
    return {name: value for name, value in oracle.dumped(resource).items() if name not in OURS}


def excused(doc: Doc, kind: str) -> bool:
    """True for a body on which we differ on purpose (differences_in_bodies)."""
    if kind == "Group" and "members" in {name.casefold() for name in doc}:
        return True
    return excused_body(doc, tolerant=False)


def asked(check: Callable[..., Coroutine[Any, Any, None]], *drawn: st.SearchStrategy[Any]) -> Any:
    """A property of the door: drawn values go to `check` with the client and a number that is new each time."""

    async def body(bridge: Bridge) -> None:
        client, loop = await bridge.client("letter", "strict"), asyncio.get_running_loop()
        numbers: Iterator[int] = iter(range(1_000_000))

        @FEW
        @given(st.tuples(*drawn))
        def property_(values: tuple[Any, ...]) -> None:
            asyncio.run_coroutine_threadsafe(check(client, next(numbers), *values), loop).result()

        await asyncio.to_thread(property_)

    return body


kinds = st.sampled_from(["User", "Group"])


async def created(client: Client, number: int, kind: str, user: Doc, group: Doc) -> None:
    """POST."""
    sent = named(held(user if kind == "User" else group, kind), kind, number)
    answer = told(await client.post(f"/{kind}s", sent), sent)
    theirs = shown(read_by_oracle(sent, kind, Context.RESOURCE_CREATION_REQUEST))
    assert answer == theirs or excused(sent, kind), (sent, answer, theirs)


async def replaced(client: Client, number: int, kind: str, before: Doc, wanted: Doc) -> None:
    """PUT."""
    first, sent = named(held(before, kind), kind, number), named(held(wanted, kind), kind, number)
    made = await client.post(f"/{kind}s", first)
    assert made.status == 201, made.content
    answer = await client.put(f"/{kind}s/{made['id']}", sent)
    resource = read_by_oracle(sent, kind, Context.RESOURCE_REPLACEMENT_REQUEST)
    if resource is not None:
        resource.replace(MODELS[kind].model_validate(made.body))
    assert told(answer, sent) == shown(resource) or excused(sent, kind), (sent, answer.content)
    again = await client.get(f"/{kind}s/{made['id']}")
    assert answer.status != 200 or again.body == answer.body
    assert answer.status == 200 or again.body == made.body


async def patched(client: Client, number: int, before: Doc, changes: list[Doc]) -> None:
    """PATCH with several operations: all of them, in order, or none."""
    first = named(held({"active": True, **before}, "User"), "User", number)
    changes = [each for each in changes if beside_the_schema(each)]
    made = await client.post("/Users", first)
    assert made.status == 201, made.content
    path = f"/Users/{made['id']}"
    answer = await client.patch(path, *changes)
    resource = read_by_oracle(first, "User", Context.RESOURCE_CREATION_REQUEST)
    message = {"schemas": [oracle.PATCH_URN], "Operations": changes}
    try:
        with oracle.STRICT:
            PatchOp[oracle.MODEL].model_validate(  # type: ignore[valid-type]
                message, scim_ctx=Context.RESOURCE_PATCH_REQUEST
            ).patch(resource)
        theirs = shown(resource)
    except (ValidationError, SCIMException):
        theirs = oracle.REFUSED
    agreed = told(answer, {"active": True}) == theirs
    assert agreed or excused_on_the_way(first, changes), (first, changes, answer.content, theirs)
    assert answer.status == 200 or (await client.get(path)).body == made.body


def beside_the_schema(operation: Doc) -> bool:
    """True unless an operation says what the door checks beyond the schema: owners, managers, names in use."""
    text = repr(operation).casefold()
    return not any(word in text for word in (AGENT_URN.casefold(), "manager", "username", "externalid"))


def excused_on_the_way(doc: Doc, changes: list[Doc]) -> bool:
    """True when one of the operations is, where it comes, of a kind on which we differ (differences_in_patches)."""
    standing = {name: value for name, value in doc.items() if name != "schemas"}
    for change in changes:
        if excused_patch(standing, change, tolerant=False):
            return True
        try:
            read = read_operations(oracle.message(change), tolerant=False)
            standing = dict(apply(standing, read, "User", tolerant=False).doc)
        except ScimError:
            return False
    return not changes


def test_a_create_makes_what_the_oracle_reads(sqlite_door) -> None:
    sqlite_door(asked(created, kinds, mutated("User"), mutated("Group")))


def test_a_put_makes_what_the_oracle_makes(sqlite_door) -> None:
    for kind in ("User", "Group"):
        bodies = st.one_of(documents(kind), mutated(kind))
        sqlite_door(asked(replaced, st.just(kind), documents(kind), bodies))


def test_a_patch_of_several_operations_makes_what_the_oracle_makes(sqlite_door) -> None:
    sqlite_door(asked(patched, documents("User"), st.lists(operations(), min_size=1, max_size=3)))
