"""Agents: search, show, create, describe anew, hold and release."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from scim_bridge.api.model import Asked, Operation, Page, Parameter, changes, lists, reads
from scim_bridge.api.shapes import AT, INTEGER, TEXT, TRUTH, Schema, closed, many, maybe, page_of, ref, text
from scim_bridge.inventory.documents import FAMILY_NAME
from scim_bridge.inventory.forms import instant, slug_fault, user_name_fault
from scim_bridge.inventory.manifest import default_user_name
from scim_bridge.kernel.clock import iso
from scim_bridge.kernel.errors import Invalid, NotFound
from scim_bridge.kernel.work import Work
from scim_bridge.registry.agent_creation import add_agent
from scim_bridge.registry.agent_facts import AgentFacts, facts_of, find_agent
from scim_bridge.registry.agents import update_agent
from scim_bridge.registry.fact_forms import workload_fault
from scim_bridge.registry.findings import findings_of
from scim_bridge.registry.groups import groups_of
from scim_bridge.registry.holds import place_hold, release_hold
from scim_bridge.registry.model import AGENT_URN, ENVIRONMENTS, RISK_TIERS, Doc, PersonRef

TAG = "Agents"
ADMIN = "admin"
ORIGIN = "api"
PERSON = ref("PersonRef")
_LINE: Mapping[str, Schema] = {
    "id": TEXT,
    "slug": TEXT,
    "display_name": TEXT,
    "platform": TEXT,
    "environment": TEXT,
    "risk_tier": TEXT,
    "owner": maybe(PERSON),
    "active": TRUTH,
    "why": many(TEXT, about="the reasons of its holds"),
    "attestation": TEXT,
    "groups": many(TEXT),
}
_WORDS = many(text(), most=200)
_FACTS: Mapping[str, Schema] = {
    "display_name": text("what people call it"),
    "purpose": text("what it is for", most=4000),
    "platform": text("where it runs"),
    "model": text(),
    "version": text(),
    "environment": text(choices=ENVIRONMENTS),
    "risk_tier": text(choices=RISK_TIERS),
    "owner": text("userName, e-mail or id of a person"),
    "co_owners": many(text(), most=50, about="in the order of succession"),
    "sponsors": many(text(), most=50),
    "tools": _WORDS,
    "resources": _WORDS,
    "workload_id": text("a spiffe:// or wimse:// URI", most=2048),
    "expires_at": text("RFC 3339, or a date", most=40),
}
_EMPTIED = ("purpose", "model", "version", "workload_id", "expires_at")
_KEYS = {
    "risk_tier": "riskTier",
    "co_owners": "coOwners",
    "workload_id": "workloadId",
    "expires_at": "expiresAt",
}
SCHEMAS: Mapping[str, Schema] = {
    "PersonRef": closed({"id": TEXT, "user_name": TEXT, "display_name": TEXT, "active": TRUTH}),
    "Hold": closed(
        {"source": TEXT, "code": TEXT, "reason": TEXT, "since": AT, "placed_by": TEXT, "released_by": TEXT}
    ),
    "AgentLine": closed(_LINE),
    "Agent": closed(
        {
            **_LINE,
            "user_name": TEXT,
            "purpose": TEXT,
            "model": TEXT,
            "version": TEXT,
            "co_owners": many(PERSON),
            "sponsors": many(PERSON),
            "tools": many(TEXT),
            "resources": many(TEXT),
            "workload_id": maybe(TEXT),
            "expires_at": maybe(AT),
            "holds": many(ref("Hold")),
            "attested_by": maybe(TEXT),
            "attested_until": maybe(AT),
            "findings": many(closed({"connection": TEXT, "code": TEXT, "message": TEXT, "since": AT})),
            "origin": TEXT,
            "created": AT,
            "modified": AT,
            "revision": INTEGER,
        }
    ),
}
REASON = closed({"reason": text("audited and shown")})
NEW = closed(
    {"slug": text(most=63), "user_name": text(most=254), **_FACTS},
    ("slug", "display_name", "purpose", "platform", "environment", "risk_tier", "owner"),
)
PATCH: Schema = {
    **closed({name: maybe(s) if name in _EMPTIED else s for name, s in _FACTS.items()}, ()),
    "description": "What is not named stays. null takes a fact away.",
}


def person(of: PersonRef | None) -> dict[str, Any] | None:
    """A person in a few words."""
    if of is None:
        return None
    return {"id": of.id, "user_name": of.user_name, "display_name": of.display_name, "active": of.active}


def line(of: AgentFacts, groups: list[tuple[str, str]]) -> dict[str, Any]:
    """An agent of a list."""
    return {
        "id": of.resource.id,
        "slug": of.slug,
        "display_name": str(of.resource.doc.get("displayName") or of.slug),
        "platform": of.platform,
        "environment": of.environment,
        "risk_tier": of.risk_tier,
        "owner": person(of.owners.owner),
        "active": of.resource.active,
        "why": [hold.reason for hold in of.holds],
        "attestation": of.attestation.state,
        "groups": [name for _, name in groups],
    }


async def lines(asked: Asked, ids: list[str]) -> list[dict[str, Any]]:
    """Agents of a list, in the order of their ids here."""
    facts, groups = await facts_of(asked.reader, ids), await groups_of(asked.reader, ids)
    return [line(facts[each], groups[each]) for each in ids if each in facts]


async def found(asked: Asked) -> AgentFacts:
    """The agent of the path; NotFound."""
    name = asked.path["agent"]
    agent = await find_agent(asked.reader, name)
    if agent is None:
        raise NotFound("agent-unknown", f"There is no agent {name[:100]!r}.", "See GET /api/v1/agents.")
    return agent


async def search(asked: Asked) -> Page:
    """GET /agents."""
    after = str(asked.after[0]) if asked.after else ""
    ids, following = await asked.house.find(asked.reader, str(asked.query.get("q", "")), after, asked.limit)
    return Page(await lines(asked, ids), None if following is None else [following])


async def show(asked: Asked) -> dict[str, Any]:
    """GET /agents/{agent}."""
    of = await found(asked)
    agent_id, told = of.resource.id, of.extension
    groups = (await groups_of(asked.reader, [agent_id]))[agent_id]
    until = of.attestation.until
    return {
        **line(of, groups),
        "user_name": of.resource.name,
        "purpose": str(told.get("purpose") or ""),
        "model": str(told.get("model") or ""),
        "version": str(told.get("version") or ""),
        "co_owners": [person(each) for each in of.owners.co_owners],
        "sponsors": [person(each) for each in of.owners.sponsors],
        "tools": _texts(told.get("tools")),
        "resources": _texts(told.get("resources")),
        "workload_id": of.workload_id,
        "expires_at": None if of.expires_at is None else iso(of.expires_at),
        "holds": [hold.told() for hold in of.holds],
        "attested_by": of.attestation.by,
        "attested_until": None if until is None else iso(until),
        "findings": [
            {
                "connection": kept.connection,
                "code": kept.finding.code,
                "message": kept.finding.message,
                "since": iso(kept.since),
            }
            for kept in await findings_of(asked.reader, agent_id)
        ],
        "origin": of.origin,
        "created": iso(of.resource.created),
        "modified": iso(of.resource.modified),
        "revision": of.resource.version,
    }


def _texts(value: Any) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else []


def _checked(name: str, fault: str) -> None:
    if fault:
        raise Invalid("agent-fact", f"{name}: {fault}", "See the shape of it in /openapi.json.")


def _described(doc: Doc, body: Mapping[str, Any]) -> Doc:
    """The document with the facts of a body; null and empty lists take away."""
    made, extension = dict(doc), dict(doc.get(AGENT_URN) or {})
    for name, value in body.items():
        if name in ("slug", "user_name"):
            continue
        if name == "display_name":
            made["displayName"] = value
            made["name"] = {**(made.get("name") or {}), "givenName": value, "familyName": FAMILY_NAME}
            continue
        if name == "workload_id" and value is not None:
            _checked(name, workload_fault(value))
        if name == "expires_at" and value is not None:
            value = _instant(value)
        if name == "owner":
            value = {"value": value}
        if name in ("co_owners", "sponsors"):
            value = [{"value": each} for each in value]
        key = _KEYS.get(name, name)
        if value:
            extension[key] = value
        else:
            extension.pop(key, None)
    made[AGENT_URN] = extension
    return made


def _instant(value: str) -> str:
    try:
        return iso(instant(value))
    except ValueError as error:
        raise Invalid("agent-fact", f"expires_at: {error}.", "Write RFC 3339, or a date.") from error


async def create(work: Work, asked: Asked) -> Any:
    """POST /agents."""
    body = asked.body
    _checked("slug", slug_fault(body["slug"]))
    name = body.get("user_name") or default_user_name(body["slug"])
    _checked("user_name", user_name_fault(name))
    doc: Doc = {"userName": name, "emails": [{"value": name, "type": "work", "primary": True}]}
    made = await add_agent(work, _described(doc, body), origin=ORIGIN, slug=body["slug"])
    return await show(_about(asked, made.resource.id))


def _about(asked: Asked, agent_id: str) -> Asked:
    return replace(asked, path={**asked.path, "agent": agent_id})


async def describe(work: Work, asked: Asked) -> None:
    """PATCH /agents/{agent}."""
    of = await found(asked)
    if not await update_agent(work, of.resource.id, _described(of.resource.doc, asked.body)):
        work.bookkeeping("the agent is already as asked")


async def hold(work: Work, asked: Asked) -> None:
    """POST /agents/{agent}/hold."""
    of = await found(asked)
    work.bookkeeping("the hold is already as asked")
    how = "an admin releases it, in the console, by the API or with agents resume"
    await place_hold(work, of.resource.id, ADMIN, ADMIN, asked.body["reason"], how)


async def release(work: Work, asked: Asked) -> None:
    """POST /agents/{agent}/release."""
    of = await found(asked)
    work.bookkeeping("the hold is already as asked")
    await release_hold(work, of.resource.id, ADMIN, asked.body["reason"])


SEARCH = Parameter(
    "q",
    text(least=0, most=400),
    "words and key:value filters as in the console: state:held owner:ann env:production -platform:langgraph",
)
OPERATIONS: tuple[Operation, ...] = (
    lists(TAG, "listAgents", "/agents", "Agents by slug", search, page_of("AgentLine"), SEARCH),
    changes(TAG, "createAgent", "POST", "/agents", "Add an agent", create, ref("Agent"), NEW, status=201),
    reads(TAG, "showAgent", "/agents/{agent}", "One agent: holds, owners, groups, facts", show, ref("Agent")),
    changes(
        *(TAG, "describeAgent", "PATCH", "/agents/{agent}", "Change facts and owners", describe),
        ref("Agent"),
        PATCH,
        shown=show,
    ),
    changes(
        *(TAG, "holdAgent", "POST", "/agents/{agent}/hold", "Stop an agent until an admin releases it", hold),
        ref("Agent"),
        REASON,
        shown=show,
    ),
    changes(
        *(TAG, "releaseAgent", "POST", "/agents/{agent}/release", "Release the admin's hold", release),
        ref("Agent"),
        REASON,
        shown=show,
        about="Holds of other sources stand.",
    ),
)
