"""What a receipt says and how it is checked: values in, values out, offline.

A receipt is a compact JWS (Ed25519) over the content made here. Times are RFC 3339 in UTC with
milliseconds, so that whoever reads one can recompute every figure in it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from scim_bridge.departures.model import BUDGET, Case
from scim_bridge.kernel.clock import SECOND, iso, parse_iso
from scim_bridge.kernel.crypto import Tampered, verify

TYPE = "scim-bridge-receipt+jwt"
VERSION = 1
DONE = "done"

Keys = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was done, and when. `ref` is the effect's id: the idempotency key outside."""

    at: int
    what: str
    agent: str | None
    detail: str
    state: str = DONE
    ref: str | None = None
    attempts: int | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of checking a receipt. `ok` says it is genuine and adds up."""

    findings: tuple[str, ...]
    content: Mapping[str, Any]

    @property
    def ok(self) -> bool:
        """True when nothing was found wrong."""
        return not self.findings

    @property
    def within_budget(self) -> bool:
        """True when a genuine receipt says every step was done within the budget."""
        return self.ok and self.content.get("within_budget") is True


def content_of(
    case: Case, agents: Iterable[Mapping[str, Any]], steps: Sequence[Step], now: int
) -> dict[str, Any]:
    """The content of the receipt of a case that is closed now."""
    begun = case.begun
    ended = max([begun, *(step.at for step in steps)])
    complete = all(step.state == DONE for step in steps)
    milliseconds = _millis(ended) - _millis(begun)
    released = {} if case.released is None else {"released": iso(case.released)}
    return {
        **released,
        "version": VERSION,
        "case": case.id,
        "person": {"id": case.person_id, "userName": case.person},
        "source": case.source,
        "immediate": case.immediate,
        "heard": iso(case.heard_at),
        "effective": iso(case.effective_at),
        "begun": iso(begun),
        "ended": iso(ended),
        "closed": iso(now),
        "seconds": milliseconds / 1000,
        "budget_seconds": BUDGET // SECOND,
        "complete": complete,
        "within_budget": complete and milliseconds <= BUDGET // 1000,
        "agents": [dict(agent) for agent in agents],
        "steps": [_step(step) for step in sorted(steps, key=lambda step: (step.at, step.ref or ""))],
    }


def _step(step: Step) -> dict[str, Any]:
    said: dict[str, Any] = {"at": iso(step.at), "what": step.what, "agent": step.agent, "detail": step.detail}
    if step.ref is not None:
        said |= {"state": step.state, "ref": step.ref, "attempts": step.attempts}
    return said


def _millis(instant: int) -> int:
    return instant // 1000


def packed(content: Mapping[str, Any]) -> bytes:
    """The content as signed: JSON with sorted members."""
    return orjson.dumps(content, option=orjson.OPT_SORT_KEYS)


def digest(content: bytes) -> str:
    """SHA-256 of a receipt's content: what the audit log keeps of it."""
    return hashlib.sha256(content).hexdigest()


def check(statement: str, keys: Keys) -> Verdict:
    """Check a receipt with public keys only: signature, then that what it says adds up."""
    try:
        content = verify(statement, keys, TYPE)
    except Tampered as error:
        return Verdict((error.message,), {})
    if not _exact(statement, content):
        return Verdict(("The receipt is not written the way it was signed.",), content)
    try:
        return Verdict(tuple(_contradictions(content)), content)
    except (KeyError, TypeError, ValueError, AttributeError):
        return Verdict(("The receipt's content is not of the form we write.",), content)


def _exact(statement: str, content: Mapping[str, Any]) -> bool:
    """True when re-encoding gives the same text: base64 has spare bits that no signature covers."""
    header, body, signature = statement.split(".")
    try:
        raw = base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4))
    except (binascii.Error, ValueError):
        return False
    again = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
    return bool(header) and again == signature and _b64(packed(content)) == body


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _contradictions(content: Mapping[str, Any]) -> Iterable[str]:
    heard, effective = parse_iso(content["heard"]), parse_iso(content["effective"])
    begun, ended, closed = (parse_iso(content[name]) for name in ("begun", "ended", "closed"))
    times = [parse_iso(step["at"]) for step in content["steps"]]
    complete = all(step.get("state", DONE) == DONE for step in content["steps"])
    refs = [step["ref"] for step in content["steps"] if "ref" in step]
    decided = {step["agent"] for step in content["steps"] if "ref" not in step}
    if content["version"] != VERSION:
        yield f"The receipt is of version {content['version']}, this program knows {VERSION}."
    released = [parse_iso(content["released"])] if "released" in content else []
    if begun != max([heard, effective, *released]):
        yield "It does not begin when the departure was heard of, in effect, and let go by the brake."
    if ended != max([begun, *times]) or closed < ended:
        yield "It does not end with its last step."
    if content["seconds"] != (ended - begun) // 1000 / 1000:
        yield "Its seconds are not those between begin and end."
    if content["complete"] != complete:
        yield "It calls itself complete or not against its own steps."
    if content["budget_seconds"] != BUDGET // SECOND:
        yield "Its budget is not five minutes."
    if content["within_budget"] != (complete and ended - begun <= BUDGET):
        yield "Whether it kept the budget does not follow from its times."
    if len(refs) != len(set(refs)):
        yield "It counts a step twice."
    if decided != {agent["agent"] for agent in content["agents"]}:
        yield "Its decisions are not about its agents."
    if not all(_steps_say(content["steps"], agent) for agent in content["agents"]):
        yield "When an agent was denied here or told of there is not what its steps say."


def _steps_say(steps: Sequence[Mapping[str, Any]], agent: Mapping[str, Any]) -> bool:
    """True when the times of one agent are those of its steps. Older receipts have none."""
    own = [step for step in steps if step["agent"] == agent["agent"]]
    decided = [step["at"] for step in own if "ref" not in step]
    there = {(step["detail"], step["at"]) for step in own if step.get("state") == DONE}
    told = agent.get("told_there", {}).items()
    here = agent.get("denied_here")
    return (here is None or here in decided) and all((f"told {name}", at) in there for name, at in told)
