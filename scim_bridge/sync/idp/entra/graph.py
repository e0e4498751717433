"""A client of Microsoft Graph over the guarded way out: errors with codes, pages, batches.

No call waits for long: what a later try may heal is an IdpError that says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import urlsplit

import orjson
import structlog

from scim_bridge.kernel.outbound import Answer, Outbound
from scim_bridge.kernel.outbound_error import OutboundError
from scim_bridge.sync.idp.entra.calls import V1, Get, Reply, address, answers_in, there
from scim_bridge.sync.idp.entra.pace import Pace
from scim_bridge.sync.idp.entra.refusals import SETTLING, refusal
from scim_bridge.sync.idp.entra.tokens import Tokens
from scim_bridge.sync.idp.port import IdpError, ListingLost
from scim_bridge.sync.idp.rate import seconds_of

T = TypeVar("T")

log = structlog.get_logger("scim_bridge.sync.entra")

SECONDS = 20.0
MAX_BYTES = 8_000_000
BATCH = 20
# Pauses until a fresh object is seen everywhere; after them the effect waits and tries again.
PAUSES = (0.2, 0.4, 0.8, 1.6)
PATIENCE = 90


class Graph:
    """Microsoft Graph of one tenant."""

    def __init__(self, base_url: str, tokens: Tokens, outbound: Outbound, pace: Pace | None = None) -> None:
        self.base_url = base_url
        self._tokens = tokens
        self._outbound = outbound
        self._pace = pace or Pace()

    async def call(
        self,
        what: str,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        query: Mapping[str, str] | None = None,
        version: str = V1,
        headers: Mapping[str, str] | None = None,
        expect: Callable[[Reply], bool] | None = None,
    ) -> Reply:
        """One call; IdpError unless it succeeds or `expect` takes its answer. `what` names it in words."""
        url = f"{self.base_url}/{version}{address(path, query or {})}"
        reply = await self._send(method, url, body, headers)
        if reply.ok or (expect is not None and expect(reply)):
            return reply
        raise refusal(what, reply.status, reply.headers, reply.body)

    async def pages(
        self,
        what: str,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        version: str = V1,
        skips: bool = False,
    ) -> AsyncIterator[tuple[list[dict[str, Any]], bool]]:
        """(objects, is it the last page) to the end of a collection; `skips` those without an id.

        A pause that Entra asks for is waited out: a listing cannot be taken up again in its middle.
        """
        url = f"{self.base_url}/{version}{address(path, query or {})}"
        while url:
            objects, url = await patiently(lambda here=url: self._next_page(what, here, skips))  # type: ignore[misc]
            yield objects, not url

    async def every(
        self, what: str, path: str, query: Mapping[str, str] | None = None
    ) -> list[dict[str, Any]]:
        """Every object of a small collection."""
        objects, url = await self._next_page(what, f"{self.base_url}/{V1}{address(path, query or {})}")
        while url:
            more, url = await self._next_page(what, url)
            objects += more
        return objects

    async def _next_page(self, what: str, url: str, skips: bool = False) -> tuple[list[dict[str, Any]], str]:
        reply = await self._send("GET", url, None)
        if not reply.ok:
            error = refusal(what, reply.status, reply.headers, reply.body)
            if "skiptoken" in url and reply.status in (400, 404, 410):
                raise ListingLost("entra-listing-lost", error.message) from error
            raise error
        objects, following = _page(what, reply.body, skips)
        return objects, self._same_place(following) if following else ""

    async def reads(
        self,
        what: str,
        wanted: Sequence[Get],
        *,
        patient: bool = False,
        takes: Callable[[Reply], bool] | None = None,
        version: str = V1,
    ) -> list[Reply]:
        """Many reads, twenty to a call, answered in their order; refusals that `takes` does not take raise.

        A 404 is an answer where nothing is said. `patient` waits out the pauses that Entra asks for, and
        asks again only what was not answered.
        """
        answered: dict[int, Reply] = {}

        async def rest() -> None:
            left = [number for number in range(len(wanted)) if number not in answered]
            for start in range(0, len(left), BATCH):
                numbers = left[start : start + BATCH]
                await self._batch(what, {n: wanted[n] for n in numbers}, answered, takes or there, version)

        if patient:
            await patiently(rest)
        else:
            await rest()
        return [answered[number] for number in range(len(wanted))]

    async def _batch(
        self,
        what: str,
        wanted: Mapping[int, Get],
        answered: dict[int, Reply],
        takes: Callable[[Reply], bool],
        version: str,
    ) -> None:
        requests = [{"id": str(n), "method": "GET", "url": get.url} for n, get in wanted.items()]
        reply = await self.call(what, "POST", "/$batch", {"requests": requests}, version=version)
        refused: list[IdpError] = []
        for number, part in answers_in(reply).items():
            if part.status == 429:
                self._pace.keep_away(seconds_of(part.headers))
            if takes(part):
                answered[number] = part
            else:
                refused.append(refusal(what, part.status, part.headers, part.body))
        if refused:
            # One that no waiting heals tells more than one that would pass.
            raise max(refused, key=lambda error: (not error.transient, error.retry_after or 0))
        if any(number not in answered for number in wanted):
            raise IdpError("entra-broken", f"Entra did not {what}: an answer is missing.", transient=True)

    async def collected(self, what: str, first: Reply) -> list[dict[str, Any]]:
        """Every object of a collection whose first page came in a batch."""
        objects, following = _page(what, first.body)
        while following:
            more, following = await self._next_page(what, self._same_place(following))
            objects += more
        return objects

    def _same_place(self, link: str) -> str:
        """A link to follow with our token: never to another host."""
        ours = urlsplit(self.base_url)
        try:
            theirs = urlsplit(link)
        except ValueError as error:
            raise IdpError("entra-link", "Entra's next page has no address.", transient=False) from error
        if (theirs.scheme, theirs.netloc) != (ours.scheme, ours.netloc):
            raise IdpError(
                "entra-link", f"Entra's next page leads to another host ({theirs.netloc}).", transient=False
            )
        return link

    async def _send(
        self,
        method: str,
        url: str,
        body: Mapping[str, Any] | None,
        more: Mapping[str, str] | None = None,
    ) -> Reply:
        reply = await self._once(method, url, body, more or {}, fresh=False)
        if reply.status == 401:
            # The token was revoked, or its roles changed, before it expired.
            reply = await self._once(method, url, body, more or {}, fresh=True)
        return reply

    async def _once(
        self,
        method: str,
        url: str,
        body: Mapping[str, Any] | None,
        more: Mapping[str, str],
        *,
        fresh: bool,
    ) -> Reply:
        headers = {
            **more,
            "authorization": f"Bearer {await self._tokens.token(fresh=fresh)}",
            "accept": "application/json",
            # Without it @odata.type of derived types is not read (Entra, create agent identities).
            "odata-version": "4.0",
        }
        content = None
        if body is not None:
            headers["content-type"] = "application/json"
            content = orjson.dumps(body)
        steps = len(body["requests"]) if body is not None and url.endswith("/$batch") else 1
        passing = await self._pace.enter(method, steps)
        try:
            answer = await self._outbound.send(
                method, url, headers=headers, body=content, timeout=SECONDS, max_bytes=MAX_BYTES
            )
        except OutboundError as error:
            raise IdpError(
                "entra-unreachable", error.message, error.fix, transient=error.transient
            ) from error
        self._pace.leave(passing, answer.status, answer.headers)
        return _reply(answer)


async def patiently(attempt: Callable[[], Awaitable[T]]) -> T:
    """Try again after the pauses that Entra asks for, up to a minute and a half of them."""
    waited = 0
    while True:
        try:
            return await attempt()
        except IdpError as error:
            pause = error.retry_after or 2
            if not error.transient or waited + pause > PATIENCE:
                raise
            waited += pause
        await asyncio.sleep(pause)


async def settled(attempt: Callable[[], Awaitable[T]], passes: Callable[[IdpError], bool]) -> T:
    """Try again, for about three seconds, what fails only because a fresh object is not seen everywhere.

    After that the failure is one that passes later, whatever Graph called it.
    """
    for pause in (*PAUSES, None):
        try:
            return await attempt()
        except IdpError as error:
            if not passes(error):
                raise
            last = error
        if pause is not None:
            await asyncio.sleep(pause)
    raise IdpError("entra-settling", last.message, transient=True, retry_after=SETTLING) from last


def _reply(answer: Answer) -> Reply:
    try:
        body = orjson.loads(answer.body) if answer.body else None
    except orjson.JSONDecodeError as error:
        if 200 <= answer.status < 300:
            # Not Graph's: were it believed, a stop that never came there would pass for done.
            raise IdpError(
                "entra-broken",
                "What answered is not Entra: its answer is no JSON.",
                "See whether a proxy stands in between.",
                transient=True,
            ) from error
        body = None
    return Reply(answer.status, body, answer.headers)


def _page(what: str, body: Any, skips: bool = False) -> tuple[list[dict[str, Any]], str]:
    """(objects, link to the next page or empty); an answer without a list is no empty page.

    Nor is an object without an id one that is not there: what asks whether it is there has to ask again.
    """
    values = body.get("value") if isinstance(body, dict) else None
    if not isinstance(values, list):
        raise IdpError("entra-broken", f"Entra did not {what}: its answer holds no list.", transient=True)
    objects = [one for one in values if isinstance(one, dict)]
    named = [one for one in objects if isinstance(one.get("id"), str) and one["id"]]
    if len(named) < len(objects):
        if not skips:
            words = f"Entra did not {what}: an object in its answer has no id."
            raise IdpError("entra-broken", words, transient=True)
        log.warning("entra.no_id", action="entra.no_id", what=what, objects=len(objects) - len(named))
    return named, str(body.get("@odata.nextLink") or "")
