"""The composition root, upper half: every HTTP door, and what decides and is decided about at them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from scim_bridge.access import routes as access
from scim_bridge.access.budget_file import load_budgets
from scim_bridge.access.log import Entry, Tap
from scim_bridge.api import routes as api
from scim_bridge.api.callers import SignedIn
from scim_bridge.api.model import House
from scim_bridge.app import Bridge, leak_intake
from scim_bridge.attestations import routes as attestation_routes
from scim_bridge.audit import routes as published
from scim_bridge.console import routes as console
from scim_bridge.console.agent_search import agents_found
from scim_bridge.console.known import Known
from scim_bridge.console.session import form_key, session_of
from scim_bridge.console.sso.provider import Provider
from scim_bridge.credentials import routes as credential_routes
from scim_bridge.credentials.leaks import routes as leak_routes
from scim_bridge.departures import answer_page
from scim_bridge.departures import service as departures
from scim_bridge.departures.link import Links
from scim_bridge.health import components
from scim_bridge.health import routes as health
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.jobs import Jobs
from scim_bridge.kernel.paths import SCIM_PATH
from scim_bridge.oauth import routes as oauth
from scim_bridge.registry.model import AGENT
from scim_bridge.scim.versions import other_version
from scim_bridge.signals import routes as signals
from scim_bridge.signals.hr_mappings import mappings
from scim_bridge.signals.idp import doors as idp_doors
from scim_bridge.watch import ssf_routes
from scim_bridge.watch.activity_store import Sighting, decided
from scim_bridge.watch.intake import Intake
from scim_bridge.watch.routes import ActivityDoor

SCIM_OF_ANY_VERSION = "/scim"


def routes(
    bridge: Bridge, jobs: Jobs, decisions: access.Door, intake: Intake, provider: Provider | None = None
) -> Sequence[BaseRoute]:
    """Every HTTP door but SCIM, which is dispatched before routing. `provider` is where people sign in."""
    ctx, settings = bridge.ctx, bridge.settings
    react = departures.reactor(bridge.rules)
    return [
        Route("/", _home),
        *health(ctx, jobs),
        *published.routes(ctx),
        *decisions.routes(),
        *(ssf_routes.routes(ctx, settings.transmitter) if settings.transmitter.enabled else ()),
        *ActivityDoor(ctx, intake).routes(),
        *signals.routes(ctx, settings.hr, react, mappings(settings.hr_mappings)),
        *idp_doors.routes(ctx),
        *leak_routes.routes(ctx, settings.leaks, leak_intake(bridge)),
        *oauth.routes(ctx, settings.oauth),
        *api.routes(house_of(bridge, jobs)),
        *answer_page.routes(ctx, bridge.rules, Links(ctx.master, ctx.public_url)),
        *credential_routes.routes(ctx, bridge.stores),
        *attestation_routes.routes(ctx, settings.attestations),
        *console.routes(
            ctx,
            bridge.rules,
            lambda: components(ctx, jobs),
            settings.alerts,
            Known(
                decisions.policies,
                {name: one.get("kind", "") for name, one in settings.stores.items()},
                public_url_set="public_url" in settings.origins,
                of_settings=decisions.policies_of_settings,
            ),
            provider=provider,
            attestations=settings.attestations,
        ),
    ]


def house_of(bridge: Bridge, jobs: Jobs) -> House:
    """What the API works with."""
    ctx, settings = bridge.ctx, bridge.settings
    budgets = load_budgets(settings.access.budgets)
    known = partial(signed_in, ctx)
    return House(ctx, settings, bridge.rules, agents_found, lambda: components(ctx, jobs), budgets, known)


async def signed_in(ctx: Context, request: Request) -> SignedIn | None:
    """Whoever is signed in at the console, for the API."""
    session = await session_of(ctx, request)
    if session is None:
        return None
    return SignedIn(
        session.actor(request),
        session.roles,
        session.said_name,
        session.person_id,
        session.kept.authenticated,
        form_key(ctx, session),
    )


def doors(scim: Any) -> Mapping[str, Any]:
    """The raw ASGI doors by their addresses, the longer ones first."""
    return {SCIM_PATH: scim, SCIM_OF_ANY_VERSION: other_version}


def counted(intake: Intake) -> Tap:
    """Hands every decision about an agent to what watches agents."""

    def tap(entries: Sequence[Entry]) -> None:
        intake.count([seen for entry in entries if (seen := _seen(entry)) is not None])

    return tap


def _seen(entry: Entry) -> Sighting | None:
    facts, asked = entry.decision.facts, entry.question
    if facts is None or facts.kind != AGENT:
        return None
    resource = f"{asked.resource_type}/{asked.resource_id}"
    return decided(facts.id, entry.at, asked.action, resource, entry.decision.allowed)


async def _home(_request: Request) -> Response:
    return RedirectResponse("/console")
