"""The bridge under load while parts of it are killed: a miniature of `python -m tests.chaos`, and its judges judged.

At its full size (ten minutes, three web replicas, three workers, sixty kills) it is run by hand: the figures are in
docs/explanation/chaos.md.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.balancer import BROKEN, NOBODY, OK, REFUSED, Try, rates
from tests.chaos.capacity import PAGE, Size, depth, line
from tests.chaos.demand import Bytes, Cost, Habit, demanded, most_on_one_server
from tests.chaos.judge import writes
from tests.chaos.ledger import ACKED, OPEN, UNKNOWN, Ledger, lost
from tests.chaos.ledger import REFUSED as NOT_DONE
from tests.chaos.report import broken, words
from tests.chaos.run import Plan, rehearsed
from tests.chaos.schedule import CRASH, FAST, KILL, Window, covered, drawn, overlaps

MINIATURE = Plan(
    seed=7,
    seconds=10.0,
    every=3.3,
    restarts=1,
    web=2,
    workers=2,
    agents=4,
    leavers=1,
    okta=1,
    entra=1,
    gateways=1,
    pace=0.15,
    syncs=0,
)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory, forking: Path) -> dict[str, Any]:
    """The report of a miniature run."""
    return rehearsed(MINIATURE, tmp_path_factory.mktemp("chaos"), forking=forking)


def test_nothing_acknowledged_is_lost_and_nothing_is_done_twice_while_processes_are_killed(
    report: dict[str, Any],
) -> None:
    # So short a run has few calls outside restarts: of those, none but a handful may fail.
    outside = report["error rate"]["outside restarts"]
    assert [one for one in broken(report) if "errors outside" not in one] == [], words(report)
    assert outside["errors"] <= 1, words(report)
    assert sum(one["what"] == KILL for one in report["schedule"]) >= 2
    assert report["writes"][ACKED] > 10 and report["receipts"]["cases"] == 1
    assert report["decisions judged"] > 0 and report["idps"]["entra"]["creates"] >= 6


SPOILED = {
    "lost acknowledged writes": lambda r: r["lost acknowledged writes"].append({"kind": "title"}),
    "no audit row": lambda r: r["audit of writes"]["acknowledged without a row"].append("okta-1-3"),
    "at an IdP twice": lambda r: r["idps"]["entra"]["doubled"].append("Agent 1"),
    "acted twice": lambda r: r["platform"].update({"acted twice": 1}),
    "never arrived": lambda r: r["platform"]["done and never delivered"].append("e1"),
    "not settled": lambda r: r["effects"].update(unsettled=1),
    "decisions were wrong": lambda r: r["decisions wrong"].append("agent-1"),
    "receipts": lambda r: r["receipts"].update(true=0),
    "audit does not verify": lambda r: r["audit"].update(ok=False),
    "still lacks": lambda r: r["changes a plan would still make"].update(okta=1),
    "errors outside": lambda r: r["error rate"]["outside restarts"].update(percent=0.1, errors=1),
}


def test_a_report_says_of_each_promise_that_is_broken_that_it_is(report: dict[str, Any]) -> None:
    for spoil in SPOILED.values():
        spoiled = copy.deepcopy(report)
        spoil(spoiled)
        assert len(broken(spoiled)) >= 1, spoil
        assert "BROKEN" in words(spoiled)


def test_a_seed_gives_the_same_blows_and_every_kind_of_restart_has_its_turn() -> None:
    names = ["web-1", "web-2", "worker-1"]
    one = drawn(3, 600, names)
    assert one == drawn(3, 600, list(reversed(names))) and one != drawn(4, 600, names)
    kills = [blow for blow in one if blow.what == KILL]
    assert [blow.at for blow in kills] == [10.0 * n for n in range(1, 55)]
    assert {blow.target for blow in kills} == set(names)
    assert [blow.what for blow in one if blow.target == "postgresql"] == [FAST, CRASH]
    assert one == sorted(one, key=lambda blow: blow.at) and one[-1].at <= 540


def test_a_write_is_lost_when_the_end_is_neither_the_last_acknowledged_nor_a_later_unknown_one() -> None:
    ledger = Ledger()
    for value, state in (("a", ACKED), ("b", UNKNOWN), ("c", ACKED), ("d", UNKNOWN), ("e", NOT_DONE)):
        ledger.begin("title", "ann", value, f"r-{value}", 0.0).state = state
    key = ("title", "ann")
    assert ledger.allowed(key, None) == ["c", "d"]
    for found, missing in (("c", 0), ("d", 0), ("b", 1), ("a", 1), ("e", 1), (None, 1)):
        assert len(lost(ledger, {key: found}, {})) == missing, found
    assert ledger.sure(*key) is None, "nobody can say what it is now"
    ledger.begin("title", "ann", "f", "r-f", 0.0).state = OPEN
    assert "f" in ledger.allowed(key, None)
    ledger.entries[-1].state = ACKED
    assert ledger.sure(*key) == ("f", 0.0) and lost(ledger, {}, {})[0].requests[-1] == "r-f"


def test_an_error_counts_as_outside_unless_its_call_met_a_restart() -> None:
    windows = [Window(10.0, 14.0, "web-1 killed"), Window(12.0, 16.0, "web-2 killed")]
    tries = [
        Try("x", OK, 0.0, 0.1, 0, "1"),
        Try("x", REFUSED, 9.0, 9.1, 0, "2"),
        Try("x", BROKEN, 9.9, 10.1, 1, "2"),
        Try("x", BROKEN, 17.0, 17.1, 1, "3"),
        Try("x", NOBODY, 13.0, 13.1, -1, "4"),
    ]
    found = rates(tries, windows)
    assert found["in all"]["requests"] == 4 and found["in all"]["errors"] == 3
    assert found["outside restarts"] == {
        "requests": 2,
        "errors": 1,
        "percent": 50.0,
        "kinds": {BROKEN: 1},
    }
    assert covered(windows, 15.0) == 5.0 and overlaps(windows, 5.0, 20.0) and not overlaps(windows, 16.5, 17)


def test_a_second_create_is_doubled_and_a_write_said_again_is_a_repeat() -> None:
    made = (
        "POST",
        "/v1.0/servicePrincipals/microsoft.graph.agentIdentity",
        '{"displayName": "A"}',
        201,
        "create",
    )
    off = ("PATCH", "/v1.0/servicePrincipals/0123456789abcdef0", '{"accountEnabled": false}', 204, "update")
    on = (off[0], off[1], '{"accountEnabled": true}', 204, "update")
    refused = (*made[:3], 409, "create")
    assert writes([made, refused, off, on, off])["repeats"] == {}
    found = writes([made, off, off, on, made])
    assert (
        found["created twice"] == ["A"] and found["repeats"] == {"PATCH update": 1} and found["writes"] == 5
    )


def test_what_many_agents_take_follows_from_what_few_take() -> None:
    few, many = Size("t", False, 3000, 10), Size("t", False, 5000, 20)
    assert line(few, many) == (1000, 2000)
    # 100 entries a page: a root for one page, another level for each hundredfold.
    index = Size("t", True, 10 * PAGE, 1000)
    assert [depth(index, n) for n in (50, 5_000, 500_000, 50_000_000)] == [1, 2, 3, 4]
    costs = {"decisions": Cost(500, 250), "reads": Cost(0, 0), "writes": Cost(0, 0)}
    habit = Habit(decisions=86_400, reads=0, changes=0, peak=2, kept_days=1)
    found = demanded(1000, habit, costs, Bytes(2**30 / 86_400, 0))
    assert (found["decisions/s"], found["decisions kept, GB"]) == (2000, 1000.0)
    assert (found["cores of replicas"], found["cores of PostgreSQL"]) == (2, 1)
    assert most_on_one_server(habit, costs) == 115_200
