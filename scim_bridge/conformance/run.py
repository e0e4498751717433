"""One run of one suite: what its steps ask, keep, expect and create, and that nothing is left behind."""

from __future__ import annotations

import asyncio
import random
import string
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

from scim_bridge.conformance.expect import Check, Missing, filled, note
from scim_bridge.conformance.made import Made
from scim_bridge.conformance.model import Exchange, Finding, OAuthClient, Result, Step, Verdict
from scim_bridge.conformance.reply import Reply, at, cut, one
from scim_bridge.conformance.target import Query, Target
from scim_bridge.kernel.errors import Unauthenticated
from scim_bridge.kernel.outbound_error import OutboundError

SCIM: Final = {"accept": "application/scim+json"}
MEDIA: Final = "application/scim+json; charset=utf-8"
PATIENCE: Final = 10.0


class Stop(Exception):
    """The rest of a step makes no sense: what it needs did not hold."""


class Skip(Exception):
    """A step does not apply to this server."""


def run_id() -> str:
    """Eight lower-case letters that mark everything one run creates."""
    return "".join(random.SystemRandom().choices(string.ascii_lowercase, k=8))


class Run:
    """What the steps of one suite share. Everything they create has `id` in its name."""

    def __init__(
        self, target: Target, identity: str, *, domain: str = "", oauth: OAuthClient | None = None
    ) -> None:
        self.target = target
        self.id = identity
        self.domain = domain
        self.oauth = oauth
        self.made = Made()
        self.notes: dict[str, Any] = {"run": identity}
        self._findings: list[Finding] = []
        self._exchanges: list[Exchange] = []
        self._beyond = ""

    def keep(self, name: str, value: Any) -> None:
        """Remember a value for later steps."""
        self.notes[name] = value

    def kept(self, name: str) -> Any:
        """What an earlier step remembered; without it this step is skipped."""
        return note(self.notes, name)

    def mail(self, name: str, default: str = "example.com") -> str:
        """An address of somebody of this run."""
        return f"{name}@{self.domain or default}"

    async def ask(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Send a request, remembering what it creates; the step ends when no answer comes."""
        sent = {name.lower(): value for name, value in (SCIM if headers is None else headers).items()}
        if body is not None and "content-type" not in sent:
            sent["content-type"] = MEDIA
        asked = self.target.told(method, path, query, body)
        intended = self.made.intend(path, body) if method == "POST" else None
        try:
            reply = await self._finished(
                self.target.send(method, path, query=query, body=body, headers=sent),
                lambda got: self._remember(method, path, intended, got),
            )
        except OutboundError as error:
            if self.target.calls == 1:
                raise
            self._exchanges.append(Exchange(cut(asked), f"no answer: {error.message}", 0))
            self.expect("an answer", False, error.message)
            raise Stop from error
        self.note_exchange(asked, reply)
        if reply.status == 401 and self.target.calls == 1 and "authorization" not in sent:
            raise Unauthenticated(
                "token-refused", "The server refused the token (401).", "Check --token and --base-url."
            )
        return reply

    def note_exchange(self, asked: str, reply: Reply) -> None:
        """Put a request and its answer into the report."""
        came = self.target.redacted(reply.summary)
        self._exchanges.append(Exchange(cut(self.target.redacted(asked)), came, reply.milliseconds))

    async def _finished(self, call: Coroutine[Any, Any, Reply], then: Callable[[Reply], None]) -> Reply:
        """A call whose answer is remembered also when the run is stopped meanwhile: a create may be under way."""
        task = asyncio.ensure_future(call)
        try:
            reply = await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.wait([task], timeout=PATIENCE)
            if task.done() and not task.cancelled() and task.exception() is None:
                then(task.result())
            task.cancel()
            raise
        then(reply)
        return reply

    def _remember(self, method: str, path: str, intended: tuple[str, str] | None, reply: Reply) -> None:
        if method == "POST":
            self.made.answered(path, intended, reply)
        elif method == "PUT" and reply.status == 201:
            self.made.note(path)
        elif method == "DELETE" and reply.status in (200, 202, 204, 404):
            self.made.gone(path)

    async def get(self, path: str, **query: Any) -> Reply:
        """GET with these query parameters."""
        return await self.ask("GET", path, query=query)

    async def post(self, path: str, body: Any) -> Reply:
        """POST."""
        return await self.ask("POST", path, body=body)

    def expect(self, text: str, holds: bool, came: str = "", *, beyond: str = "") -> bool:
        """Note one expectation; `beyond` is why not meeting it is no failure."""
        excuse = beyond or self._beyond
        verdict = Verdict.PASS if holds else Verdict.SKIP if excuse else Verdict.FAIL
        reason = f"{excuse} (came: {came})" if excuse and not holds else ""
        told = self.target.redacted(came)
        place = len(self._exchanges) - 1
        self._findings.append(
            Finding(
                self.target.redacted(text),
                verdict,
                "" if holds else told,
                self.target.redacted(reason),
                place,
            )
        )
        return holds

    def hold(self, reply: Reply, *checks: Check) -> bool:
        """Note whether an answer meets these expectations; true when it meets all."""
        met = True
        for check in checks:
            came = check.test(reply, self.notes)
            text = str(filled(check.text, self.notes))
            met &= self.expect(text, came is None, came or "", beyond=check.excuse(reply))
        return met

    def demand(self, reply: Reply, *checks: Check) -> None:
        """The same, and the step ends when one is not met."""
        if not self.hold(reply, *checks):
            raise Stop

    def skip(self, reason: str) -> None:
        """End this step: it does not apply to this server."""
        raise Skip(reason)

    async def perform(self, step: Step) -> Result:
        """Run one step; whatever the server answers, a result comes out."""
        self._findings, self._exchanges, self._beyond = [], [], step.beyond
        reason = ""
        try:
            await step.body(self)
        except Stop:
            pass
        except Skip as skip:
            reason = str(skip)
        except Missing as missing:
            reason = f"an earlier step did not bring about what this one needs ({missing.name})"
        if step.beyond and any(f.verdict is Verdict.SKIP for f in self._findings):
            reason = step.beyond
        return self._result(step.id, step.title, step.source, reason)

    def _result(self, identity: str, title: str, source: str, reason: str = "") -> Result:
        findings, exchanges = tuple(self._findings), tuple(self._exchanges)
        return Result(identity, title, source, findings, exchanges, self.target.redacted(reason))

    async def clean(self, suite: str) -> tuple[Result | None, tuple[str, ...]]:
        """Delete what the steps created; a result when there was something, and what could not be deleted."""
        if not len(self.made):
            return None, ()
        self._findings, self._exchanges, self._beyond = [], [], ""
        for endpoint, attribute, name in self.made.unsure:
            await self._look_up(endpoint, attribute, name)
        left = [path for path in self.made.paths if not await self._deleted(path)]
        left += [f"{endpoint} {attribute} {name}" for endpoint, attribute, name in self.made.unsure]
        self.expect("nothing is left", not left, f"{len(left)} left: {', '.join(left[:20])}")
        title = "What this run created is deleted again"
        return self._result(f"{suite}.cleanup", title, "this tool"), tuple(left)

    async def _look_up(self, endpoint: str, attribute: str, name: str) -> None:
        """Find what was created although its answer was lost: only what has exactly our name is ours."""
        try:
            reply = await self.target.send(
                "GET", endpoint, query={"filter": f'{attribute} eq "{name}"'}, headers=SCIM
            )
        except OutboundError:
            return
        found = at(reply.body, "Resources")
        for item in found if isinstance(found, list) else []:
            its, identity = at(item, attribute), at(item, "id")
            if isinstance(its, str) and its.casefold() == name.casefold() and isinstance(identity, str):
                self.made.note(one(endpoint, identity))
        if reply.status in (200, 404):
            self.made.settled(endpoint, name)

    async def _deleted(self, path: str) -> bool:
        asked = self.target.told("DELETE", path, None, None)
        try:
            reply = await self.target.send("DELETE", path, headers=SCIM)
        except OutboundError as error:
            self._exchanges.append(Exchange(asked, f"no answer: {error.message}", 0))
            return False
        if reply.status not in (200, 202, 204, 404):
            self._exchanges.append(Exchange(asked, self.target.redacted(reply.summary), reply.milliseconds))
            return False
        return True
