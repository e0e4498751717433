"""Promises of a file of leavers: checked as a whole, each row once, many people only with a reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scim_bridge.cli.output import EXIT_HELD, EXIT_PENDING
from scim_bridge.cli.run import run
from scim_bridge.kernel.clock import ManualClock, parse_iso
from scim_bridge.kernel.errors import BadFile
from scim_bridge.kernel.work import Store, Work
from scim_bridge.registry.model import ENTERPRISE_URN
from scim_bridge.registry.people import create_person
from scim_bridge.registry.signal import Signal
from scim_bridge.signals import leave_file
from scim_bridge.signals.doors import door
from scim_bridge.signals.leave_file import LeavePlan, carry_out
from scim_bridge.signals.leave_rows import LeaveFile, read_file
from tests.conftest import TESTER

HEADER = b"userName,email,Employee Number,last_day,Time Zone,kind\n"
GOOD = HEADER + (
    b"maria,,,2026-11-27 18:00,Europe/Lisbon,voluntary\n"
    b",ben@corp.test,,2026-11-30,,\n"
    b"\n"
    b",,00123,,,Involuntary\n"
)


class House:
    """A company of twelve people and whom a file tells of."""

    def __init__(self, store: Store, clock: ManualClock, ids: dict[str, str]) -> None:
        self.store, self.clock, self.ids = store, clock, ids
        self.seen: list[Signal] = []
        self.fails_at: int | None = None

    async def react(self, _work: Work, signal: Signal) -> None:
        if self.fails_at == len(self.seen):
            raise RuntimeError("killed here")
        self.seen.append(signal)

    async def plan(self, raw: bytes, **limits: int) -> LeavePlan:
        return await leave_file.plan(self.store.reads, read_file(raw), self.clock.now(), **limits)

    async def told(self, made: LeavePlan, **more: Any) -> int:
        return await carry_out(self.store, TESTER, made, self.react, reason="HR's file", **more)


@pytest.fixture
def in_house(on_store, clock: ManualClock):
    """Run a test in that company."""

    def run_test(test) -> None:
        async def body(store: Store) -> None:
            async def people(work: Work) -> dict[str, str]:
                made = {}
                for place, name in enumerate(("maria", "ben", "ana", *(f"p{n}" for n in range(9)))):
                    doc = {
                        "userName": name,
                        "emails": [{"value": f"{name}@corp.test"}, {"value": f"team{place // 2}@corp.test"}],
                        "timezone": "Asia/Tokyo",
                        ENTERPRISE_URN: {"employeeNumber": "00123" if name == "ana" else f"n{place}"},
                    }
                    made[name] = (await create_person(work, doc, origin="test")).id
                return made

            await test(House(store, clock, await store.transact(TESTER, people)))

        on_store(body)

    return run_test


def test_every_row_is_told_once_with_its_own_day_and_the_same_file_again_does_nothing(in_house) -> None:
    async def test(house: House) -> None:
        made = await house.plan(GOOD, percent=50)
        assert not (made.faults or made.unknown or made.held)
        assert await house.told(made) == 3
        by_person = {signal.person_id: signal for signal in house.seen}
        assert by_person[house.ids["maria"]].effective_at == parse_iso("2026-11-27T18:00:00Z")
        assert by_person[house.ids["ben"]].effective_at == parse_iso("2026-11-30T15:00:00Z"), "in Tokyo"
        assert by_person[house.ids["ana"]].immediate
        again = await house.plan(GOOD)
        assert (again.open, await house.told(again), len(house.seen)) == ([], 0, 3)
        assert [row["then"] for row in leave_file.shown(again.leavers, 0)] == ["told before"] * 3
        state = await door(house.store.reads, "csv")
        assert state is not None and state.events == 3

    in_house(test)


def test_a_file_that_was_stopped_in_the_middle_goes_on_where_it_was(in_house) -> None:
    async def test(house: House) -> None:
        house.fails_at = 1
        with pytest.raises(RuntimeError):
            await house.told(await house.plan(GOOD))
        house.fails_at = None
        made = await house.plan(GOOD)
        assert len(made.open) == 2
        assert await house.told(made) == 2
        assert len({signal.person_id for signal in house.seen}) == len(house.seen) == 3

    in_house(test)


def test_every_fault_is_told_by_its_line_and_who_is_not_certain_is_one(in_house) -> None:
    async def test(house: House) -> None:
        lines = (
            "maria,,,2026-11-27,,",
            "maria,,,2026-11-28,,",
            ",team0@corp.test,,2026-11-27,,",
            "ben,ana@corp.test,,2026-11-27,,",
            "nobody,,,2026-11-27,,",
            "ben,,,soon,,",
            "ben,,,,,voluntary",
            "ben,,,2026-11-27,Mars/Olympus,",
            "ben,,,2026-11-27,,fired",
            ",,,2026-11-27,,",
        )
        made = await house.plan(HEADER + "\n".join(lines).encode())
        assert sorted(fault.line for fault in made.faults) == [3, 4, 5, 7, 8, 9, 10, 11]
        assert [fault.line for fault in made.unknown] == [6]
        assert [one.user_name for one in made.leavers] == ["maria"]

    in_house(test)


def test_many_people_at_once_are_held(in_house) -> None:
    async def test(house: House) -> None:
        names = "".join(f"p{n},,,2026-11-27,,\n" for n in range(3))
        assert "3 of 12" in (await house.plan(HEADER + names.encode())).held
        assert not (await house.plan(HEADER + names.encode(), percent=25)).held
        assert (await house.plan(HEADER + b"p1,,,2026-11-27,,\n", count=0)).held
        made = await house.plan(HEADER + names.encode())
        await house.told(made, release="the office closes")
        row = await house.store.reads.one("SELECT detail FROM sb_audit WHERE action = 'signal.file_taken'")
        assert orjson.loads(row["detail"])["release"] == "the office closes"

    in_house(test)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\n",
        b"name;when\nx;y\n",
        b"userName\nmaria\n",
        b"userName,user name,last_day\n",
        b'userName,last_day\n"maria,2026-11-27\n',
        b"\xff\x00\x81,last_day\n",
        b"userName,last_day\n" + b"\n" * 100_001,
    ],
)
def test_a_file_that_is_no_such_file_is_refused_with_what_to_do(raw: bytes) -> None:
    with pytest.raises(BadFile) as refused:
        read_file(raw)
    assert refused.value.fix


def test_what_spreadsheets_write_is_read() -> None:
    rows = "userName;last_day;notes\nmaria;2026-11-27;=cmd\n"
    for raw in (rows.encode("utf-8-sig"), rows.encode("utf-16"), rows.replace("\n", "\r\n").encode()):
        found = read_file(raw)
        assert [row.user_name for row in found.rows] == ["maria"] and found.unread == ("notes",)
        assert not found.faults


@given(
    st.binary(max_size=300)
    | st.text(max_size=200).map(lambda text: b"userName,last_day,kind\n" + text.encode())
)
def test_any_file_is_read_or_refused(raw: bytes) -> None:
    try:
        assert isinstance(read_file(raw), LeaveFile)
    except BadFile:
        return


def test_the_command_checks_shows_holds_and_tells(
    sqlite_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there = ["--database-url", sqlite_url]
    example = Path(__file__).resolve().parents[2] / "config" / "examples" / "small.yaml"
    assert run(["agents", "import", str(example), *there]) == 0
    file = tmp_path / "leavers.csv"
    known = "email,last_day\nlena.fischer@harborpine.example,2030-01-31\n"
    file.write_text(known + "=cmd|x,2030-01-31\n")
    capsys.readouterr()
    assert run(["departures", "import", str(file), "--output", "csv", *there]) == 1
    assert capsys.readouterr().out.splitlines()[1].startswith("3,")
    assert run(["departures", "import", str(file), "--skip-unknown", "--dry-run", *there]) == EXIT_PENDING
    file.write_text(known)
    held = ["departures", "import", str(file), "--max-count", "0", *there]
    assert run(held) == EXIT_HELD
    assert run([*held, "--release", "she retires"]) == 0
    capsys.readouterr()
    assert run(["departures", "list", "--output", "json", *there]) == 0
    (case,) = orjson.loads(capsys.readouterr().out)
    assert (case["state"], case["person"]) == ("planned", "lena.fischer@harborpine.example")
    assert run(["departures", "import", str(file), "--dry-run", *there]) == 0
    assert run(["departures", "import", str(tmp_path / "none.csv"), *there]) == 1
