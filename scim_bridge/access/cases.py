"""Tables of questions with the answers they should get: a policy file's own tests, without a database.

The file says what is true of each agent, so the table holds on every machine and in every review.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import yaml

from scim_bridge.access.decide import judge
from scim_bridge.access.model import Facts, Question, texts
from scim_bridge.access.policies import Policies
from scim_bridge.kernel.calendar import Calendar, read_calendar
from scim_bridge.kernel.clock import DAY, parse_iso
from scim_bridge.kernel.errors import ConfigurationError, Invalid
from scim_bridge.registry.model import Attestation, Hold, Owners, PersonRef

ATTESTATIONS = ("none", "valid", "refused", "lapsed")
OWNERS = ("active", "away", "left", "none")
ANSWERS = ("allow", "deny")
AGENT_KEYS = {
    "groups",
    "platform",
    "environment",
    "riskTier",
    "model",
    "attestation",
    "owner",
    "holds",
    "tools",
    "resources",
    "attestationDays",
    "idleDays",
    "rate",
    "until",
}
QUESTION_KEYS = {"agent", "action", "resource", "context", "expect", "because", "at"}
CALENDAR_KEYS = {"time_zone", "business_hours", "holidays"}


@dataclass(frozen=True, slots=True)
class Agent:
    """What a table says of an agent; what it says in days is counted back from the question's instant."""

    facts: Facts
    attestation_days: int | None = None
    idle_days: int | None = None

    def at(self, now: int) -> Facts:
        """Its facts at an instant."""
        attestation = self.facts.attestation
        if self.attestation_days is not None:
            attestation = replace(attestation, at=now - self.attestation_days * DAY)
        idle = None if self.idle_days is None else now - self.idle_days * DAY
        return replace(self.facts, attestation=attestation, last_activity=idle)


@dataclass(frozen=True, slots=True)
class Case:
    """One question with the answer it should get; `because` names a reason that must be given.

    `at` is when it is asked (None: now), `calendar` that of the table.
    """

    line: int
    question: Question
    agent: Agent
    expect: bool
    because: str = ""
    at: int | None = None
    calendar: Calendar | None = None

    @property
    def facts(self) -> Facts:
        """What is true of the agent, whenever."""
        return self.agent.facts


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one case got."""

    case: Case
    allowed: bool
    reasons: tuple[str, ...]
    why: str

    @property
    def ok(self) -> bool:
        """True when the answer and the reason are as expected."""
        return self.allowed == self.case.expect and (
            not self.case.because or self.case.because in self.reasons
        )


def check(policies: Policies, cases: Sequence[Case], now: int) -> list[Verdict]:
    """Ask every question."""
    found = []
    for case in cases:
        asked = policies if case.calendar is None else replace(policies, calendar=case.calendar)
        at = now if case.at is None else case.at
        decision = judge(asked, case.question, [case.agent.at(at)], at)
        ids = tuple(reason.id for reason in decision.reasons)
        why = " ".join(reason.text for reason in decision.reasons)
        found.append(Verdict(case, decision.allowed, ids, why))
    return found


def read_cases(text: str) -> list[Case]:
    """The cases of a YAML table; Invalid names the line and what is wrong there."""
    try:
        root = yaml.compose(text, yaml.SafeLoader)
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark is not None else 1
        raise _wrong(line, "the file is not YAML", "Mend that line.") from error
    if not isinstance(content, dict) or not isinstance(content.get("questions"), list):
        raise _wrong(1, "there is no list under 'questions'", "Write 'agents:' and 'questions:'.")
    agents = content.get("agents") or {}
    if not isinstance(agents, dict):
        raise _wrong(1, "'agents' is not a table", "Write one agent's slug per key.")
    facts = {str(slug): _facts(str(slug), entry or {}) for slug, entry in agents.items()}
    lines = _lines(root)
    calendar = _calendar(content["calendar"]) if "calendar" in content else None
    return [
        _case(entry, line, facts, calendar) for entry, line in zip(content["questions"], lines, strict=True)
    ]


def _calendar(entry: Any) -> Calendar:
    if not isinstance(entry, dict) or set(entry) - CALENDAR_KEYS:
        raise _wrong(1, "'calendar' is not a calendar", f"Known keys: {', '.join(sorted(CALENDAR_KEYS))}.")
    try:
        return read_calendar(
            str(entry.get("time_zone") or "UTC"),
            str(entry.get("business_hours") or "mon-fri 09:00-17:00"),
            _list(entry, "holidays", "calendar"),
            "",
        )
    except ConfigurationError as error:
        raise _wrong(1, f"calendar: {error.message}", error.fix) from error


def _lines(root: Any) -> list[int]:
    for key, value in root.value:
        if key.value == "questions":
            return [node.start_mark.line + 1 for node in value.value]
    return []


def _wrong(line: int, what: str, fix: str) -> Invalid:
    return Invalid("policy-table", f"Line {line}: {what}.", fix)


def _facts(slug: str, entry: Any) -> Agent:
    what = f"agent {slug!r}"
    if not isinstance(entry, dict) or set(entry) - AGENT_KEYS:
        unknown = ", ".join(sorted(set(entry) - AGENT_KEYS)) if isinstance(entry, dict) else "no table"
        raise _wrong(1, f"{what}: {unknown} is not known", f"Known keys: {', '.join(sorted(AGENT_KEYS))}.")
    state = _choice(entry, "attestation", ATTESTATIONS, what)
    employed = _choice(entry, "owner", OWNERS, what)
    person = PersonRef("owner", "owner", "owner", "", employed in ("active", "away"))
    owner = None if employed == "none" else person
    holds = [
        Hold(f"h{n}", "admin", "admin", str(reason), "an admin", 0, "the table")
        for n, reason in enumerate(_list(entry, "holds", what))
    ]
    facts = Facts(
        slug,
        slug,
        str(entry.get("platform") or "unknown"),
        str(entry.get("environment") or "unknown"),
        str(entry.get("riskTier") or "unknown"),
        str(entry.get("model") or "unknown"),
        _list(entry, "tools", what),
        _list(entry, "resources", what),
        attestation=Attestation(state),
        owners=Owners(owner),
        groups=_list(entry, "groups", what),
        holds=tuple(holds),
        ends=_ends(entry.get("until") or {}, what),
        employment={"owner": {"away": "leave"}.get(employed, employed)},
        rate=_number(entry, "rate", what),
    )
    return Agent(facts, _number(entry, "attestationDays", what), _number(entry, "idleDays", what))


def _number(entry: Mapping[str, Any], key: str, what: str) -> int | None:
    found = entry.get(key)
    if found is not None and (isinstance(found, bool) or not isinstance(found, int) or found < 0):
        raise _wrong(1, f"{what}: {key} is {found!r}", "Write a whole number.")
    return found


def _ends(entry: Any, what: str) -> dict[str, int]:
    if not isinstance(entry, dict):
        raise _wrong(1, f"{what}: until is not a table", "Write {group: 2026-12-31T00:00:00Z}.")
    return {str(group): _instant(until, 1, f"{what}: until") for group, until in entry.items()}


def _instant(value: Any, line: int, what: str) -> int:
    """YAML reads some instants itself; written with a zone, both are the same."""
    text = value.isoformat() if isinstance(value, datetime) and value.tzinfo else value
    try:
        return parse_iso(str(text))
    except ValueError as error:
        raise _wrong(line, f"{what} is no instant with a zone", "Write 2026-12-24T10:00:00Z.") from error


def _choice(entry: Mapping[str, Any], key: str, choices: Sequence[str], what: str) -> str:
    found = str(entry.get(key) or choices[0])
    if found not in choices:
        raise _wrong(1, f"{what}: {key} is {found!r}", f"Use one of {', '.join(choices)}.")
    return found


def _list(entry: Mapping[str, Any], key: str, what: str) -> tuple[str, ...]:
    found = entry.get(key) or []
    if not isinstance(found, list):
        raise _wrong(1, f"{what}: {key} is not a list", "Write [one, two].")
    return tuple(str(item) for item in found)


def _case(entry: Any, line: int, facts: Mapping[str, Agent], calendar: Calendar | None) -> Case:
    if not isinstance(entry, dict) or set(entry) - QUESTION_KEYS:
        unknown = ", ".join(sorted(set(entry) - QUESTION_KEYS)) if isinstance(entry, dict) else "no table"
        raise _wrong(line, f"{unknown} is not known", f"Known keys: {', '.join(sorted(QUESTION_KEYS))}.")
    for key in ("agent", "action", "resource", "expect"):
        if not entry.get(key):
            raise _wrong(line, f"{key} is missing", "A question needs agent, action, resource, expect.")
    slug = str(entry["agent"])
    if slug not in facts:
        raise _wrong(line, f"agent {slug!r} is not under 'agents'", "Say there what is true of it.")
    if entry["expect"] not in ANSWERS:
        raise _wrong(line, f"expect is {entry['expect']!r}", "Write allow or deny.")
    kind, identity, properties = _resource(entry["resource"], line)
    context = entry.get("context") or {}
    if not isinstance(context, dict):
        raise _wrong(line, "context is not a table", "Write {key: value}.")
    question = Question(
        "agent", slug, str(entry["action"]), kind, identity, texts(properties), texts(context)
    )
    at = None if entry.get("at") is None else _instant(entry["at"], line, "at")
    because = str(entry.get("because") or "")
    return Case(line, question, facts[slug], entry["expect"] == "allow", because, at, calendar)


def _resource(value: Any, line: int) -> tuple[str, str, Mapping[str, Any]]:
    if isinstance(value, str) and ":" in value:
        kind, _, identity = value.partition(":")
        return kind, identity, {}
    if isinstance(value, dict) and value.get("type") and value.get("id"):
        properties = value.get("properties") or {}
        if isinstance(properties, dict):
            return str(value["type"]), str(value["id"]), properties
    raise _wrong(line, "resource is not a resource", "Write type:id, or {type: …, id: …, properties: {…}}.")
