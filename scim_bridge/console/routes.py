"""The console's addresses."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from scim_bridge.console.accessing import Accessing
from scim_bridge.console.acting import reason_in, sent
from scim_bridge.console.addresses import agent_url
from scim_bridge.console.agent import AgentPage, agent_page
from scim_bridge.console.alerting import Alerting
from scim_bridge.console.attesting import Attesting
from scim_bridge.console.auditing import Auditing
from scim_bridge.console.connect_acts import ConnectActs
from scim_bridge.console.connecting import Connecting
from scim_bridge.console.credentials import Credentials
from scim_bridge.console.deciding import Deciding
from scim_bridge.console.door import Screen, redirect, required_session
from scim_bridge.console.drafting import Drafting
from scim_bridge.console.grouping import Grouping
from scim_bridge.console.known import Known
from scim_bridge.console.leaving import Leaving
from scim_bridge.console.listing import Page, page
from scim_bridge.console.may import may
from scim_bridge.console.mine import Mine
from scim_bridge.console.overview import Overview
from scim_bridge.console.pages import Pages
from scim_bridge.console.people import People
from scim_bridge.console.permissions import Gate
from scim_bridge.console.quiet import quietly
from scim_bridge.console.search import cleaned, parse
from scim_bridge.console.session import PATH, form_key
from scim_bridge.console.settings import Settings
from scim_bridge.console.sign_in import CALLBACK, SignIn
from scim_bridge.console.sso.provider import Provider
from scim_bridge.console.standing import Components, Standing, nothing_known
from scim_bridge.console.sync_acts import SyncActs
from scim_bridge.console.sync_lists import SyncLists
from scim_bridge.console.sync_one import SyncOne
from scim_bridge.console.sync_plan import SyncPlan
from scim_bridge.console.syncing import Syncing
from scim_bridge.console.tally import Tally
from scim_bridge.console.together import Together
from scim_bridge.console.viewing import Viewing
from scim_bridge.departures.rules import RULES, Rules
from scim_bridge.departures.succession import Policies
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import NotFound
from scim_bridge.kernel.pages import html
from scim_bridge.kernel.work import Work
from scim_bridge.registry.holds import place_hold, release_hold
from scim_bridge.registry.views import View, holder_of, views
from scim_bridge.settings.attestations import AttestationSettings
from scim_bridge.settings.sign_in import SignInSettings
from scim_bridge.settings.watch import AlertSettings

ADMIN = "admin"
UNTOLD = AlertSettings()
UNKNOWN = Known()


def routes(
    ctx: Context,
    rules: Rules = RULES,
    components: Components = nothing_known,
    alerts: AlertSettings = UNTOLD,
    known: Known = UNKNOWN,
    *,
    provider: Provider | None = None,
    attestations: AttestationSettings | None = None,
) -> list[BaseRoute]:
    """/console with everything below it. Without a session every page leads to the sign-in.

    `rules` are those of departures; `components` tells how this process stands; `alerts` whom their end is told;
    `known` what else the composition root knows.
    `provider` is where people sign in. What each address needs is in `permissions.NEEDS`.
    """
    pages = Pages(may)
    provider = provider or Provider(ctx, SignInSettings())
    gate = Gate(ctx, provider.settings.reauthenticate_minutes)
    door = SignIn(ctx, pages, provider)
    console = Console(ctx, pages, rules.policies)

    async def look(_request: Request) -> Response:
        return pages.look.response()

    async def mark(_request: Request) -> Response:
        return pages.mark.response()

    async def follow(_request: Request) -> Response:
        return pages.follow.response()

    screens = {
        PATH: Screen(ctx, pages, get=console.agents),
        f"{PATH}/look.css": Screen(ctx, pages, get=look),
        f"{PATH}/mark.svg": Screen(ctx, pages, get=mark),
        f"{PATH}/follow.js": Screen(ctx, pages, get=follow),
        f"{PATH}/sign-in": Screen(ctx, pages, get=door.show, post=door.take),
        f"{PATH}/sign-in/begin": Screen(ctx, pages, get=door.begin),
        CALLBACK: Screen(ctx, pages, get=door.callback),
        f"{PATH}/sign-out": Screen(ctx, pages, post=door.leave),
        f"{PATH}/agents": Screen(ctx, pages, get=console.agents),
        f"{PATH}/agents/{{slug}}": Screen(ctx, pages, get=console.agent),
        f"{PATH}/agents/{{slug}}/hold": Screen(ctx, pages, post=console.hold),
        f"{PATH}/agents/{{slug}}/release": Screen(ctx, pages, post=console.release),
        **Mine(ctx, pages, attestations or AttestationSettings()).screens(),
        **Leaving(ctx, pages, rules).screens(),
        **Attesting(ctx, pages).screens(),
        **Alerting(ctx, pages, alerts).screens(),
        **Syncing(ctx, pages).screens(),
        **SyncActs(ctx, pages).screens(),
        **SyncPlan(ctx, pages).screens(),
        **SyncLists(ctx, pages).screens(),
        **SyncOne(ctx, pages).screens(),
        **Connecting(ctx, pages, known).screens(),
        **ConnectActs(ctx, pages, known).screens(),
        **Deciding(ctx, pages).screens(),
        **Standing(ctx, pages, components).screens(),
        **Overview(ctx, pages, console.tally).screens(),
        **People(ctx, pages, rules).screens(),
        **Grouping(ctx, pages, known).screens(),
        **Credentials(ctx, pages).screens(),
        **Together(ctx, pages, attestations or AttestationSettings()).screens(),
        **Viewing(ctx, pages).screens(),
        **Accessing(ctx, pages, known).screens(),
        **Drafting(ctx, pages, known).screens(),
        **Auditing(ctx, pages).screens(),
        **Settings(ctx, pages, known).screens(),
        f"{PATH}/{{rest:path}}": Screen(ctx, pages, get=console.nothing, post=console.nothing),
    }
    for path, screen in screens.items():
        screen.guard = gate.of(path)
    return [Route(path, screen) for path, screen in screens.items()]


class Console:
    """Handlers of the pages behind the sign-in."""

    def __init__(self, ctx: Context, pages: Pages, policies: Policies) -> None:
        self._ctx = ctx
        self._policies = policies
        self._pages = pages
        self.tally = Tally(ctx)

    async def agents(self, request: Request) -> Response:
        """The list of agents with its search."""
        session = await required_session(self._ctx, request)
        asked = request.query_params
        search = parse(asked.get("q", ""))
        after, before = cleaned(asked.get("after", "")), cleaned(asked.get("before", ""))

        holder = holder_of(session.actor(request))

        async def read(reader: Reader) -> tuple[Page, list[View]]:
            found = await page(reader, search, after=after, before=before)
            return found, await views(reader, holder)

        found, kept = await quietly(self._ctx, read)
        numbers = await self.tally.now()
        key = form_key(self._ctx, session)
        now = self._ctx.store.clock.now()
        return html(self._pages.agents(session, key, search, found, numbers, kept, now))

    async def agent(self, request: Request) -> Response:
        """One agent."""
        session = await required_session(self._ctx, request)
        now = self._ctx.store.clock.now()
        shown = await self._shown(request, now)
        show = request.query_params.get("show", "")
        show = show if show in ("changes", "decisions") else ""
        return html(self._pages.agent(session, form_key(self._ctx, session), shown, now, show))

    async def _shown(self, request: Request, now: int) -> AgentPage:
        name = cleaned(request.path_params["slug"])
        before = cleaned(request.query_params.get("before", ""))
        show = request.query_params.get("show", "")
        shown = await quietly(
            self._ctx, lambda reader: agent_page(reader, name, now, before, self._policies, show)
        )
        if shown is None:
            raise NotFound(
                "agent-unknown", f"There is no agent “{name[:64]}”.", "Look for it in the list of agents."
            )
        return shown

    async def hold(self, request: Request) -> Response:
        """Stop an agent until an admin releases it."""
        return await self._switch(request, stop=True)

    async def release(self, request: Request) -> Response:
        """Release the admin's hold; those of others stand."""
        return await self._switch(request, stop=False)

    async def _switch(self, request: Request, *, stop: bool) -> Response:
        session = await required_session(self._ctx, request)
        reason = reason_in(await sent(self._ctx, request, session))
        agent = (await self._shown(request, self._ctx.store.clock.now())).agent

        async def body(work: Work) -> None:
            work.bookkeeping("the hold is already as asked")
            if stop:
                await place_hold(
                    work,
                    agent.resource.id,
                    ADMIN,
                    ADMIN,
                    reason,
                    "an admin releases it, here or with agents resume",
                )
            else:
                await release_hold(work, agent.resource.id, ADMIN, reason)

        await self._ctx.store.transact(session.actor(request), body)
        return redirect(agent_url(agent.slug))

    async def nothing(self, request: Request) -> Response:
        """There is nothing at this address."""
        await required_session(self._ctx, request)
        raise NotFound("page-unknown", "There is no page at this address.", "Go to the list of agents.")
