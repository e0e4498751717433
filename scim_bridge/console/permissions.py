"""What each address of the console needs, as data; the gate in front of all of them.

An address that is not listed is an admin's alone, and a test asks for its line here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request

from scim_bridge.console.door import Elsewhere, again_url, redirect, required_session
from scim_bridge.console.search import cleaned
from scim_bridge.console.session import PATH, Session
from scim_bridge.kernel.clock import MINUTE
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.errors import Forbidden, NotFound
from scim_bridge.registry.agent_facts import find_agent
from scim_bridge.registry.bulk_model import ASKS_FOR
from scim_bridge.registry.roles import ADMIN, OWNER, PERMISSIONS, Reach, reach

PUBLIC, SIGNED_IN = "", "signed-in"
MINE = f"{PATH}/mine"
NEEDS: Mapping[tuple[str, str], str] = {
    ("GET", f"{PATH}/look.css"): PUBLIC,
    ("GET", f"{PATH}/mark.svg"): PUBLIC,
    ("GET", f"{PATH}/follow.js"): PUBLIC,
    ("GET", f"{PATH}/plots.js"): PUBLIC,
    ("GET", f"{PATH}/uplot.js"): PUBLIC,
    ("GET", f"{PATH}/uplot.css"): PUBLIC,
    ("GET", f"{PATH}/sign-in"): PUBLIC,
    ("POST", f"{PATH}/sign-in"): PUBLIC,
    ("GET", f"{PATH}/sign-in/begin"): PUBLIC,
    ("GET", f"{PATH}/sign-in/callback"): PUBLIC,
    ("POST", f"{PATH}/sign-out"): PUBLIC,
    ("GET", PATH): "agents.list",
    ("GET", f"{PATH}/overview"): "agents.list",
    ("GET", f"{PATH}/groups"): "agents.list",
    ("GET", f"{PATH}/groups/{{id}}"): "agents.list",
    ("GET", f"{PATH}/credentials"): "agents.list",
    ("GET", f"{PATH}/people"): "people.read",
    ("GET", f"{PATH}/people/{{name}}"): "people.read",
    ("GET", f"{PATH}/access"): "policies.read",
    ("GET", f"{PATH}/access/drafts"): "policies.draft",
    ("POST", f"{PATH}/access/drafts"): "policies.draft",
    ("GET", f"{PATH}/access/drafts/{{id}}"): "policies.draft",
    ("POST", f"{PATH}/access/drafts/{{id}}"): "policies.draft",
    ("POST", f"{PATH}/access/drafts/{{id}}/activate"): "policies.change",
    ("GET", f"{PATH}/access/versions/{{number}}"): "policies.read",
    ("POST", f"{PATH}/access/versions/{{number}}/activate"): "policies.change",
    ("GET", f"{PATH}/settings"): "settings.read",
    ("GET", f"{PATH}/bulk"): "agents.list",
    ("GET", f"{PATH}/bulk/{{id}}"): "agents.list",
    **{
        ("POST", f"{PATH}/bulk/{one}"): "agents.plan-many"
        for one in ("stop", "resume", "owner", "join", "leave")
    },
    ("POST", f"{PATH}/bulk/attest"): "attestations.ask",
    ("POST", f"{PATH}/bulk/{{id}}/cancel"): "attestations.ask",
    **{("POST", f"{PATH}/bulk/{{id}}/{one}"): need for one, need in ASKS_FOR.items()},
    ("POST", f"{PATH}/views"): "agents.list",
    ("POST", f"{PATH}/views/shared"): "views.share",
    ("POST", f"{PATH}/views/{{id}}/delete"): "agents.list",
    ("POST", f"{PATH}/views/shared/{{id}}/delete"): "views.share",
    ("GET", f"{PATH}/agents"): "agents.list",
    ("GET", f"{PATH}/agents/{{slug}}"): "agents.read",
    ("POST", f"{PATH}/agents/{{slug}}/hold"): "agents.hold",
    ("POST", f"{PATH}/agents/{{slug}}/release"): "agents.release",
    ("GET", f"{PATH}/agents/{{slug}}/decisions"): "decisions.read",
    ("GET", MINE): "attestations.answer",
    ("GET", f"{MINE}/{{request}}"): "attestations.answer",
    ("POST", f"{MINE}/{{request}}"): "attestations.answer",
    ("GET", f"{PATH}/departures"): "departures.read",
    ("GET", f"{PATH}/departures/{{id}}"): "departures.read",
    ("POST", f"{PATH}/departures/brakes/{{id}}"): "departures.brake",
    ("GET", f"{PATH}/attestations"): "attestations.read",
    ("GET", f"{PATH}/attestations/campaigns/{{id}}"): "attestations.read",
    ("GET", f"{PATH}/alerts"): "alerts.read",
    ("GET", f"{PATH}/alerts/{{id}}"): "alerts.read",
    ("POST", f"{PATH}/alerts/{{id}}"): "alerts.settle",
    ("POST", f"{PATH}/alerts/{{id}}/mute"): "alerts.settle",
    ("POST", f"{PATH}/alerts/mutes/{{id}}/end"): "alerts.settle",
    ("GET", f"{PATH}/sync"): "sync.read",
    ("GET", f"{PATH}/sync/{{name}}"): "sync.read",
    ("GET", f"{PATH}/sync/{{name}}/now"): "sync.read",
    ("GET", f"{PATH}/sync/{{name}}/runs"): "sync.read",
    ("GET", f"{PATH}/sync/{{name}}/findings"): "sync.read",
    ("POST", f"{PATH}/sync/{{name}}/plan"): "sync.apply",
    ("POST", f"{PATH}/sync/{{name}}/cancel"): "sync.apply",
    ("POST", f"{PATH}/sync/{{name}}/retry"): "sync.apply",
    ("POST", f"{PATH}/sync/{{name}}/settle"): "sync.apply",
    ("POST", f"{PATH}/sync/{{name}}/strangers"): "sync.apply",
    ("GET", f"{PATH}/sync/{{name}}/plans/{{id}}"): "sync.read",
    ("POST", f"{PATH}/sync/{{name}}/plans/{{id}}/apply"): "sync.apply",
    ("POST", f"{PATH}/sync/{{name}}/plans/{{id}}/release"): "sync.release",
    ("GET", f"{PATH}/sync/{{name}}/one"): "sync.read",
    ("POST", f"{PATH}/sync/{{name}}/one"): "sync.apply",
    ("GET", f"{PATH}/sync/{{name}}/one/now"): "sync.read",
    ("POST", f"{PATH}/sync/{{name}}/one/write"): "sync.apply",
    ("POST", f"{PATH}/sync/{{name}}/one/release"): "sync.release",
    ("GET", f"{PATH}/connect"): "settings.read",
    ("POST", f"{PATH}/connect"): "connections.change",
    ("GET", f"{PATH}/connect/{{name}}"): "settings.read",
    ("GET", f"{PATH}/connect/{{name}}/now"): "settings.read",
    ("GET", f"{PATH}/connect/{{name}}/token"): "settings.read",
    ("POST", f"{PATH}/connect/{{name}}/token"): "connections.change",
    ("POST", f"{PATH}/connect/{{name}}/credentials"): "connections.change",
    ("POST", f"{PATH}/connect/{{name}}/check"): "connections.change",
    ("GET", f"{PATH}/decisions"): "decisions.read",
    ("GET", f"{PATH}/decisions/{{id}}"): "decisions.read",
    ("GET", f"{PATH}/audit"): "audit.read",
    ("GET", f"{PATH}/audit/verification"): "audit.read",
    ("POST", f"{PATH}/audit/verification"): "audit.read",
    ("GET", f"{PATH}/audit/export"): "audit.read",
    ("GET", f"{PATH}/status"): "status.read",
    ("GET", f"{PATH}/{{rest:path}}"): SIGNED_IN,
    ("POST", f"{PATH}/{{rest:path}}"): SIGNED_IN,
}
Guard = Callable[[Request], Awaitable[None]]


class Gate:
    """Lets through who may; everybody else learns why not."""

    def __init__(self, ctx: Context, fresh_minutes: int) -> None:
        self._ctx = ctx
        self._fresh = fresh_minutes * MINUTE

    def of(self, path: str) -> Guard:
        """What a request to this address has to pass."""

        async def guard(request: Request) -> None:
            method = "GET" if request.method == "HEAD" else request.method
            needed = NEEDS.get((method, path))
            if needed == PUBLIC:
                return
            session = await required_session(self._ctx, request)
            if needed == SIGNED_IN:
                return
            await self._pass(request, session, needed)

        return guard

    async def _pass(self, request: Request, session: Session, needed: str | None) -> None:
        if needed is None:
            if ADMIN not in session.roles:
                raise lacking(session, "this page is an admin's")
            return
        permission = PERMISSIONS[needed]
        far = reach(session.roles, needed)
        looks = request.method in ("GET", "HEAD")
        if far is Reach.NONE and looks and needed == "agents.list" and OWNER in session.roles:
            raise Elsewhere(redirect(MINE))
        if far is Reach.NONE:
            raise lacking(session, f"it does not let you {permission.allows}")
        if far is Reach.OWN:
            await self._own(request, session, needed)
        if permission.dangerous:
            self._proven(request, session)

    async def _own(self, request: Request, session: Session, needed: str) -> None:
        """Only what one answers for; everything else is not there, as for somebody who guesses names."""
        if session.person_id is None:
            raise Forbidden(
                "not-a-person",
                "An admin's token is nobody in person.",
                "Sign in as yourself at the IdP to answer for your agents.",
            )
        slug = request.path_params.get("slug")
        if slug is None:
            if needed == "attestations.answer":
                return
            raise lacking(session, f"it lets you {PERMISSIONS[needed].allows} for your own agents only")
        agent = await find_agent(self._ctx.store.reads, cleaned(slug))
        owners = None if agent is None else agent.owners
        people = () if owners is None else (owners.owner, *owners.co_owners, *owners.sponsors)
        if session.person_id not in {person.id for person in people if person is not None}:
            raise NotFound(
                "agent-unknown",
                f"There is no agent “{cleaned(slug)[:64]}” that you answer for.",
                "Look at your agents.",
            )

    def _proven(self, request: Request, session: Session) -> None:
        """Forbidden unless they proved who they are within the minutes the settings say."""
        proven = session.kept.authenticated
        if proven is not None and self._ctx.store.clock.now() - proven < self._fresh:
            return
        back = request.headers.get("referer", "") if request.method != "GET" else str(request.url)
        raise Again(again_url(session, back))


class Again(Forbidden):
    """One has to sign in anew before this."""

    def __init__(self, url: str) -> None:
        super().__init__(
            "sign-in-again",
            "Prove once more that it is you.",
            "This can do great harm, so it asks for a recent sign-in. Nothing was changed; do it again after.",
        )
        self.url = url


def lacking(session: Session, why: str) -> Forbidden:
    """The refusal of a role."""
    roles = " and ".join(session.roles) or "none"
    return Forbidden(
        "role-lacks", f"Your role is {roles}: {why}.", "Ask an admin for a group with another role."
    )
