"""A server with one flaw is found out by the step that names it; without flaws those steps pass."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from scim_bridge.conformance.model import Report, Verdict
from tests.conformance.conftest import Prove
from tests.conformance.servers import listening, plain
from tests.conformance.small_server import SmallServer

FLAWS = {
    "404-for-nothing": "okta.spec.3",
    "accepts-anybody": "rfc.H-09",
    "answers-nothing": "okta.crud.put.3",
    "bare-401": "okta.spec.11",
    "bare-404": "okta.spec.4",
    "deletes-nothing": "rfc.H-07",
    "half-done": "rfc.X-02",
    "hides-inactive": "okta.crud.put.10",
    "ignores-exclusion": "entra.11.legacy",
    "ignores-filters": "rfc.Q-04",
    "ignores-pathless": "okta.crud.patch.8",
    "keeps-members": "okta.groups.put.C9317",
    "lowers-names": "okta.spec.6",
    "minds-case": "entra.9.legacy",
    "no-group-schema": "entra.8",
    "push-now-adds": "okta.groups.patch.C9316",
    "put-creates": "rfc.U-01",
    "race": "rfc.C-24.atonce",
    "reads-by-the-letter": "entra.12.legacy",
    "refuses-read-only": "okta.crud.put.5",
    "removes-everybody": "okta.groups.patch.C9315",
    "shows-passwords": "rfc.C-16",
    "start-from-zero": "entra.23",
    "takes-twice": "okta.spec.8",
    "text-paging": "okta.spec.1",
    "wants-booleans": "entra.3.legacy",
    "whole-pages": "okta.entitlements.1",
    "wrong-media-type": "rfc.H-01",
}


@pytest.fixture(scope="module")
def flawed() -> Iterator[str]:
    """The URL below which there is a server for each flaw, /404-for-nothing/scim/v2 for example."""
    app = Starlette(routes=[Mount(f"/{flaw}", SmallServer(flaw).app) for flaw in FLAWS])
    with listening(plain(app)) as url:
        yield url


def failed(report: Report) -> set[str]:
    """The steps that failed."""
    return {result.id for result in report.results if result.verdict is Verdict.FAIL}


@pytest.mark.parametrize(("flaw", "step"), FLAWS.items(), ids=FLAWS)
def test_a_flaw_is_found_by_the_step_that_names_it(prove: Prove, flawed: str, flaw: str, step: str) -> None:
    report = prove(f"{flawed}/{flaw}/scim/v2", step.split(".")[0], step)
    assert step in failed(report)


@pytest.mark.parametrize("vendor", ["okta", "entra", "rfc"])
def test_the_same_steps_pass_without_a_flaw_and_leave_nothing(prove: Prove, vendor: str) -> None:
    server = SmallServer()
    steps = [step for step in FLAWS.values() if step.startswith(f"{vendor}.")]
    with listening(plain(server.app)) as url:
        report = prove(f"{url}/scim/v2", vendor, *steps)
    assert not failed(report)
    assert server.store == {"Users": {}, "Groups": {}}
