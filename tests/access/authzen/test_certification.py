"""The certification scenario of AuthZEN 1.0 (openid/authzen, certification/): every level, by its test ids."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.access.authzen.pdp import Pdp, Person, Scenario, with_pdp
from tests.access.gateway import OnStore

FIXTURE = Scenario(
    "record.cedarschema",
    "certification.cedar",
    [Person("alice", ("writer",)), Person("bob", ("admin",))],
    [
        {"type": "record", "id": "record-1", "properties": {"status": "active"}},
        {"type": "record", "id": "record-2", "properties": {"status": "archived"}},
    ],
)
ALICE, BOB = {"type": "user", "id": "alice"}, {"type": "user", "id": "bob"}
ADMIN = {**BOB, "properties": {"role": "admin"}}
FIRST, SECOND = {"type": "record", "id": "record-1"}, {"type": "record", "id": "record-2"}
ACTIVE = {**FIRST, "properties": {"status": "active"}}
ARCHIVED = {**SECOND, "properties": {"status": "archived"}}
CONTEXT = {"time": "2025-06-27T18:03-07:00", "ip": "192.168.1.1"}
BATCH = "/access/v1/evaluations"


def ask(subject: Any, action: Any, resource: Any, **more: Any) -> dict[str, Any]:
    named = {"name": action} if isinstance(action, str) else action
    return {"subject": subject, "action": named, "resource": resource, **more}


def soft(value: bool) -> dict[str, Any]:
    return {"name": "delete", "properties": {"soft": value}}


DECISIONS = [
    (ask(ALICE, "read", FIRST), True),
    (ask(BOB, "write", FIRST), False),
    (ask(ALICE, "read", FIRST, context=CONTEXT), True),
    (ask(ALICE, "write", ARCHIVED), False),
    (ask(ADMIN, "write", ARCHIVED), True),
    (ask(ALICE, soft(True), FIRST), True),
    (ask(ALICE, soft(False), FIRST), False),
    (
        ask(
            {**ALICE, "properties": {"department": "Sales", "role": "manager"}},
            {"name": "read", "properties": {"method": "GET"}},
            {**FIRST, "properties": {"status": "active", "owner": "bob"}},
        ),
        True,
    ),
    (ask(ALICE, "read", FIRST, foo="bar", futureField={"nested": True}), True),
    (ask(ALICE, "write", FIRST), True),
    (ask(BOB, "read", FIRST), True),
]
WHOLE = ask(ALICE, "read", FIRST)
MALFORMED: list[Any] = [
    *({name: value for name, value in WHOLE.items() if name != left_out} for left_out in WHOLE),
    ask({"id": "alice"}, "read", FIRST),
    ask({"type": "user"}, "read", FIRST),
    ask(ALICE, {}, FIRST),
    ask(ALICE, "read", {"id": "record-1"}),
    ask(ALICE, "read", {"type": "record"}),
    ask("alice", "read", FIRST),
    ask(ALICE, {"name": 123}, FIRST),
    b"{not json",
    b"",
]


def test_basic(on_store: OnStore, tmp_path: Path) -> None:
    """2.2 to 2.6: decisions, form of the answer, errors, headers, the same answer again."""

    async def body(pdp: Pdp) -> None:
        for question, expected in DECISIONS:
            answer = await pdp.ask(question)
            assert answer["decision"] is expected, (question, answer)
            assert isinstance(answer["context"], dict)
            assert (await pdp.ask(question))["decision"] is expected
        for wrong in MALFORMED:
            assert (await pdp.post("/access/v1/evaluation", wrong)).status_code == 400, wrong
        for kind in ("text/plain", ""):
            answer = await pdp.post("/access/v1/evaluation", WHOLE, **{"content-type": kind})
            assert answer.status_code == 400
        identity = "bfe9eb29-ab87-4ca3-be83-a1d5d8305716"
        answer = await pdp.post("/access/v1/evaluation", WHOLE, **{"x-request-id": identity})
        assert answer.headers["x-request-id"] == identity

    with_pdp(on_store, tmp_path, FIXTURE, body)


BATCHES: list[tuple[dict[str, Any], list[bool]]] = [
    ({"subject": ALICE, "action": {"name": "read"}, "evaluations": [{"resource": FIRST}]}, [True]),
    (
        {
            "subject": BOB,
            "resource": FIRST,
            "evaluations": [{"action": {"name": "read"}}, {"action": {"name": "write"}}],
        },
        [True, False],
    ),
    (
        {
            "subject": ALICE,
            "action": {"name": "write"},
            "evaluations": [{"resource": ACTIVE}, {"resource": ARCHIVED}],
        },
        [True, False],
    ),
    (
        {
            "action": {"name": "write"},
            "resource": ARCHIVED,
            "evaluations": [{"subject": ALICE}, {"subject": ADMIN}],
        },
        [False, True],
    ),
    ({"evaluations": [ask(ALICE, "read", FIRST), ask(BOB, "write", FIRST)]}, [True, False]),
    (
        {
            "subject": ALICE,
            "action": {"name": "read"},
            "context": CONTEXT,
            "evaluations": [{"resource": FIRST}, {"resource": SECOND, "context": {"source": "override"}}],
        },
        [True, True],
    ),
    ({**ask(ALICE, "write", ACTIVE), "evaluations": [{}, {"resource": ARCHIVED}]}, [True, False]),
]


def test_batch(on_store: OnStore, tmp_path: Path) -> None:
    """3.2 to 3.4, and the two semantics that stop early: what is wrong with one item is that item's no."""

    async def body(pdp: Pdp) -> None:
        for asked, expected in BATCHES:
            answer = await pdp.ask(asked, BATCH)
            assert "decision" not in answer
            assert [one["decision"] for one in answer["evaluations"]] == expected, asked
        options = {"options": {"evaluations_semantic": "execute_all"}}
        partly = {"subject": ALICE, "action": {"name": "read"}, **options}
        items = [{"resource": FIRST}, {}, 7, {"resource": None}, {"resource": SECOND}]
        answer = await pdp.ask({**partly, "evaluations": items}, BATCH)
        assert [one["decision"] for one in answer["evaluations"]] == [True, False, False, False, True]
        error = answer["evaluations"][1]["context"]["error"]
        assert error == {"status": 400, "message": "resource is missing.", "code": "question-invalid"}
        for empty in ({}, {"evaluations": []}):
            assert (await pdp.ask({**WHOLE, **empty}, BATCH))["decision"] is True
        for wrong in (
            {"evaluations": {}},
            {"evaluations": [{}] * 11},
            {"evaluations": [{}], "options": 1},
            {},
        ):
            assert (await pdp.post(BATCH, {**partly, **wrong})).status_code == 400, wrong
        semantic = {"options": {"evaluations_semantic": "first_wins"}, "evaluations": [{}]}
        assert (await pdp.post(BATCH, semantic)).status_code == 400

        reads = [{"resource": FIRST}, {"action": {"name": "write"}, "resource": SECOND}, {"resource": SECOND}]
        for name, expected in (("deny_on_first_deny", [True, False]), ("permit_on_first_permit", [True])):
            stopped = {**partly, "options": {"evaluations_semantic": name}, "evaluations": reads}
            answer = await pdp.ask(stopped, BATCH)
            assert [one["decision"] for one in answer["evaluations"]] == expected
        failed = {**partly, "options": {"evaluations_semantic": "deny_on_first_deny"}}
        answer = await pdp.ask({**failed, "evaluations": [{}, {"resource": FIRST}]}, BATCH)
        assert [one["decision"] for one in answer["evaluations"]] == [False]
        rows = await pdp.store.reads.all("SELECT allowed, subject_type FROM sb_decision WHERE allowed = 0")
        # The six noes of questions that could be read; what could not be read asked nothing.
        assert [(row["allowed"], row["subject_type"]) for row in rows] == [(0, "user")] * 6

    with_pdp(on_store, tmp_path, FIXTURE, body)


READERS = ask({"type": "user"}, "read", FIRST)


def test_search(on_store: OnStore, tmp_path: Path) -> None:
    """4.2 to 4.7: what is found, pages, nothing found, what is missing."""

    async def body(pdp: Pdp) -> None:
        for asked in (READERS, {**READERS, "context": CONTEXT}, ask(ALICE, "read", FIRST)):
            assert await pdp.found("subject", asked) == ["alice", "bob"]
        # What is said of a subject that is searched for is said of nobody.
        for sought in ({"type": "user"}, {"type": "user", "properties": {"role": "admin"}}):
            assert await pdp.found("subject", ask(sought, "write", ARCHIVED)) == ["bob"]
        for asked in (ask(ALICE, "read", {"type": "record"}), ask(ALICE, "read", SECOND, context=CONTEXT)):
            assert await pdp.found("resource", asked) == ["record-1", "record-2"]
        assert await pdp.found("resource", ask(ADMIN, "write", {"type": "record"})) == ["record-2"]
        asked = {"subject": ALICE, "resource": FIRST}
        assert await pdp.found("action", asked) == ["read", "write"]
        assert await pdp.found("action", {**asked, "context": CONTEXT}) == ["read", "write"]
        assert await pdp.found("action", {"subject": ADMIN, "resource": ARCHIVED}) == ["read", "write"]

        first = await pdp.ask({**READERS, "page": {"limit": 1}}, "/access/v1/search/subject")
        assert [one["id"] for one in first["results"]] == ["alice"]
        assert first["page"]["count"] == 1
        token = first["page"]["next_token"]
        second = await pdp.ask({**READERS, "page": {"token": token}}, "/access/v1/search/subject")
        assert [one["id"] for one in second["results"]] == ["bob"]
        assert await pdp.found("subject", {**READERS, "page": {"limit": 1}}) == ["alice", "bob"]
        none = await pdp.ask({**READERS, "page": {"limit": 0}}, "/access/v1/search/subject")
        assert none["results"] == [] and none["page"]["next_token"]
        for changed in (
            {**READERS, "action": {"name": "write"}, "page": {"token": token}},
            {**READERS, "page": {"token": token, "limit": 2}},
            {**READERS, "page": {"token": "?"}},
            {**READERS, "page": {"token": "W10"}},
            {**READERS, "page": {"limit": -1}},
            {**READERS, "page": []},
        ):
            assert (await pdp.post("/access/v1/search/subject", changed)).status_code == 400, changed

        nobody, spaceship = {"type": "user", "id": "nonexistent-user"}, {"type": "spaceship", "id": "x"}
        for kind, asked in (
            ("action", {"subject": nobody, "resource": FIRST}),
            ("action", {"subject": ALICE, "resource": spaceship}),
            ("resource", ask(nobody, "read", {"type": "record"})),
            ("resource", ask(ALICE, "read", spaceship)),
            ("resource", ask(ALICE, "fly", {"type": "record"})),
            ("subject", ask(spaceship, "read", FIRST)),
            ("subject", ask({"type": "user"}, "read", spaceship)),
        ):
            assert await pdp.found(kind, asked) == [], (kind, asked)
        for kind, asked in (
            ("subject", {"subject": {"type": "user"}, "resource": FIRST}),
            ("resource", {"action": {"name": "read"}, "resource": {"type": "record"}}),
            ("action", {"subject": ALICE}),
            ("subject", ask({"type": "user"}, "read", {"type": "record"})),
            ("resource", ask({"type": "user"}, "read", {"type": "record"})),
            ("action", {"subject": {"type": "user"}, "resource": FIRST}),
        ):
            assert (await pdp.post(f"/access/v1/search/{kind}", asked)).status_code == 400, (kind, asked)

    with_pdp(on_store, tmp_path, FIXTURE, body)


def test_discovery(on_store: OnStore, tmp_path: Path) -> None:
    """6.1 to 6.5: every endpoint of the metadata is https, of the identifier it was asked at, and answers."""

    async def body(pdp: Pdp) -> None:
        answer = await pdp.http.get("/.well-known/authzen-configuration")
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
        told = answer.json()
        assert told.pop("policy_decision_point") == "https://bridge.example"
        assert len(told) == 5
        for url in told.values():
            assert url.startswith("https://bridge.example/access/v1/")
            path = url.removeprefix("https://bridge.example")
            assert (await pdp.post(path, {})).status_code == 400
            assert (await pdp.http.get(path)).status_code == 405

    with_pdp(on_store, tmp_path, FIXTURE, body)
