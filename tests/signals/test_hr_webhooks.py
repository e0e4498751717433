"""Promises of the HR door: only genuine events act, each once, on the one person certainly meant."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx2
import orjson
import pytest
from starlette.applications import Starlette

from scim_bridge.kernel.clock import DAY, SECOND, ManualClock, parse_iso
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.outbound import Outbound
from scim_bridge.kernel.work import Store, Work
from scim_bridge.registry.people import create_person
from scim_bridge.registry.signal import LEFT, RETURNED, Signal
from scim_bridge.sandbox.hr.employees import Employee, event, leaving, returning
from scim_bridge.sandbox.hr.signing import FLAWS, forged, signed
from scim_bridge.signals.hr import end_of_day, read_notice
from scim_bridge.signals.hr_mappings import GENERIC
from scim_bridge.signals.routes import FORGERIES_A_MINUTE, MAX_BYTES, routes
from tests.conftest import MASTER, TESTER


def secret(seed: str) -> str:
    return "whsec_" + base64.b64encode(seed.ljust(32, ".").encode()).decode()


NEW, OLD = secret("the new secret"), secret("the old secret")
MARIA = Employee("E1", "Maria@corp.test", "Maria", "Costa", time_zone="Europe/Lisbon")


@dataclass
class Door:
    """The HR door of a store, who works there, and the signals it let through."""

    store: Store
    clock: ManualClock
    ids: dict[str, str]
    seen: list[Signal] = field(default_factory=list)

    def __post_init__(self) -> None:
        ctx = Context(self.store, MASTER, Outbound(), "http://bridge.test", Path())
        self.app = Starlette(routes=routes(ctx, {"acme": f"{NEW} {OLD}", "empty": ""}, self.react))

    async def react(self, _work: Work, signal: Signal) -> None:
        self.seen.append(signal)

    async def post(
        self, headers: dict[str, str], body: bytes, name: str = "acme"
    ) -> tuple[int, dict[str, Any]]:
        """What the door answers to a raw call."""
        transport = httpx2.ASGITransport(app=self.app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://bridge.test") as client:
            answer = await client.post(f"/signals/hr/{name}", headers=headers, content=body)
            return answer.status_code, answer.json()

    async def send(self, payload: Any, key: str = "msg_1", by: str = NEW) -> tuple[int, dict[str, Any]]:
        """What the door answers to a genuine event."""
        body = payload if isinstance(payload, bytes) else orjson.dumps(payload)
        return await self.post(signed(by, key, self.clock.now() / SECOND, body), body)

    def leave(self, employee: Employee = MARIA, **body: str) -> dict[str, Any]:
        """The event the sandbox HR system sends when somebody leaves."""
        now = self.clock.now() / SECOND
        return event("employee.leaving", leaving(employee, body, now)[1], now)

    async def audited(self, action: str) -> list[dict[str, Any]]:
        rows = await self.store.reads.all("SELECT * FROM sb_audit WHERE action = ? ORDER BY id", action)
        return [{**dict(row), "detail": orjson.loads(row["detail"])} for row in rows]


@pytest.fixture
def at_door(on_store, clock) -> Callable[[Callable[[Door], Any]], None]:
    """Run a test with the door of a company where Maria, Ben and Ana work."""

    def run(test: Callable[[Door], Any]) -> None:
        async def body(store: Store) -> None:
            async def people(work: Work) -> dict[str, str]:
                made = {}
                for user_name, mails in (
                    ("maria@corp.test", ["maria@corp.test"]),
                    ("ben", ["ben@corp.test", "shared@corp.test"]),
                    ("ana", ["ana@corp.test", "shared@corp.test"]),
                ):
                    doc = {
                        "userName": user_name,
                        "emails": [{"value": mail} for mail in mails],
                        "timezone": "Asia/Tokyo",
                    }
                    made[user_name] = (await create_person(work, doc, origin="test")).id
                return made

            await test(Door(store, clock, await store.transact(TESTER, people)))

        on_store(body)

    return run


@pytest.mark.parametrize("flaw", FLAWS)
def test_a_forged_event_is_refused_and_audited_and_nothing_happens(at_door, flaw) -> None:
    async def test(door: Door) -> None:
        body = orjson.dumps(door.leave())
        headers, sent = forged(flaw, NEW, "msg_1", door.clock.now() / SECOND, body)
        status, problem = await door.post(headers, sent)
        assert status == 401
        assert problem["code"].startswith("webhook-")
        assert not door.seen
        assert await door.store.reads.one("SELECT 1 AS x FROM sb_signal") is None
        (row,) = await door.audited("signal.refused")
        assert (row["outcome"], row["actor_kind"]) == ("refused", "anonymous")
        assert row["detail"]["door"] == "hr:acme"
        assert row["detail"]["code"] == problem["code"]
        assert NEW not in str(row)
        # The genuine one still counts afterwards: a forgery does not use up its id.
        assert (await door.send(door.leave()))[0] == 200

    at_door(test)


def test_an_event_that_says_one_thing_twice_is_refused_and_audited(at_door) -> None:
    async def test(door: Door) -> None:
        plain = orjson.dumps(door.leave())
        day = b'"last_day":"2027-01-31",'
        twice = plain.replace(b'"last_day":', day + b'"last_day":', 1)
        assert twice != plain
        status, problem = await door.send(twice)
        assert (status, problem["code"]) == (400, "json-key-twice")
        status, problem = await door.send(b'{"type":"employee.leaving","type":"employee.returned"}', "msg_2")
        assert (status, problem["code"]) == (400, "json-key-twice")
        assert [row["detail"]["code"] for row in await door.audited("signal.refused")] == [
            "json-key-twice"
        ] * 2
        assert not door.seen
        assert (await door.send(plain, "msg_3"))[0] == 200

    at_door(test)


ODD_HEADERS = {
    "bad base64": {"webhook-signature": "v1,not*base64"},
    "no version": {"webhook-signature": "nonsense"},
    "another version": {"webhook-signature": "v2,AAAA"},
    "many signatures": {"webhook-signature": " ".join(["v1,AAAA"] * 5000)},
    "a time that is no number": {"webhook-timestamp": "yesterday"},
    "a time with a sign": {"webhook-timestamp": "-1"},
    "a huge time": {"webhook-timestamp": "9" * 30},
    "digits of another script": {"webhook-timestamp": "١٧٩٥٠٠٠٠٠٠".encode()},
    "an id with blanks": {"webhook-id": "msg 1"},
    "an endless id": {"webhook-id": "m" * 5000},
    "a signature that is no text": {"webhook-signature": b"v1,\xff\xfe"},
}


def test_odd_headers_are_refused_like_any_forgery(at_door) -> None:
    async def test(door: Door) -> None:
        body = orjson.dumps(door.leave())
        for number, (what, odd) in enumerate(ODD_HEADERS.items(), start=1):
            headers = {**signed(NEW, "msg_1", door.clock.now() / SECOND, body), **odd}
            assert (await door.post(headers, body))[0] == 401, what
            assert len(await door.audited("signal.refused")) == number, what
        assert not door.seen

    at_door(test)


def test_a_flood_of_forgeries_stops_filling_the_audit_and_genuine_events_still_pass(at_door) -> None:
    async def test(door: Door) -> None:
        answers = [(await door.post({}, b"{}"))[0] for _ in range(FORGERIES_A_MINUTE + 20)]
        assert answers == [401] * FORGERIES_A_MINUTE + [429] * 20
        assert len(await door.audited("signal.refused")) == FORGERIES_A_MINUTE
        assert (await door.send(door.leave()))[0] == 200
        door.clock.advance(seconds=61)
        assert (await door.post({}, b"{}"))[0] == 401

    at_door(test)


def test_a_genuine_event_acts_once_however_often_it_is_sent(at_door) -> None:
    async def test(door: Door) -> None:
        leave = door.leave(last_day="2026-11-30")
        assert await door.send(leave) == (200, {"state": "acted", "message": "Taken."})
        door.clock.advance(seconds=1)
        status, answer = await door.send({**leave, "sent": "later"})
        assert (status, answer["state"]) == (200, "seen"), "a second attempt, signed anew"
        assert [row["detail"]["key"] for row in await door.audited("signal.repeated")] == ["msg_1"]
        door.clock.advance(seconds=199)
        body = orjson.dumps(leave)
        replayed = signed(NEW, "msg_1", door.clock.now() / SECOND - 200, body)
        status, answer = await door.post(replayed, body)
        assert (status, answer["code"]) == (409, "webhook-replayed")
        assert [row["detail"]["code"] for row in await door.audited("signal.refused")] == ["webhook-replayed"]
        (signal,) = door.seen
        assert (signal.source, signal.key, signal.kind) == ("hr:acme", "msg_1", LEFT)
        assert signal.person_id == door.ids["maria@corp.test"]
        assert signal.effective_at == parse_iso("2026-12-01T00:00:00Z"), "the end of the day in Lisbon"
        assert not signal.immediate
        door.clock.advance(seconds=101)
        assert (await door.post(replayed, body))[0] == 401, (
            "a replay outside the window is not even looked up"
        )

    at_door(test)


def test_an_id_that_was_used_for_another_event_is_refused_and_audited(at_door) -> None:
    async def test(door: Door) -> None:
        assert (await door.send(door.leave(last_day="2026-11-30")))[0] == 200
        door.clock.advance(seconds=1)
        others = [door.leave(last_day="2026-12-24"), door.leave(Employee("E2", "ben", "Ben", "B"))]
        for other in others:
            status, answer = await door.send(other)
            assert (status, answer["code"]) == (409, "webhook-id-reused")
        assert len(door.seen) == 1
        codes = [row["detail"]["code"] for row in await door.audited("signal.refused")]
        assert codes == ["webhook-id-reused"] * 2
        answers = [(await door.send(others[0]))[0] for _ in range(FORGERIES_A_MINUTE)]
        assert answers == [409] * (FORGERIES_A_MINUTE - 2) + [429] * 2, "replays fill no audit either"

    at_door(test)


def test_both_secrets_count_while_they_rotate(at_door) -> None:
    async def test(door: Door) -> None:
        for key, by in (("msg_1", NEW), ("msg_2", OLD)):
            assert (await door.send(door.leave(), key, by))[0] == 200
        body = orjson.dumps(door.leave())
        now = door.clock.now() / SECOND
        both = signed(secret("another"), "msg_3", now, body)
        both["webhook-signature"] += " " + signed(OLD, "msg_3", now, body)["webhook-signature"]
        assert (await door.post(both, body))[0] == 200
        assert (await door.send(door.leave(), "msg_4", secret("another")))[0] == 401

    at_door(test)


def test_an_involuntary_leave_and_one_in_the_past_take_effect_at_once(at_door) -> None:
    async def test(door: Door) -> None:
        now = door.clock.now()
        await door.send(door.leave(kind="involuntary", last_day="2027-01-31"), "msg_1")
        await door.send(door.leave(last_day="2020-01-31"), "msg_2")
        broken = door.leave(kind="involuntary")
        broken["data"]["last_day"] = "soon"
        await door.send(broken, "msg_3")
        loud = door.leave(last_day="2027-01-31")
        loud["data"]["kind"] = "INVOLUNTARY"
        await door.send(loud, "msg_4")
        assert [signal.effective_at <= now for signal in door.seen] == [True, True, True, True]
        assert [signal.immediate for signal in door.seen] == [True, False, True, True]

    at_door(test)


def test_an_event_that_happened_in_the_future_is_refused_and_overtakes_no_leave(at_door) -> None:
    async def test(door: Door) -> None:
        ahead = door.clock.now() / SECOND + 3600
        status, problem = await door.send(event("employee.returned", returning(MARIA)[1], ahead))
        assert (status, problem["code"]) == (401, "webhook-future")
        (row,) = await door.audited("signal.refused")
        assert row["detail"]["code"] == "webhook-future"
        assert (await door.send(door.leave(), "msg_2"))[0] == 200
        assert [signal.kind for signal in door.seen] == [LEFT]

    at_door(test)


def test_the_time_zone_is_the_events_else_the_persons_else_utc(at_door) -> None:
    async def test(door: Door) -> None:
        for number, (zone, expected) in enumerate(
            {
                "America/New_York": "2026-11-28T05:00:00Z",
                "": "2026-11-27T15:00:00Z",
                "Mars/Olympus": "2026-11-27T15:00:00Z",
                "../../etc/passwd": "2026-11-27T15:00:00Z",
            }.items()
        ):
            payload = door.leave(last_day="2026-11-27")
            payload["data"]["employee"]["time_zone"] = zone
            status, answer = await door.send(payload, f"msg_{number}")
            assert status == 200
            assert door.seen[-1].effective_at == parse_iso(expected), zone
            known = zone in ("", "America/New_York")
            assert ("warnings" in answer) is not known and (known or zone in answer["warnings"][0])
        warned = await door.audited("signal.warned")
        assert [row["detail"]["key"] for row in warned] == ["msg_2", "msg_3"]
        assert "Mars/Olympus" in warned[0]["detail"]["warning"]

    at_door(test)


def test_somebody_unknown_is_kept_and_acted_on_when_the_event_comes_again_after_they_are_known(
    at_door,
) -> None:
    async def test(door: Door) -> None:
        stranger = Employee("E9", "zoe@corp.test", "Zoe", "Z")
        for state in ("unmatched", "seen"):
            door.clock.advance(seconds=1)
            status, answer = await door.send(door.leave(stranger))
            assert answer["state"] == state
        assert not door.seen
        (row,) = await door.audited("signal.unmatched")
        assert row["detail"]["named"] == "zoe@corp.test"
        made = await door.store.transact(
            TESTER, lambda work: create_person(work, {"userName": "zoe@corp.test"}, origin="test")
        )
        door.clock.advance(seconds=1)
        status, answer = await door.send(door.leave(stranger))
        assert (status, answer["state"]) == (200, "acted")
        assert door.seen[0].person_id == made.id

    at_door(test)


def test_an_ambiguous_name_touches_nobody_but_a_user_name_beside_it_decides(at_door) -> None:
    async def test(door: Door) -> None:
        shared = Employee("E2", "shared@corp.test", "Ben", "B")
        status, answer = await door.send(door.leave(shared), "msg_1")
        assert (status, answer["state"]) == (202, "unmatched")
        payload = door.leave(shared)
        payload["data"]["employee"]["user_name"] = "BEN"
        assert (await door.send(payload, "msg_2"))[1]["state"] == "acted"
        assert door.seen[-1].person_id == door.ids["ben"]
        payload["data"]["employee"]["user_name"] = "maria@corp.test"
        assert (await door.send(payload, "msg_3"))[1]["state"] == "unmatched", (
            "the names contradict each other"
        )
        assert len(door.seen) == 1

    at_door(test)


def test_who_stays_after_all_is_a_signal_and_other_news_is_none(at_door) -> None:
    async def test(door: Door) -> None:
        now = door.clock.now() / SECOND
        assert (await door.send(event("employee.returned", returning(MARIA)[1], now)))[0] == 200
        assert (door.seen[0].kind, door.seen[0].effective_at) == (RETURNED, door.clock.now())
        status, answer = await door.send(event("employee.promoted", returning(MARIA)[1], now), "msg_2")
        assert (status, answer["state"]) == (202, "ignored")
        assert answer["acted_on"] == sorted(GENERIC.kinds)
        assert len(door.seen) == 1

    at_door(test)


def bad(**changes: Any) -> Callable[[dict[str, Any]], Any]:
    def change(payload: dict[str, Any]) -> Any:
        for path, value in changes.items():
            here = payload
            *way, last = path.split("__")
            for part in way:
                here = here[part]
            here[last] = value
        return payload

    return change


UNREADABLE = {
    "no JSON": lambda payload: b"{'type': ",
    "no object": lambda payload: [payload],
    "no type": bad(type=None),
    "a type that is no text": bad(type=7),
    "nobody": bad(data__employee={}),
    "employee is a list": bad(data__employee=[1]),
    "a name with a NUL": bad(data__employee__work_email="a\x00@corp.test"),
    "a name with a line break": bad(data__employee__work_email="a@corp.test\nb"),
    "an endless name": bad(data__employee__work_email="a" * 5000),
    "no last day": bad(data__last_day=None),
    "a day that is none": bad(data__last_day="2026-02-30"),
    "a day in words": bad(data__last_day="Friday"),
    "a day out of time": bad(data__last_day="9999-12-31"),
    "a time that is none": bad(timestamp="noon"),
    "lone surrogates": lambda payload: orjson.dumps(payload).replace(b"Maria@", b"\\ud800@"),
    "deep nesting": lambda payload: b"[" * 30_000,
}


def test_a_genuine_event_that_cannot_be_read_is_refused_by_name_and_audited(at_door) -> None:
    async def test(door: Door) -> None:
        for number, (what, broken) in enumerate(UNREADABLE.items(), start=1):
            status, problem = await door.send(broken(door.leave(last_day="2026-11-30")))
            assert status == 400, what
            assert problem["title"] and problem["detail"], what
            rows = await door.audited("signal.refused")
            assert len(rows) == number, what
            assert rows[-1]["actor_name"] == "hr:acme"
        assert not door.seen

    at_door(test)


def test_unknown_doors_bodies_that_are_no_text_and_bodies_too_large_are_refused(at_door) -> None:
    async def test(door: Door) -> None:
        body = orjson.dumps(door.leave())
        headers = signed(NEW, "msg_1", door.clock.now() / SECOND, body)
        for name in ("other", "empty", "%00"):
            assert (await door.post(headers, body, name))[0] == 404
        assert (await door.post(headers, b"x" * (MAX_BYTES + 1)))[0] == 413
        assert (await door.post(headers, b"\xff\xfe"))[0] == 401
        assert (await door.post({}, b""))[0] == 401
        assert not door.seen

    at_door(test)


def test_a_day_ends_at_midnight_where_the_person_works_also_when_clocks_change() -> None:
    for zone, day, expected in (
        ("Europe/Lisbon", date(2026, 10, 24), "2026-10-24T23:00:00Z"),
        ("Europe/Lisbon", date(2026, 10, 25), "2026-10-26T00:00:00Z"),
        ("Pacific/Kiritimati", date(2026, 11, 27), "2026-11-27T10:00:00Z"),
        ("America/Santiago", date(2026, 9, 5), "2026-09-06T04:00:00Z"),
        ("UTC", date(2026, 12, 31), "2027-01-01T00:00:00Z"),
    ):
        assert end_of_day(day, ZoneInfo(zone)) == parse_iso(expected), zone
    assert end_of_day(date(2026, 3, 28), ZoneInfo("Europe/Lisbon")) + DAY - 3_600 * SECOND == end_of_day(
        date(2026, 3, 29), ZoneInfo("Europe/Lisbon")
    )


def test_another_hr_system_is_one_more_row_of_data() -> None:
    workday = replace(
        GENERIC,
        name="workday",
        type=("event.0.kind",),
        leaving=frozenset({"Terminate_Employee"}),
        happened=("event.0.moment",),
        user_name=(),
        emails=("event.0.worker.emails.1", "event.0.worker.emails.0"),
        last_day=("event.0.termination.date",),
        kind=("event.0.termination.category",),
        involuntary=frozenset({"Terminate_Employee_Involuntary"}),
    )
    payload = {
        "event": [
            {
                "kind": "Terminate_Employee",
                "moment": "2026-11-20T09:00:00+01:00",
                "worker": {"emails": ["maria@corp.test", "m.costa@home.test"]},
                "termination": {"date": "2026-11-27T18:00:00Z", "category": "Resignation"},
            }
        ]
    }
    notice = read_notice(workday, payload, 0)
    assert notice is not None
    assert notice.names == ("m.costa@home.test", "maria@corp.test")
    assert notice.last_day == parse_iso("2026-11-27T18:00:00Z")
    assert notice.happened == parse_iso("2026-11-20T08:00:00Z")
    assert not notice.involuntary
