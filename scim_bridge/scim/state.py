"""`active` as the bridge means it: holds for agents (architecture, rule 1), employment and signals for people."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from scim_bridge.kernel.work import Work
from scim_bridge.registry.holds import held, released
from scim_bridge.registry.model import AGENT, PERSON, Resource, display_name, pointed
from scim_bridge.registry.owning import inactive_named
from scim_bridge.registry.resources import load
from scim_bridge.registry.signal import DELETED, LEFT, NAMED, RETURNED, Signal
from scim_bridge.registry.standing import Standing, standing
from scim_bridge.scim.door import Call, connection_words

HOLD_CODE = "connection"


def said_active(call: Call, before: Standing) -> bool:
    """What this connection last said about `active`: for an agent, whether it holds it.

    An agent held by somebody else is active as far as this connection is concerned, so that its saying
    false is a change, and its saying true is none.
    """
    if before.resource.kind != AGENT:
        return before.resource.active
    return before.held_by(call.caller.actor_hold) is None


async def with_active(work: Work, call: Call, agent: Standing, active: bool) -> Standing:
    """The agent with or without this connection's hold, to be saved; the same one when there is nothing to do.

    Other holds stand.
    """
    words, source = connection_words(call.caller), call.caller.actor_hold
    if active:
        after = await released(work, agent, source, f"{words} activated it")
    else:
        release = f"{words} activates it again (active: true)"
        after = await held(work, agent, source, HOLD_CODE, f"{words} deactivated it", release)
    if after is agent:
        work.bookkeeping("the connection's hold is already as asked")
    return after


async def tell_of_person(work: Work, call: Call, before: Resource, active: bool) -> None:
    """Raise the signal for a person whose `active` changed; call it after the change is written."""
    kind, verb = (RETURNED, "activated") if active else (LEFT, "deactivated")
    await call.door.accept(work, _signal(work, call, before, kind, verb, before.version + 1))


async def tell_of_deletion(work: Work, call: Call, person: Resource) -> None:
    """Raise the signal for a person who is about to be deleted."""
    await call.door.accept(work, _signal(work, call, person, DELETED, "deleted", person.version))


async def tell_of_owner(work: Work, call: Call, agent: Standing) -> Standing:
    """The agent as it stands once it is decided on, when it was just given to somebody who is not active.

    Call it after the agent is written. Who has left answers for nobody: it is handed over or held at once.
    """
    owner = pointed(agent.resource.doc).owner if agent.resource.kind == AGENT else None
    if owner is None or owner["value"] not in inactive_named(work):
        return agent
    person = await load(work, str(owner["value"]), PERSON)
    signal = _signal(work, call, person, NAMED, "named as the owner of an agent", agent.resource.version)
    await call.door.accept(work, replace(signal, key=f"{signal.key}:{agent.resource.id}"))
    return await standing(work, agent.resource.id, connection_id=call.caller.connection.id)


def _signal(work: Work, call: Call, person: Resource, kind: str, verb: str, version: int) -> Signal:
    name = display_name(person.doc) or person.name
    return Signal(
        source=f"scim:{call.caller.connection.name}",
        key=f"{person.id}:{version}:{kind}",
        kind=kind,
        person_id=person.id,
        at=work.now,
        effective_at=work.now,
        reason=f"{connection_words(call.caller)} {verb} {name}",
    )


def deactivates(document: Any) -> bool:
    """True when a body, read as loosely as can be, says `active: false`, and says nothing else of it."""
    if not isinstance(document, dict):
        return False
    said = [value for key, value in document.items() if isinstance(key, str) and key.casefold() == "active"]
    return bool(said) and all(value is False or str(value).strip().casefold() == "false" for value in said)


def deactivating(operations: Any) -> bool:
    """True when PATCH operations (dialect already rewritten), read as loosely as can be, say `active: false`."""
    for operation in operations if isinstance(operations, list) else ():
        if not isinstance(operation, dict) or operation.get("op") not in ("add", "replace"):
            continue
        path = operation.get("path")
        if not path and deactivates(operation.get("value")):
            return True
        name = str(path or "").rpartition(":")[2].strip()
        if name.casefold() == "active" and deactivates({"active": operation.get("value")}):
            return True
    return False
