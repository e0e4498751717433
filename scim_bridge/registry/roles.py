"""Who may do what: five roles and their permissions as data. Pure; whoever asks enforces.

A permission is `noun.verb`. A role has it for everything, or only for the agents its holder answers for (OWN).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum

VIEWER, OPERATOR, ADMIN, AUDITOR, OWNER = "viewer", "operator", "admin", "auditor", "owner"
ROLES: Mapping[str, str] = {
    VIEWER: "sees agents, departures, attestations, sync, decisions and how the program stands",
    OPERATOR: "a viewer who also stops and releases agents",
    ADMIN: "everything",
    AUDITOR: "a viewer who also reads the audit, and changes nothing",
    OWNER: "sees, stops and attests the agents they answer for, and no others",
}


class Reach(IntEnum):
    """For what somebody has a permission; the larger one counts."""

    NONE = 0
    OWN = 1
    ALL = 2


@dataclass(frozen=True, slots=True)
class Permission:
    """What it allows, who has it, and whether one has to prove anew who one is (`dangerous`)."""

    allows: str
    holders: frozenset[str]
    own: frozenset[str] = frozenset()
    dangerous: bool = False


def _of(allows: str, *holders: str, own: Iterable[str] = (), dangerous: bool = False) -> Permission:
    return Permission(allows, frozenset({ADMIN, *holders}), frozenset(own), dangerous)


_READERS = (VIEWER, OPERATOR, AUDITOR)
PERMISSIONS: Mapping[str, Permission] = {
    "agents.list": _of("search all agents", *_READERS),
    "agents.read": _of("see an agent with its credentials, groups and history", *_READERS, own=(OWNER,)),
    "agents.hold": _of("stop an agent", OPERATOR, own=(OWNER,)),
    "agents.release": _of("release a hold that a person placed, slow an agent down and let it go", OPERATOR),
    "agents.hold-many": _of("stop or release many agents at once", dangerous=True),
    "agents.plan-many": _of("preview a change of many agents"),
    "agents.change-many": _of("change owners and groups of many agents at once", dangerous=True),
    "views.share": _of("save and delete views for everybody", OPERATOR),
    "agents.change": _of("change an agent: its facts, groups and owners"),
    "people.read": _of("see people and what they answer for", *_READERS),
    "departures.read": _of("see departures, their steps and receipts", *_READERS),
    "departures.brake": _of("release or reject what the brake holds", dangerous=True),
    "departures.change": _of("begin, plan and settle departures", OPERATOR),
    "attestations.read": _of("see campaigns and statements", *_READERS),
    "attestations.ask": _of("ask owners, open and close campaigns", OPERATOR),
    # Also an admin answers only for what is theirs: a statement is a person's own.
    "attestations.answer": Permission(
        "answer questions about agents one answers for", frozenset(), frozenset(ROLES)
    ),
    "sync.read": _of("see connections, plans, runs and drift", *_READERS),
    "sync.apply": _of("apply plans and settle drift", OPERATOR),
    "sync.release": _of("apply a plan that the brake holds", dangerous=True),
    "decisions.read": _of("see access decisions and their reasons", *_READERS, own=(OWNER,)),
    "policies.read": _of("see access policies", *_READERS),
    "policies.draft": _of("write, check and try access policies that are not in force"),
    "policies.change": _of("check and activate access policies", dangerous=True),
    "alerts.read": _of("see alerts", *_READERS),
    "alerts.settle": _of("settle and mute alerts", OPERATOR),
    "audit.read": _of("search, verify and export the audit", AUDITOR),
    "status.read": _of("see how the program stands", *_READERS),
    "settings.read": _of("see settings, connections and tokens (never a secret)", AUDITOR),
    "connections.change": _of("connect IdPs and change connections", dangerous=True),
    "tokens.change": _of("make and revoke tokens and clients", dangerous=True),
    "keys.change": _of("rotate our own keys", dangerous=True),
    "sessions.change": _of("see and end the sessions of others", dangerous=True),
}


def reach(roles: Iterable[str], permission: str) -> Reach:
    """How far somebody with these roles has a permission; NONE for one that nobody declared."""
    known = PERMISSIONS.get(permission)
    held = frozenset(roles)
    if known is None:
        return Reach.NONE
    if held & known.holders:
        return Reach.ALL
    return Reach.OWN if held & known.own else Reach.NONE
