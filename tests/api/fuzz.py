"""Schemathesis over the document: nothing it sends is answered with 5xx, and every answer is as described.

python -m tests.api.fuzz --examples 200      looks for longer, and says what it found
"""

from __future__ import annotations

import argparse
import itertools
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import schemathesis
from schemathesis import hooks
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema

from scim_bridge.api.idempotency import FORM
from scim_bridge.kernel.clock import ManualClock
from tests.api.house import Running, running
from tests.shared import Shared

CHECKS = (
    "not_a_server_error",
    "response_schema_conformance",
    "status_code_conformance",
    "content_type_conformance",
)


def _settings(key: str, examples: int, seed: int, phases: tuple[str, ...]) -> SchemathesisConfig:
    every = ("examples", "coverage", "fuzzing", "stateful")
    return SchemathesisConfig.from_dict(
        {
            "seed": seed,
            "headers": {"Authorization": f"Bearer {key}"},
            "generation": {"max-examples": examples, "database": "none"},
            "phases": {name: {"enabled": name in phases} for name in every},
            "checks": {"enabled": False, **{name: {"enabled": True} for name in CHECKS}},
        }
    )


def _steered(there: Running) -> Any:
    """Half of the names in paths are of what is there, so that not every answer is 404; and but for some, no
    idempotency key comes twice, or most changes would only be refused for that."""
    count = itertools.count()

    def before_call(_context: Any, case: Any, _kwargs: Any) -> None:
        number = next(count)
        if number % 2:
            case.path_parameters = {
                name: there.names.get(name, value) for name, value in (case.path_parameters or {}).items()
            }
        key = (case.headers or {}).get("Idempotency-Key")
        if isinstance(key, str) and FORM.fullmatch(key) and number % 8:
            case.headers["Idempotency-Key"] = f"{key[:200]}-{number}"

    return before_call


def _events(schema: Any, before_call: Any) -> Iterator[Any]:
    """What the engine tells; the hook is the process's, so it is taken away afterwards."""
    schemathesis.hook(before_call)
    try:
        yield from from_schema(schema).execute()
    finally:
        hooks.unregister(before_call)


def found(
    there: Running,
    *,
    examples: int,
    seed: int = 1,
    phases: tuple[str, ...] = ("examples", "coverage", "fuzzing"),
) -> tuple[list[str], Counter[int]]:
    """What is wrong, in words, and how many answers there were by status."""
    config = _settings(there.key, examples, seed, phases)
    schema = schemathesis.openapi.from_asgi("/openapi.json", there.app, config=config)
    wrong: list[str] = []
    statuses: Counter[int] = Counter()
    for event in _events(schema, _steered(there)):
        if isinstance(event, events.ScenarioFinished):
            for one in event.recorder.interactions.values():
                if one.response is not None:
                    statuses[one.response.status_code] += 1
            for checks in event.recorder.checks.values():
                wrong += [
                    f"{event.recorder.label}: {check.name}: {check.failure_info.failure}"
                    for check in checks
                    if check.failure_info is not None
                ]
        elif isinstance(event, events.NonFatalError):
            wrong.append(f"{event.label}: {event.info.message}")
        elif isinstance(event, events.FatalError):
            raise event.exception
    return list(dict.fromkeys(wrong)), statuses


def main() -> int:
    """Look for as long as is asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    shared = Shared(folder)
    try:
        shutil.copy(shared.sqlite_template(), folder / "bridge.db")
        with running(f"sqlite:///{folder / 'bridge.db'}", ManualClock()) as there:
            wrong, statuses = found(there, examples=asked.examples, seed=asked.seed)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print("\n".join(wrong) or "Nothing is wrong.")
    print(dict(sorted(statuses.items())), f"{statuses.total()} answers")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
