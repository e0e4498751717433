"""Access: decisions that were kept and why, versions of policies, budgets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from scim_bridge.access.budget_model import Budget, key_of
from scim_bridge.access.budgets import reset, used
from scim_bridge.access.history import Kept, Wanted, agent_named, decision, decisions, why
from scim_bridge.access.versions import Version, version, versions
from scim_bridge.api.model import LIMIT, Asked, Operation, Page, Parameter, changes, lists, reads
from scim_bridge.api.shapes import (
    AT,
    FREE,
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
    wrong,
)
from scim_bridge.kernel.clock import iso, parse_iso
from scim_bridge.kernel.errors import NotFound
from scim_bridge.kernel.work import Work

DECISIONS, POLICIES, BUDGETS = "Decisions", "Policies", "Budgets"
REASON = closed({"id": TEXT, "text": TEXT})
_DECISION: Mapping[str, Schema] = {
    "id": TEXT,
    "at": AT,
    "allowed": TRUTH,
    "agent": maybe(TEXT),
    "subject": closed({"type": TEXT, "id": TEXT}),
    "action": TEXT,
    "resource": closed({"type": TEXT, "id": TEXT}),
    "reasons": many(ref("Reason")),
    "gateway": TEXT,
}
_VERSION: Mapping[str, Schema] = {
    "version": INTEGER,
    "name": TEXT,
    "digest": TEXT,
    "at": AT,
    "by": TEXT,
    "reason": TEXT,
    "simulated": FREE,
}
_WORDS = {"type": "object", "additionalProperties": TEXT}
SCHEMAS: Mapping[str, Schema] = {
    "Reason": REASON,
    "DecisionLine": closed(_DECISION),
    "Decision": closed(
        {
            **_DECISION,
            "policies": many(TEXT),
            "properties": _WORDS,
            "asked": _WORDS,
            "retry_after": maybe(INTEGER),
            "request_id": TEXT,
        }
    ),
    "Why": closed(
        {
            "agent": TEXT,
            "stopped": many(ref("Reason")),
            "denials": many(
                closed({"reason": ref("Reason"), "times": INTEGER, "last": AT, "decision": TEXT})
            ),
        }
    ),
    "PolicyVersion": closed(_VERSION),
    "PolicyVersionWhole": closed(
        {
            **_VERSION,
            "policies": maybe(TEXT),
            "schema": maybe(TEXT),
            "sets": many(closed({"name": TEXT, "policies": TEXT})),
        }
    ),
    "Budget": closed(
        {
            "name": TEXT,
            "about": TEXT,
            "per": many(TEXT),
            "limits": many(TEXT),
            "counts": TEXT,
            "when": {"type": "object", "additionalProperties": many(TEXT)},
            "holds_after": maybe(INTEGER),
        }
    ),
    "BudgetUse": closed(
        {
            "budget": TEXT,
            "for": many(TEXT),
            "used_percent": INTEGER,
            "asked_in_its_minute": INTEGER,
            "refused": INTEGER,
            "at": AT,
        }
    ),
}


def _line(of: Kept) -> dict[str, Any]:
    return {
        "id": of.id,
        "at": iso(of.at),
        "allowed": of.allowed,
        "agent": of.slug,
        "subject": {"type": of.subject_type, "id": of.subject},
        "action": of.action,
        "resource": {"type": of.resource_type, "id": of.resource_id},
        "reasons": [{"id": each.id, "text": each.text} for each in of.reasons],
        "gateway": of.caller,
    }


def instant(asked: Asked, name: str) -> int | None:
    """An instant of the query; Invalid when it is none."""
    said = asked.query.get(name)
    if said is None:
        return None
    try:
        return parse_iso(said)
    except ValueError as error:
        raise wrong(name, "is no RFC 3339 date and time with a zone") from error


async def list_decisions(asked: Asked) -> Page:
    """GET /decisions."""
    name = asked.query.get("agent")
    agent = None if name is None else (await agent_named(asked.reader, name)).id
    before = str(asked.after[0]) if asked.after else ""
    wanted = Wanted(
        agent, bool(asked.query.get("denied", False)), instant(asked, "since"), before, asked.reach
    )
    kept, key = asked.cut(await decisions(asked.reader, wanted), lambda last: [last.id])
    return Page([_line(each) for each in kept], key)


async def show_decision(asked: Asked) -> dict[str, Any]:
    """GET /decisions/{decision}."""
    of = await decision(asked.reader, asked.path["decision"])
    return {
        **_line(of),
        "policies": list(of.policies),
        "properties": of.properties,
        "asked": of.asked,
        "retry_after": of.retry_after,
        "request_id": of.request_id,
    }


async def explain(asked: Asked) -> dict[str, Any]:
    """GET /agents/{agent}/why."""
    found = await why(asked.reader, asked.path["agent"], asked.now, since=instant(asked, "since"))
    return {
        "agent": found.facts.slug,
        "stopped": [{"id": each.id, "text": each.text} for each in found.stopped],
        "denials": [
            {
                "reason": {"id": reason.id, "text": reason.text},
                "times": count,
                "last": iso(kept.at),
                "decision": kept.id,
            }
            for reason, count, kept in found.counted
        ],
    }


def _version(of: Version) -> dict[str, Any]:
    return {
        "version": of.version,
        "name": of.name,
        "digest": of.digest,
        "at": iso(of.at),
        "by": of.by,
        "reason": of.reason,
        "simulated": dict(of.simulated),
    }


async def list_versions(asked: Asked) -> Page:
    """GET /policy-versions."""
    before = int(asked.after[0]) if asked.after else None
    found = await versions(asked.reader, limit=asked.reach, before=before)
    kept, key = asked.cut(found, lambda last: [last.version])
    return Page([_version(each) for each in kept], key)


async def show_version(asked: Asked) -> dict[str, Any]:
    """GET /policy-versions/{version}."""
    of = await version(asked.reader, int(asked.path["version"]))
    text_ = of.text
    return {
        **_version(of),
        "policies": None if text_ is None else text_.policies,
        "schema": None if text_ is None else text_.schema,
        "sets": [] if text_ is None else [{"name": e.name, "policies": e.policies} for e in text_.sets],
    }


def _budget(of: Budget) -> dict[str, Any]:
    named = {key: sorted(getattr(of.match, key)) for key in of.match.__slots__}
    return {
        "name": of.name,
        "about": of.about,
        "per": list(of.per),
        "limits": [limit.words() for limit in of.limits],
        "counts": str(of.counts),
        "when": {key: values for key, values in named.items() if values},
        "holds_after": None if of.breach is None else of.breach.after,
    }


async def list_budgets(asked: Asked) -> dict[str, Any]:
    """GET /budgets."""
    return {"items": [_budget(each) for each in asked.house.budgets]}


async def budget_use(asked: Asked) -> dict[str, Any]:
    """GET /budget-use."""
    found = []
    for row in await used(asked.reader, limit=asked.limit):
        full = min(100, 100 * max(0, row["tat"] - asked.now) // max(1, row["room"]))
        found.append(
            {
                "budget": row["budget"],
                "for": [str(each) for each in orjson.loads(row["key"])],
                "used_percent": int(full),
                "asked_in_its_minute": row["asked"],
                "refused": row["strikes"],
                "at": iso(row["at"]),
            }
        )
    return {"items": sorted(found, key=lambda each: -each["used_percent"])}


async def give_back(work: Work, asked: Asked) -> dict[str, Any]:
    """POST /budgets/{budget}/reset."""
    name = asked.path["budget"]
    if name not in {each.name for each in asked.house.budgets}:
        raise NotFound("budget-unknown", f"There is no budget {name[:100]!r}.", "See GET /api/v1/budgets.")
    agent = asked.body.get("agent")
    key = None if agent is None else key_of([(await agent_named(work.tx, agent)).id])
    return {"forgotten": await reset(work, name, key)}


SINCE = Parameter("since", text(most=40), "RFC 3339: only those from then on")
AGENT = Parameter("agent", text(), "of one agent, by any of its names")
OPERATIONS: tuple[Operation, ...] = (
    lists(
        *(DECISIONS, "listDecisions", "/decisions", "Decisions, the newest first", list_decisions),
        page_of("DecisionLine"),
        AGENT,
        Parameter("denied", TRUTH, "only what was denied"),
        SINCE,
        about="A no is always kept, a yes as access.allow_log says.",
    ),
    reads(
        DECISIONS,
        "showDecision",
        "/decisions/{decision}",
        "One decision whole",
        show_decision,
        ref("Decision"),
    ),
    reads(
        *(
            DECISIONS,
            "explainAgent",
            "/agents/{agent}/why",
            "Why an agent is denied, now and lately",
            explain,
        ),
        ref("Why"),
        SINCE,
    ),
    lists(
        *(
            POLICIES,
            "listPolicyVersions",
            "/policy-versions",
            "Activations, the one in force first",
            list_versions,
        ),
        page_of("PolicyVersion"),
    ),
    reads(
        *(
            POLICIES,
            "showPolicyVersion",
            "/policy-versions/{version}",
            "One version with its text",
            show_version,
        ),
        ref("PolicyVersionWhole"),
        path_schemas={"version": whole(least=1, most=2**31)},
    ),
    reads(
        *(BUDGETS, "listBudgets", "/budgets", "The budgets in force", list_budgets),
        closed({"items": many(ref("Budget"))}),
    ),
    reads(
        *(BUDGETS, "listBudgetUse", "/budget-use", "What is used, the fullest first", budget_use),
        closed({"items": many(ref("BudgetUse"))}),
        LIMIT,
    ),
    changes(
        *(
            BUDGETS,
            "resetBudget",
            "POST",
            "/budgets/{budget}/reset",
            "Give a budget back all its room",
            give_back,
        ),
        closed({"forgotten": INTEGER}),
        closed({"agent": text("only what counts this agent by itself")}, ()),
    ),
)
