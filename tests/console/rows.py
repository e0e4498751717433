"""Rows of what is listed, put there without the story that makes them."""

from __future__ import annotations

from typing import Any

from scim_bridge.kernel.work import Work


async def put(work: Work, table: str, **values: Any) -> None:
    """One row."""
    names = ", ".join(values)
    marks = ", ".join("?" * len(values))
    await work.tx.run(f"INSERT INTO {table} ({names}) VALUES ({marks})", *values.values())


async def one_of_each(work: Work, n: int, agent: str, connection: str) -> None:
    """The n-th campaign, statement, activation, draft, key, bulk, run and finding, of an agent."""
    now = work.now + n
    for kind, campaign in (("campaign", f"asked-{n}"), ("event", f"moved-{n}")):
        dates = {"opened": now, "due": now, "total": 0, "policy": '{"remind_days": []}'}
        texts = {"schedule": "", "scope": "", "reason": "", "opened_by": "t", "cursor": ""}
        await put(work, "sb_campaign", id=campaign, name=campaign, kind=kind, state="open", **texts, **dates)
    await put(
        work,
        "sb_campaign_item",
        campaign_id="asked-0",
        agent_id=agent,
        slug=f"x.{n}",
        person_id="",
        state="waiting",
        step=0,
        next_at=now,
        note="",
    )
    await put(
        work,
        "sb_attestation",
        id=f"s{n}",
        request_id=f"r{n}",
        agent_id=agent,
        person_id="p",
        verdict="confirm",
        comment="",
        at=now,
        digest="",
        facts="",
        statement="",
        ended=now,
    )
    await put(
        work,
        "sb_policy_version",
        version=n + 1,
        name="n",
        digest="",
        schema_name="",
        sets="[]",
        at=now,
        by_name="t",
        reason="r",
        simulated="{}",
    )
    draft = {"policies": "", "created": now, "changed": now, "by_name": "t"}
    await put(work, "sb_policy_draft", id=f"draft-{n}", **draft)
    await put(work, "sb_key", kid=f"k{n}", purpose="receipt", public="{}", private=b"", created=now)
    await put(
        work,
        "sb_bulk",
        id=f"b{n}",
        action="stop",
        target_id="",
        target="",
        query="",
        state="done",
        reason="",
        made_by="t",
        created=now,
        needed=1,
        approvals="[]",
        reach="{}",
    )
    counts = dict.fromkeys(("total", "done", "moved", "failed", "cancelled"), 0)
    texts = {"stage": "", "state": "OK", "started_by": "t", "reason": ""}
    await put(work, "sb_run", id=f"run-{n}", connection_id=connection, started=now, **texts, **counts)
    found = {"code": "odd", "message": "Odd.", "since": now}
    await put(work, "sb_finding", connection_id=connection, agent_id=agent, **found)
