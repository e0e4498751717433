"""What can be set on a connection: known names by kind of IdP, each with its meaning and its check. Pure.

A name that is misspelt is refused: a scope that nobody reads would show the connection every agent.
Settings read back from the database are not checked again, so that older ones keep on working.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from scim_bridge.kernel.errors import Invalid
from scim_bridge.registry.drift_rules import parse_drift
from scim_bridge.registry.key_forms import secret_fault
from scim_bridge.registry.scope import parse_scope
from scim_bridge.registry.setting_values import (
    APP_ID,
    DOMAIN,
    WrongValue,
    any_text,
    entra_tenant,
    graph,
    https,
    okta_org,
    one_of,
    server,
    shaped,
    this_machine,
    whole,
)

KINDS = ("okta", "entra", "generic")
# Each kind's own first; `generic` is whoever is not known better, and may speak like any of them.
DIALECTS = {
    "okta": ("okta-put", "okta-patch", "strict"),
    "entra": ("entra", "entra-062020", "strict"),
    "generic": ("generic", "okta-put", "okta-patch", "entra", "entra-062020", "strict"),
}
# Whether a connection has to do with roles and entitlements, and whether it says all of them each time.
ENTITLEMENT_MODES = ("off", "on", "managed")
AGENT_SCHEMAS = ("wzdk", "abbey")
PUSHED = ("okta", "entra")
# Of news about people; the first is taken when it is not set.
PEOPLE_BY = ("user-name", "external-id")
SUSPENDED = ("left", "away", "ignored")
SWITCH = ("on", "off")
RETIRE = ("disable", "delete")
SECRETS = {
    "okta": ("client_id", "private_key", "kid", "scopes", "ssws_token"),
    "entra": (
        *("client_id", "client_secret", "private_key", "certificate", "passphrase"),
        *("assertion_file", "assertion_url", "assertion_headers", "managed_identity"),
    ),
    "generic": ("token", "client_id", "client_secret", "scopes"),
}
# Credentials that are sent as they are.
SENT = ("client_id", "client_secret", "kid", "ssws_token", "token")
LONGEST = 400
_MARKER = re.compile(r"[A-Za-z$][\w$-]*=\S.*")
_APPS = re.compile(r"0oa[A-Za-z0-9]{1,40}(?:[,; ]+0oa[A-Za-z0-9]{1,40})*")
_SET_NAME = re.compile(r"[^\W\d_][^\W_]{0,31}")
_APP_ROLE = rf"\s*[^=;]+={APP_ID}/[^;/\s]+\s*"
_APP_ROLES = re.compile(rf"{_APP_ROLE}(?:;{_APP_ROLE})*")


@dataclass(frozen=True, slots=True)
class Known:
    """One setting: the kinds that have it, what it means, what is taken when it is not set, and its check."""

    kinds: tuple[str, ...]
    meaning: str
    default: str
    check: Callable[[str], None]


BRAKE_MOST = {"brake_count": 1_000_000, "brake_percent": 100}
FOUR_EYES = 25
SETTINGS: Mapping[str, Known] = {
    "scope": Known(
        KINDS, "the agents it sees and is told of: name=value; name=value", "every agent", any_text
    ),
    "scope_exit": Known(
        KINDS,
        "what becomes there of an agent that left the scope: leave (only stops still arrive) or disable",
        "leave",
        one_of(("leave", "disable")),
    ),
    "agent_marker": Known(
        KINDS,
        "which users it sends are agents: attribute=value",
        "userType=Agent",
        shaped(_MARKER, "Write attribute=value, for example title=Robot."),
    ),
    "agent_schema": Known(
        KINDS, "the draft in whose shape /Agents answers: wzdk or abbey", "wzdk", one_of(AGENT_SCHEMAS)
    ),
    "entitlements": Known(
        KINDS,
        "roles and entitlements: off, on, or managed (each update says all of them)",
        "on for Okta's dialects, else off",
        one_of(ENTITLEMENT_MODES),
    ),
    "org_url": Known(("okta",), "address of the org, https://your-org.okta.com", "", okta_org),
    "agents_as": Known(
        ("okta",),
        "what agents are there: users, ai-agents (Okta for AI Agents), or auto (ai-agents where the org has it)",
        "users",
        one_of(("users", "ai-agents", "auto")),
    ),
    "stop_action": Known(
        ("okta",), "how an agent that may not act is stopped", "suspend", one_of(("suspend", "deactivate"))
    ),
    "retire_action": Known(
        PUSHED, "what is done with a deleted agent", "deactivate", one_of(("deactivate", "delete"))
    ),
    "push_groups": Known(
        PUSHED,
        "groups whose agents are put into the group of that name: name; name, or * for all",
        "none",
        any_text,
    ),
    "create_groups": Known(
        PUSHED, "make the groups of push_groups that are not there", "no", one_of(("no", "yes"))
    ),
    "app_assignment": Known(
        ("okta",),
        "applications agents are assigned to: ids",
        "none",
        shaped(_APPS, "Write the id of an application, for example 0oa1gjh63g214q0Hq0g4; more after commas."),
    ),
    "tenant_id": Known(("entra",), "the directory (tenant) id", "", entra_tenant),
    "authority": Known(("entra",), "sign-in address, for national clouds", "by tenant_id", https),
    "graph_url": Known(
        ("entra",), "Microsoft Graph, for national clouds", "https://graph.microsoft.com", graph
    ),
    "token_scope": Known(
        ("entra",), "OAuth scope that is asked for", "graph_url, or the public one, and /.default", https
    ),
    "blueprint": Known(
        ("entra",),
        "blueprint of the agent identities: its appId, or the uniqueName of the first one",
        "scim-bridge",
        any_text,
    ),
    "attribute_set": Known(
        ("entra",),
        "custom security attribute set that facts are written to",
        "scimBridge",
        shaped(_SET_NAME, "Use letters and digits, at most 32, a letter first."),
    ),
    "sponsor": Known(("entra",), "sponsor of the blueprint, when no agent has one: user name", "", any_text),
    "agent_users": Known(
        ("entra",),
        "domain at which each agent gets a user account, for mailboxes and licences",
        "no accounts",
        shaped(DOMAIN, "Write a verified domain of the tenant: agents.contoso.com."),
    ),
    "compliance_issues": Known(
        ("entra",),
        "read with each plan what Entra's lifecycle policies find wrong with agents: on or off",
        "on",
        one_of(("on", "off")),
    ),
    "agent_registry": Known(
        ("entra",),
        "enter each agent into Microsoft's agent registry (Agent 365): off or on",
        "off",
        one_of(("off", "on")),
    ),
    "app_roles": Known(
        ("entra",),
        "app roles of agents by their groups here: GROUP=APPID/ROLE; *=APPID/ROLE for every agent",
        "none",
        shaped(_APP_ROLES, "Write GROUP=APPID/ROLE, the role by its value; more after semicolons."),
    ),
    "imds_url": Known(
        ("entra",),
        "stands in for Azure's managed identity service: on this machine only, for rehearsals",
        "Azure's own",
        this_machine,
    ),
    "people_by": Known(
        PUSHED,
        "who its news is about: user-name (externalId, else the login) or external-id (nothing else)",
        "user-name",
        one_of(PEOPLE_BY),
    ),
    "suspended": Known(
        ("okta",), "what a suspended person is: left, away or ignored", "left", one_of(SUSPENDED)
    ),
    "owner_check": Known(
        PUSHED, "read everybody who answers for an agent there once a day: on or off", "on", one_of(SWITCH)
    ),
    "graph_notices": Known(
        ("entra",),
        "have Entra call when people change, where public_url is https: on or off",
        "on",
        one_of(SWITCH),
    ),
    "graph_delta": Known(("entra",), "ask Entra every minute who changed: on or off", "on", one_of(SWITCH)),
    "okta_log": Known(("okta",), "ask the System Log for news of people: on or off", "on", one_of(SWITCH)),
    "drift": Known(
        KINDS,
        "what a change made at the IdP means: attribute:ours, theirs or ask; *:… for all others",
        "*:ours",
        any_text,
    ),
    "base_url": Known(("generic",), "SCIM server agents are pushed to, https://host/scim/v2", "", server),
    "token_url": Known(
        ("generic",), "where a token for base_url is asked for (client credentials)", "", server
    ),
    "retire": Known(
        ("generic",), "what becomes of the user of a deleted agent there", "disable", one_of(RETIRE)
    ),
    "ca_file": Known(KINDS, "PEM file of a private authority in front of the IdP", "public ones", any_text),
    "brake_count": Known(
        KINDS,
        "park a plan that switches off more agents, or misses more objects, than this",
        "10",
        whole(BRAKE_MOST["brake_count"]),
    ),
    "brake_percent": Known(
        KINDS, "the same as a share of what is known", "20", whole(BRAKE_MOST["brake_percent"])
    ),
    "four_eyes": Known(
        KINDS,
        "a held plan that switches off more agents than this needs two persons to let it go",
        str(FOUR_EYES),
        whole(BRAKE_MOST["brake_count"]),
    ),
    "rate_reserve": Known(
        PUSHED, "percent of the IdP's rate limit left for its other clients", "10", whole(90)
    ),
}


def check_dialect(kind: str, dialect: str) -> None:
    """Invalid unless this kind of IdP can speak this dialect."""
    if dialect not in DIALECTS[kind]:
        what = "does not speak" if dialect in DIALECTS["generic"] else "knows no dialect"
        raise Invalid(
            "connection-dialect",
            f"A connection of kind {kind} {what} {dialect[:40]!r}.",
            f"Use one of {', '.join(DIALECTS[kind])}.",
        )


def check_settings(kind: str, settings: Mapping[str, Any], present: Iterable[str] = ()) -> None:
    """Invalid for a name this kind does not have, or a value it cannot have.

    None removes a setting: that is allowed for whatever is `present`, known or not.
    """
    for name, value in settings.items():
        if value is None and name in present:
            continue
        known = SETTINGS.get(name)
        if known is None or kind not in known.kinds:
            raise _unknown(kind, name)
        if value is not None:
            _check_value(name, known, value)


def _check_value(name: str, known: Known, value: Any) -> None:
    if name == "scope":
        if not isinstance(value, str):
            raise Invalid("scope", "The scope is not a text.", "Write environment=production; group=…")
        parse_scope(value)
        return
    if name == "drift":
        parse_drift(str(value))
    text = str(value)
    if len(text) > LONGEST or not text.isprintable():
        raise Invalid(
            "connection-value",
            f"{name} is not a short, printable text.",
            f"At most {LONGEST} characters.",
            field=name,
        )
    try:
        known.check(text)
    except (WrongValue, ValueError) as error:
        # An address may carry a password: what was written is not repeated.
        shown = "" if known.check in (https, this_machine, okta_org, server) else f" ({text[:40]!r})"
        said, fix = error.args if isinstance(error, WrongValue) else ("cannot be read", "Write https://host.")
        raise Invalid("connection-value", f"{name} {said}{shown}.", fix, field=name) from error


def _unknown(kind: str, name: str) -> Invalid:
    names = [known for known, what in SETTINGS.items() if kind in what.kinds]
    if name in SECRETS.get(kind, ()):
        return Invalid(
            "connection-setting", f"{name} is a credential.", "Put it into the file of --secrets-file."
        )
    if name in SETTINGS:
        return Invalid(
            "connection-setting",
            f"{name} is a setting of {' and '.join(SETTINGS[name].kinds)} connections, this one is {kind}.",
            f"Known here: {', '.join(names)}.",
        )
    return Invalid(
        "connection-setting", f"{name[:40]!r} is no setting of a connection.", nearest(name, names)
    )


def nearest(name: str, names: Iterable[str]) -> str:
    """What was probably meant, or else all there is."""
    known = list(names)
    close = difflib.get_close_matches(name.casefold(), known, n=1)
    return f"Did you mean {close[0]}?" if close else f"Known: {', '.join(known)}."


def check_secrets(kind: str, secrets: Mapping[str, Any] | None) -> None:
    """Invalid for a credential this kind of IdP has no use for, or that is none. Values are never shown."""
    for name, value in (secrets or {}).items():
        if kind in SECRETS and name not in SECRETS[kind]:
            raise Invalid(
                "connection-secret",
                f"{name[:40]!r} is no credential of {kind}.",
                nearest(name, SECRETS[kind]),
            )
        if wrong := _no_credential(name, value):
            raise Invalid("connection-secret", f"{name} {wrong[0]}.", wrong[1], field=name)
    if (fault := secret_fault(kind, secrets or {})) is not None:
        name, (said, fix) = fault[0], fault[1].args
        raise Invalid("connection-key", f"{name} {said}.", fix, field=name)


def _no_credential(name: str, value: Any) -> tuple[str, str] | None:
    """What is wrong with a credential and how to write it; None for one that can be used, or is left out."""
    if value is None:
        return None
    if name == "scopes" and isinstance(value, list):
        plain = all(isinstance(each, str) for each in value)
        return None if plain else ("holds what is no scope", "Write a list of texts.")
    if name == "assertion_headers":
        fits = isinstance(value, dict) and all(isinstance(each, str) for each in value.values())
        return None if fits else ("is no object of headers", 'Write {"name": "value"}.')
    if not isinstance(value, str):
        return "is no text", 'Write it between quotation marks: "…".'
    if name in SENT and not (value.isascii() and value.isprintable()):
        return "holds a character that no call can carry", "Copy it again, without a line break at its end."
    return None


def unknown_settings(kind: str, settings: Mapping[str, Any]) -> list[str]:
    """Names that were set before names were checked, and that nobody reads."""
    return sorted(name for name in settings if name not in SETTINGS or kind not in SETTINGS[name].kinds)
