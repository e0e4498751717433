"""The owner's door: GET shows the facts, POST answers. The token in the address is the only key.

HTML for people, without scripts; JSON for programs that ask for it. No session and no cookie, so
there is nothing to forge across sites: who can post has the token and has seen the digest.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from scim_bridge.attestations.answering import FactsChanged, answer
from scim_bridge.attestations.model import PASSED_ON
from scim_bridge.attestations.opening import look
from scim_bridge.attestations.pages import PREFIX, Pages, answered_json, look_json, passed_json
from scim_bridge.attestations.passing import pass_on
from scim_bridge.attestations.refusals import LinkRefused
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.errors import BridgeError, Invalid
from scim_bridge.kernel.pages import SECURITY, html, prefers_json
from scim_bridge.kernel.throttle import Throttle
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
from scim_bridge.kernel.work import Actor
from scim_bridge.registry.agent_facts import facts_of
from scim_bridge.settings.attestations import AttestationSettings

FORM = "application/x-www-form-urlencoded"
MAX_BODY = 65_536
# Refused links of one address that are kept: plenty for people, too few to fill the audit log.
REFUSALS, WITHIN_SECONDS = 60, 300


def routes(ctx: Context, settings: AttestationSettings) -> list[BaseRoute]:
    """GET and POST /attest/{token}, and the two files its pages load."""
    door = Door(ctx, settings)
    return [
        Route(f"{PREFIX}/look.css", door.stylesheet),
        Route(f"{PREFIX}/mark.svg", door.mark),
        Route(f"{PREFIX}/{{token}}", door.show, methods=["GET"]),
        Route(f"{PREFIX}/{{token}}", door.take, methods=["POST"]),
    ]


class Door:
    """Looks and answers over HTTP."""

    def __init__(self, ctx: Context, settings: AttestationSettings) -> None:
        self._ctx = ctx
        self._settings = settings
        self._pages = Pages()
        self._refused_links = Throttle(ctx.store.clock, REFUSALS, WITHIN_SECONDS)

    async def stylesheet(self, _request: Request) -> Response:
        """The pages' look."""
        return self._pages.look.response()

    async def mark(self, _request: Request) -> Response:
        """The program's mark."""
        return self._pages.mark.response()

    async def show(self, request: Request) -> Response:
        """The facts as they are now. Looking changes nothing."""
        token = request.path_params["token"]
        try:
            seen = await look(self._ctx, _visitor(request), self._refused_links, token)
        except BridgeError as error:
            return self._refused(request, error)
        if prefers_json(request):
            return _guarded(json_response(look_json(seen)))
        days = self._settings.valid_for(seen.agent.risk_tier)
        return html(self._pages.facts(seen, token, days, self._ctx.store.clock.now()))

    async def take(self, request: Request) -> Response:
        """Record the answer; 409 with the new facts when they changed since the look."""
        token = request.path_params["token"]
        said: dict[str, Any] = {"verdict": "", "comment": "", "digest": "", "to": "", "drop": ()}
        try:
            said |= await _answer_of(request)
            if said["verdict"] in PASSED_ON:
                return await self._pass_on(request, token, said)
            done = await answer(
                self._ctx,
                self._settings,
                _visitor(request),
                self._refused_links,
                token,
                said["verdict"],
                said["comment"],
                said["digest"],
                said["drop"],
            )
        except LinkRefused as error:
            return self._refused(request, error)
        except BridgeError as error:
            return await self._once_more(request, error, said["comment"])
        if prefers_json(request):
            return _guarded(json_response(answered_json(done)))
        agent_id = done.statement.agent_id
        agent = (await facts_of(self._ctx.store.reads, [agent_id])).get(agent_id)
        held = [hold.reason for hold in agent.holds] if agent is not None else []
        name = (
            str(agent.resource.doc.get("displayName") or agent.slug)
            if agent is not None
            else done.statement.slug
        )
        return html(self._pages.answered(done, name, held))

    async def _pass_on(self, request: Request, token: str, said: Mapping[str, Any]) -> Response:
        """Hand the question on to another person."""
        passed = await pass_on(
            self._ctx,
            self._settings,
            _visitor(request),
            self._refused_links,
            token,
            said["verdict"],
            said["to"],
            said["comment"],
            said["digest"],
        )
        if prefers_json(request):
            return _guarded(json_response(passed_json(passed)))
        return html(self._pages.passed(passed))

    async def _once_more(self, request: Request, error: BridgeError, comment: str) -> Response:
        """The form again with what was wrong, so that nobody has to type the comment twice."""
        token = request.path_params["token"]
        if prefers_json(request) or error.status not in (400, 404, 409, 413, 415, 422):
            return self._refused(request, error)
        try:
            seen = await look(self._ctx, _visitor(request), self._refused_links, token)
        except BridgeError as refusal:
            return self._refused(request, refusal)
        page = self._pages.facts(
            seen,
            token,
            self._settings.valid_for(seen.agent.risk_tier),
            self._ctx.store.clock.now(),
            comment=comment,
            problem=error,
            moved=isinstance(error, FactsChanged),
        )
        return html(page, error.status)

    def _refused(self, request: Request, error: BridgeError) -> Response:
        if prefers_json(request):
            return _guarded(problem_response(error))
        headers = problem_headers(error)
        headers.pop("www-authenticate", None)
        return html(self._pages.refused(error), error.status, headers)


def _guarded(response: Response) -> Response:
    response.headers.update(SECURITY)
    return response


def _visitor(request: Request) -> Actor:
    """Somebody with a link; who they are is known once the link proves genuine."""
    return Actor("person", "unknown", "unknown", None, request_id(request), address_of(request))


class UnsupportedMedia(Invalid):
    """The body is in a form this address does not read."""

    status = 415


async def _answer_of(request: Request) -> dict[str, Any]:
    """verdict, comment, digest, to and the groups to drop, from a form or from JSON; Invalid when not text."""
    kind = request.headers.get("content-type", "").split(";", 1)[0].strip().casefold()
    if kind == FORM:
        found: dict[str, Any] = _form(await read_body(request, MAX_BODY))
    elif kind == JSON:
        found = await read_json(request, MAX_BODY)
    else:
        raise UnsupportedMedia(
            "media-type", "The answer is neither a form nor JSON.", f"Send {FORM} or {JSON}."
        )
    said = {name: found.get(name, "") for name in ("verdict", "comment", "digest", "to")}
    for name, value in said.items():
        if not isinstance(value, str):
            raise Invalid("answer", f"{name} is not text.", "Send verdict, comment, digest and to as text.")
    drop = found.get("drop") or []
    if not isinstance(drop, list) or not all(isinstance(group, str) for group in drop):
        raise Invalid("answer", "drop is not a list of texts.", "Send the ids of groups.")
    return {**said, "drop": tuple(drop)}


def _form(raw: bytes) -> dict[str, Any]:
    try:
        pairs = parse_qsl(raw.decode(), keep_blank_values=True, max_num_fields=1000)
    except ValueError as error:
        raise Invalid("form", "The form cannot be read.", "Send it again.") from error
    return {**dict(pairs), "drop": [value for name, value in pairs if name == "drop"]}
