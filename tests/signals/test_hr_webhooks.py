"""Promises of the HR door: only genuine events act, each once, and what is refused is audited."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from scim_bridge.kernel.clock import SECOND, parse_iso
from scim_bridge.registry.signal import LEFT
from scim_bridge.sandbox.hr.employees import Employee
from scim_bridge.sandbox.hr.signing import FLAWS, forged, signed
from scim_bridge.signals.routes import FORGERIES_A_MINUTE, MAX_BYTES
from tests.signals.hr_door import NEW, OLD, Door, secret


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
