"""Attestations: statements, requests, and campaigns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from scim_bridge.api.agents import found
from scim_bridge.api.model import Asked, Operation, Page, Parameter, changes, lists, reads
from scim_bridge.api.shapes import (
    AT,
    INTEGER,
    TEXT,
    TRUTH,
    Schema,
    closed,
    many,
    maybe,
    page_of,
    ref,
    text,
    whole,
)
from scim_bridge.attestations import campaign_view as view
from scim_bridge.attestations.campaign_model import ItemState
from scim_bridge.attestations.campaigns import begin, campaign, cancel_within
from scim_bridge.attestations.evidence import summaries
from scim_bridge.attestations.requests import requests
from scim_bridge.attestations.schedules import policy
from scim_bridge.attestations.service import ask_about
from scim_bridge.kernel.clock import iso
from scim_bridge.kernel.work import Work

TAG = "Attestations"
_CAMPAIGN: Mapping[str, Schema] = {
    "id": TEXT,
    "name": TEXT,
    "kind": TEXT,
    "state": TEXT,
    "opened": AT,
    "due": AT,
    "agents": INTEGER,
    "answered": INTEGER,
    "waiting": INTEGER,
    "lapsed": INTEGER,
}
SCHEMAS: Mapping[str, Schema] = {
    "Statement": closed(
        {
            "id": TEXT,
            "agent": maybe(TEXT),
            "verdict": TEXT,
            "by": TEXT,
            "comment": TEXT,
            "at": AT,
            "until": maybe(AT),
            "state": TEXT,
        }
    ),
    "AttestationRequest": closed(
        {
            "id": TEXT,
            "agent": maybe(TEXT),
            "to": TEXT,
            "by": TEXT,
            "created": AT,
            "expires": AT,
            "state": TEXT,
        }
    ),
    "CampaignLine": closed(_CAMPAIGN),
    "Campaign": closed(
        {
            **_CAMPAIGN,
            "by": TEXT,
            "scope": TEXT,
            "reason": TEXT,
            "ends": AT,
            "closed": maybe(AT),
            "counts": {"type": "object", "additionalProperties": INTEGER},
            "next": maybe(TEXT),
            "waited_for": many(closed({"person": TEXT, "waiting": INTEGER})),
        }
    ),
    "CampaignAgent": closed(
        {
            "id": TEXT,
            "agent": TEXT,
            "state": TEXT,
            "of": TEXT,
            "note": TEXT,
            "next": maybe(AT),
            "settled": maybe(AT),
        }
    ),
    "Sent": closed({"id": TEXT, "agent": TEXT, "to": TEXT, "expires": AT}),
}


async def _agent_id(asked: Asked) -> str | None:
    name = asked.query.get("agent")
    if name is None:
        return None
    return (await found(replace(asked, path={"agent": name}))).resource.id


async def statements(asked: Asked) -> Page:
    """GET /attestations."""
    before = None if not asked.after else (int(asked.after[0]), str(asked.after[1]))
    rows = await summaries(asked.reader, asked.now, await _agent_id(asked), asked.reach, before)
    kept, key = asked.cut(rows, lambda last: [last["at"], last["id"]])
    items = [
        {**row, "at": iso(row["at"]), "until": None if row["until"] is None else iso(row["until"])}
        for row in kept
    ]
    return Page(items, key)


async def asked_for(asked: Asked) -> Page:
    """GET /attestation-requests."""
    before = str(asked.after[0]) if asked.after else None
    rows = await requests(asked.reader, asked.now, await _agent_id(asked), asked.reach, before)
    kept, key = asked.cut(rows, lambda last: [last["id"]])
    return Page(
        [{**row, "created": iso(row["created"]), "expires": iso(row["expires"])} for row in kept], key
    )


async def ask(work: Work, asked: Asked) -> dict[str, Any]:
    """POST /agents/{agent}/attestation-requests."""
    house = asked.house
    agent = (await found(asked)).resource.id
    made = await ask_about(work, house.ctx, house.settings.attestations, agent, asked.body.get("to"))
    return {
        "id": made.request_id,
        "agent": made.slug,
        "to": made.person.user_name,
        "expires": iso(made.expires),
    }


async def campaigns(asked: Asked) -> Page:
    """GET /campaigns."""
    every, before = bool(asked.query.get("events", False)), str(asked.after[0]) if asked.after else None
    rows = await view.campaigns(asked.reader, events=every, limit=asked.reach, before=before)
    return Page(*asked.cut(rows, lambda last: [last["id"]]))


async def show(asked: Asked) -> dict[str, Any]:
    """GET /campaigns/{campaign}."""
    return await _shown(asked, asked.path["campaign"])


async def _shown(asked: Asked, name: str) -> dict[str, Any]:
    of = await campaign(asked.reader, name)
    told = await view.details(asked.reader, of, asked.now)
    return {**told, "waited_for": await view.most_waited_for(asked.reader, of.id)}


async def agents(asked: Asked) -> Page:
    """GET /campaigns/{campaign}/agents."""
    of, state = await campaign(asked.reader, asked.path["campaign"]), asked.query.get("state")
    after = (str(asked.after[0]), str(asked.after[1])) if asked.after else None
    rows = await view.agents(asked.reader, of, state=state, limit=asked.reach, after=after)
    return Page(*asked.cut(rows, lambda last: [last["agent"], last["id"]]))


async def open_(work: Work, asked: Asked) -> dict[str, Any]:
    """POST /campaigns: it opens; the worker takes the agents in and asks their owners."""
    body = asked.body
    chosen = policy(asked.house.settings.attestations, body.get("due_days"))
    chosen = replace(
        chosen,
        grace_days=body.get("grace_days", chosen.grace_days),
        hold=body.get("hold", chosen.hold),
    )
    made = await begin(work, body["name"], chosen, body.get("scope", ""), body.get("reason", ""))
    return await _shown(asked, made)


async def cancel(work: Work, asked: Asked) -> dict[str, Any]:
    """POST /campaigns/{campaign}/cancel."""
    done = await cancel_within(work, asked.path["campaign"], asked.body["reason"])
    return await _shown(asked, done.id)


AGENT = Parameter("agent", text(), "only of this agent, by any of its names")
CAMPAIGN = closed(
    {
        "name": text("what people read in their messages", most=80),
        "scope": text("which agents: environment=production; riskTier=high; group=…", least=0),
        "reason": text("why now, for the owners", least=0),
        "due_days": whole(least=1, most=365),
        "grace_days": whole(most=365),
        "hold": {**TRUTH, "description": "stop what nobody answered for in time"},
    },
    ("name",),
)
REASON = closed({"reason": text("audited and shown")})
OPERATIONS: tuple[Operation, ...] = (
    lists(
        TAG,
        "listAttestations",
        "/attestations",
        "Statements, the newest first",
        statements,
        page_of("Statement"),
        AGENT,
    ),
    lists(
        *(
            TAG,
            "listAttestationRequests",
            "/attestation-requests",
            "Who was asked, and what became of it",
            asked_for,
        ),
        page_of("AttestationRequest"),
        AGENT,
    ),
    changes(
        *(TAG, "requestAttestation", "POST", "/agents/{agent}/attestation-requests"),
        "Ask a person to attest an agent; they are sent the link",
        ask,
        ref("Sent"),
        closed({"to": text("userName or e-mail; else the first of its owners who is there")}, ()),
        status=201,
    ),
    lists(
        *(TAG, "listCampaigns", "/campaigns", "Campaigns, the newest first", campaigns),
        page_of("CampaignLine"),
        Parameter("events", TRUTH, "also those about one agent that changed"),
    ),
    changes(
        *(TAG, "openCampaign", "POST", "/campaigns", "Ask the owners of every agent in a scope", open_),
        ref("Campaign"),
        CAMPAIGN,
        status=201,
        about="The answer says `opening`: the worker takes the agents in, and asks.",
    ),
    reads(TAG, "showCampaign", "/campaigns/{campaign}", "One campaign", show, ref("Campaign")),
    lists(
        *(
            TAG,
            "listAgentsOfCampaign",
            "/campaigns/{campaign}/agents",
            "Its agents and how they stand",
            agents,
        ),
        page_of("CampaignAgent"),
        Parameter("state", text(choices=[each.value for each in ItemState]), "only in this state"),
    ),
    changes(
        *(TAG, "cancelCampaign", "POST", "/campaigns/{campaign}/cancel", "Stop asking; answers stay", cancel),
        ref("Campaign"),
        REASON,
    ),
)
