"""The verdict on a run, and the run in words. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

# Errors a client may see while nothing is being restarted, in percent of its requests.
MOST_ERRORS = 0.1

Report = Mapping[str, Any]


def broken(report: Report) -> list[str]:
    """Every promise that did not hold, in words; empty when all did."""
    audit, effects, platform = report["audit of writes"], report["effects"], report["platform"]
    receipts, outside = report["receipts"], report["error rate"]["outside restarts"]
    idps = report["idps"].values()
    found = {
        "acknowledged writes are lost": report["lost acknowledged writes"],
        "acknowledged changes have no audit row": audit["acknowledged without a row"],
        "changes were made twice": audit["made twice"],
        "agents are at an IdP twice": [name for one in idps for name in one["doubled"]],
        "creates were sent to an IdP twice": [name for one in idps for name in one["created twice"]],
        "the platform acted twice": platform["acted twice"],
        "effects count as done and never arrived": platform["done and never delivered"],
        "calls arrived that are no effects": platform["delivered and not ours"],
        "effects are not settled": effects["unsettled"],
        "effects are dead": effects["dead"],
        "answers were wrong": report["wrong answers"],
        "decisions were wrong": report["decisions wrong"],
        "clients gave up": report["given up"],
        "receipts are not true": receipts["findings"] or receipts["true"] != receipts["cases"],
        "the audit does not verify": not report["audit"]["ok"],
        "an IdP still lacks something": [
            k for k, n in report["changes a plan would still make"].items() if n
        ],
        "sync runs did not end well": [
            one for one in report["sync runs"] if one["state"] not in ("OK", "WARNING")
        ],
        f"more than {MOST_ERRORS} % errors outside restarts": outside["percent"] >= MOST_ERRORS and outside,
        "a process did not end as told": {k: c for k, c in report["exit codes"].items() if c},
    }
    return [f"{what}: {which}"[:1000] for what, which in found.items() if which]


def words(report: Report) -> str:
    """The report as text."""
    wrong = broken(report)
    told = [*_course(report), *_errors(report), *_outside(report), *_proof(report)]
    return "\n".join([*told, *([f"BROKEN: {one}" for one in wrong] or ["Every promise held."])])


def _course(report: Report) -> Iterator[str]:
    """What was done."""
    plan = report["plan"]
    yield (
        f"seed {report['seed']}: {plan['web']} web and {plan['workers']} workers, {plan['seconds']:.0f} s,"
        f" {report['requests']} requests ({report['requests per second']}/s)"
    )
    kills = sum(one["what"].startswith("kill") for one in report["schedule"])
    torn = [one for one in report["schedule"] if one["target"] == "postgresql"]
    told = "; ".join(f"{one['what']} at {one['struck']:.0f} s" for one in torn)
    yield f"{kills} processes killed, one every {plan['every']:g} s; {told}"
    writes = ", ".join(f"{count} {state}" for state, count in report["writes"].items())
    yield f"writes: {writes}; acknowledged and lost: {len(report['lost acknowledged writes'])}"
    yield (
        f"decisions: {report['decisions']}, of which {report['decisions judged']} could be judged;"
        f" wrong: {len(report['decisions wrong'])}"
    )


def _errors(report: Report) -> Iterator[str]:
    """What clients saw of it."""
    for where, rate in report["error rate"].items():
        told = f"{rate['errors']} of {rate['requests']} ({rate['percent']} %) {rate['kinds'] or ''}"
        yield f"errors clients saw {where}: {told}".rstrip()
    yield f"of {report['plan']['seconds']:.0f} s, {report['seconds in restarts']} s lay in restarts"


def _outside(report: Report) -> Iterator[str]:
    """What came of it at the sandboxes."""
    for kind, one in report["idps"].items():
        doubled = len(one["doubled"]) + len(one["created twice"])
        yield f"{kind}: {one['objects']} agents, {one['creates']} creates, {one['writes']} writes; doubled: {doubled}"
    repeats = {kind: one["repeats"] for kind, one in report["idps"].items() if one["repeats"]}
    yield f"writes that said again what was so already (an answer was lost): {repeats or 'none'}"
    platform = report["platform"]
    again = platform["delivered again under the same id"]
    yield f"platform: {platform['acted']} calls acted on, {platform['acted twice']} twice; {again} came again"
    yield f"effects: {report['effects']}"
    yield f"sync runs: {len(report['sync runs'])}; plans agents had moved on from: {report['plans that had moved']}"


def _proof(report: Report) -> Iterator[str]:
    """Receipts, audit, and how long it took to mend."""
    receipts, audit = report["receipts"], report["audit"]
    yield (
        f"receipts: {receipts['true']} of {receipts['cases']} true,"
        f" {receipts['within five minutes']} within five minutes"
    )
    yield f"audit: {'verifies' if audit['ok'] else audit['findings']}, {audit['rows']} rows"
    yield f"settled {report['seconds to settle']} s after the load; processor seconds: {report['processor seconds']}"
