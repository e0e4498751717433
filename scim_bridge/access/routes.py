"""The decision's doors: evaluation, evaluations, searches, and where they are (OpenID AuthZEN 1.0)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from scim_bridge.access import introspection, status
from scim_bridge.access.budget_file import load_budgets
from scim_bridge.access.budgets import Budgets, rates
from scim_bridge.access.catalogue import load_catalogue
from scim_bridge.access.decide import Gate, decide
from scim_bridge.access.evaluations import Answered, evaluate
from scim_bridge.access.in_force import InForce, in_force
from scim_bridge.access.introspection import Believe
from scim_bridge.access.log import DecisionLog, Entry, Tap
from scim_bridge.access.policies import Policies
from scim_bridge.access.request import read_batch, read_question
from scim_bridge.access.search import Searches
from scim_bridge.access.subjects import PREMISES, Premises, premises
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.errors import Invalid
from scim_bridge.kernel.web import JSON, endpoint, json_response, read_json
from scim_bridge.kernel.work import Actor
from scim_bridge.registry.callers import api_caller
from scim_bridge.settings.access import AccessSettings

EVALUATION = "/access/v1/evaluation"
EVALUATIONS = "/access/v1/evaluations"
SEARCH_SUBJECT = "/access/v1/search/subject"
SEARCH_RESOURCE = "/access/v1/search/resource"
SEARCH_ACTION = "/access/v1/search/action"
CONFIGURATION = "/.well-known/authzen-configuration"
MAX_BYTES = 65_536
MAX_BATCH_BYTES = 1_048_576

Search = Callable[[Searches, Mapping[str, Any], int], Awaitable[dict[str, Any]]]


class Door:
    """Answers questions with the policies in force; what they allow passes the gates; the tap hears of all."""

    def __init__(
        self,
        ctx: Context,
        policies: Policies | InForce,
        settings: AccessSettings | None = None,
        *,
        premises: Premises = PREMISES,
        gates: Sequence[Gate] = (),
        tap: Tap | None = None,
        believe: Believe | None = None,
    ) -> None:
        self._ctx = ctx
        self._believe = believe
        self._in_force = policies if isinstance(policies, InForce) else InForce(policies)
        self._settings = settings or AccessSettings()
        self._premises = premises
        self._gates = gates
        self.log = DecisionLog(ctx.store, tap, allow_share=self._settings.allow_share)

    @property
    def _policies(self) -> Policies:
        return self._in_force.current

    def policies(self) -> Policies:
        """Those that answer now."""
        return self._in_force.current

    def policies_of_settings(self) -> Policies:
        """Those the settings name, whatever was activated since."""
        return self._in_force.settings

    async def refresh(self) -> None:
        """Take up policies that were activated since; asked twice a second by the process's worker."""
        await self._in_force.refresh(self._ctx.store.reads)

    async def _asked(self, request: Request, most: int) -> tuple[Actor, dict[str, Any]]:
        """Who asks and what; a body that is not declared as JSON is a bad request (certification 2.4.3)."""
        caller = await api_caller(self._ctx, request, "access")
        kind = request.headers.get("content-type", "").split(";", 1)[0].strip().casefold()
        if kind != JSON:
            raise Invalid("media-type", "The body is not declared as JSON.", f"Send Content-Type: {JSON}.")
        return caller, await read_json(request, most)

    async def evaluation(self, request: Request) -> Response:
        """POST {subject, action, resource, context?} → 200 {decision, context}; a no is a 200 too."""
        return json_response(await self._single(*await self._asked(request, MAX_BYTES)))

    async def _single(self, caller: Actor, body: Mapping[str, Any]) -> dict[str, Any]:
        # Kept with what is known of the resource, so that asking it again later asks the same.
        question = self._premises.resources.completed(read_question(body))
        store = self._ctx.store
        now = store.clock.now()
        decision = await decide(store.reads, self._policies, question, now, self._gates, self._premises)
        entry = Entry(store.ids.new(), now, question, decision, caller)
        await self.log.keep(entry)
        return decision.answer(entry.id, now)

    async def evaluations(self, request: Request) -> Response:
        """POST {evaluations: […], options?} → 200 {evaluations: […]}; without a list it is one evaluation."""
        caller, body = await self._asked(request, MAX_BATCH_BYTES)
        batch = read_batch(body, self._settings.max_evaluations)
        if batch is None:
            return json_response(await self._single(caller, body))
        store = self._ctx.store
        now = store.clock.now()
        answers = await evaluate(store.reads, self._policies, batch, now, self._gates, self._premises)
        return json_response({"evaluations": await self._kept(answers, caller, now)})

    async def _kept(self, answers: Sequence[Answered], caller: Actor, now: int) -> list[dict[str, Any]]:
        told, entries = [], []
        for answer in answers:
            identity = self._ctx.store.ids.new()
            body = answer.decision.answer(identity, now)
            if answer.question is not None:
                entries.append(Entry(identity, now, answer.question, answer.decision, caller))
            if answer.error is not None:
                # Nobody was asked about anything, so there is nothing to keep; the gateway is told what is wrong.
                told_of = {
                    "status": answer.error.status,
                    "message": answer.error.message,
                    "code": answer.error.code,
                }
                body["context"]["error"] = told_of
            told.append(body)
        await self.log.keep(*entries)
        return told

    async def _search(self, request: Request, search: Search) -> Response:
        _, body = await self._asked(request, MAX_BYTES)
        store = self._ctx.store
        searches = Searches(store.reads, self._policies, self._premises)
        return json_response(await search(searches, body, store.clock.now()))

    async def search_subject(self, request: Request) -> Response:
        """POST {subject: {type}, action, resource, context?, page?} → 200 {page, results}."""
        return await self._search(request, Searches.subjects)

    async def search_resource(self, request: Request) -> Response:
        """POST {subject, action, resource: {type}, context?, page?} → 200 {page, results}."""
        return await self._search(request, Searches.resources)

    async def search_action(self, request: Request) -> Response:
        """POST {subject, resource, context?, page?} → 200 {page, results}."""
        return await self._search(request, Searches.actions)

    async def configuration(self, _request: Request) -> Response:
        """GET: where this policy decision point answers."""
        base = self._ctx.public_url
        return json_response(
            {
                "policy_decision_point": base,
                "access_evaluation_endpoint": base + EVALUATION,
                "access_evaluations_endpoint": base + EVALUATIONS,
                "search_subject_endpoint": base + SEARCH_SUBJECT,
                "search_resource_endpoint": base + SEARCH_RESOURCE,
                "search_action_endpoint": base + SEARCH_ACTION,
            }
        )

    def routes(self) -> list[BaseRoute]:
        """Where the door is."""
        posts = {
            EVALUATION: self.evaluation,
            EVALUATIONS: self.evaluations,
            SEARCH_SUBJECT: self.search_subject,
            SEARCH_RESOURCE: self.search_resource,
            SEARCH_ACTION: self.search_action,
        }
        return [
            *(Route(path, endpoint(answer), methods=["POST"]) for path, answer in posts.items()),
            Route(CONFIGURATION, endpoint(self.configuration), methods=["GET"]),
            *introspection.routes(self._ctx, self._believe),
            *status.routes(self._ctx),
        ]


def open_door(
    ctx: Context,
    policies: str,
    settings: AccessSettings | None = None,
    *,
    gates: Sequence[Gate] = (),
    tap: Tap | None = None,
    believe: Believe | None = None,
) -> Door:
    """The room, ready to answer. `policies` is a path or empty; ConfigurationError when a file is not sound.

    `believe` proves the JWTs of other issuers; without it introspection knows only the bridge's own tokens.
    Before the database is closed, await `door.log.drained()`.
    """
    told = settings or AccessSettings()
    budgets = load_budgets(told.budgets)
    known = replace(premises(told, load_catalogue(told.resources)), rate=rates(budgets))
    asked = in_force(policies, told.sets, told.calendar)
    # Also without budgets: an agent may be slowed down.
    counted = Budgets(ctx.store, budgets)
    return Door(ctx, asked, told, premises=known, gates=(counted, *gates), tap=tap, believe=believe)


def routes(ctx: Context, policies: str, settings: AccessSettings | None = None) -> list[BaseRoute]:
    """The room's routes, for a process that need not wait for the log when it ends."""
    return open_door(ctx, policies, settings).routes()
