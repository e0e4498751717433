"""Objects as Graph shows them: what is there by default, what only `$select` brings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scim_bridge.sandbox.entra.tenant import HIDDEN, Object, hidden

USER_DEFAULT = (
    "businessPhones",
    "displayName",
    "givenName",
    "id",
    "jobTitle",
    "mail",
    "mobilePhone",
    "officeLocation",
    "preferredLanguage",
    "surname",
    "userPrincipalName",
)
AGENT_USER_DEFAULT = (*USER_DEFAULT, "mailNickname", "identityParentId")
ATTRIBUTES = "customSecurityAttributes"
PLAIN = ("#microsoft.graph.user", "#microsoft.graph.group", "#microsoft.graph.application")
PLAIN_PRINCIPAL = "#microsoft.graph.servicePrincipal"


def shown(value: Mapping[str, Any], select: Sequence[str] = (), *, typed: bool = False) -> Object:
    """One object: the selected properties, else those of its type's default set.

    `typed` adds @odata.type to plain types too, as collections of mixed objects do.
    """
    kind = str(value.get("@odata.type", ""))
    everything = {name: item for name, item in value.items() if name not in (HIDDEN, "@odata.type")}
    if select:
        body = {name: everything.get(name) for name in select if name != ATTRIBUTES}
        if ATTRIBUTES in select:
            body[ATTRIBUTES] = hidden(value, "attributes") or None
    elif kind == "#microsoft.graph.user":
        body = {name: everything.get(name) for name in USER_DEFAULT}
    elif kind == "#microsoft.graph.agentUser":
        body = {name: everything.get(name) for name in AGENT_USER_DEFAULT}
    else:
        body = everything
    if kind and (typed or kind not in (*PLAIN, PLAIN_PRINCIPAL)):
        body = {"@odata.type": kind, **body}
    return body


def entity(root: str, collection: str, body: Mapping[str, Any]) -> Object:
    """One object with its context, as a single answer has it."""
    return {"@odata.context": f"{root}/$metadata#{collection}/$entity", **body}
