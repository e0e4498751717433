"""The attributes a mapping may set on a SCIM server: what its schema of users lets a client write. Pure."""

from __future__ import annotations

from functools import cache
from typing import Any

from scim2_models import EnterpriseUser, User

from scim_bridge.registry.model import AGENT_URN, ENTERPRISE_URN, USER_URN
from scim_bridge.sync.idp.port import Target
from scim_bridge.sync.idp.scim.paths import parts
from scim_bridge.sync.idp.scim.service import Attribute, Service, attributes_in
from scim_bridge.sync.idp.scim.vocabulary import ACTIVE, LOGIN, MANAGER, MARK, TYPE

DEFAULTS = {
    MARK: "id",
    LOGIN: "userName",
    TYPE: '"Agent"',
    MANAGER: "the owner's user there",
    "displayName": "default(displayName, slug)",
    "name.formatted": "default(displayName, slug)",
    "name.givenName": "default(displayName, slug)",
    "name.familyName": '"Agent"',
    "emails.value": "default(email, userName)",
    **{
        f"{AGENT_URN}:{name}": name
        for name in ("purpose", "platform", "model", "environment", "riskTier", "workloadId")
    },
}
FIXED = {
    MARK: "it is the mark by which the agent is found again",
    LOGIN: "by it the agent's user is found",
    TYPE: "by it agents are listed",
    ACTIVE: "holds decide it",
    MANAGER: "it is the owner",
    "password": "agents have none",
    "groups": "the server derives it",
}
KINDS = {
    "string": "string",
    "reference": "string",
    "boolean": "boolean",
    "integer": "integer",
    "decimal": "number",
}
# Of an element of a list only these say something by themselves.
VALUES = ("value", "display")


def targets_of(service: Service) -> dict[str, Target]:
    """The targets of a server; what RFC 7643 defines where it tells no schema."""
    known = service.attributes if service.attributes is not None else standard()
    listed = {one.name: one for one in known.values()}
    return {name: _target(one) for name, one in listed.items() if _settable(one, listed)}


def _settable(one: Attribute, listed: dict[str, Attribute]) -> bool:
    if one.kind not in KINDS:
        return False
    urn, attribute, sub = parts(one.name)
    above = listed.get(f"{urn}:{attribute}" if urn else attribute) if sub else None
    return above is None or not above.several or (sub in VALUES and not urn)


def _target(one: Attribute) -> Target:
    fixed = FIXED.get(one.name, FIXED.get(parts(one.name)[1], ""))
    if not one.writable:
        fixed = "the server lets nobody write it"
    return Target(
        one.name,
        KINDS[one.kind],
        one.several,
        default=DEFAULTS.get(one.name, ""),
        fixed=fixed,
    )


@cache
def standard() -> dict[str, Attribute]:
    """The attributes of users by RFC 7643."""
    models: tuple[Any, ...] = (User, EnterpriseUser)
    listed = [model.to_schema().model_dump(mode="json", by_alias=True) for model in models]
    return (
        attributes_in({"Resources": listed}, frozenset({USER_URN.casefold(), ENTERPRISE_URN.casefold()}))
        or {}
    )
