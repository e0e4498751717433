"""Promises of what HR's genuine events mean: from when, where the person works, on the one person certainly meant."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from zoneinfo import ZoneInfo

from scim_bridge.kernel.clock import DAY, SECOND, parse_iso
from scim_bridge.registry.people import create_person
from scim_bridge.registry.signal import LEFT, RETURNED
from scim_bridge.sandbox.hr.employees import Employee, event, returning
from scim_bridge.signals.hr import end_of_day, read_notice
from scim_bridge.signals.hr_mappings import GENERIC
from tests.conftest import TESTER
from tests.signals.hr_door import MARIA, Door


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
