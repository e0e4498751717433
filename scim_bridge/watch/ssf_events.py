"""What an audit row is to those who listen: RISC, CAEP and SCIM events. Data, and pure functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from scim_bridge.kernel.clock import SECOND
from scim_bridge.registry.event_types import CAEP, RISC, SCIM
from scim_bridge.registry.model import AGENT, AGENT_URN, GROUP
from scim_bridge.watch.ssf_model import RISK

CREDENTIAL = "credential"
# Who began it, in CAEP's words (CAEP 1.0 section 2).
INITIATORS = {"admin": "admin", "cli": "admin", "person": "user", "worker": "policy"}
# What a credential is, in CAEP's words; others are "app", by agreement.
CREDENTIAL_TYPES = {"certificate": "x509"}
ATTESTED = f"{AGENT_URN}:attestation"
PROV = f"{SCIM}prov:"


@dataclass(frozen=True, slots=True)
class Told:
    """One event to tell: about which subject, its type, its payload.

    `full` names the type that carries the whole document instead, for receivers that asked for it.
    """

    kind: str
    subject_id: str
    uri: str
    payload: Mapping[str, Any] = field(default_factory=dict)
    full: str = ""
    versioned: bool = False


Row = Mapping[str, Any]
Reading = Callable[[Row, Mapping[str, Any]], list[Told]]


def told(row: Row, detail: Mapping[str, Any]) -> list[Told]:
    """Every event a sealed audit row stands for, the weightiest first; empty for most rows."""
    if row["outcome"] != "success" or row["subject_id"] is None:
        return []
    read = READINGS.get(row["action"])
    return [] if read is None else read(row, detail)


def _common(row: Row) -> dict[str, Any]:
    initiator = INITIATORS.get(row["actor_kind"], "system")
    return {"event_timestamp": row["at"] // SECOND, "initiating_entity": initiator}


def _because(row: Row, text: str) -> dict[str, Any]:
    """Why, for admins. In our words: reasons that people wrote may name people."""
    return {**_common(row), "reason_admin": {"en": text}}


def _notice(kind: str, subject_id: str, *attributes: str) -> Told:
    names = {"attributes": list(attributes)}
    return Told(kind, subject_id, f"{PROV}patch:notice", names, f"{PROV}put:full", True)


def _held(row: Row, detail: Mapping[str, Any]) -> list[Told]:
    agent = row["subject_id"]
    notice = _notice(AGENT, agent, "active", f"{AGENT_URN}:holds")
    if detail.get("switched") != "off":
        return [notice]
    why = f"The agent was stopped ({detail.get('code', 'held')})."
    return [
        Told(AGENT, agent, f"{RISC}account-disabled"),
        Told(AGENT, agent, f"{CAEP}session-revoked", _because(row, why)),
        Told(AGENT, agent, RISK, {**_because(row, why), "current_level": "high", "previous_level": "low"}),
        Told(AGENT, agent, f"{PROV}deactivate"),
        notice,
    ]


def _released(row: Row, detail: Mapping[str, Any]) -> list[Told]:
    agent = row["subject_id"]
    notice = _notice(AGENT, agent, "active", f"{AGENT_URN}:holds")
    if detail.get("switched") != "on":
        return [notice]
    risk = {**_because(row, "The agent may act again."), "current_level": "low", "previous_level": "high"}
    return [
        Told(AGENT, agent, f"{RISC}account-enabled"),
        Told(AGENT, agent, RISK, risk),
        Told(AGENT, agent, f"{PROV}activate"),
        notice,
    ]


def _deleted(row: Row, _detail: Mapping[str, Any]) -> list[Told]:
    agent = row["subject_id"]
    return [
        Told(AGENT, agent, f"{RISC}account-purged"),
        Told(AGENT, agent, f"{CAEP}session-revoked", _because(row, "The agent was deleted.")),
        Told(AGENT, agent, f"{PROV}delete"),
    ]


def _created(kind: str) -> Reading:
    def read(row: Row, _detail: Mapping[str, Any]) -> list[Told]:
        names = {"attributes": ["id", "displayName" if kind == GROUP else "userName"]}
        return [Told(kind, row["subject_id"], f"{PROV}create:notice", names, f"{PROV}create:full", False)]

    return read


def _updated(row: Row, detail: Mapping[str, Any]) -> list[Told]:
    names = detail.get("attributes")
    return [_notice(AGENT, row["subject_id"], *map(str, names))] if isinstance(names, list) and names else []


def _owners(row: Row, detail: Mapping[str, Any]) -> list[Told]:
    before, after = detail.get("before") or {}, detail.get("after") or {}
    roles = {"owner": "owner", "co-owner": "coOwners", "sponsor": "sponsors"}
    names = [f"{AGENT_URN}:{name}" for role, name in roles.items() if before.get(role) != after.get(role)]
    return [_notice(AGENT, row["subject_id"], *(names or [f"{AGENT_URN}:owner"]))]


def _changed(kind: str, *attributes: str) -> Reading:
    return lambda row, _detail: [_notice(kind, row["subject_id"], *attributes)]


def _credential(change: str) -> Reading:
    def read(row: Row, detail: Mapping[str, Any]) -> list[Told]:
        said = {**_common(row), "change_type": change, "friendly_name": str(detail.get("label") or "")}
        payload = {name: value for name, value in said.items() if value != ""}
        return [Told(CREDENTIAL, row["subject_id"], f"{CAEP}credential-change", payload)]

    return read


def _leaked(row: Row, _detail: Mapping[str, Any]) -> list[Told]:
    # Our own tokens and keys leak, too, and are no agent's credential.
    if row["subject_kind"] != CREDENTIAL:
        return []
    return [Told(CREDENTIAL, row["subject_id"], f"{RISC}credential-compromise", _common(row))]


ATTESTATIONS = ("confirmed", "reduced", "refused", "retired", "lapsed", "outdated", "requested")
READINGS: Mapping[str, Reading] = {
    "agent.held": _held,
    "agent.hold_released": _released,
    "agent.hold_restated": _changed(AGENT, f"{AGENT_URN}:holds"),
    "agent.deleted": _deleted,
    "agent.created": _created(AGENT),
    "agent.updated": _updated,
    "agent.owners_changed": _owners,
    **{f"attestation.{verb}": _changed(AGENT, ATTESTED) for verb in ATTESTATIONS},
    "credential.registered": _credential("create"),
    # A rotation is a new credential beside the old one, and the end of that.
    "credential.issued": _credential("create"),
    "credential.revoked": _credential("revoke"),
    "credential.gone": _credential("revoke"),
    "secret.leaked": _leaked,
    "group.created": _created(GROUP),
    "group.updated": _changed(GROUP, "displayName"),
    "group.members_added": _changed(GROUP, "members"),
    "group.members_removed": _changed(GROUP, "members"),
    "group.deleted": lambda row, _detail: [Told(GROUP, row["subject_id"], f"{PROV}delete")],
}
