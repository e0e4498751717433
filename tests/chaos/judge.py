"""What is true at the end: the ledger against the database, effects against the sandboxes, receipts, the audit."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import psycopg
from psycopg.rows import dict_row

from scim_bridge.app import Bridge
from scim_bridge.audit.verify import verify_database
from scim_bridge.departures.cases import find_case
from scim_bridge.departures.receipt import verify_case
from scim_bridge.sync.idp.port import ObjectChange
from scim_bridge.sync.plan import changes_of, make_plan
from tests.chaos.ledger import ACKED, Key, Ledger
from tests.chaos.site import Site
from tests.conftest import TESTER

Rows = Sequence[Mapping[str, Any]]


def rows(url: str, statement: str, *values: Any) -> list[dict[str, Any]]:
    """What a statement finds in the database itself, not through the bridge."""
    with psycopg.connect(url, row_factory=dict_row) as connection:
        return connection.execute(statement, values).fetchall()


def found(site: Site, ledger: Ledger) -> dict[Key, Any]:
    """What the database holds of every subject that was written, in the ledger's terms."""
    people = rows(site.url, "SELECT id, name, doc, deleted FROM sb_resource WHERE space = 'user'")
    live = {row["name"].casefold(): row for row in people if row["deleted"] is None}
    names = {row["id"]: row["name"] for row in people}
    state: dict[Key, Any] = {}
    for kind, whom in ledger.subjects():
        row = live.get(whom.casefold())
        if kind == "user":
            state[kind, whom] = row is not None
        elif kind == "title":
            state[kind, whom] = None if row is None else json.loads(bytes(row["doc"])).get("title")
    groups = {site.ground.ids[name]: name for name in ("okta-group", "entra-group")}
    members = rows(site.url, "SELECT group_id, member_id FROM sb_member")
    inside = {(groups[r["group_id"]], names.get(r["member_id"])) for r in members if r["group_id"] in groups}
    kinds = {f"connection:{one}": kind for kind, one in site.ground.connections.items()}
    slugs = {site.ground.ids[slug]: slug for slug in site.ground.switched}
    holds = rows(site.url, "SELECT agent_id, source FROM sb_hold WHERE released IS NULL")
    held = {f"{kinds[r['source']]}/{slugs.get(r['agent_id'])}" for r in holds if r["source"] in kinds}
    cases = Counter(row["person"] for row in rows(site.url, "SELECT person FROM sb_departure"))
    for kind, whom in ledger.subjects():
        if kind == "member":
            state[kind, whom] = tuple(whom.split("/", 1)) in inside
        elif kind == "held":
            state[kind, whom] = whom in held
        elif kind == "departure":
            # How many cases: one, whoever told it how often.
            state[kind, whom] = cases.get(whom, 0)
    return state


def before(ledger: Ledger) -> dict[Key, Any]:
    """What was true of every subject at the start."""
    absent: dict[str, Any] = {"user": False, "member": False, "held": False, "title": None, "departure": 0}
    return {key: absent[key[0]] for key in ledger.subjects()}


def forgotten(ledger: Ledger) -> set[Key]:
    """Titles of people who were deleted since, or perhaps: nothing is promised of those."""
    gone = {entry.key[1] for entry in ledger.entries if entry.key[0] == "user" and entry.value is False}
    return {key for key in ledger.subjects() if key[0] == "title" and key[1] in gone}


def audited(site: Site, ledger: Ledger) -> dict[str, Any]:
    """Acknowledged changes without an audit row of their request, and requests whose change was made twice."""
    told: dict[str, Counter[tuple[str, str]]] = defaultdict(Counter)
    for row in rows(site.url, "SELECT request_id, action, subject_id FROM sb_audit WHERE request_id <> ''"):
        told[row["request_id"]][row["action"], row["subject_id"]] += 1
    changed: dict[Key, Any] = before(ledger)
    silent, sure = [], dict.fromkeys(changed, True)
    for entry in ledger.entries:
        if entry.state == ACKED:
            if sure[entry.key] and changed[entry.key] != entry.value and entry.request not in told:
                silent.append(entry.request)
            changed[entry.key], sure[entry.key] = entry.value, True
        else:
            sure[entry.key] = False
    requests = {entry.request for entry in ledger.entries}
    doubled = {
        request: [f"{action} {subject}" for (action, subject), count in found.items() if count > 1]
        for request, found in told.items()
        if request in requests and max(found.values()) > 1
    }
    return {"acknowledged without a row": silent, "made twice": doubled}


def objects(site: Site) -> dict[str, Any]:
    """Every agent once at each IdP, and every write there once but for the repeats that are named."""
    result: dict[str, Any] = {}
    for kind, peer in site.peers.items():
        names = {name: len(found) for name, found in peer.agents().items()}
        journal = peer._journal(
            "SELECT method, url, request_body, status, operation FROM journal"
            " WHERE direction = 'in' AND method <> 'GET' ORDER BY id"
        )
        result[kind] = {
            "objects": len(names),
            "doubled": sorted(name for name, count in names.items() if count > 1),
            **writes(journal),
        }
    return result


def writes(journal: Iterable[Sequence[Any]]) -> dict[str, Any]:
    """Writes that were done, and those that said again what the one before had said to the same object.

    A repeat changes nothing there: it is what is left of a write whose answer a kill swallowed. Creates are never
    among them, for a second create would be a second object.
    """
    last: dict[str, tuple[str, str, str]] = {}
    done, repeats, creates = 0, Counter[str](), Counter[str]()
    for method, url, body, status, operation in journal:
        path = str(url).split("?", 1)[0]
        if not 200 <= int(status) < 300 or path.endswith(("/$batch", "/token")) or "/oauth2/" in path:
            continue
        done += 1
        text = bytes(body or b"").decode() if isinstance(body, bytes | bytearray) else str(body)
        parts = path.strip("/").split("/")
        name = _created(method, parts, text)
        if name:
            creates[name] += 1
            continue
        whose = next((part for part in parts if len(part) >= 16), path)
        said = (str(method), path, text)
        if last.get(whose) == said:
            repeats[f"{method} {operation}"] += 1
        last[whose] = said
    twice = sorted(name for name, count in creates.items() if count > 1)
    return {
        "writes": done,
        "creates": sum(creates.values()),
        "created twice": twice,
        "repeats": dict(repeats),
    }


def _created(method: str, parts: Sequence[str], text: str) -> str:
    """The name of whom a call creates; empty when it creates nobody."""
    if method != "POST":
        return ""
    try:
        body = json.loads(text)
    except ValueError:
        return ""
    if not isinstance(body, dict):
        return ""
    if parts[-1] == "users" and "profile" in body:
        return str(body["profile"].get("login"))
    if parts[-1].endswith("agentIdentity") or "agentIdentityBlueprintId" in body:
        return str(body.get("displayName"))
    return ""


def delivered(site: Site) -> dict[str, Any]:
    """Hooks, notices and revocations: every effect that is done was acted on there, exactly once."""
    report = site.platform.deliveries()
    acted = {one["webhook_id"]: one["acted"] for one in report["deliveries"]}
    wanted = rows(
        site.url,
        "SELECT id, kind FROM sb_effect WHERE state = 'done'"
        " AND kind IN ('runtime.hook', 'notify', 'credential.revoke')",
    )
    known = {row["id"] for row in rows(site.url, "SELECT id FROM sb_effect")}
    return {
        "acted": report["acted"],
        "acted twice": report["acted_twice"],
        "delivered again under the same id": report["repeated"],
        "done and never delivered": sorted(row["id"] for row in wanted if not acted.get(row["id"])),
        "delivered and not ours": sorted(one for one in acted if one not in known),
    }


def left_over(site: Site) -> dict[str, Any]:
    """Effects that are not settled, or dead for another reason than a plan that agents had moved on from."""
    unsettled = rows(site.url, "SELECT kind, state FROM sb_effect WHERE state IN ('pending', 'handed')")
    dead = rows(site.url, "SELECT kind, last_error FROM sb_effect WHERE state = 'dead'")
    moved = [row for row in dead if row["kind"] == "sync.apply" and "Changed here since" in row["last_error"]]
    return {
        "unsettled": len(unsettled),
        "dead": [f"{row['kind']}: {row['last_error']}" for row in dead if row not in moved][:20],
        "plans refused because agents had moved": len(moved),
        "retried effects": len(rows(site.url, "SELECT 1 AS x FROM sb_effect WHERE attempts > 1")),
    }


def _told(kind: str, change: ObjectChange) -> str:
    """A change that is left, in words."""
    return f"{kind}: {change.action} {change.slug}: {dict(change.before)} to {dict(change.after)}"[:400]


async def proven(bridge: Bridge, leavers: Sequence[str]) -> dict[str, Any]:
    """Receipts, the audit, and whether the IdPs still lack anything."""
    ctx = bridge.ctx
    verdict = await verify_database(ctx.store.database)
    receipts: dict[str, Any] = {"cases": 0, "true": 0, "within five minutes": 0, "findings": []}
    for leaver in leavers:
        case = await find_case(ctx.store.reads, leaver)
        checked = await verify_case(ctx, case)
        receipts["cases"] += 1
        receipts["true"] += checked.ok
        receipts["within five minutes"] += checked.within_budget
        receipts["findings"] += [f"{leaver}: {one}" for one in checked.findings]
    left, first = {}, []
    for kind in ("okta", "entra"):
        there, idp = await bridge.idps.of(kind)
        plan = await make_plan(ctx, TESTER, there, idp)
        left[kind] = plan.changes
        first += [_told(kind, kept.change) for kept in (await changes_of(ctx.store.reads, plan.id))[:5]]
    return {
        "receipts": receipts,
        "audit": {
            "ok": verdict.ok,
            "rows": verdict.rows,
            "checkpoints": verdict.checkpoints,
            "findings": [str(one) for one in verdict.findings[:10]],
        },
        "changes a plan would still make": left,
        "the first of them": first,
    }
