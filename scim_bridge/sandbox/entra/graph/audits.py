"""The directory's audit log: what applications did to service principals, and who reads it.

GET /auditLogs/directoryAudits (Graph v1.0): AuditLog.Read.All; filters on time and on the object are served.
"""

from __future__ import annotations

import re
from typing import Any

from scim_bridge.sandbox.entra.graph import permissions as may
from scim_bridge.sandbox.entra.graph.call import Answer, Call
from scim_bridge.sandbox.entra.graph.errors import malformed
from scim_bridge.sandbox.entra.graph.route import Ids, Operation
from scim_bridge.sandbox.entra.tenant import Object, Tenant, new_id
from scim_bridge.sandbox.kit.clock import parse_iso

AUDIT = "directoryAudit"
MOST = 999
_SINCE = re.compile(r"activityDateTime ge (\S+)")
_ABOUT = re.compile(r"targetResources/any\(t:\s?t/id eq '([^']+)'\)")
_ID = re.compile(r"[0-9a-f-]{36}")
_ACTIVITY = {"POST": "Add", "PATCH": "Update", "DELETE": "Delete"}


def note(tenant: Tenant, call: Call, answer: Answer) -> None:
    """Keep what a call changed of a service principal; for calls that succeeded, in their transaction."""
    if call.method == "GET" or not call.path or call.path[0].lower() != "serviceprincipals":
        return
    named = call.path[1].lower() if len(call.path) > 1 else ""
    if isinstance(answer.body, dict) and answer.status == 201:
        # Made just now, or something made below it: a create names itself in its answer.
        named = named if _ID.fullmatch(named) else str(answer.body.get("id"))
    application = tenant.application_of(call.caller.app_id) or {}
    entry = {
        "id": new_id(),
        "category": "ApplicationManagement",
        "activityDisplayName": f"{_ACTIVITY.get(call.method, call.method)} service principal",
        "activityDateTime": tenant.now_text(),
        "result": "success",
        "loggedByService": "Core Directory",
        "initiatedBy": {
            "user": None,
            "app": {
                "appId": call.caller.app_id,
                "displayName": application.get("displayName"),
                "servicePrincipalId": call.caller.object_id,
            },
        },
        "targetResources": [{"id": named, "type": "ServicePrincipal", "modifiedProperties": []}],
    }
    key = f"{tenant.store.clock.now():020}-{entry['id']}"
    tenant.store.put(AUDIT, key, entry)


def _list(tenant: Tenant, call: Call, ids: Ids) -> Answer:
    call.needs(*may.AUDIT_READ)
    found = _chosen([value for _, value in tenant.store.all(AUDIT)], call.query.get("$filter", ""))
    order = call.query.get("$orderby", "activityDateTime desc")
    if order not in ("activityDateTime desc", "activityDateTime asc", "activityDateTime"):
        raise malformed(f"The expression '{order}' is not valid for $orderby.")
    if order.endswith("desc"):
        found.reverse()
    top = call.query.get("$top", "100")
    if not top.isdigit() or not 0 < int(top) <= MOST:
        raise malformed(f"Invalid page size specified: '{top}'.")
    return Answer(
        200,
        {"@odata.context": f"{call.root}/$metadata#auditLogs/directoryAudits", "value": found[: int(top)]},
    )


def _chosen(entries: list[Object], text: str) -> list[Object]:
    """The entries that fulfil a filter; 400 for one that is not served."""
    for part in filter(None, (piece.strip() for piece in text.split(" and "))):
        since, about = _SINCE.fullmatch(part), _ABOUT.fullmatch(part)
        if since is not None:
            instant = _instant(since.group(1))
            entries = [one for one in entries if parse_iso(one["activityDateTime"]) >= instant]
        elif about is not None:
            entries = [one for one in entries if about.group(1).lower() in _targets(one)]
        else:
            raise malformed(f"Invalid filter clause: '{part}'.")
    return entries


def _targets(entry: Object) -> list[Any]:
    return [one["id"] for one in entry["targetResources"]]


def _instant(text: str) -> int:
    try:
        return parse_iso(text)
    except ValueError:
        raise malformed(f"Invalid filter clause: '{text}' is no date with a zone.") from None


def operations() -> list[Operation]:
    """The log."""
    return [Operation("GET", "auditLogs/directoryAudits", _list)]
