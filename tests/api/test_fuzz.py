"""What Schemathesis sends is answered as the document says; `python -m tests.api.fuzz` goes further."""

from __future__ import annotations

from dataclasses import replace
from unittest.mock import Mock

from scim_bridge.api import catalogue, routes
from scim_bridge.kernel import edge
from tests.api.fuzz import found
from tests.api.house import running


def test_nothing_schemathesis_sends_breaks_it_or_is_answered_otherwise_than_described(
    sqlite_url, clock
) -> None:
    with running(sqlite_url, clock) as there:
        wrong, statuses = found(there, examples=2)
    assert not wrong
    assert statuses[200] > 200 and statuses[201] and statuses[202] and statuses.total() > 2000
    assert not any(status >= 500 for status in statuses)


def test_it_would_find_a_defect_and_an_answer_of_another_shape(sqlite_url, clock, monkeypatch) -> None:
    async def broken(_asked: object) -> object:
        raise RuntimeError("a defect")

    async def odd(_asked: object) -> object:
        return {"items": "none"}

    planted = {"listDoors": broken, "listBudgets": odd}
    changed = [replace(each, read=planted[each.id]) for each in catalogue.OPERATIONS if each.id in planted]
    assert len(changed) == 2
    monkeypatch.setattr(routes, "OPERATIONS", tuple(changed))
    monkeypatch.setattr(routes, "_document", routes._document.__wrapped__)
    monkeypatch.setattr(edge, "log", Mock())
    with running(sqlite_url, clock) as there:
        wrong, statuses = found(there, examples=1, phases=("fuzzing",))
    assert statuses[500], statuses
    assert any("/doors: not_a_server_error" in each for each in wrong), wrong
    assert any("/budgets: response_schema_conformance" in each for each in wrong), wrong
