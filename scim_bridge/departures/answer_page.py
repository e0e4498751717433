"""The successor's door: GET shows which agents wait for their answer, POST answers for one of them.

The address is the only key. HTML for people, without scripts; JSON for programs that ask for it. No
cookie, so there is nothing to forge across sites; looking changes nothing, so previews are harmless.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from scim_bridge.audit.record import record_refusal
from scim_bridge.departures.accepting import Answer, accept, decline
from scim_bridge.departures.cases import find_case
from scim_bridge.departures.link import PREFIX, Links
from scim_bridge.departures.model import Case
from scim_bridge.departures.rules import Rules
from scim_bridge.kernel.clock import iso
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.errors import BridgeError, Invalid, NotFound
from scim_bridge.kernel.pages import SECURITY, environment, html, mark, prefers_json, stylesheet
from scim_bridge.kernel.throttle import Throttle, TooManyRequests
from scim_bridge.kernel.web import (
    JSON,
    address_of,
    json_response,
    problem_headers,
    problem_response,
    read_body,
    read_json,
    request_id,
)
from scim_bridge.kernel.work import Actor, Work
from scim_bridge.registry.agent_facts import AgentFacts, facts_of
from scim_bridge.registry.model import PersonRef
from scim_bridge.registry.people_refs import find_person

HERE = Path(__file__).parent
MAX_BODY = 4096
# Wrong links of one address: plenty for people, too few for guessing.
REFUSALS, WITHIN_SECONDS = 60, 300


def routes(ctx: Context, rules: Rules, links: Links) -> list[BaseRoute]:
    """GET and POST /take-over/{case}/{person}/{proof}, and the two files its page loads."""
    door = Door(ctx, rules, links)
    address = f"{PREFIX}/{{case}}/{{person}}/{{proof}}"
    return [
        Route(f"{PREFIX}/look.css", door.stylesheet),
        Route(f"{PREFIX}/mark.svg", door.mark),
        Route(address, door.show, methods=["GET"]),
        Route(address, door.take, methods=["POST"]),
    ]


class Door:
    """Questions and answers over HTTP."""

    def __init__(self, ctx: Context, rules: Rules, links: Links) -> None:
        self._ctx, self._rules, self._links = ctx, rules, links
        self._look, self._mark = stylesheet(HERE, "answer.css"), mark()
        self._templates = environment(HERE)
        self._wrong = Throttle(ctx.store.clock, REFUSALS, WITHIN_SECONDS)

    async def stylesheet(self, _request: Request) -> Response:
        """The page's look."""
        return self._look.response()

    async def mark(self, _request: Request) -> Response:
        """The program's mark."""
        return self._mark.response()

    async def show(self, request: Request) -> Response:
        """What waits for this person's answer. Changes nothing."""
        try:
            case, person = await self._opened(request)
            return await self._asked(request, case, person)
        except BridgeError as error:
            return self._refused(request, error)

    async def take(self, request: Request) -> Response:
        """One answer about one agent, and what waits then."""
        try:
            case, person = await self._opened(request)
            agent_id, answered = await _answer_of(request)
        except BridgeError as error:
            return self._refused(request, error)
        actor = Actor("person", person.id, person.user_name, None, request_id(request), address_of(request))

        async def body(work: Work) -> Answer:
            if answered == "accept":
                return await accept(work, case.id, agent_id, person.id)
            return await decline(work, self._rules, case.id, agent_id, person.id)

        try:
            done = await self._ctx.store.transact(actor, body)
        except BridgeError as error:
            if prefers_json(request):
                return self._refused(request, error)
            return await self._asked(request, case, person, problem=error)
        if prefers_json(request):
            return _guarded(json_response({"agent": done.agent, "state": done.state, "owner": done.owner}))
        text = "it is yours now." if answered == "accept" else "you declined."
        said = {"agent": done.agent, "accepted": answered == "accept", "text": text}
        return await self._asked(request, case, person, answers=[said])

    async def _opened(self, request: Request) -> tuple[Case, PersonRef]:
        """The case and the person of a genuine link; NotFound for every other address."""
        path, address = request.path_params, address_of(request) or ""
        # A genuine link opens however many others from there did not.
        if not self._links.genuine(path["case"], path["person"], path["proof"]):
            await self._wrong_one(request, address)
            raise NotFound("link-wrong", "This link is not right.", "Copy all of it from the notice.")
        person = await find_person(self._ctx.store.reads, path["person"])
        if person is None:
            raise NotFound("link-over", "This link is over.", "Ask your identity team.")
        return await find_case(self._ctx.store.reads, path["case"]), person

    async def _wrong_one(self, request: Request, address: str) -> None:
        """Keep that somebody tried; TooManyRequests instead when there were many from there."""
        wait = self._wrong.wait(address)
        if wait is not None:
            raise TooManyRequests("too-many", "Too many wrong links.", "Wait some minutes.", retry_after=wait)
        self._wrong.count(address)
        visitor = Actor("person", "unknown", "unknown", None, request_id(request), address)
        detail = {"code": "link-wrong"}
        await record_refusal(self._ctx.store, visitor, "departure.link_refused", "departure", None, detail)

    async def _asked(
        self,
        request: Request,
        case: Case,
        person: PersonRef,
        *,
        answers: list[dict[str, Any]] | None = None,
        problem: BridgeError | None = None,
    ) -> Response:
        agents = await self._waiting(case, person)
        if prefers_json(request):
            rows = [{**agent, "accept_by": iso(agent["accept_by"])} for agent in agents]
            return _guarded(json_response({"case": case.id, "person": case.display_name, "agents": rows}))
        page = self._render(
            "asked.html",
            leaver=case.display_name,
            name=person.display_name,
            agents=agents,
            answers=answers or [],
            problem=problem,
        )
        return html(page, 200 if problem is None else problem.status)

    async def _waiting(self, case: Case, person: PersonRef) -> list[dict[str, Any]]:
        reads = self._ctx.store.reads
        rows = await reads.all(
            "SELECT agent_id, accept_by FROM sb_departure_agent WHERE case_id = ? AND accept_by IS NOT NULL"
            " AND (successor_id = ? OR (successor_id IS NULL AND successor = ?)) ORDER BY slug",
            case.id,
            person.id,
            person.user_name,
        )
        facts = await facts_of(reads, [row["agent_id"] for row in rows])
        return [_shown(facts[row["agent_id"]], row["accept_by"]) for row in rows if row["agent_id"] in facts]

    def _render(self, template: str, **values: Any) -> str:
        shared = {
            "look": f"{PREFIX}/look.css?v={self._look.digest}",
            "mark": f"{PREFIX}/mark.svg?v={self._mark.digest}",
        }
        return self._templates.get_template(template).render(**shared, **values)

    def _refused(self, request: Request, error: BridgeError) -> Response:
        if prefers_json(request):
            return _guarded(problem_response(error))
        headers = problem_headers(error)
        headers.pop("www-authenticate", None)
        return html(self._render("refused.html", error=error), error.status, headers)


def _shown(agent: AgentFacts, accept_by: int) -> dict[str, Any]:
    return {
        "id": agent.resource.id,
        "name": str(agent.resource.doc.get("displayName") or agent.slug),
        "purpose": agent.extension.get("purpose"),
        "environment": agent.environment,
        "risk": agent.risk_tier,
        "held": bool(agent.holds),
        "accept_by": accept_by,
    }


def _guarded(response: Response) -> Response:
    response.headers.update(SECURITY)
    return response


async def _answer_of(request: Request) -> tuple[str, str]:
    """(agent id, accept or decline) from a form or from JSON; Invalid when it is neither."""
    kind = request.headers.get("content-type", "").split(";", 1)[0].strip().casefold()
    if kind == JSON:
        found: dict[str, Any] = await read_json(request, MAX_BODY)
    else:
        try:
            raw = (await read_body(request, MAX_BODY)).decode()
            found = dict(parse_qsl(raw, keep_blank_values=True, max_num_fields=20))
        except ValueError as error:
            raise Invalid("form", "The form cannot be read.", "Send it again.") from error
    agent, answer = found.get("agent"), found.get("answer")
    if not isinstance(agent, str) or answer not in ("accept", "decline"):
        raise Invalid("answer", "That is no answer.", "Send agent, and answer: accept or decline.")
    return agent, str(answer)
