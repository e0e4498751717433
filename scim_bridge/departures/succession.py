"""Who takes over: the policies of succession, and what they decide about one agent. Pure rules.

An agent whose owner leaves goes to the first who may inherit and can, else it is held; those who are
only proposed are named to whoever decides next.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from scim_bridge.departures.model import ABSENCE, RUNNING, Absent, Answerable, Fate, Leaver, Outcome, minute
from scim_bridge.kernel.clock import DAY
from scim_bridge.registry.model import CO_OWNER, OWNER, SPONSOR, Owners, PersonRef

MANAGER = "manager"
ROLES = (CO_OWNER, SPONSOR, MANAGER)
NAMED = "named successor"
NEXT = "next"
HOLD = "hold"
NOTIFY = "notify"
IGNORE = "ignore"
NOBODY: Mapping[str, PersonRef] = {}


@dataclass(frozen=True, slots=True)
class Succession:
    """How an agent is handed over. `inherit` and `propose` are roles, or userNames of people, in order.

    `stop`: held at once, whoever could take over. `accept`: within so many microseconds the successor must
    accept; `meanwhile` the agent runs or is held; `otherwise` the next in line is asked, or it is held.
    `revoke`: the credentials of an agent that is held are revoked.
    """

    name: str = "default"
    inherit: tuple[str, ...] = (CO_OWNER,)
    propose: tuple[str, ...] = (SPONSOR, MANAGER)
    stop: bool = False
    accept: int | None = None
    meanwhile: str = RUNNING
    otherwise: str = HOLD
    revoke: bool = True


@dataclass(frozen=True, slots=True)
class When:
    """What an agent and a leave must be like for a rule: one of the values of each kind; none given: any."""

    environment: tuple[str, ...] = ()
    risk: tuple[str, ...] = ()
    platform: tuple[str, ...] = ()
    connection: tuple[str, ...] = ()
    leave: tuple[str, ...] = ()
    door: tuple[str, ...] = ()

    def why(self, agent: Answerable, leaver: Leaver) -> str | None:
        """What made the rule fit, in words; None when it does not."""
        asked = (
            ("environment", self.environment, agent.environment),
            ("risk", self.risk, agent.risk_tier),
            ("platform", self.platform, agent.platform),
            ("connection", self.connection, agent.origin.removeprefix("connection:")),
            ("leave", self.leave, leaver.leave),
            ("door", self.door, leaver.door),
        )
        given = [(what, wanted, is_) for what, wanted, is_ in asked if wanted]
        if not all(any(fnmatchcase(is_, one) for one in wanted) for _, wanted, is_ in given):
            return None
        return ", ".join(f"{what} is {is_}" for what, _, is_ in given) or "it is for every agent"


@dataclass(frozen=True, slots=True)
class Upkeep:
    """Which agents are held without anybody leaving: expired ones, those nobody used for `unused`
    microseconds (0: never), those nobody owns."""

    expired: bool = True
    unused: int = 0
    ownerless: bool = False


@dataclass(frozen=True, slots=True)
class Policies:
    """The rules in their order, and what counts when none fits.

    `grace`: how long after a leave that is not involuntary nothing is done yet. `escalate`: after so long
    security is told of agents that nobody took over. `moved`: whether somebody is told when an owner
    changes department or manager. `agents`: what is held without anybody leaving.
    `drill`: how often the canary goes the whole way (0: never by itself).
    """

    rules: tuple[tuple[When, Succession], ...] = ()
    default: Succession = Succession()
    grace: int = 0
    escalate: int = DAY
    moved: str = NOTIFY
    agents: Upkeep = Upkeep()
    drill: int = 0

    def choose(self, agent: Answerable, leaver: Leaver) -> tuple[Succession, str]:
        """The first rule that fits this agent and this leave, and why it does."""
        for when, succession in self.rules:
            why = when.why(agent, leaver)
            if why is not None:
                return succession, why
        return self.default, "no rule is for it" if self.rules else "there are no rules"

    @property
    def named(self) -> frozenset[str]:
        """The people policies speak of by name."""
        every = (self.default, *(succession for _, succession in self.rules))
        return frozenset(word for one in every for word in (*one.inherit, *one.propose) if word not in ROLES)


SUCCESSION = Succession()
POLICIES = Policies()


def decide(
    agent: Answerable,
    leaver: Leaver,
    absent: Absent,
    policies: Policies = POLICIES,
    named: Mapping[str, PersonRef] = NOBODY,
) -> Outcome | None:
    """What becomes of an agent when this person leaves; None when they do not answer for it.

    `named` are the people policies name, by that name; who is not among them is not known here.

    Afterwards the agent has an owner who can act, or it is held: never neither.
    """
    role = role_of(agent.owners, leaver.person.id)
    if role is None:
        return None
    succession, why = policies.choose(agent, leaver)
    left = _without(agent.owners, leaver.person.id)
    who = _who(role, leaver)
    if role != OWNER and left.owner is not None and _able(left.owner, leaver, absent):
        reason = f"{who}; {left.owner.display_name} still owns it."
        return Outcome(agent, role, Fate.RELIEVED, left, reason, rule=succession.name, because=why)
    line = _line(left, leaver, named)
    heir = None if succession.stop else next(_heirs(succession.inherit, line, leaver, absent), None)
    if heir is None:
        if leaver.leave == ABSENCE:
            # Who is on leave comes back, and finds the agent as it was.
            succession = replace(succession, revoke=False)
        proposed = _proposed(succession, line, leaver, absent)
        return _held(agent, leaver, role, left, (succession, why), proposed)
    person, as_role = heir
    after = Owners(person, _others(left.co_owners, person.id), left.sponsors)
    must = "" if succession.accept is None else " and must accept"
    return Outcome(
        agent,
        role,
        Fate.HANDED_OVER,
        after,
        f"{who}; {as_role} {person.display_name} took over{must}.",
        successor=person,
        rule=succession.name,
        because=why,
        accept_within=succession.accept,
        meanwhile=succession.meanwhile if succession.accept is not None else RUNNING,
    )


def _who(role: str, leaver: Leaver) -> str:
    name = leaver.person.display_name
    return f"{role.capitalize()} {name} {leaver.did} (effective {minute(leaver.effective_at)})"


def _held(
    agent: Answerable,
    leaver: Leaver,
    role: str,
    left: Owners,
    chosen: tuple[Succession, str],
    proposed: tuple[PersonRef | None, str],
) -> Outcome:
    succession, why = chosen
    wanted = " or ".join(word if word in ROLES else NAMED for word in succession.inherit) or "successor"
    cause = (
        f"the rule {succession.name!r} stops it" if succession.stop else f"no active {wanted} could take over"
    )
    return Outcome(
        agent,
        role,
        Fate.HELD,
        # The record of who owned it stays, so that everybody sees whose agent it was.
        Owners(agent.owners.owner, left.co_owners, left.sponsors),
        f"{_who(role, leaver)}; {cause}{_passed_over(left, leaver)}.",
        proposed=proposed[0],
        proposed_role=proposed[1],
        rule=succession.name,
        because=why,
        revoke=succession.revoke,
    )


def _proposed(
    succession: Succession, line: Mapping[str, tuple[PersonRef, ...]], leaver: Leaver, absent: Absent
) -> tuple[PersonRef | None, str]:
    # Whoever would have inherited is the next in line where a rule stops the agent.
    roles = (*(succession.inherit if succession.stop else ()), *succession.propose)
    return next(_heirs(roles, line, leaver, absent), (None, ""))


def role_of(owners: Owners, person_id: str) -> str | None:
    """The weightiest role a person has for an agent."""
    if owners.owner is not None and owners.owner.id == person_id:
        return OWNER
    if any(person.id == person_id for person in owners.co_owners):
        return CO_OWNER
    return SPONSOR if any(person.id == person_id for person in owners.sponsors) else None


def _others(people: Iterable[PersonRef], person_id: str) -> tuple[PersonRef, ...]:
    return tuple(person for person in people if person.id != person_id)


def _without(owners: Owners, person_id: str) -> Owners:
    owner = owners.owner if owners.owner is not None and owners.owner.id != person_id else None
    return Owners(owner, _others(owners.co_owners, person_id), _others(owners.sponsors, person_id))


def _able(person: PersonRef, leaver: Leaver, absent: Absent) -> bool:
    gone = person.id == leaver.person.id or person.id in absent.gone
    return person.active and not gone and not same_human(person, leaver.person)


def same_human(one: PersonRef, other: PersonRef) -> bool:
    """True when two records have one e-mail address: who left by one of them is not here by the other.

    An address is enough to pass somebody over, never to take anything from them.
    """
    return bool(one.email) and one.email.casefold() == other.email.casefold()


def _passed_over(left: Owners, leaver: Leaver) -> str:
    """Another record of the leaver among those who answer for the agent, in words; empty without one."""
    everybody = (*((left.owner,) if left.owner else ()), *left.co_owners, *left.sponsors)
    twin = next((one for one in everybody if same_human(one, leaver.person)), None)
    return f" ({twin.user_name} has the same address)" if twin is not None else ""


def _line(
    left: Owners, leaver: Leaver, named: Mapping[str, PersonRef]
) -> Mapping[str, tuple[PersonRef, ...]]:
    return {
        **{name: (person,) for name, person in named.items()},
        CO_OWNER: left.co_owners,
        SPONSOR: left.sponsors,
        MANAGER: (leaver.manager,) if leaver.manager is not None else (),
    }


def _heirs(
    roles: Iterable[str], line: Mapping[str, tuple[PersonRef, ...]], leaver: Leaver, absent: Absent
) -> Iterator[tuple[PersonRef, str]]:
    """People who could answer for the agent, in order; those about to leave themselves come last."""
    able = [
        (person, role if role in ROLES else NAMED)
        for role in roles
        for person in line.get(role, ())
        if _able(person, leaver, absent)
    ]
    yield from sorted(able, key=lambda heir: heir[0].id in absent.leaving)


def release_text(case_id: str, outcome: Outcome) -> str:
    """What releases the hold of a departure, as a command to copy, and who would be next in line."""
    command = f"a new owner: scim-bridge departures hand-over {case_id} {outcome.agent.slug} --to PERSON"
    if outcome.proposed is None:
        return command
    return f"{command} (next in line: {outcome.proposed.display_name}, {outcome.proposed_role})"


def accept_text(case_id: str, outcome: Outcome) -> str:
    """What releases the hold on an agent whose successor has not accepted yet."""
    who = outcome.successor.user_name if outcome.successor is not None else "PERSON"
    return f"its new owner's word: scim-bridge departures accept {case_id} {outcome.agent.slug} --by {who}"
