"""Steps that are one request and what is expected of its answer: suites as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from scim_bridge.conformance.expect import Check, filled
from scim_bridge.conformance.model import Step
from scim_bridge.conformance.reply import ABSENT, Reply
from scim_bridge.conformance.run import Run


@dataclass(frozen=True, slots=True)
class Ask:
    """A request as data; `{name}` anywhere in it is what an earlier step kept under that name."""

    method: str
    path: str
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    headers: Mapping[str, str] | None = None

    async def send(self, run: Run) -> Reply:
        """Send it."""
        return await run.ask(
            self.method,
            str(filled(self.path, {name: quote(str(value), safe="") for name, value in run.notes.items()})),
            query=filled(dict(self.query), run.notes),
            body=filled(self.body, run.notes),
            headers=self.headers,
        )


def asking(
    identity: str,
    title: str,
    source: str,
    ask: Ask,
    *checks: Check,
    saves: Mapping[str, str] | None = None,
    needs: tuple[str, ...] = (),
) -> Step:
    """A step of one request. `saves` keeps places of the answer under names for later steps."""

    async def body(run: Run) -> None:
        reply = await ask.send(run)
        run.hold(reply, *checks)
        for name, path in (saves or {}).items():
            found = reply.get(path)
            if found not in (ABSENT, None, ""):
                run.keep(name, found)

    return Step(identity, title, source, body, needs)
