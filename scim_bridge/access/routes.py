"""The decision's doors: evaluation, and the document that says where it is (AuthZEN 1.0)."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from scim_bridge.access.decide import Gate, decide
from scim_bridge.access.log import DecisionLog, Entry, Tap
from scim_bridge.access.model import read_question
from scim_bridge.access.policies import Policies, load_policies
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.errors import Invalid
from scim_bridge.kernel.web import JSON, endpoint, json_response, read_json
from scim_bridge.registry.callers import api_caller

EVALUATION = "/access/v1/evaluation"
CONFIGURATION = "/.well-known/authzen-configuration"
MAX_BYTES = 65_536


class WrongMediaType(Invalid):
    """The body is declared as something else than JSON."""

    status = 415


class Door:
    """Answers questions with one set of policies; what they allow passes the gates; the tap hears of all."""

    def __init__(
        self, ctx: Context, policies: Policies, gates: Sequence[Gate] = (), tap: Tap | None = None
    ) -> None:
        self._ctx = ctx
        self._policies = policies
        self._gates = gates
        self.log = DecisionLog(ctx.store, tap)

    async def evaluation(self, request: Request) -> Response:
        """POST {subject, action, resource, context?} → 200 {decision, context}; a no is a 200 too."""
        caller = await api_caller(self._ctx, request, "access")
        kind = request.headers.get("content-type", JSON).split(";", 1)[0].strip().casefold()
        if kind != JSON:
            raise WrongMediaType(
                "media-type", "The body is not declared as JSON.", f"Send Content-Type: {JSON}."
            )
        question = read_question(await read_json(request, MAX_BYTES))
        store = self._ctx.store
        now = store.clock.now()
        decision = await decide(store.reads, self._policies, question, now, self._gates)
        entry = Entry(store.ids.new(), now, question, decision, caller)
        await self.log.keep(entry)
        return json_response(decision.answer(entry.id, now))

    async def configuration(self, _request: Request) -> Response:
        """GET: where this policy decision point answers."""
        base = self._ctx.public_url
        return json_response({"policy_decision_point": base, "access_evaluation_endpoint": base + EVALUATION})

    def routes(self) -> list[BaseRoute]:
        """Where the door is."""
        return [
            Route(EVALUATION, endpoint(self.evaluation), methods=["POST"]),
            Route(CONFIGURATION, endpoint(self.configuration), methods=["GET"]),
        ]


def open_door(ctx: Context, policies: str, *, gates: Sequence[Gate] = (), tap: Tap | None = None) -> Door:
    """The room, ready to answer. `policies` is a path or empty; ConfigurationError when the file is not sound.

    Before the database is closed, await `door.log.drained()`.
    """
    return Door(ctx, load_policies(policies), gates, tap)


def routes(ctx: Context, policies: str) -> list[BaseRoute]:
    """The room's routes, for a process that need not wait for the log when it ends."""
    return open_door(ctx, policies).routes()
