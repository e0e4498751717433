"""Delta queries: what changed since a token, page by page. Source: Graph "use delta query"."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import orjson

from scim_bridge.sandbox.entra import settings
from scim_bridge.sandbox.entra.graph import permissions as may
from scim_bridge.sandbox.entra.graph.call import Answer, Call
from scim_bridge.sandbox.entra.graph.errors import GraphError, malformed
from scim_bridge.sandbox.entra.graph.listing import Collection, selected
from scim_bridge.sandbox.entra.graph.principals import EVERY as PRINCIPALS
from scim_bridge.sandbox.entra.graph.principals import visible
from scim_bridge.sandbox.entra.graph.render import shown
from scim_bridge.sandbox.entra.graph.route import Ids, Operation, Run
from scim_bridge.sandbox.entra.graph.users import EVERY as USERS
from scim_bridge.sandbox.entra.tenant import DELETED, PRINCIPAL, USER, Object, Tenant, hidden
from scim_bridge.sandbox.kit.clock import SECOND

PAGE = 100
DAY = 86400 * SECOND


def _delta(kind: str, collection: Collection, roles: tuple[str, ...]) -> Run:
    def run(tenant: Tenant, call: Call, path: Ids) -> Answer:
        call.needs(*roles)
        if "employeeLeaveDateTime" in call.query.get("$select", ""):
            call.needs(*may.LEAVE_DATE_READ)
        state = _state(tenant, call)
        found = _changed(tenant, kind, state)
        chosen = found[:PAGE]
        body: dict[str, Any] = {
            "@odata.context": f"{call.root}/$metadata#{collection.name}",
            "value": [_row(tenant, one, selected(call, collection)) for one in chosen],
        }
        if len(found) > PAGE:
            onward = {**state, "after": _number(chosen[-1])}
            body["@odata.nextLink"] = _link(call, "$skiptoken", onward)
        else:
            done = {"after": state["upto"], "upto": None, "first": False, "at": call.now}
            body["@odata.deltaLink"] = _link(call, "$deltatoken", done)
        return Answer(200, body)

    return run


def _state(tenant: Tenant, call: Call) -> dict[str, Any]:
    """Where the caller is: changes above `after` up to `upto`; `first` round lists no removals."""
    upto = tenant.change()
    if call.query.get("$deltatoken") == "latest":
        return {"after": upto, "upto": upto, "first": False, "at": call.now}
    text = call.query.get("$skiptoken") or call.query.get("$deltatoken")
    if text is None:
        return {"after": 0, "upto": upto, "first": True, "at": call.now}
    try:
        state = orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        after, at = int(state["after"]), int(state["at"])
        end = state["upto"]
    except (binascii.Error, ValueError, KeyError, TypeError):
        raise malformed("Badly formed token.") from None
    if at + settings.load(tenant.store).delta_days * DAY < call.now or after > upto:
        location = f"{call.root}/{'/'.join(call.path)}"
        raise GraphError(
            410, "syncStateNotFound", "The delta token is expired; start again.", {"Location": location}
        )
    return {"after": after, "upto": upto if end is None else end, "first": bool(state["first"]), "at": at}


def _changed(tenant: Tenant, kind: str, state: dict[str, Any]) -> list[Object]:
    gone = [] if state["first"] else [value for _, value in tenant.store.all(DELETED)]
    purged = [] if state["first"] else [value for _, value in tenant.store.all("purged")]
    rows = [
        *tenant.listing(kind),
        *(one for one in gone if hidden(one, "kind") == kind),
        *(one for one in purged if one["kind"] == kind),
    ]
    return sorted((one for one in rows if state["after"] < _number(one) <= state["upto"]), key=_number)


def _number(value: Object) -> int:
    return int(value["change"] if "kind" in value else hidden(value, "change", 0))


def _row(tenant: Tenant, value: Object, select: tuple[str, ...]) -> Object:
    if "kind" in value:
        return {"id": value["id"], "@removed": {"reason": "deleted"}}
    if "deletedDateTime" in value:
        return {"id": value["id"], "@odata.type": value["@odata.type"], "@removed": {"reason": "changed"}}
    names = select if not select or "id" in select else (*select, "id")
    return shown(visible(tenant, value), names, typed=True)


def _link(call: Call, name: str, state: dict[str, Any]) -> str:
    token = base64.urlsafe_b64encode(orjson.dumps(state)).rstrip(b"=").decode()
    kept = "".join(
        f"&{key}={value}" for key, value in call.query.items() if key not in ("$skiptoken", "$deltatoken")
    )
    return f"{call.root}/{'/'.join(call.path)}?{name}={token}{kept}"


def operations() -> list[Operation]:
    """Delta of users and of service principals (which is how agent identities are followed)."""
    return [
        Operation("GET", "users/delta", _delta(USER, USERS, may.USER_READ)),
        Operation("GET", "servicePrincipals/delta", _delta(PRINCIPAL, PRINCIPALS, may.APPLICATION_READ)),
    ]
