"""What the owner's pages say: facts in words, and the JSON of the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scim_bridge.attestations.answering import Answered
from scim_bridge.attestations.model import DELEGATED, MAX_COMMENT, SUCCESSOR, Difference, role_of
from scim_bridge.attestations.opening import Look
from scim_bridge.attestations.passing import Passed
from scim_bridge.kernel.clock import iso, parse_iso
from scim_bridge.kernel.errors import BridgeError
from scim_bridge.kernel.pages import environment, mark, stylesheet
from scim_bridge.registry.model import OWNER

HERE = Path(__file__).parent
PREFIX = "/attest"
DESCRIPTION = (
    ("purpose", "Purpose"),
    ("platform", "Platform"),
    ("model", "Model"),
    ("version", "Version"),
    ("environment", "Environment"),
    ("riskTier", "Risk"),
    ("workloadId", "Workload"),
    ("expiresAt", "Retires on"),
)
PARTS = {
    **dict(DESCRIPTION),
    "agent": "Name",
    "owner": "Owner",
    "coOwners": "Co-owners",
    "sponsors": "Sponsors",
    "groups": "Groups",
    "tools": "Tools",
    "resources": "Resources",
    "credentials": "Credentials",
    "holds": "Holds",
}
NAMED_BY = ("displayName", "name", "label", "reason")


@dataclass(frozen=True, slots=True)
class Change:
    """One difference in words."""

    name: str
    detail: str


class Pages:
    """The owner's pages, rendered."""

    def __init__(self) -> None:
        self.look = stylesheet(HERE, "attest.css")
        self.mark = mark()
        self._templates = environment(HERE)
        self._shared = {
            "look": f"{PREFIX}/look.css?v={self.look.digest}",
            "mark": f"{PREFIX}/mark.svg?v={self.mark.digest}",
        }

    def _render(self, template: str, **values: Any) -> str:
        return self._templates.get_template(template).render(**self._shared, **values)

    def facts(
        self,
        look: Look,
        token: str,
        valid_days: int,
        now: int,
        *,
        comment: str = "",
        problem: BridgeError | None = None,
        moved: bool = False,
        action: str = "",
        form_key: str = "",
        back: str = "",
    ) -> str:
        """The facts and the form. `moved`: they changed while the person looked.

        For somebody who is signed in there is no token: `action` is where the form goes, with the `form_key`
        of their session, and `back` leads to their other agents.
        """
        return self._render(
            "facts.html",
            facts=look.facts,
            digest=look.digest,
            person=look.person,
            role=look.role.replace("-", " "),
            expires=look.expires,
            before=look.before,
            changed=[in_words(difference) for difference in look.changed],
            description=DESCRIPTION,
            action=action or f"{PREFIX}/{token}",
            form_key=form_key,
            back=back,
            valid_days=valid_days,
            max_comment=MAX_COMMENT,
            past=lambda instant: parse_iso(instant) <= now,
            comment=comment,
            problem=problem,
            moved=moved,
            owns=role_of(look.agent.owners, look.person.id) == OWNER,
            takes=look.taken_from is not None,
            passed=look.role in (DELEGATED, SUCCESSOR),
            advised=look.advised,
        )

    def answered(self, answered: Answered, name: str, held: list[str], back: str = "") -> str:
        """Thanks, and what was kept. `held` are the reasons for which the agent still may not act."""
        said = answered.statement
        return self._render(
            "answered.html",
            back=back,
            verdict=said.verdict,
            confirmed=said.affirmed,
            left=[group["name"] for group in said.changes.get("left_groups", ())],
            took="new_owner" in said.changes,
            name=name,
            held=held,
            until=said.until,
            by=said.person.display_name,
            role=said.role,
            at=said.at,
            comment=said.comment,
            id=said.id,
            digest=said.digest,
        )

    def passed(self, passed: Passed, back: str = "") -> str:
        """Who was asked instead."""
        return self._render(
            "passed.html",
            back=back,
            slug=passed.slug,
            to=passed.to.display_name,
            transfer=passed.transfer,
            expires=passed.expires,
        )

    def refused(self, error: BridgeError) -> str:
        """Why the link does not open."""
        return self._render("refused.html", error=error)


def in_words(difference: Difference) -> Change:
    """A difference as a person reads it: what came, what went, or old and new."""
    name = PARTS.get(difference.part, difference.part)
    before, after = difference.before, difference.after
    if isinstance(before, list) and isinstance(after, list):
        return Change(name, ", ".join(_moved(before, after)) or "in another order")
    if before is None or after is None:
        return Change(name, f"{_name(before) if before else 'none'} → {_name(after) if after else 'none'}")
    return Change(name, f"{_name(before)} → {_name(after)}")


def _moved(before: list[Any], after: list[Any]) -> list[str]:
    """What came, went, or is not what it was, each by its name."""
    old = {_identity(item): item for item in before}
    new = {_identity(item): item for item in after}
    said = [f"+ {_name(item)}" for key, item in new.items() if key not in old]
    said += [f"− {_name(item)}" for key, item in old.items() if key not in new]
    for key, item in new.items():
        if key in old and old[key] != item:
            left = (
                isinstance(item, Mapping) and old[key].get("active") is True and item.get("active") is False
            )
            said.append(f"{_name(item)} {'has left' if left else 'changed'}")
    return said


def _identity(value: Any) -> str:
    if isinstance(value, Mapping):
        return str(value.get("id") or value.get("source") or value)
    return str(value)


def _name(value: Any) -> str:
    if isinstance(value, Mapping):
        return next((str(value[key]) for key in NAMED_BY if value.get(key)), "unnamed")
    return str(value)


def look_json(look: Look) -> dict[str, Any]:
    """What a look shows, for programs."""
    return {
        "request": look.request_id,
        "agent": look.agent.slug,
        "person": look.person.user_name,
        "role": look.role,
        "expires": iso(look.expires),
        "facts": look.facts,
        "digest": look.digest,
        "recommended": [{"group": group, "why": why} for group, why in look.advised.items()],
        "changed": [{"part": item.part, "before": item.before, "after": item.after} for item in look.changed],
    }


def answered_json(answered: Answered) -> dict[str, Any]:
    """What was recorded, for programs."""
    said = answered.statement
    return {
        "attestation": said.id,
        "agent": said.slug,
        "verdict": said.verdict,
        "state": answered.state,
        "at": iso(said.at),
        "until": None if said.until is None else iso(said.until),
        "digest": said.digest,
        "statement": answered.jws,
        "changes": dict(said.changes),
    }


def passed_json(passed: Passed) -> dict[str, Any]:
    """Who was asked instead, for programs."""
    return {
        "agent": passed.slug,
        "to": passed.to.user_name,
        "transfer": passed.transfer,
        "expires": iso(passed.expires),
    }
