"""The published interop scenarios of the AuthZEN working group answer as published."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from tests.access.authzen.pdp import HERE, Pdp, Person, Scenario, with_pdp
from tests.access.gateway import OnStore

TODO = orjson.loads((HERE / "todo.json").read_bytes())
SEARCH = orjson.loads((HERE / "search.json").read_bytes())
SUBJECT = "CiRmZD{}2MTRkMy1jMzlhLTQ3ODEtYjdiZC04Yjk2ZjVhNTEwMGQSBWxvY2Fs"
TODO_SCENARIO = Scenario(
    "todo.cedarschema",
    "todo.cedar",
    [
        Person("rick@the-citadel.com", ("admin", "evil_genius"), SUBJECT.format("A")),
        Person("morty@the-citadel.com", ("editor",), SUBJECT.format("E")),
        Person("summer@the-smiths.com", ("editor",), SUBJECT.format("I")),
        Person("beth@the-smiths.com", ("viewer",), SUBJECT.format("M")),
        Person("jerry@the-smiths.com", ("viewer",), SUBJECT.format("Q")),
    ],
)
SEARCH_SCENARIO = Scenario(
    "record.cedarschema",
    "search.cedar",
    [Person(name, (role, department)) for name, role, department in SEARCH["users"]],
    [
        {"type": "record", "id": identity, "properties": {"department": department, "owner": owner}}
        for identity, department, owner in SEARCH["records"]
    ],
)


def test_the_todo_scenario_answers_as_published(on_store: OnStore, tmp_path: Path) -> None:
    """Forty evaluations, three batches, and twenty-five questions of an API gateway about routes."""

    async def body(pdp: Pdp) -> None:
        assert (len(TODO["evaluation"]), len(TODO["evaluations"]), len(TODO["routes"])) == (40, 3, 25)
        for case in TODO["evaluation"] + TODO["routes"]:
            answer = await pdp.ask(case["request"])
            assert answer["decision"] is case["expected"], (case, answer)
        for case in TODO["evaluations"]:
            answer = await pdp.ask(case["request"], "/access/v1/evaluations")
            told = [{"decision": one["decision"]} for one in answer["evaluations"]]
            assert told == case["expected"], (case, answer)

    with_pdp(on_store, tmp_path, TODO_SCENARIO, body)


def test_the_search_scenario_answers_as_published(on_store: OnStore, tmp_path: Path) -> None:
    """Who may do what with a record, which records somebody may use, and what they may do with one."""

    async def body(pdp: Pdp) -> None:
        assert [len(SEARCH[kind]) for kind in ("subject", "resource", "action")] == [60, 18, 120]
        user = {"type": "user"}
        for record, action, expected in SEARCH["subject"]:
            asked: dict[str, Any] = {"subject": user, "action": {"name": action}}
            asked["resource"] = {"type": "record", "id": record}
            assert await pdp.found("subject", asked) == expected, (record, action)
        for name, action, expected in SEARCH["resource"]:
            asked = {"subject": {**user, "id": name}, "action": {"name": action}}
            asked["resource"] = {"type": "record"}
            assert await pdp.found("resource", asked) == expected, (name, action)
        for name, record, expected in SEARCH["action"]:
            asked = {"subject": {**user, "id": name}, "resource": {"type": "record", "id": record}}
            assert await pdp.found("action", asked) == expected, (name, record)

    with_pdp(on_store, tmp_path, SEARCH_SCENARIO, body)
