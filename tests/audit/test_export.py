"""Promises about exports: what was taken out, moved or changed is found and named, and no form can be abused."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scim_bridge.audit import ocsf, signatures
from scim_bridge.audit.anchors import newest_checkpoint
from scim_bridge.audit.export import chain_lines, export_lines
from scim_bridge.audit.forms import cef_line, csv_head, csv_line, framed, harmless, json_line, syslog_line
from scim_bridge.audit.model import CHECKPOINT_TYPE, Verdict
from scim_bridge.audit.record import record
from scim_bridge.audit.seal import seal
from scim_bridge.audit.verify import read_anchors, verify_database, verify_export
from scim_bridge.kernel.appended import append
from scim_bridge.kernel.crypto import signing_key
from scim_bridge.kernel.errors import BadFile
from scim_bridge.kernel.work import Store, Work
from tests.conftest import MASTER, TESTER, run_with_store

Lines = list[bytes]


async def sealed(store: Store, count: int) -> None:
    """So many more rows, in one checkpoint of their own."""

    async def body(work: Work) -> None:
        for number in range(count):
            await record(work, "agent.held", "agent", f"agent-{number}", {"reason": f"reason {number}"})

    await store.transact(TESTER, body)
    await seal(store, MASTER)


@pytest.fixture
def exported(sqlite_url, clock) -> Lines:
    """Nine rows in three checkpoints: lines 2 to 4 and 6 to 8 and 10 to 12, each three with its checkpoint."""

    async def body(store: Store) -> Lines:
        for _ in range(3):
            await sealed(store, 3)
        return await export_lines(store, MASTER)

    return run_with_store(sqlite_url, clock, body)


def trusted(lines: Lines) -> dict[str, dict[str, object]]:
    return dict(orjson.loads(lines[0])["keys"])


def told(verdict: Verdict) -> list[str]:
    return [f"{one.seq}: {one.message}" for one in verdict.findings]


def test_each_checkpoint_follows_its_rows_so_that_nothing_has_to_be_kept(exported: Lines) -> None:
    kinds = [orjson.loads(line)["type"] for line in exported]
    assert kinds == ["keys", "head", *(["row"] * 3 + ["checkpoint"]) * 3]
    assert verify_export(exported, trusted(exported)).ok


BREAKS: dict[str, tuple[Callable[[Lines], Lines], str]] = {
    "cut at a checkpoint": (lambda e: e[:10], "7: rows 7 to 9 are cut off: the export held 9"),
    "cut inside": (lambda e: e[:8], "6: rows 6 to 9 are cut off: the export held 9"),
    "a row taken out": (lambda e: [*e[:6], *e[7:]], "4: rows 4 to 4 are missing"),
    "rows taken out with their checkpoint": (lambda e: [*e[:6], *e[10:]], "4: rows 4 to 6 are missing"),
    "the first rows taken out": (lambda e: [*e[:2], *e[6:]], "1: rows 1 to 3 are missing"),
    "a checkpoint taken out": (lambda e: [*e[:9], *e[10:]], "4: no checkpoint covers row 4"),
    "two rows exchanged": (
        lambda e: [*e[:6], e[7], e[6], *e[8:]],
        "4: stands behind row 5: the order was changed",
    ),
    "a row twice": (lambda e: [*e[:7], e[6], *e[7:]], "4: comes again behind row 4"),
    "a row edited": (
        lambda e: [*e[:7], e[7].replace(b"reason 1", b"reason 8"), *e[8:]],
        "5: its content is not what was sealed",
    ),
    "the head taken out": (lambda e: [e[0], *e[2:]], "None: nothing signed says how far"),
    "the head taken out and cut": (lambda e: [e[0], *e[2:6]], "None: nothing signed says how far"),
    "the head edited": (
        lambda e: [e[0], e[1].replace(b'"last_seq":9', b'"last_seq":6'), *e[2:10]],
        "None: the head of the export does not say what it signed",
    ),
}


@pytest.mark.parametrize("name", BREAKS)
def test_what_was_done_to_an_export_is_found_and_named(exported: Lines, name: str) -> None:
    broken, expected = BREAKS[name][0](exported), BREAKS[name][1]
    found = told(verify_export(broken, trusted(exported)))
    assert any(one.startswith(expected) for one in found), found


def test_a_checkpoint_kept_outside_finds_what_the_export_alone_cannot_show(sqlite_url, clock) -> None:
    async def body(store: Store) -> None:
        await sealed(store, 3)
        early = await export_lines(store, MASTER)
        await sealed(store, 3)
        newest = await newest_checkpoint(store.reads)
        assert newest is not None
        anchors = read_anchors([orjson.dumps(newest), b"\n", newest["statement"].encode()])
        late = await export_lines(store, MASTER)
        keys = trusted(late)
        # An older export is genuine; only somebody who remembers that there was more can tell.
        assert verify_export(early, keys).ok
        assert "6: a checkpoint anchored outside vouches for rows up to 6, but the chain ends at 3" in told(
            verify_export(early, keys, anchors)
        )
        assert verify_export(late, keys, anchors).anchors == 2 and verify_export(late, keys, anchors).ok
        assert verify_export([late[0], *late[2:]], keys, anchors).ok
        assert (await verify_database(store.database, anchors)).ok
        assert not verify_export(late, {}, anchors).ok

    run_with_store(sqlite_url, clock, body)


def test_a_chain_rewritten_by_whoever_holds_the_keys_is_told_by_an_anchor(
    sqlite_url, clock, tmp_path
) -> None:
    async def kept(store: Store) -> list[str]:
        await sealed(store, 3)
        newest = await newest_checkpoint(store.reads)
        assert newest is not None
        return [newest["statement"]]

    async def rewritten(store: Store) -> Lines:
        await sealed(store, 4)
        return await export_lines(store, MASTER)

    anchors = run_with_store(sqlite_url, clock, kept)
    # The same keys over other rows: as if the database had been put back and lived through again.
    other = tmp_path / "other.db"
    other.write_bytes(Path(sqlite_url.removeprefix("sqlite:///")).read_bytes())

    async def emptied(store: Store) -> Lines:
        async def gone(work: Work) -> None:
            work.bookkeeping("test")
            await work.tx.run("DELETE FROM sb_audit")
            await work.tx.run("DELETE FROM sb_checkpoint")

        await store.transact(TESTER, gone)
        return await rewritten(store)

    lines = run_with_store(f"sqlite:///{other}", clock, emptied)
    assert verify_export(lines, trusted(lines)).ok
    assert "3: the chain up to row 3 is not the one that was anchored outside" in told(
        verify_export(lines, trusted(lines), anchors)
    )
    # Who can add to the file of anchors, too, hides nothing: the genuine one still stands there.
    late = orjson.loads(next(line for line in lines if b'"checkpoint"' in line))["statement"]
    for both in ([*anchors, late], [late, *anchors]):
        assert not verify_export(lines, trusted(lines), both).ok


def test_signatures_checked_by_other_processes_are_judged_as_by_the_walk_itself(
    exported: Lines, monkeypatch
) -> None:
    forged = [
        line.replace(b'"statement":"ey', b'"statement":"ez') if n == 9 else line
        for n, line in enumerate(exported)
    ]
    here = [verify_export(lines, trusted(lines)) for lines in (exported, forged)]
    monkeypatch.setattr(signatures, "FEW", 1)
    monkeypatch.setattr(signatures, "CHUNK", 5)
    elsewhere = [verify_export(lines, trusted(lines)) for lines in (exported, forged)]
    assert (
        elsewhere == here and here[0].ok and "6: checkpoint: The signature does not verify." in told(here[1])
    )


def test_many_processes_judge_the_living_database_as_one_does(sqlite_url, clock, monkeypatch) -> None:
    monkeypatch.setattr(signatures, "FEW", 1)

    async def body(store: Store) -> None:
        for _ in range(3):
            await sealed(store, 3)

        async def forge(work: Work) -> None:
            work.bookkeeping("somebody else did it")
            await work.tx.run(
                "UPDATE sb_checkpoint SET statement = REPLACE(statement, '.ey', '.ez') WHERE last_seq = 6"
            )

        for change in (None, forge):
            if change is not None:
                await store.transact(TESTER, change)
            alone = await verify_database(store.database)
            assert await verify_database(store.database, processes=True) == alone
            assert alone.ok is (change is None) and alone.checkpoints == 3
        assert "6: checkpoint: The signature does not verify." in told(alone)

    run_with_store(sqlite_url, clock, body)


@pytest.mark.parametrize("line", [1, 5])
def test_a_statement_that_is_no_text_is_no_line_of_ours(exported: Lines, line: int) -> None:
    odd = orjson.dumps({**orjson.loads(exported[line]), "statement": 5})
    with pytest.raises(BadFile, match=f"Line {line + 1} "):
        verify_export([*exported[:line], odd, *exported[line + 1 :]], trusted(exported))


def test_anchors_that_contradict_each_other_vouch_for_nothing(sqlite_url, clock) -> None:
    async def body(store: Store) -> None:
        await sealed(store, 2)
        lines = await export_lines(store, MASTER)
        newest = await newest_checkpoint(store.reads)
        assert newest is not None

        async def forged(work: Work) -> str:
            work.bookkeeping("test")
            key = await signing_key(work, MASTER, "audit")
            said = {"first_seq": 1, "last_seq": 2, "last_hash": "0" * 64, "root": "0" * 64, "at": 1}
            return key.sign(said, CHECKPOINT_TYPE)

        other = await store.transact(TESTER, forged)
        for both in ([newest["statement"], other], [other, newest["statement"]]):
            found = told(verify_export(lines, trusted(lines), both))
            assert "2: anchored checkpoints contradict each other about the chain up to row 2" in found

    run_with_store(sqlite_url, clock, body)


def test_a_line_that_was_cut_off_spoils_no_other(tmp_path, monkeypatch) -> None:
    file = tmp_path / "lines"
    append(file, b"one\n")
    with file.open("ab") as out:
        out.write(b"a crash cut th")
    append(file, b"two\n")
    assert file.read_bytes() == b"one\na crash cut th\ntwo\n"

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError):
        append(file, b"three\n")
    assert file.read_bytes().endswith(b"\ntwo\n")


@pytest.mark.parametrize("content", [b"", b"\n\n", b"{}", b'{"statement"', b"\xff"])
def test_a_file_that_holds_no_anchored_checkpoint_is_refused(content: bytes) -> None:
    with pytest.raises(BadFile):
        read_anchors(content.splitlines())


def test_an_export_reads_the_chain_page_by_page_on_both_back_ends(on_store, monkeypatch) -> None:
    monkeypatch.setattr("scim_bridge.audit.export.PAGE", 2)

    async def body(store: Store) -> None:
        for count in (1, 4, 2):
            await sealed(store, count)
        lines = [line async for line in chain_lines(store, MASTER)]
        verdict = verify_export(lines, trusted(lines))
        assert verdict.ok and verdict.rows == 7 and verdict.checkpoints == 3
        assert (await verify_database(store.database)).rows == 7

    on_store(body)


ROW = {
    **dict.fromkeys(("id", "actor_id", "subject_kind", "outcome", "prev", "hash"), "x"),
    "at": 1_795_000_000_123_456,
    "actor_kind": "cli",
    "actor_name": "ann",
    "connection_id": None,
    "action": "agent.held",
    "subject_id": "a1",
    "detail": '{"reason":"r"}',
    "request_id": "",
    "address": None,
    "seq": 7,
    "outcome": "success",
    "subject_kind": "agent",
}
WILD = st.text(alphabet=st.sampled_from("=+-@|\\\n\r\t ,\";'＝\u202eé\x00\x1b]<a1"), max_size=12)


@given(WILD, WILD)
@settings(max_examples=150)
def test_no_text_of_a_row_gets_out_of_its_place(name: str, reason: str) -> None:
    row = {**ROW, "actor_name": name, "detail": orjson.dumps({"reason": reason}).decode()}
    (cells,) = csv.reader(io.StringIO(csv_line(row).decode()))
    assert len(cells) == len(csv_head().split(b","))
    assert not any(cell.lstrip().startswith(("=", "+", "-", "@", "＝", "\t")) for cell in cells)
    for line in (cef_line(row), syslog_line(row), json_line(row), ocsf.line(row)):
        assert b"\n" not in line and b"\r" not in line and b"\x00" not in line and b"\x1b" not in line
    head, _, extension = cef_line({**row, "action": "a|b"}).decode().partition("|3|")
    assert head.startswith("CEF:0|scim-bridge|scim-bridge|") and head.count("|") - head.count("\\|") == 5
    assert "rt=1795000000123" in extension


def test_cells_that_begin_a_formula_are_text() -> None:
    for cell in ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", " =1", "＝1", "\ufeff=1", "%0A=1"):
        assert harmless(cell).startswith("'"), cell
    assert harmless("ann") == "ann" and harmless(None) == ""


def test_syslog_has_the_form_of_rfc_5424_and_counts_octets() -> None:
    message = syslog_line(ROW)
    head, _, rest = message.decode().partition(" [origin")
    pri, stamp, _host, app, procid, msgid = head.split(" ")
    assert (pri, stamp) == ("<108>1", "2026-11-18T11:06:40.123456Z")
    assert (app, procid, msgid) == ("scim-bridge", "-", "agent.held")
    assert rest.startswith(' software="scim-bridge"') and '[meta sequenceId="7"] CEF:0|' in rest
    wide = syslog_line({**ROW, "actor_name": "Å"})
    assert framed(wide) == str(len(wide)).encode() + b" " + wide


REQUIRED = {"activity_id", "category_uid", "class_uid", "type_uid", "severity_id", "time", "metadata"}
# What each class of OCSF 1.8.0 requires beside that.
OBJECTS = {3001: "user", 3002: "user", 3003: "user", 3004: "entity", 3006: "group"}
ACTIONS = [
    "agent.held",
    "agent.hold_released",
    "agent.created",
    "agent.deleted",
    "person.created",
    "person.updated",
    "group.members_added",
    "group.members_removed",
    "oauth.token_issued",
    "console.signed_in",
    "effect.dead",
    "attestation.lapsed",
    "something.nobody_wrote_down",
]


@pytest.mark.parametrize("action", ACTIONS)
def test_every_action_is_an_ocsf_event_with_what_its_class_requires(action: str) -> None:
    event = ocsf.event({**ROW, "action": action, "address": "192.0.2.1"})
    assert event.keys() >= REQUIRED and OBJECTS[event["class_uid"]] in event
    assert event["type_uid"] == event["class_uid"] * 100 + event["activity_id"]
    assert event["category_uid"] == event["class_uid"] // 1000
    assert event["metadata"]["version"] == "1.8.0" and event["metadata"]["sequence"] == 7
    assert event["time"] == 1_795_000_000_123
    assert event["activity_id"] in ocsf.ACTIVITIES[event["class_uid"]] or event["activity_id"] == 99


def test_what_stops_an_agent_is_a_suspension_and_what_lets_it_go_a_resumption() -> None:
    held, released = (ocsf.event({**ROW, "action": a}) for a in ("agent.held", "agent.hold_released"))
    assert (held["type_uid"], released["type_uid"]) == (300412, 300413)
    assert held["entity"] == {"uid": "a1", "type_id": 99, "type": "AI Agent"}
    assert ocsf.event({**ROW, "outcome": "refused"})["status_id"] == 2
