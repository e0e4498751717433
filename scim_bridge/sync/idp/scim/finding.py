"""Finding users at a SCIM server: every agent page by page, one by our mark or its userName, people by login."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from scim_bridge.kernel.errors import BridgeError
from scim_bridge.registry.model import fold
from scim_bridge.sync.idp.port import IdpError
from scim_bridge.sync.idp.scim.errors import ScimRefusal
from scim_bridge.sync.idp.scim.paths import Doc, value_at
from scim_bridge.sync.idp.scim.service import Service, Services
from scim_bridge.sync.idp.scim.session import Session
from scim_bridge.sync.idp.scim.vocabulary import AGENT_TYPE, LOGIN, MARK, TYPE

T = TypeVar("T")

# Reading everything may wait out a server that asks to slow down, so long in all.
PATIENCE = 120
BELIEVED = 300.0
ABSENCE_BELIEVED = 60.0
# Where nothing can be searched, what a whole listing showed is believed so long.
LISTING_BELIEVED = 5.0
AT_ONCE = 4


async def patiently(call: Callable[[], Awaitable[T]]) -> T:
    """Ask again after the pauses the server asks for, up to two minutes of them."""
    waited = 0
    while True:
        try:
            return await call()
        except IdpError as error:
            pause = error.retry_after or 2
            if not error.transient or waited + pause > PATIENCE:
                raise
            waited += pause
            await asyncio.sleep(pause)


def literal(value: str) -> str:
    """A text in a filter (RFC 7644 section 3.4.2.2: a JSON string)."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


@dataclass(slots=True)
class _Everybody:
    """Users of a whole listing, by mark and by name."""

    read: float = -1e9
    by: dict[str, dict[str, list[Doc]]] = field(default_factory=dict)


class Finding:
    """Looks users up, with a filter where the server has filters, else by reading all of them."""

    def __init__(self, session: Session, services: Services) -> None:
        self._session = session
        self._services = services
        self._people: dict[str, tuple[float, str | None]] = {}
        self._everybody = _Everybody()
        self._lock = asyncio.Lock()

    async def pages(self, *, agents_only: bool) -> AsyncIterator[tuple[list[Doc], bool]]:
        """(users, is it the last page), each user once; without a last page when the listing broke off.

        With `agents_only` the server is asked for agents alone, where it can be asked that.
        """
        seen: set[str] = set()
        service = await self._services.known()
        query: dict[str, Any] = {"count": service.page}
        if agents_only and service.filter and service.takes(TYPE):
            query["filter"] = f"{TYPE} eq {literal(AGENT_TYPE)}"
        for attempt in (1, 2):
            try:
                async for users, last in self._listing(query, service):
                    fresh = [user for user in users if str(user["id"]) not in seen]
                    seen.update(str(user["id"]) for user in fresh)
                    yield fresh, last
                    if last:
                        return
            except ScimRefusal as error:
                if "filter" in query and error.answered in (400, 403, 501):
                    query.pop("filter")
                elif attempt == 2 or error.scim_type not in ("expiredCursor", "invalidCursor"):
                    raise

    async def _listing(self, query: Doc, service: Service) -> AsyncIterator[tuple[list[Doc], bool]]:
        walk = self._by_cursor if service.cursor else self._by_index
        async for page in walk(query):
            yield page

    async def _by_cursor(self, query: Doc) -> AsyncIterator[tuple[list[Doc], bool]]:
        cursor = ""
        while True:
            page = await self._page({**query, "cursor": cursor})
            following = page.get("nextCursor")
            yield _users(page), not following
            if not following or following == cursor:
                return
            cursor = str(following)

    async def _by_index(self, query: Doc) -> AsyncIterator[tuple[list[Doc], bool]]:
        start, seen = 1, set[str]()
        while True:
            page = await self._page({**query, "startIndex": start})
            users = _users(page)
            before = len(seen)
            seen.update(str(user["id"]) for user in users)
            total = page.get("totalResults")
            expected = total if isinstance(total, int) else None
            over = len(users) < query["count"] if expected is None else len(seen) >= expected
            yield users, over
            if over or len(seen) == before:
                # Nobody new, and more were promised: what is missing is not taken for gone.
                return
            start += len(users)

    async def _page(self, query: Doc) -> Doc:
        return await patiently(lambda: self._session.page("list users", query))

    async def found(self, attribute: str, value: str) -> list[Doc]:
        """The users that have this value, of whatever the server answered."""
        service = await self._services.known()
        if service.filter:
            try:
                query = {"filter": f"{attribute} eq {literal(value)}", "count": 10}
                page = await self._session.page(f"look for {attribute} {value}", query)
                return [user for user in _users(page) if _is(user, attribute, value)]
            except ScimRefusal as error:
                if not error.unserved and error.answered != 400:
                    raise
                if error.answered == 501 or attribute == LOGIN:
                    # Not even by name: this server searches nothing.
                    self._services.lacks(filter=True)
        return list((await self._all()).by[attribute].get(fold(value), ()))

    async def _all(self) -> _Everybody:
        async with self._lock:
            if time.monotonic() - self._everybody.read > LISTING_BELIEVED:
                by: dict[str, dict[str, list[Doc]]] = {MARK: {}, LOGIN: {}}
                complete = False
                async for users, last in self.pages(agents_only=False):
                    complete = last
                    for user in users:
                        for attribute, index in by.items():
                            index.setdefault(fold(str(value_at(user, attribute))), []).append(user)
                if not complete:
                    raise IdpError("scim-listing", "The server's listing of users broke off.", transient=True)
                self._everybody = _Everybody(time.monotonic(), by)
            return self._everybody

    def forget_listing(self) -> None:
        """Read all users again before the next look: somebody was added."""
        self._everybody = _Everybody()

    async def people(self, logins: Iterable[str]) -> dict[str, str | None]:
        """The id of the user with each login, None where there is none. Remembered for minutes."""
        asked = list(dict.fromkeys(logins))
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(login: str) -> None:
            known = self._people.get(fold(login))
            if known is not None:
                believed = ABSENCE_BELIEVED if known[1] is None else BELIEVED
                if time.monotonic() - known[0] < believed:
                    return
            async with gate:
                users = await self.found(LOGIN, login)
            self._people[fold(login)] = (time.monotonic(), str(users[0]["id"]) if users else None)

        failures = [
            failure
            for failure in await asyncio.gather(*map(one, asked), return_exceptions=True)
            if isinstance(failure, BaseException)
        ]
        if failures:
            raise next((f for f in failures if not isinstance(f, BridgeError)), failures[0])
        return {login: self._people[fold(login)][1] for login in asked}


def _users(page: Doc) -> list[Doc]:
    return [user for user in page.get("Resources") or () if isinstance(user, dict) and user.get("id")]


def _is(user: Doc, attribute: str, value: str) -> bool:
    return fold(str(value_at(user, attribute))) == fold(value)
