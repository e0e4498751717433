"""A client of Microsoft Graph over the guarded way out: errors with codes, pages, batches.

No call waits for long: what a later try may heal is an IdpError that says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import orjson

from scim_bridge.kernel.outbound import Answer, Outbound, OutboundError
from scim_bridge.sync.idp.entra.refusals import SETTLING, refusal
from scim_bridge.sync.idp.entra.tokens import Tokens
from scim_bridge.sync.idp.port import IdpError

T = TypeVar("T")

V1 = "v1.0"
BETA = "beta"
SECONDS = 20.0
MAX_BYTES = 8_000_000
BATCH = 20
# Pauses until a fresh object is seen everywhere; after them the effect waits and tries again.
PAUSES = (0.2, 0.4, 0.8, 1.6)
PATIENCE = 90


@dataclass(frozen=True, slots=True)
class Reply:
    """What Graph said; `body` is the parsed JSON or None."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """True for a success."""
        return 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class Get:
    """One read of a batch: a path below the version, with its query."""

    path: str
    query: Mapping[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """The address as a batch names it."""
        return address(self.path, self.query)


def address(path: str, query: Mapping[str, str]) -> str:
    """A path with its query; OData reads %20, not +."""
    return f"{path}?{urlencode(query, quote_via=quote, safe='$,')}" if query else path


def literal(text: str) -> str:
    """A text as an OData literal."""
    return "'" + text.replace("'", "''") + "'"


class Graph:
    """Microsoft Graph of one tenant."""

    def __init__(self, base_url: str, tokens: Tokens, outbound: Outbound) -> None:
        self.base_url = base_url
        self._tokens = tokens
        self._outbound = outbound

    async def call(
        self,
        what: str,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        query: Mapping[str, str] | None = None,
        version: str = V1,
        expect: Callable[[Reply], bool] | None = None,
    ) -> Reply:
        """One call; IdpError unless it succeeds or `expect` takes its answer. `what` names it in words."""
        url = f"{self.base_url}/{version}{address(path, query or {})}"
        reply = await self._send(method, url, body)
        if reply.ok or (expect is not None and expect(reply)):
            return reply
        raise refusal(what, reply.status, reply.headers, reply.body)

    async def pages(
        self, what: str, path: str, query: Mapping[str, str] | None = None
    ) -> AsyncIterator[tuple[list[dict[str, Any]], bool]]:
        """(objects, is it the last page) to the end of a collection.

        A pause that Entra asks for is waited out: a listing cannot be taken up again in its middle.
        """
        url = f"{self.base_url}/{V1}{address(path, query or {})}"
        while url:
            objects, url = await patiently(lambda here=url: self._next_page(what, here))  # type: ignore[misc]
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

    async def _next_page(self, what: str, url: str) -> tuple[list[dict[str, Any]], str]:
        reply = await self._send("GET", url, None)
        if not reply.ok:
            raise refusal(what, reply.status, reply.headers, reply.body)
        objects, following = _page(what, reply.body)
        return objects, self._same_place(following) if following else ""

    async def reads(self, what: str, wanted: Sequence[Get], *, patient: bool = False) -> list[Reply]:
        """Many reads, twenty to a call, answered in their order; a 404 is an answer, other refusals raise.

        `patient` waits out the pauses that Entra asks for, and asks again only what was not answered.
        """
        answered: dict[int, Reply] = {}

        async def rest() -> None:
            left = [number for number in range(len(wanted)) if number not in answered]
            for start in range(0, len(left), BATCH):
                await self._batch(what, wanted, left[start : start + BATCH], answered)

        if patient:
            await patiently(rest)
        else:
            await rest()
        return [answered[number] for number in range(len(wanted))]

    async def _batch(
        self, what: str, wanted: Sequence[Get], numbers: Sequence[int], answered: dict[int, Reply]
    ) -> None:
        requests = [{"id": str(n), "method": "GET", "url": wanted[n].url} for n in numbers]
        reply = await self.call(what, "POST", "/$batch", {"requests": requests})
        answers = reply.body.get("responses") if isinstance(reply.body, dict) else None
        refused: list[IdpError] = []
        for one in answers or ():
            if not isinstance(one, dict) or not isinstance(one.get("status"), int):
                continue
            headers = {str(k).lower(): str(v) for k, v in (one.get("headers") or {}).items()}
            part = Reply(one["status"], one.get("body"), headers)
            if part.ok or part.status == 404:
                answered[int(one["id"])] = part
            else:
                refused.append(refusal(what, part.status, part.headers, part.body))
        if refused:
            # One that no waiting heals tells more than one that would pass.
            raise max(refused, key=lambda error: (not error.transient, error.retry_after or 0))
        if any(number not in answered for number in numbers):
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
        ours, theirs = urlsplit(self.base_url), urlsplit(link)
        if (theirs.scheme, theirs.netloc) != (ours.scheme, ours.netloc):
            raise IdpError(
                "entra-link", f"Entra's next page leads to another host ({theirs.netloc}).", transient=False
            )
        return link

    async def _send(self, method: str, url: str, body: Mapping[str, Any] | None) -> Reply:
        reply = await self._once(method, url, body, fresh=False)
        if reply.status == 401:
            # The token was revoked, or its roles changed, before it expired.
            reply = await self._once(method, url, body, fresh=True)
        return reply

    async def _once(self, method: str, url: str, body: Mapping[str, Any] | None, *, fresh: bool) -> Reply:
        headers = {
            "authorization": f"Bearer {await self._tokens.token(fresh=fresh)}",
            "accept": "application/json",
            # Without it @odata.type of derived types is not read (Entra, create agent identities).
            "odata-version": "4.0",
        }
        content = None
        if body is not None:
            headers["content-type"] = "application/json"
            content = orjson.dumps(body)
        try:
            answer = await self._outbound.send(
                method, url, headers=headers, body=content, timeout=SECONDS, max_bytes=MAX_BYTES
            )
        except OutboundError as error:
            raise IdpError(
                "entra-unreachable", error.message, error.fix, transient=error.transient
            ) from error
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
    except orjson.JSONDecodeError:
        body = None
    return Reply(answer.status, body, answer.headers)


def _page(what: str, body: Any) -> tuple[list[dict[str, Any]], str]:
    """(objects, link to the next page or empty); an answer without a list is no empty page."""
    values = body.get("value") if isinstance(body, dict) else None
    if not isinstance(values, list):
        raise IdpError("entra-broken", f"Entra did not {what}: its answer holds no list.", transient=True)
    return [one for one in values if isinstance(one, dict)], str(body.get("@odata.nextLink") or "")
