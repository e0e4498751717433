"""A client behind a load balancer: takes replicas in turn, passes over those that refuse the connection.

What comes back broken or as 5xx is what the client sees as an error; it then tries again, as IdPs do, with the same
request id. Every try is noted with its times, to be held against the times of the restarts.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import httpx2

from tests.chaos.schedule import Window, overlaps

OK: Final = "answered"
REFUSED: Final = "connection refused"
NOBODY: Final = "every replica refused"
BROKEN: Final = "connection broke"
SILENT: Final = "no answer in time"
AWAY: Final = "503"
DEFECT: Final = "5xx"

PATIENCE = 90.0
# Longer than a server keeps anybody waiting: what was sent is over, one way or the other, when this is.
ANSWER = 45.0
LONGEST_PAUSE = 1.0


@dataclass(frozen=True, slots=True)
class Try:
    """One attempt at one replica."""

    kind: str
    outcome: str
    began: float
    ended: float
    replica: int
    request: str


class GaveUp(Exception):
    """No answer within the patience of a client. `unknown`: some try may have been carried out."""

    def __init__(self, unknown: bool, last: str) -> None:
        super().__init__(last)
        self.unknown = unknown


@dataclass(frozen=True, slots=True)
class Said:
    """What was answered in the end. `again`: an earlier try may have been carried out already."""

    status: int
    headers: Mapping[str, str]
    text: str
    again: bool
    tries: int


@dataclass
class Balancer:
    """Sends requests to the replicas at `bases`; `now` tells seconds since the start of the run."""

    bases: Sequence[str]
    now: Callable[[], float]
    tries: list[Try] = field(default_factory=list)
    gave_up: list[tuple[str, str]] = field(default_factory=list)
    requests: int = 0
    _turn: int = 0

    def __post_init__(self) -> None:
        limits = httpx2.Limits(max_connections=64, max_keepalive_connections=32)
        self._http = httpx2.AsyncClient(timeout=ANSWER, limits=limits, trust_env=False)

    async def close(self) -> None:
        """Close every connection."""
        await self._http.aclose()

    async def send(
        self,
        kind: str,
        method: str,
        path: str,
        *,
        request: str,
        headers: Callable[[], Mapping[str, str]],
        content: bytes | None = None,
    ) -> Said:
        """One request until it is answered; GaveUp when it is not. `headers` are made anew for each try."""
        self.requests += 1
        end, unknown, count, last = self.now() + PATIENCE, False, 0, ""
        while self.now() < end:
            count += 1
            outcome, answer = await self._passed_on(kind, method, path, request, headers(), content)
            if answer is not None and outcome == OK:
                return Said(answer.status_code, dict(answer.headers), answer.text, unknown, count)
            last = outcome
            # Of a 503 it is promised that nothing was changed.
            unknown = unknown or outcome in (BROKEN, SILENT, DEFECT)
            await asyncio.sleep(_pause(answer))
        self.gave_up.append((kind, last))
        raise GaveUp(unknown, last)

    async def _passed_on(
        self,
        kind: str,
        method: str,
        path: str,
        request: str,
        headers: Mapping[str, str],
        content: bytes | None,
    ) -> tuple[str, httpx2.Response | None]:
        """What the balancer answers: the first replica that takes the connection decides."""
        first = self.now()
        for _ in self.bases:
            self._turn = (self._turn + 1) % len(self.bases)
            replica, began = self._turn, self.now()
            outcome, answer = await self._at(self.bases[replica], method, path, request, headers, content)
            self.tries.append(Try(kind, outcome, began, self.now(), replica, request))
            if outcome != REFUSED:
                return outcome, answer
        self.tries.append(Try(kind, NOBODY, first, self.now(), -1, request))
        return NOBODY, None

    async def _at(
        self,
        base: str,
        method: str,
        path: str,
        request: str,
        headers: Mapping[str, str],
        content: bytes | None,
    ) -> tuple[str, httpx2.Response | None]:
        try:
            answer = await self._http.request(
                method, base + path, headers={**headers, "x-request-id": request}, content=content
            )
        except (httpx2.ConnectError, httpx2.ConnectTimeout):
            return REFUSED, None
        except httpx2.TimeoutException:
            return SILENT, None
        except httpx2.TransportError:
            return BROKEN, None
        if answer.status_code == 503:
            return AWAY, answer
        return (DEFECT if answer.status_code >= 500 else OK), answer


def _pause(answer: httpx2.Response | None) -> float:
    told = "" if answer is None else answer.headers.get("retry-after", "")
    return min(float(told), LONGEST_PAUSE) if told.isdigit() else 0.25


def rates(tries: Sequence[Try], windows: Sequence[Window]) -> dict[str, Any]:
    """How often a client saw an error, in all and outside of every restart, and what kinds they were.

    A refused connection is none, for the balancer passed it on; that nobody took it is one.
    """
    seen = [one for one in tries if one.outcome != REFUSED]
    outside = [one for one in seen if not overlaps(windows, one.began, one.ended)]
    return {"in all": _rate(seen), "outside restarts": _rate(outside)}


def _rate(seen: Sequence[Try]) -> dict[str, Any]:
    wrong = Counter(one.outcome for one in seen if one.outcome != OK)
    errors = sum(wrong.values())
    share = 100 * errors / len(seen) if seen else 0.0
    return {"requests": len(seen), "errors": errors, "percent": round(share, 4), "kinds": dict(wrong)}
