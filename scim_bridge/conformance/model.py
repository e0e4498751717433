"""What a run is made of: suites, steps, findings, results. Frozen values, no I/O."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from scim_bridge.conformance.reply import Reply

if TYPE_CHECKING:
    from scim_bridge.conformance.run import Run


class Verdict(StrEnum):
    """What became of an expectation or a step."""

    PASS = "pass"
    FAIL = "fail"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its answer as a reader sees them: no token, long bodies cut."""

    asked: str
    came: str
    milliseconds: int


@dataclass(frozen=True, slots=True)
class Finding:
    """One expectation and what came. `exchange` is its place among the exchanges of the step."""

    expected: str
    verdict: Verdict
    came: str = ""
    reason: str = ""
    exchange: int = -1


@dataclass(frozen=True, slots=True)
class Step:
    """One test of a suite. `needs` are ids of steps whose results it builds on.

    `beyond` says why a server that fails the whole of it is still right; its failures are then skips.
    """

    id: str
    title: str
    source: str
    body: Callable[[Run], Awaitable[None]]
    needs: tuple[str, ...] = ()
    beyond: str = ""


@dataclass(frozen=True, slots=True)
class Suite:
    """Steps that run in their order and leave nothing behind."""

    id: str
    title: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one step. `reason` is why nothing was found out, or why failing is no failure."""

    id: str
    title: str
    source: str
    findings: tuple[Finding, ...] = ()
    exchanges: tuple[Exchange, ...] = ()
    reason: str = ""

    @property
    def verdict(self) -> Verdict:
        """Failed when one expectation did, skipped when nothing could be told, else passed."""
        verdicts = {finding.verdict for finding in self.findings}
        if Verdict.FAIL in verdicts:
            return Verdict.FAIL
        # Some requests of a suite only prepare the next one: nothing is asserted of them.
        told = Verdict.PASS in verdicts or (self.exchanges and not verdicts)
        return Verdict.PASS if told and not self.reason else Verdict.SKIP

    @property
    def why(self) -> str:
        """Why it, or a part of it, was skipped."""
        reasons = [f.reason for f in self.findings if f.verdict is Verdict.SKIP]
        if not any(reason.startswith(self.reason) for reason in reasons):
            reasons.insert(0, self.reason)
        return "; ".join(dict.fromkeys(reason for reason in reasons if reason))

    @property
    def telling(self) -> tuple[Finding, ...]:
        """The findings a reader wants first: those that failed, else all."""
        failed = tuple(f for f in self.findings if f.verdict is Verdict.FAIL)
        return failed or self.findings

    @property
    def request(self) -> str:
        """The request that decided: of the first failure, else the last one."""
        if not self.exchanges:
            return ""
        failed = next((f.exchange for f in self.findings if f.verdict is Verdict.FAIL), -1)
        return self.exchanges[failed].asked

    @property
    def expectation(self) -> str:
        """What was expected, the failed parts if there are any."""
        return "; ".join(finding.expected for finding in self.telling)

    @property
    def came(self) -> str:
        """What came, the failed parts if there are any."""
        parts = [finding.came for finding in self.telling if finding.came]
        return "; ".join(dict.fromkeys(parts)) or (self.exchanges[-1].came if self.exchanges else "")


@dataclass(frozen=True, slots=True)
class Report:
    """A whole run against one server. `seconds` is how long it took; `leftovers` could not be deleted."""

    vendor: str
    base_url: str
    run: str
    started: int
    seconds: float = 0.0
    results: tuple[Result, ...] = ()
    leftovers: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """True when nothing failed."""
        return all(result.verdict is not Verdict.FAIL for result in self.results)

    @property
    def words(self) -> str:
        """The outcome in a few words."""
        if not self.ok:
            return "Something does not hold"
        passed = any(result.verdict is Verdict.PASS for result in self.results)
        return "Everything tested holds" if passed else "Nothing could be tested"

    def counts(self) -> dict[str, int]:
        """How many steps passed, failed and were skipped."""
        return tally(result.verdict for result in self.results)

    def assertions(self) -> dict[str, int]:
        """The same for the single expectations."""
        return tally(finding.verdict for result in self.results for finding in result.findings)


def tally(verdicts: Iterable[Verdict]) -> dict[str, int]:
    """How often each verdict occurs."""
    counted = {str(verdict): 0 for verdict in Verdict}
    for verdict in verdicts:
        counted[verdict] += 1
    return counted


@dataclass(frozen=True, slots=True)
class OAuthClient:
    """An OAuth client of the server under test; `assertion` is a signed JWT of a workload identity.

    `answered` is what its token endpoint answered already: an assertion may be good for one use only.
    """

    token_url: str
    client_id: str
    secret: str = field(default="", repr=False)
    assertion: str = field(default="", repr=False)
    scope: str = ""
    answered: Reply | None = field(default=None, repr=False)

    @property
    def federated(self) -> bool:
        """True when it proves itself by an assertion only."""
        return not self.secret


Notes = Mapping[str, Any]
