"""A report for programs (plain data) and for people (one HTML page that needs nothing else and runs nothing)."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import Any

from scim_bridge.conformance.model import Report, Result, Suite
from scim_bridge.kernel.clock import iso


def record(result: Result) -> dict[str, Any]:
    """One result as plain data: the deciding request first, all requests and expectations after it."""
    return {
        "id": result.id,
        "title": result.title,
        "source": result.source,
        "verdict": str(result.verdict),
        "reason": result.why or None,
        "request": result.request,
        "expectation": result.expectation,
        "came": result.came,
        "expectations": [
            {
                "expected": finding.expected,
                "verdict": str(finding.verdict),
                "came": finding.came or None,
                "reason": finding.reason or None,
            }
            for finding in result.findings
        ],
        "exchanges": [
            {"request": exchange.asked, "answer": exchange.came, "milliseconds": exchange.milliseconds}
            for exchange in result.exchanges
        ],
    }


def summary(report: Report) -> dict[str, Any]:
    """The run as a whole, without its results."""
    return {
        "suite": report.vendor,
        "base_url": report.base_url,
        "run": report.run,
        "started": iso(report.started),
        "seconds": report.seconds,
        "ok": report.ok,
        "steps": report.counts(),
        "assertions": report.assertions(),
        "leftovers": list(report.leftovers),
    }


def document(report: Report) -> dict[str, Any]:
    """The whole report as plain data."""
    return {**summary(report), "results": [record(result) for result in report.results]}


def page(report: Report, suites: tuple[Suite, ...]) -> str:
    """The whole report as one HTML page: no script, nothing loaded, everything from outside escaped."""
    from scim_bridge.kernel.pages import environment

    titles = {step.id: suite.title for suite in suites for step in suite.steps}
    titles |= {f"{suite.id}.cleanup": suite.title for suite in suites}
    parts = [
        (title, list(results))
        for title, results in groupby(report.results, key=lambda result: titles.get(result.id, ""))
    ]
    template = environment(Path(__file__).parent).get_template("report.html")
    return template.render(report=report, parts=parts, counts=report.counts(), assertions=report.assertions())
