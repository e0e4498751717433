"""`python -m tests.chaos --seed N --minutes 10 [--report FILE]`: the bridge under load while parts of it are killed.

Three web replicas and three workers on a PostgreSQL of its own, Okta's and Entra's calls, decisions, departures and
syncs; somebody is killed every ten seconds and PostgreSQL restarted twice. Exit code 1 when a promise does not hold.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

from tests.chaos.report import broken, words
from tests.chaos.run import Plan, rehearsed


def main() -> int:
    """Run, judge, tell."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--every", type=float, default=10.0, help="seconds between two kills")
    parser.add_argument("--restarts", type=int, default=2, help="of PostgreSQL")
    parser.add_argument("--web", type=int, default=3)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--pace", type=float, default=Plan.pace, help="seconds a client rests between calls")
    parser.add_argument("--report", type=Path, help="a file for the report as JSON; the text goes beside it")
    parser.add_argument("--keep", type=Path, help="a directory for the logs of all processes")
    given = parser.parse_args()
    plan = Plan(
        seed=given.seed,
        seconds=given.minutes * 60,
        every=given.every,
        restarts=given.restarts,
        web=given.web,
        workers=given.workers,
        pace=given.pace,
        leavers=min(10, max(2, round(given.minutes))),
        syncs=min(45.0, given.minutes * 60 / 4),
    )
    folder = Path(tempfile.mkdtemp(prefix="chaos", dir="/tmp"))
    try:
        report = rehearsed(plan, folder)
    finally:
        if given.keep:
            given.keep.mkdir(parents=True, exist_ok=True)
            for log in folder.glob("*.log"):
                shutil.copy(log, given.keep)
        shutil.rmtree(folder, ignore_errors=True)
    text = words(report)
    print(text)
    if given.report:
        given.report.write_text(json.dumps(report, indent=1, default=str) + "\n")
        given.report.with_suffix(".txt").write_text(text + "\n")
    return 1 if broken(report) else 0


if __name__ == "__main__":
    sys.exit(main())
