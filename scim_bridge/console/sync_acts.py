"""What the buttons of sync do: plan, cancel, retry, settle drift, decide about strangers. As API and commands do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from scim_bridge.audit.record import record
from scim_bridge.console.acting import reason_in, sent
from scim_bridge.console.door import Screen, redirect, required_session
from scim_bridge.console.pages import Pages
from scim_bridge.console.search import cleaned
from scim_bridge.console.sync_now import HERE, at
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.effects import revive_within
from scim_bridge.kernel.errors import Invalid, NotFound, Refused
from scim_bridge.kernel.work import Work
from scim_bridge.registry.connections import Connection, connection
from scim_bridge.registry.drift_rules import OURS, THEIRS
from scim_bridge.sync import adopting
from scim_bridge.sync.asked import ask_for_plan, ask_to_adopt
from scim_bridge.sync.run import RUNNING, cancel_run, runs
from scim_bridge.sync.run import run as kept_run
from scim_bridge.sync.service import troubles_of
from scim_bridge.sync.settling import settle

Act = Callable[[Work, Connection, dict[str, str]], Awaitable[str]]


class SyncActs:
    """The addresses forms of sync are sent to."""

    def __init__(self, ctx: Context, pages: Pages) -> None:
        self._ctx = ctx
        self._pages = pages

    def screens(self) -> dict[str, Screen]:
        """Their addresses."""
        acts: dict[str, Act] = {
            "plan": _plan,
            "cancel": _cancel,
            "retry": _retry,
            "settle": _settle,
            "strangers": _decide,
        }
        return {
            f"{HERE}/{{name}}/{name}": Screen(self._ctx, self._pages, post=self._doing(act))
            for name, act in acts.items()
        }

    def _doing(self, act: Act) -> Callable[[Request], Awaitable[Response]]:
        async def do(request: Request) -> Response:
            session = await required_session(self._ctx, request)
            form = await sent(self._ctx, request, session)
            there = await connection(self._ctx.store.reads, cleaned(request.path_params["name"]))
            asked = await self._ctx.store.transact(
                session.actor(request), lambda work: act(work, there, form)
            )
            return redirect(at(there) + (f"?{urlencode({'asked': asked})}" if asked else ""))

        return do


async def _plan(work: Work, there: Connection, _form: dict[str, str]) -> str:
    """Have a plan made."""
    pushing(there)
    return await ask_for_plan(work, there)


def pushing(there: Connection) -> None:
    """Refused for a connection that nothing can be written to."""
    if not there.has_secrets:
        raise Refused(
            "sync-secrets",
            f"{there.name} has no credentials to push with.",
            "Enter them: Settings → Connect → the way back.",
        )


async def _cancel(work: Work, there: Connection, form: dict[str, str]) -> str:
    """Give up what is not written yet of the run that is being written."""
    reason = reason_in(form)
    found = await kept_run(work.tx, cleaned(form.get("run", "")))
    if found.connection_id != there.id:
        raise NotFound("run-unknown", f"{there.name} has no such run.", "Load the page again.")
    if found.state != RUNNING:
        raise Refused("run-over", f"This run is {found.state} already.", "Nothing is left to give up.")
    await cancel_run(work, found.id, reason)
    return ""


async def _retry(work: Work, there: Connection, form: dict[str, str]) -> str:
    """Give a parked change of the last run a fresh round."""
    effect = cleaned(form.get("effect", ""))
    newest = await runs(work.tx, there.id, limit=1)
    troubles = await troubles_of(work.tx, newest[0]) if newest else []
    if effect not in {trouble.effect_id for trouble in troubles}:
        raise NotFound("effect-unknown", "This change does not wait any more.", "Load the page again.")
    await revive_within(work, effect)
    await record(work, "effect.retried", "effect", effect, connection_id=there.id)
    return ""


async def _settle(work: Work, there: Connection, form: dict[str, str]) -> str:
    """Settle one drift."""
    reason, choice = reason_in(form), cleaned(form.get("take", ""))
    if choice not in (OURS, THEIRS):
        raise Invalid("drift-take", "Whose word counts is not said.", "Use one of the buttons.")
    agent, attribute = cleaned(form.get("agent", "")), cleaned(form.get("attribute", ""))
    await settle(work, there, agent, attribute, choice, reason, seen=cleaned(form.get("seen", "")))
    return ""


async def _decide(work: Work, there: Connection, form: dict[str, str]) -> str:
    """Decide about one stranger."""
    remote, verdict, reason = (
        cleaned(form.get("remote", "")),
        cleaned(form.get("as", "")),
        reason_in(form),
    )
    slug = cleaned(form.get("slug", ""))
    if verdict == "into":
        if not slug:
            raise Refused("adopt-how", "An object is adopted into an agent.", "Name the agent.")
        await adopting.adopt_into(work, there, remote, slug, reason)
    elif verdict == "new":
        if not slug:
            raise Refused("adopt-how", "A new agent needs a name.", "Say what it is to be called.")
        pushing(there)
        return await ask_to_adopt(work, there, remote, slug, cleaned(form.get("owner", "")), reason)
    elif verdict == "ignored":
        await adopting.ignore(work, there, remote, reason)
    elif verdict == "retiring":
        await adopting.retire(work, there, remote, reason)
    else:
        raise Invalid("stranger-verdict", "This page knows no such button.", "Load the page again.")
    return ""
