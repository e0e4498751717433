"""Running suites against a server, telling about it, and leaving nothing behind whatever happens."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol

from scim_bridge.conformance.model import OAuthClient, Report, Result, Step, Suite
from scim_bridge.conformance.run import Run, run_id
from scim_bridge.conformance.target import Target
from scim_bridge.kernel.clock import Clock, SystemClock


class Telling(Protocol):
    """Who is told as a run goes on."""

    def began(self, step: Step) -> None:
        """A step begins."""

    def ended(self, result: Result) -> None:
        """A step is over; also told of the deletion at the end of a suite."""


class Quiet:
    """Nobody is told."""

    def began(self, step: Step) -> None:
        """Nothing."""

    def ended(self, result: Result) -> None:
        """Nothing."""


async def perform(
    target: Target,
    vendor: str,
    plan: Sequence[Suite],
    telling: Telling | None = None,
    *,
    domain: str = "",
    oauth: OAuthClient | None = None,
    clock: Clock | None = None,
) -> Report:
    """Run the steps of a plan in order; a Report of all of them.

    What a suite created is deleted when it ends, also when it is stopped in the middle: then the deletion
    runs first and the cancellation goes on. Raises OutboundError when the server cannot be reached at all and
    Unauthenticated when it refuses the token; anything later is a verdict.
    """
    told = telling or Quiet()
    if oauth is not None:
        target.keep_secret(oauth.secret, oauth.assertion)
    identity, began = run_id(), time.monotonic()
    started = (clock or SystemClock()).now()
    results: list[Result] = []
    leftovers: list[str] = []
    for suite in plan:
        run = Run(target, identity, domain=domain, oauth=oauth)
        try:
            for step in suite.steps:
                told.began(step)
                results.append(await run.perform(step))
                told.ended(results[-1])
        finally:
            cleaned, left = await run.clean(suite.id)
            leftovers += left
            if cleaned is not None:
                results.append(cleaned)
                told.ended(cleaned)
    seconds = time.monotonic() - began
    return Report(
        vendor, target.base_url, identity, started, round(seconds, 2), tuple(results), tuple(leftovers)
    )
