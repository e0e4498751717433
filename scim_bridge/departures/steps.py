"""What an effect of a case is about, in a few words and without addresses of people. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scim_bridge.registry.outward import CREDENTIAL_REVOKE, IDP_PUSH, NOTIFY, RUNTIME_HOOK


def about(kind: str, payload: Mapping[str, Any], names: Mapping[str, str]) -> str:
    """Which connection, which credential, which event, which notice; `names` by id of connections, and of
    people where the reader may see them: a receipt names people by id."""
    if kind == IDP_PUSH:
        return names.get(payload["connection_id"], "an IdP")
    if kind == CREDENTIAL_REVOKE:
        return f"{payload['label']} in {payload['system']}"
    if kind == RUNTIME_HOOK:
        return str(payload["event"])
    if kind == NOTIFY:
        to = names.get(payload["to"]["id"], payload["to"]["id"]) if payload["to"] else "security contact"
        return f"{payload['template']} to {to}"
    return kind


def told(kind: str, payload: Mapping[str, Any], connections: Mapping[str, str]) -> str:
    """The same as a thing that was done."""
    words = {IDP_PUSH: "told ", CREDENTIAL_REVOKE: "revoked "}
    return words.get(kind, "") + about(kind, payload, connections)
