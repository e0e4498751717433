"""What a connection with a scope may see and touch of agents; for one without, none of this costs a statement.

An agent outside the scope is to its connection as one that does not exist. What would change such an agent,
or what it may do, is refused; so is bringing an agent into being outside, or moving one there.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import Forbidden
from scim_bridge.kernel.rows import among, listed
from scim_bridge.kernel.work import Work
from scim_bridge.registry.agent_columns import facts_in
from scim_bridge.registry.model import AGENT, ENTERPRISE_URN, USER_SPACE, Doc, Resource, fold
from scim_bridge.registry.scope import GROUP, Scope
from scim_bridge.registry.standing import Standing
from scim_bridge.scim.caller import Caller

if TYPE_CHECKING:
    from scim_bridge.scim.render import Head


def admits(scope: Scope, doc: Doc, groups: Sequence[str] = ()) -> bool:
    """True when an agent with this document, a member of these groups (displayNames), is inside the scope."""
    return not scope or scope.admits(*facts_in(doc), groups)


def check_new(caller: Caller, doc: Doc) -> None:
    """Refuse to create an agent outside the caller's scope. A new agent is in no group."""
    if admits(caller.scope, doc):
        return
    fix = "Send what the scope asks for."
    if GROUP in caller.scope.allowed:
        fix = "A new agent is in no group: let a connection without that condition create it."
    raise _outside(caller, f"{doc.get('userName')!r} would be an agent", fix)


def check_stays(caller: Caller, after: Standing) -> None:
    """Refuse to move an agent out of the caller's scope by what it is described as."""
    if not caller.scope or after.resource.kind != AGENT:
        return
    if not admits(caller.scope, after.resource.doc, [group.name for group in after.groups]):
        raise _outside(
            caller, f"{after.resource.name!r} would then be", "Leave what the scope asks for as it is."
        )


async def check_groups(work: Work, caller: Caller, groups: Collection[str], doing: str) -> None:
    """Refuse what would change the access of agents outside the scope that are in these groups, at any depth."""
    if not caller.scope or not groups:
        return
    inside, values = caller.scope.sql("m", "member_id")
    row = await work.tx.one(
        "WITH RECURSIVE down (id) AS (SELECT r.id FROM sb_resource r"
        f" WHERE r.kind = 'group' AND r.id {among(work.tx.backend)}"
        " UNION SELECT c.member_id FROM sb_member c JOIN down d ON c.group_id = d.id WHERE c.kind = 'group')"
        f" SELECT 1 AS x FROM down d JOIN sb_member m ON m.group_id = d.id WHERE NOT {inside} LIMIT 1",
        listed(work.tx.backend, groups),
        *values,
    )
    if row is not None:
        raise _outside(
            caller,
            f"{doing} would change what agents may do that are",
            "Let a connection do it that sees them.",
        )


async def check_application(work: Work, caller: Caller, application_id: str) -> None:
    """Refuse to delete an application that agents outside the scope are in: they would lose what describes them."""
    if not caller.scope:
        return
    inside, values = caller.scope.sql("r")
    row = await work.tx.one(
        "SELECT 1 AS x FROM sb_application_agent l JOIN sb_resource r ON r.id = l.agent_id"
        f" WHERE l.application_id = ? AND r.deleted IS NULL AND NOT {inside} LIMIT 1",
        application_id,
        *values,
    )
    if row is not None:
        fix = "Take those out that you see, and let a connection delete it that sees all."
        raise _outside(caller, "Deleting this application would take it from agents that are", fix)


def _outside(caller: Caller, what: str, fix: str) -> Forbidden:
    scope = f"outside the scope of connection {caller.connection.name!r} ({caller.scope})"
    return Forbidden("scope-outside", f"{what} {scope}.", fix)


async def sees(reader: Reader, scope: Scope, resource: Resource) -> bool:
    """True when a live resource is inside the scope; people and groups always are."""
    if not scope or resource.kind != AGENT:
        return True
    condition, values = scope.sql("r")
    row = await reader.one(
        f"SELECT 1 AS x FROM sb_resource r WHERE r.id = ? AND {condition}", resource.id, *values
    )
    return row is not None


async def veiled(reader: Reader, heads: Sequence[Head], scope: Scope) -> Sequence[Head]:
    """The same users without managers that are nobody the scope lets see (a client may have written such).

    Whether there is such an agent outside, or nobody at all, is not to be told.
    """
    if not scope:
        return heads
    documents = {head.id: orjson.loads(head.rendered) for head in heads if b'"manager"' in head.rendered}
    managers = {found: name for found, doc in documents.items() if (name := _manager(doc)) is not None}
    if not managers:
        return heads
    known = {None, *await _seen(reader, sorted(set(managers.values())), scope)}
    return [
        head if managers.get(head.id) in known else head._replace(rendered=_without(documents[head.id]))
        for head in heads
    ]


async def _seen(reader: Reader, names: Sequence[str], scope: Scope) -> set[str]:
    """Those of these ids, userNames and e-mail addresses that somebody has whom the scope lets see."""
    (condition, values), backend = scope.sql("r"), reader.backend
    folded = listed(backend, [fold(name) for name in names])
    live = f"r.space = '{USER_SPACE}' AND r.deleted IS NULL AND {condition}"
    rows = await reader.all(
        f"SELECT r.id AS name, 1 AS exact FROM sb_resource r WHERE r.id {among(backend)} AND {live}"
        f" UNION ALL SELECT r.key, 0 FROM sb_resource r WHERE r.key {among(backend)} AND {live}"
        " UNION ALL SELECT t.key, 0 FROM sb_attr t CROSS JOIN sb_resource r"
        f" WHERE t.name = 'emails.value' AND t.key {among(backend)} AND r.id = t.resource_id AND {live}",
        listed(backend, names),
        *values,
        folded,
        *values,
        folded,
        *values,
    )
    exact = {row["name"] for row in rows if row["exact"]}
    loose = {row["name"] for row in rows if not row["exact"]}
    return {name for name in names if name in exact or fold(name) in loose}


def _manager(document: dict[str, Any]) -> str | None:
    manager = (document.get(ENTERPRISE_URN) or {}).get("manager")
    value = manager.get("value") if isinstance(manager, dict) else manager
    return value if isinstance(value, str) else None


def _without(document: dict[str, Any]) -> bytes:
    rest = {name: value for name, value in document[ENTERPRISE_URN].items() if name != "manager"}
    kept = {name: value for name, value in document.items() if name != ENTERPRISE_URN}
    if rest:
        kept[ENTERPRISE_URN] = rest
    elif isinstance(kept.get("schemas"), list):
        kept["schemas"] = [urn for urn in kept["schemas"] if urn != ENTERPRISE_URN]
    return orjson.dumps(kept)
