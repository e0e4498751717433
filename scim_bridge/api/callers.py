"""Who calls the API, and what they may: the holder of a token that is a role, or somebody signed in at the console."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from starlette.requests import Request

from scim_bridge.api.permissions import ADMIN_ALONE, KNOWN, NEEDS
from scim_bridge.departures.approver import approver_of
from scim_bridge.departures.releasing import Approver
from scim_bridge.kernel.clock import MINUTE
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.crypto import equal
from scim_bridge.kernel.errors import Forbidden, NotFound
from scim_bridge.kernel.work import Actor
from scim_bridge.registry.agent_facts import find_agent
from scim_bridge.registry.callers import role_caller
from scim_bridge.registry.roles import ADMIN, PERMISSIONS, Reach, reach

FORM_KEY = "x-form-key"
LOOKING = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session of the console, as it is handed over: `form_key` is what its changes carry, `proven` when they
    proved who they are."""

    actor: Actor
    roles: tuple[str, ...]
    name: str | None
    person_id: str | None
    proven: int | None
    form_key: str


FindSession = Callable[[Request], Awaitable[SignedIn | None]]


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who may call: `name` is None for a token that says nobody's; `fresh` is False for a session whose
    person has not proven lately who they are. A token proves itself with every call."""

    actor: Actor
    roles: tuple[str, ...]
    name: str | None
    person_id: str | None = None
    session: bool = False
    fresh: bool = True

    def approver(self) -> Approver:
        """Whose word it is, where a named person has to say something; Refused for a token without a label."""
        if self.person_id is not None and self.name:
            # As at the console: the same person has one word, whichever way they give it.
            return Approver(self.name.casefold(), self.name, "session")
        return approver_of(self.name, self.actor.id)

    def need(self, permission: str) -> Reach:
        """How far the caller has a permission; Forbidden when not at all, or when it asks for a fresh sign-in."""
        known = PERMISSIONS[permission]
        far = reach(self.roles, permission)
        if far is Reach.NONE:
            raise self.lacking(f"it does not let you {known.allows}")
        if known.dangerous and not self.fresh:
            raise Forbidden(
                "sign-in-again",
                "Prove once more that it is you: this can do great harm.",
                "Sign in at the console again, then send it once more. Nothing was changed.",
            )
        return far

    def lacking(self, why: str) -> Forbidden:
        """The refusal of a role."""
        roles = " and ".join(self.roles) or "none"
        return Forbidden(
            "role-lacks",
            f"Your role is {roles}: {why}.",
            "Ask an admin for a token or a group with another role.",
        )


async def caller_of(ctx: Context, request: Request, find: FindSession | None, fresh_minutes: int) -> Caller:
    """Who calls: by a token, else by a session of the console.

    Unauthenticated for nobody. Forbidden for a token that is no role, and for a change whose form key is not the
    session's: another site may send the cookie, and cannot know the key.
    """
    found = await find(request) if find is not None and "authorization" not in request.headers else None
    if found is None:
        actor, roles, label = await role_caller(ctx, request)
        return Caller(actor, roles, label)
    if request.method not in LOOKING and not equal(found.form_key, request.headers.get(FORM_KEY, "")):
        raise Forbidden(
            "form-key",
            "A change by a session carries the key of its forms.",
            "Send X-Form-Key: the value of form_key in any page of the console. Programs use a token.",
        )
    now = ctx.store.clock.now()
    fresh = found.proven is not None and now - found.proven < fresh_minutes * MINUTE
    return Caller(found.actor, found.roles, found.name, found.person_id, True, fresh)


async def let_pass(ctx: Context, caller: Caller, operation: str, path: Mapping[str, str]) -> None:
    """Forbidden unless the caller's role lets them do this; whose are only their own agents, others are not there."""
    needed = NEEDS.get(operation, ADMIN_ALONE)
    if needed == KNOWN:
        return
    if needed == ADMIN_ALONE:
        if ADMIN not in caller.roles:
            raise caller.lacking("this is an admin's")
        return
    if caller.need(needed) is Reach.ALL:
        return
    if "agent" not in path:
        raise caller.lacking(f"it lets you {PERMISSIONS[needed].allows} for your own agents only")
    agent = await find_agent(ctx.store.reads, path["agent"])
    owners = None if agent is None else agent.owners
    people = () if owners is None else (owners.owner, *owners.co_owners, *owners.sponsors)
    if caller.person_id is None or caller.person_id not in {each.id for each in people if each is not None}:
        raise NotFound(
            "agent-unknown",
            f"There is no agent {path['agent'][:64]!r} that you answer for.",
            "See your agents.",
        )
