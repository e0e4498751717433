"""Promises about taking activity: each event once, nothing acknowledged that is not kept, a no that says why."""

from __future__ import annotations

import asyncio
import gzip
from typing import Any

import orjson
import pytest

from scim_bridge.kernel.clock import DAY, HOUR, iso
from scim_bridge.kernel.errors import StoreUnavailable
from scim_bridge.registry.tokens import create_token
from scim_bridge.settings.watch import ActivitySettings
from scim_bridge.watch.activity_model import family
from scim_bridge.watch.watcher import forget_old
from tests.conftest import MASTER, TESTER, run_with_store
from tests.watch.activity import Sender, with_sender

LINES = "application/x-ndjson"
CLOUD = "application/cloudevents+json"


async def rows(sender: Sender, table: str) -> list[dict[str, Any]]:
    return [dict(row) for row in await sender.store.reads.all(f"SELECT * FROM {table} ORDER BY 1, 2")]


def test_each_event_is_kept_and_counted_once_however_often_it_comes(on_store, clock) -> None:
    async def body(sender: Sender) -> None:
        events = [
            sender.event(resource="tickets/4711", outcome="denied", region="eu", cost=12),
            sender.event(agent=sender.agents["triage"], resource="tickets/4712", tool="search"),
            sender.event(agent="refunds@agents.test", outcome="error"),
        ]
        first = await sender.sent(*events, events[0])
        assert (first["accepted"], first["duplicates"], first["rejected"]) == (3, 1, 0)
        again = await sender.sent(*events)
        assert (again["accepted"], again["duplicates"]) == (0, 3)
        elsewhere = await sender.post({"source": "another", "events": events[:1]})
        assert elsewhere.json()["accepted"] == 1, "an id is unique within its source only"

        kept = await rows(sender, "sb_activity")
        both = {sender.agents["triage"], sender.agents["refunds"]}
        assert len(kept) == 4 and {row["agent_id"] for row in kept} == both
        hours = {row["agent_id"]: row for row in await rows(sender, "sb_activity_hour")}
        triage = hours[sender.agents["triage"]]
        assert (triage["events"], triage["denied"], triage["errors"], triage["cost"]) == (3, 2, 0, 24)
        assert hours[sender.agents["refunds"]]["errors"] == 1
        parts = {
            (row["part"], row["value"]): row["events"]
            for row in await rows(sender, "sb_activity_part")
            if row["agent_id"] == sender.agents["triage"]
        }
        assert parts == {
            ("action", "read"): 3,
            ("resource", "tickets/*"): 3,
            ("tool", "search"): 1,
            ("origin", "eu"): 2,
        }

    with_sender(on_store, clock, body)


def test_callers_at_the_same_time_get_each_event_accepted_exactly_once(on_store, clock) -> None:
    async def body(sender: Sender) -> None:
        batches = [[sender.event(agent=agent) for agent in ("triage", "refunds")] for _ in range(6)]
        sent = [sender.sent(*batch) for batch in batches for _ in range(3)]
        answers = await asyncio.gather(*sent)
        assert sum(answer["accepted"] for answer in answers) == 12
        assert sum(answer["duplicates"] for answer in answers) == 24
        assert sum(row["events"] for row in await rows(sender, "sb_activity_hour")) == 12

    with_sender(on_store, clock, body)


def test_what_is_wrong_with_an_event_is_said_and_the_others_are_taken(sqlite_url, clock) -> None:
    async def body(sender: Sender) -> None:
        now = clock.now()
        wrong: list[tuple[Any, str]] = [
            (sender.event(agent="nobody"), "agent-unknown"),
            (sender.event(id=""), "id-missing"),
            (sender.event(id={"a": 1}), "id-invalid"),
            (sender.event(agent=None), "agent-missing"),
            (sender.event(action=None), "action-missing"),
            (sender.event(time="yesterday"), "time-invalid"),
            (sender.event(time=iso(now + HOUR)), "time-ahead"),
            (sender.event(time=iso(now - 40 * DAY)), "time-old"),
            (sender.event(outcome="maybe"), "outcome-invalid"),
            (sender.event(outcome=["ok"]), "outcome-invalid"),
            (sender.event(kind="poem"), "kind-invalid"),
            (sender.event(kind=[]), "kind-invalid"),
            (sender.event(cost=-1), "cost-invalid"),
            (sender.event(cost=True), "cost-invalid"),
            (sender.event(action="x" * 300), "action-too-long"),
            (sender.event(resource="a\nb"), "resource-invalid"),
            (sender.event(resource="\x00"), "resource-invalid"),
            ("poem", "event-object"),
            (None, "event-object"),
        ]
        answer = await sender.sent(sender.event(), *(event for event, _ in wrong))
        assert answer["accepted"] == 1 and answer["rejected"] == len(wrong)
        assert [error["code"] for error in answer["errors"]] == [code for _, code in wrong]
        assert [error["index"] for error in answer["errors"]] == list(range(1, len(wrong) + 1))
        nothing = await sender.post({"source": "test", "events": [sender.event(agent="nobody")]})
        assert nothing.status_code == 422 and nothing.json()["rejected"] == 1

    with_sender(lambda run: run_with_store(sqlite_url, clock, run), clock, body)


def test_a_body_that_is_none_is_refused_for_a_reason(sqlite_url, clock) -> None:
    cases: list[tuple[bytes, dict[str, str], int, str]] = [
        (b"{", {}, 400, "json-invalid"),
        (b"\xff\xfe", {}, 400, "json-invalid"),
        (b'{"events": 5}', {}, 400, "events-list"),
        (b'{"source": 5, "events": []}', {}, 400, "source-invalid"),
        (b"5", {"content_type": "text/plain"}, 415, "media-type"),
        (b"{}", {"content_type": "application/cloudevents-batch+json"}, 400, "events-list"),
        (b"no gzip", {"content_encoding": "gzip"}, 400, "gzip-invalid"),
        (gzip.compress(b"[]")[:-4], {"content_encoding": "gzip"}, 400, "gzip-invalid"),
        (gzip.compress(b" " * 9_000_000), {"content_encoding": "gzip"}, 413, "body-too-large"),
        (b"[]", {"content_encoding": "br"}, 415, "content-encoding"),
        (b"[]", {"content_encoding": "gzip, gzip"}, 415, "content-encoding"),
        (orjson.dumps([0] * 10_001), {}, 400, "too-many-events"),
        (b"\n" * 20_001, {"content_type": LINES}, 400, "too-many-events"),
        (
            gzip.compress(b"[" + b"{}," * 800_000 + b"{}]"),
            {"content_encoding": "gzip"},
            400,
            "too-many-values",
        ),
        (b"[]", {"authorization": "Bearer sbr_no"}, 401, "token-invalid"),
    ]

    async def main(sender: Sender) -> None:
        for body, headers, status, code in cases:
            answer = await sender.post(body, **headers)
            assert (answer.status_code, answer.json().get("code")) == (status, code), answer.text

    with_sender(lambda run: run_with_store(sqlite_url, clock, run), clock, main)


def test_lines_and_packed_bodies_are_read_and_a_bad_line_costs_only_itself(sqlite_url, clock) -> None:
    async def body(sender: Sender) -> None:
        lines = [orjson.dumps(sender.event(source="lines")), b"{no json", orjson.dumps(sender.event())]
        answer = await sender.post(b"\n".join(lines) + b"\n", content_type=LINES)
        assert answer.json()["accepted"] == 1
        assert [error["code"] for error in answer.json()["errors"]] == ["event-object", "source-missing"]
        packed = gzip.compress(orjson.dumps([sender.event()]))
        answer = await sender.post(packed, "/activity?source=lines", content_encoding="gzip")
        assert answer.json()["accepted"] == 1
        # Shippers put packed parts behind each other: none of them may be passed over.
        parts = [gzip.compress(orjson.dumps(sender.event(source="lines")) + b"\n") for _ in range(3)]
        answer = await sender.post(b"".join(parts), content_type=LINES, content_encoding="gzip")
        assert answer.json()["accepted"] == 3
        for tail in (b"x", parts[0][:-4], gzip.compress(b"") * 1_000):
            answer = await sender.post(parts[0] + tail, content_type=LINES, content_encoding="gzip")
            assert answer.json()["code"] == "gzip-invalid"

    with_sender(lambda run: run_with_store(sqlite_url, clock, run), clock, body)


def test_cloud_events_come_in_all_three_modes(sqlite_url, clock) -> None:
    def cloud(**more: Any) -> dict[str, Any]:
        told = {"specversion": "1.0", "id": "1", "source": "/crm", "type": "crm.contact.read"}
        return {**told, "agent": "triage", **more}

    async def body(sender: Sender) -> None:
        one = await sender.post(cloud(subject="contacts/77", time=iso(clock.now())), content_type=CLOUD)
        assert one.json()["accepted"] == 1
        batch = [
            cloud(),
            cloud(id="2", data={"agent": "refunds", "outcome": "denied", "id": "other"}),
            cloud(id="3", specversion="0.3"),
            cloud(id="4", data="text"),
            cloud(id=""),
        ]
        many = await sender.post(batch, content_type="application/cloudevents-batch+json")
        told = many.json()
        assert (told["accepted"], told["duplicates"], told["rejected"]) == (1, 1, 3)
        assert [error["code"] for error in told["errors"]] == ["specversion", "data-object", "id-missing"]
        binary = await sender.post(
            {"resource": "contacts/78", "tool": "search"},
            ce_specversion="1.0",
            ce_id="5",
            ce_source="/crm%20eu",
            ce_type="crm.contact.read",
            ce_agent="triage",
        )
        assert binary.json()["accepted"] == 1, binary.text
        kept = {row["event_id"]: row for row in await rows(sender, "sb_activity")}
        assert kept["1"]["action"] == "crm.contact.read" and kept["1"]["resource"] == "contacts/77"
        assert kept["2"]["outcome"] == "denied" and kept["2"]["agent_id"] == sender.agents["refunds"]
        assert kept["5"]["source"] == "/crm eu" and kept["5"]["tool"] == "search"
        asked = await sender.http.options("/activity", headers={"webhook-request-origin": "crm.test"})
        assert asked.headers["webhook-allowed-origin"] == "crm.test"

    with_sender(lambda run: run_with_store(sqlite_url, clock, run), clock, body)


def record(clock: Any, **attributes: Any) -> dict[str, Any]:
    return {
        "timeUnixNano": str(clock.now() * 1000),
        "severityNumber": 9,
        "attributes": [{"key": key.replace("__", "."), "value": value} for key, value in attributes.items()],
    }


def test_opentelemetry_logs_are_read_by_the_conventions_for_generative_ai(sqlite_url, clock) -> None:
    async def body(sender: Sender) -> None:
        tool = record(
            clock,
            gen_ai__operation__name={"stringValue": "execute_tool"},
            gen_ai__tool__name={"stringValue": "search"},
            gen_ai__agent__id={"stringValue": sender.agents["triage"]},
            gen_ai__usage__input_tokens={"intValue": "120"},
            gen_ai__usage__output_tokens={"intValue": 30},
            http__response__status_code={"intValue": "403"},
        )
        chat = record(
            clock, gen_ai__operation__name={"stringValue": "chat"}, error__type={"stringValue": "timeout"}
        )
        chat["attributes"].append({"key": "gen_ai.request.model", "value": {"stringValue": "gpt-5"}})
        nameless = {"timeUnixNano": str(clock.now() * 1000), "body": {"stringValue": "hello"}}
        around = [
            {"key": "service.name", "value": {"stringValue": "refunds"}},
            {"key": "cloud.region", "value": {"stringValue": "eu-west-1"}},
        ]

        def export(*records: Any) -> dict[str, Any]:
            scopes = [{"logRecords": list(records)}]
            return {"resourceLogs": [{"resource": {"attributes": around}, "scopeLogs": scopes}]}

        mixed = export(tool, chat, nameless, 5)
        answer = await sender.post(mixed, "/v1/logs")
        assert answer.status_code == 200
        partial = answer.json()["partialSuccess"]
        assert partial["rejectedLogRecords"] == "2" and "action-missing" in partial["errorMessage"]
        assert (await sender.post(mixed, "/v1/logs")).status_code == 200, "the same again is no harm"
        kept = {row["agent_id"]: row for row in await rows(sender, "sb_activity")}
        assert len(await rows(sender, "sb_activity")) == len(kept) == 2
        used = kept[sender.agents["triage"]]
        assert (used["action"], used["tool"], used["kind"]) == ("execute_tool", "search", "tool")
        assert (used["outcome"], used["cost"], used["origin"]) == ("denied", 150, "eu-west-1")
        said = kept[sender.agents["refunds"]]
        assert (said["action"], said["kind"], said["resource"]) == ("chat", "model", "gpt-5")
        assert said["outcome"] == "error"
        assert (await sender.post(export(chat), "/v1/logs")).json() == {}
        empty = orjson.dumps({"resourceLogs": [{}] * 60_001})
        answer = await sender.post(empty, "/v1/logs")
        assert (answer.status_code, answer.json()["code"]) == (400, "otlp-logs")
        wide = export({**chat, "attributes": chat["attributes"] * 200})
        partial = (await sender.post(wide, "/v1/logs")).json()["partialSuccess"]
        assert partial["rejectedLogRecords"] == "1" and "512 attributes" in partial["errorMessage"]
        deep = orjson.dumps(export({**chat, "body": "@"})).replace(b'"@"', b"[" * 1010 + b"]" * 1010)
        answer = await sender.post(deep, "/v1/logs")
        assert answer.status_code == 200 and "nested" in answer.json()["partialSuccess"]["errorMessage"]
        for bad in ({"resourceLogs": 5}, {"resourceLogs": [{"scopeLogs": 5}]}, [1], {"resourceLogs": [5]}):
            assert (await sender.post(bad, "/v1/logs")).status_code == 400

    with_sender(lambda run: run_with_store(sqlite_url, clock, run), clock, body)


def test_a_token_for_something_else_sends_nothing(sqlite_url, clock) -> None:
    async def main(sender: Sender) -> None:
        for scope, status in (("access", 403), ("admin", 200)):
            sender.token = await sender.store.transact(
                TESTER,
                lambda work, one=scope: create_token(work, MASTER, connection_id=None, scopes=(one,)),
            )
            for path in ("/activity", "/v1/logs"):
                body = {"source": "s", "events": []} if path == "/activity" else {}
                assert (await sender.post(body, path)).status_code == status

    with_sender(lambda run: run_with_store(sqlite_url, clock, run), clock, main)


def test_who_comes_too_fast_is_told_when_to_come_again_and_loses_nothing(
    on_store, clock, monkeypatch
) -> None:
    async def body(sender: Sender) -> None:
        batches = [[sender.event() for _ in range(8)] for _ in range(6)]
        gate, write = asyncio.Event(), sender.intake._write

        async def slow(*arguments: Any) -> None:
            await gate.wait()
            await write(*arguments)

        monkeypatch.setattr(sender.intake, "_write", slow)
        sent = [asyncio.ensure_future(sender.post({"source": "s", "events": batch})) for batch in batches]
        first, _ = await asyncio.wait(sent, return_when=asyncio.FIRST_COMPLETED)
        assert {one.result().status_code for one in first} == {429}, "nobody hears yes before the commit"
        gate.set()
        answers = await asyncio.gather(*sent)
        refused = [answer for answer in answers if answer.status_code == 429]
        taken = [answer for answer in answers if answer.status_code == 200]
        assert refused and taken and len(refused) + len(taken) == 6
        assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
        kept = len(await rows(sender, "sb_activity"))
        assert kept == sum(answer.json()["accepted"] for answer in taken) == 8 * len(taken)
        later = [await sender.post({"source": "s", "events": batch}) for batch in batches]
        assert sum(answer.json()["accepted"] for answer in later) == 8 * len(refused)

    with_sender(on_store, clock, body, most=20)


def test_nothing_is_acknowledged_while_the_database_is_away(sqlite_url, clock, monkeypatch) -> None:
    async def main(sender: Sender) -> None:
        events = {"source": "s", "events": [sender.event() for _ in range(3)]}
        assert (await sender.post({"source": "s", "events": []})).status_code == 200

        async def away(*_: Any, **__: Any) -> None:
            raise StoreUnavailable

        with monkeypatch.context() as patched:
            patched.setattr(sender.store.database, "transact", away)
            answer = await sender.post(events)
            assert answer.status_code == 503 and answer.headers["retry-after"]
        assert not await rows(sender, "sb_activity")
        assert (await sender.post(events)).json()["accepted"] == 3

    with_sender(lambda run: run_with_store(sqlite_url, clock, run), clock, main)


def test_old_events_go_and_their_sums_stay_longer(on_store, clock) -> None:
    async def body(sender: Sender) -> None:
        settings = ActivitySettings(keep_days=10, sums_days=20)
        await sender.sent(sender.event())
        clock.advance(days=11)
        await sender.sent(sender.event())
        assert await forget_old(sender.ctx, settings) == 1
        assert [row["event_id"] for row in await rows(sender, "sb_activity")] == ["e2"]
        assert len(await rows(sender, "sb_activity_hour")) == 2
        clock.advance(days=11)
        await forget_old(sender.ctx, settings)
        assert not await rows(sender, "sb_activity")
        assert len(await rows(sender, "sb_activity_hour")) == 1

    with_sender(on_store, clock, body)


@pytest.mark.parametrize(
    ("resource", "kind"),
    [
        ("tickets/4711", "tickets/*"),
        (
            "https://crm.test/contacts/01a22cf9-0000-7000-8000-000000000000?v=2",
            "https://crm.test/contacts/*?v=*",
        ),
        ("repository/storefront", "repository/storefront"),
        ("gpt-5", "gpt-5"),
        ("invoice-20260131", "*"),
        ("", ""),
    ],
)
def test_what_looks_like_an_id_does_not_make_a_resource_new(resource: str, kind: str) -> None:
    assert family(resource) == kind
