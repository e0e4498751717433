"""Which suites prove what, and choosing single steps of them."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Final

from scim_bridge.conformance import (
    entra_direct,
    entra_engine,
    entra_postman,
    okta_crud,
    okta_entitlements,
    okta_groups,
    okta_spec,
    rfc,
)
from scim_bridge.conformance.model import Step, Suite
from scim_bridge.kernel.errors import Invalid

VENDORS: Final[dict[str, tuple[Suite, ...]]] = {
    "okta": (okta_spec.SUITE, *okta_crud.SUITES, *okta_groups.SUITES, okta_entitlements.SUITE),
    "entra": (entra_engine.SUITE, entra_direct.SUITE, entra_postman.SUITE),
    "rfc": rfc.SUITES,
}


def planned(vendor: str, only: Sequence[str] = ()) -> tuple[Suite, ...]:
    """The suites of a vendor; with `only`, the steps whose id or suite is named or begins so, and what they build on.

    Invalid when an id names nothing.
    """
    suites = VENDORS[vendor]
    if not only:
        return suites
    steps = {step.id: step for suite in suites for step in suite.steps}
    home = {step.id: suite.id for suite in suites for step in suite.steps}
    wanted: set[str] = set()
    for name in only:
        found = [
            identity
            for identity in steps
            if name in (identity, home[identity]) or identity.startswith(f"{name}.")
        ]
        if not found:
            raise _unknown(vendor, name, [*steps, *(suite.id for suite in suites)])
        for identity in found:
            _with_needs(identity, steps, wanted)
    kept = (
        Suite(suite.id, suite.title, tuple(step for step in suite.steps if step.id in wanted))
        for suite in suites
    )
    return tuple(suite for suite in kept if suite.steps)


def _with_needs(identity: str, steps: dict[str, Step], wanted: set[str]) -> None:
    if identity not in wanted:
        wanted.add(identity)
        for need in steps[identity].needs:
            _with_needs(need, steps, wanted)


def _unknown(vendor: str, name: str, known: Sequence[str]) -> Invalid:
    close = difflib.get_close_matches(name, known, 3, 0.5)
    fix = f"Perhaps {' or '.join(close)}?" if close else "The ids are in the report of a whole run."
    return Invalid("step-unknown", f"The {vendor} suites have no step {name!r}.", fix)
