"""`python3 dev.py bench`: T1 to T12 beside hello and beside other servers, in one run.

Every number is a ratio; absolute ones say nothing about another machine. Nothing but 127.0.0.1 is called.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from tests.bench.compare import Pace
from tests.bench.machine import complaint
from tests.bench.run import Options, run
from tests.bench.servers import REPOSITORY
from tests.bench.table import printed

TARGETS = ("T1", "T2", "T3", "T4", "T5", "T6", "T7", "T8", "T9", "T10", "T11", "T11a", "T11b", "T12")
PEERS = ("scim2-server", "scimmy", "casbin")


def _parsed(arguments: list[str]) -> Options:
    parser = argparse.ArgumentParser(prog="dev.py bench", description=__doc__)
    parser.add_argument(
        "--agents", default="1000,100000", help="sizes of the databases (default 1000,100000)"
    )
    parser.add_argument("--backend", default="sqlite,postgresql", help="sqlite, postgresql or both (default)")
    parser.add_argument("--seconds", type=float, default=2.0, help="time of one short run (default 2)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is run in turn (default 3)")
    parser.add_argument("--only", default="", help="targets, such as T1,T4 (default: all)")
    parser.add_argument(
        "--peers", default="scim2-server,scimmy,casbin", help="other servers for T11 and T12, or none"
    )
    parser.add_argument("--peer-agents", type=int, default=100_000, help="most users a peer is filled with")
    parser.add_argument("--json", type=Path, default=REPOSITORY / "bench-results.json", metavar="FILE")
    parser.add_argument(
        "--add", action="store_true", help="add to the rows FILE has, replacing the same ones"
    )
    parser.add_argument(
        "--keep", type=Path, metavar="DIR", help="keep filled databases here for the next run"
    )
    parser.add_argument("--busy", action="store_true", help="run although the machine is busy")
    read = parser.parse_args(arguments)
    return Options(
        agents=sorted(int(each) for each in _listed(parser, read.agents, None)),
        backends=_listed(parser, read.backend, ("sqlite", "postgresql")),
        pace=Pace(min(max(read.seconds, 0.05), 30.0), min(max(read.rounds, 1), 20)),
        only=_listed(parser, read.only, TARGETS) or list(TARGETS),
        peers=[each for each in _listed(parser, read.peers, (*PEERS, "none")) if each != "none"],
        peer_agents=read.peer_agents,
        file=read.json,
        add=read.add,
        keep=read.keep,
        busy=read.busy,
    )


def _listed(parser: argparse.ArgumentParser, text: str, known: tuple[str, ...] | None) -> list[str]:
    found = [each.strip() for each in text.split(",") if each.strip()]
    wrong = [each for each in found if (each not in known if known is not None else not each.isdigit())]
    if wrong:
        parser.error(
            f"{', '.join(wrong)}: not among {', '.join(known)}" if known else f"{', '.join(wrong)}: no number"
        )
    return found


def main(arguments: list[str]) -> int:
    """Measure, print the table, write the JSON; 1 when something could not be measured."""
    options = _parsed(arguments)
    said = complaint(options.busy)
    if said:
        print(said, file=sys.stderr)
    results = run(options, lambda line: print(line, file=sys.stderr, flush=True))
    options.file.write_text(json.dumps(results.as_dict(), indent=1) + "\n")
    print(printed(results.rows))
    for line in results.remarks:
        print(line)
    missed = [row for row in results.rows if row.verdict == "missed"]
    failed = [row for row in results.rows if row.failed]
    met = [row for row in results.rows if row.verdict == "met"]
    print(f"\n{len(met)} met, {len(missed)} missed, {len(failed)} failed. Written to {options.file}.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
