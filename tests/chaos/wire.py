"""The conformance suites' Okta and Entra as clients of a bridge behind a load balancer: their shapes, its retries."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, urlencode

from scim_bridge.conformance.expect import Check
from scim_bridge.conformance.reply import Reply, parsed
from scim_bridge.conformance.run import MEDIA, SCIM, Run
from scim_bridge.conformance.target import Query
from tests.chaos.balancer import Balancer, GaveUp
from tests.chaos.ledger import ACKED, REFUSED, UNKNOWN, Entry, Ledger

SCIM_BASE = "/scim/v2"
Fact = tuple[str, str, Any]


class Wrong(Exception):
    """An answer that is not what this client may expect, whatever was killed."""


class Wire(Run):
    """The `Run` those clients speak through: one token, every request by the balancer, writes noted in the ledger.

    `demand` raises Wrong. Inside `writing` every request carries one id, and its outcome is the entry's.
    """

    def __init__(self, name: str, balancer: Balancer, ledger: Ledger, token: str) -> None:
        # Not a run of a suite: nothing is collected, so nothing of the base class is set up.
        self.name, self._balancer, self.ledger, self._token = name, balancer, ledger, token
        self._count = 0
        self._entry: Entry | None = None
        self.again = False

    def fresh(self) -> str:
        """A new request id."""
        self._count += 1
        return f"{self.name}-{self._count}"

    @contextmanager
    def writing(self, kind: str, whom: str, value: Any, also: Sequence[Fact] = ()) -> Iterator[Entry]:
        """Note a write: acknowledged when the block ends, refused or unknown when it does not.

        `also` are facts that follow from it.
        """
        request, now = self.fresh(), self._balancer.now()
        entry = self.ledger.begin(kind, whom, value, request, now)
        following = [self.ledger.begin(*fact, request, now) for fact in also]
        self._entry, self.again = entry, False
        try:
            yield entry
        except GaveUp as error:
            entry.state = UNKNOWN if error.unknown or self.again else REFUSED
            raise
        except BaseException:
            # An answer nobody expected may have changed something.
            entry.state = UNKNOWN
            raise
        else:
            entry.state = ACKED
        finally:
            entry.ended = self._balancer.now()
            for one in following:
                one.state, one.ended = entry.state, entry.ended
            self._entry = None

    async def ask(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """One request until it is answered."""
        sent = {name.lower(): value for name, value in (SCIM if headers is None else headers).items()}
        sent["authorization"] = f"Bearer {self._token}"
        if body is not None:
            sent.setdefault("content-type", MEDIA)
        text = f"{SCIM_BASE}{path}" + (f"?{urlencode(dict(query), quote_via=quote)}" if query else "")
        content = None if body is None else json.dumps(body).encode()
        request = self._entry.request if self._entry is not None and method != "GET" else self.fresh()
        said = await self._balancer.send(
            f"{self.name.split('-', 1)[0]} {method}",
            method,
            text,
            request=request,
            headers=lambda: sent,
            content=content,
        )
        if self._entry is not None and method != "GET":
            self.again = self.again or said.again
            self._entry.tries += said.tries
        return Reply(said.status, said.headers, said.text, parsed(said.text), 0)

    def expect(self, text: str, holds: bool, came: str = "", *, beyond: str = "") -> bool:
        """Wrong unless it holds."""
        if not holds and not beyond:
            raise Wrong(f"{text}: {came[:300]}")
        return holds

    def hold(self, reply: Reply, *checks: Check) -> bool:
        """Wrong unless an answer meets these expectations."""
        for check in checks:
            came = check.test(reply, {})
            if came is not None and not check.excuse(reply):
                raise Wrong(f"{check.text}: {came[:200]} ({reply.summary[:300]})")
        return True

    def demand(self, reply: Reply, *checks: Check) -> None:
        """The same."""
        self.hold(reply, *checks)
