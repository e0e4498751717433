"""Lines are imported in portions: each whole, audited, and never twice, whatever ends the import in between."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest
import yaml

from scim_bridge.inventory.lines.progress import Stopped, Unwatched
from scim_bridge.inventory.lines.service import LinesResult, import_lines
from scim_bridge.inventory.service import import_manifest
from scim_bridge.kernel.clock import ManualClock
from scim_bridge.kernel.errors import Conflict
from scim_bridge.kernel.work import Actor, Store, Work
from scim_bridge.registry.agent_facts import find_agent
from scim_bridge.registry.connections import create_connection
from scim_bridge.registry.groups import add_members, groups_of
from scim_bridge.registry.people import create_person
from scim_bridge.registry.resources import by_name
from tests.conftest import MASTER, TESTER, run_with_store
from tests.inventory.registry import contents

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "config" / "examples" / "agents.yaml"
OnStore = Callable[[Callable[[Store], Awaitable[None]]], None]


def person(name: str, **more: Any) -> dict[str, Any]:
    said = {"userName": name, "givenName": name, "familyName": "X", "email": f"{name}@c.example"}
    return {"person": {**said, "department": "IT", **more}}


def agent(slug: str, **more: Any) -> dict[str, Any]:
    said = {
        "slug": slug,
        "name": slug,
        "purpose": "P",
        "platform": "k8s",
        "environment": "dev",
        "riskTier": "low",
    }
    return {"agent": {**said, "owner": "ann", **more}}


def member(group: str, slug: str) -> dict[str, Any]:
    return {"member": {"group": group, "agent": slug}}


# Two people, a group, eight agents, four members: five portions of three, one of one, one of two.
ENTRIES = [
    *(agent(f"a{n}", **({"groups": ["G"]} if n == 0 else {})) for n in range(8)),
    *(member("g", f"a{n}") for n in range(1, 4)),
    {"group": {"name": "G", "owner": "bob"}},
    person("ann", manager="bob@c.example"),
    person("bob"),
]


def written(folder: Path, entries: list[dict[str, Any]], name: str = "m.jsonl") -> Path:
    path = folder / name
    path.write_bytes(b"\n".join(map(orjson.dumps, entries)))
    return path


def as_lines(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    kinds = {"agents": "agent", "groups": "group", "people": "person"}
    return [{kind: entry} for section, kind in kinds.items() for entry in manifest.get(section, ())]


async def audited(store: Store) -> list[dict[str, Any]]:
    rows = await store.reads.all(
        "SELECT detail FROM sb_audit WHERE action = 'inventory.imported' ORDER BY id"
    )
    return [orjson.loads(row["detail"]) for row in rows]


class StopAfter(Unwatched):
    """Says stop once so many portions are in."""

    def __init__(self, portions: int) -> None:
        self._left = portions

    def applied(self, portion: int, portions: int, entries: int, counts: dict[str, int]) -> None:
        self._left -= 1

    def stopping(self) -> bool:
        return self._left <= 0


def test_the_example_as_lines_makes_what_the_example_makes(
    database_url: str, sqlite_template: Path, clock: ManualClock, tmp_path: Path
) -> None:
    entries = as_lines(yaml.load(EXAMPLE.read_text(), yaml.BaseLoader))
    Random(3).shuffle(entries)
    lines = written(tmp_path, entries)
    shutil.copy(sqlite_template, tmp_path / "pieces.db")

    async def pieces(store: Store) -> dict[str, list[str]]:
        await import_manifest(store, TESTER, EXAMPLE.read_bytes(), "agents.yaml")
        return await contents(store)

    async def portions(store: Store) -> dict[str, list[str]]:
        result = await import_lines(store, TESTER, lines, size=7)
        assert (result.counts["created"], result.counts["joined"]) == (19 + 8 + 30, 25)
        return await contents(store)

    one = run_with_store(f"sqlite:///{tmp_path / 'pieces.db'}", clock, pieces)
    assert run_with_store(database_url, clock, portions) == one


def test_every_portion_is_a_transaction_that_says_file_lines_and_counts(
    on_store: OnStore, tmp_path: Path
) -> None:
    async def body(store: Store) -> None:
        file = written(tmp_path, ENTRIES)
        result = await import_lines(store, TESTER, file, size=3)
        assert result.counts == {"created": 11, "updated": 0, "unchanged": 0, "joined": 4, "left": 0}
        told = await audited(store)
        kinds = ["person", "group", "agent", "agent", "agent", "member", "member"]
        assert [each["kind"] for each in told] == kinds
        assert [(each["portion"], each["portions"]) for each in told] == [(n, 7) for n in range(1, 8)]
        assert {each["digest"] for each in told} == {hashlib.sha256(file.read_bytes()).hexdigest()}
        last = b"".join(orjson.dumps(entry) + b"\n" for entry in ENTRIES[6:8])
        assert told[4]["linesDigest"] == hashlib.sha256(last).hexdigest()
        assert sum(each.get("created", 0) for each in told) == 11
        times = await store.reads.one("SELECT COUNT(*) AS n FROM sb_audit WHERE action = 'agent.created'")
        assert times["n"] == 8

    on_store(body)


def test_an_import_that_is_stopped_goes_on_where_it_was_and_doubles_nothing(
    on_store: OnStore, tmp_path: Path
) -> None:
    async def body(store: Store) -> None:
        file = written(tmp_path, ENTRIES)
        stop = StopAfter(3)
        first = await import_lines(store, TESTER, file, size=3, progress=stop, stopping=stop.stopping)
        assert (first.applied, first.portions, first.complete) == (3, 7, False)
        assert await find_agent(store.reads, "a2") is not None and await find_agent(store.reads, "a3") is None
        second = await import_lines(store, TESTER, file, size=3)
        assert second.complete and second.portions == 4
        assert second.counts == {"created": 5, "updated": 0, "unchanged": 6, "joined": 4, "left": 0}
        third = await import_lines(store, TESTER, file, size=3)
        assert (third.portions, third.counts["unchanged"]) == (0, 11)
        assert len(await audited(store)) == 7

    on_store(body)


def test_an_import_that_is_stopped_while_the_file_is_checked_changes_nothing(
    on_store: OnStore, tmp_path: Path
) -> None:
    async def body(store: Store) -> None:
        with pytest.raises(Stopped):
            await import_lines(store, TESTER, written(tmp_path, ENTRIES), stopping=lambda: True)
        assert await audited(store) == []

    on_store(body)


def test_a_rehearsal_counts_and_changes_nothing(on_store: OnStore, tmp_path: Path) -> None:
    async def body(store: Store) -> None:
        file = written(tmp_path, ENTRIES)
        planned = await import_lines(store, TESTER, file, dry_run=True)
        assert planned.dry_run and (await contents(store))["resource"] == []
        done = await import_lines(store, TESTER, file)
        assert done.counts == planned.counts

    on_store(body)


def test_a_file_that_is_written_to_during_the_import_ends_it_between_portions(
    on_store: OnStore, tmp_path: Path
) -> None:
    class Writing(Unwatched):
        def applied(self, portion: int, portions: int, entries: int, counts: dict[str, int]) -> None:
            file.write_bytes(file.read_bytes() + b"\n")

    file = written(tmp_path, ENTRIES)

    async def body(store: Store) -> None:
        with pytest.raises(Conflict) as caught:
            await import_lines(store, TESTER, file, size=3, progress=Writing())
        assert caught.value.code == "manifest-changed" and "1 of 7 portions are in" in caught.value.fix
        assert (await import_lines(store, TESTER, file, size=3)).complete

    on_store(body)


def test_a_name_taken_meanwhile_ends_the_import_with_the_portions_before_it(
    database_url: str, clock: ManualClock, tmp_path: Path
) -> None:
    async def take(store: Store) -> None:
        async def body(work: Work) -> None:
            await create_person(work, {"userName": "a4@agents.example"}, origin="test")

        await store.transact(TESTER, body)

    class Taking(Unwatched):
        def begin(self, step: str, total: int) -> None:
            if step == "applying":
                other = threading.Thread(target=run_with_store, args=(database_url, clock, take))
                other.start()
                other.join()

    async def body(store: Store) -> None:
        file = written(tmp_path, ENTRIES)
        with pytest.raises(Conflict) as caught:
            await import_lines(store, TESTER, file, size=3, progress=Taking())
        assert caught.value.code == "import-overtaken" and "3 of 7 portions are in" in caught.value.fix
        assert await find_agent(store.reads, "a2") is not None and await find_agent(store.reads, "a3") is None

    run_with_store(database_url, clock, body)


def test_members_on_lines_are_all_there_are_only_where_the_group_gives_its_members(
    on_store: OnStore, tmp_path: Path
) -> None:
    async def body(store: Store) -> None:
        async def groups(slug: str) -> list[str]:
            found = await find_agent(store.reads, slug)
            assert found is not None
            names = await groups_of(store.reads, [found.resource.id])
            return [name for _, name in names[found.resource.id]]

        async def imported(*entries: dict[str, Any]) -> LinesResult:
            return await import_lines(store, TESTER, written(tmp_path, list(entries)), size=1)

        await imported(*ENTRIES)
        # More members, of a group that does not say it gives them all: nobody leaves.
        await imported(member("G", "a5"), agent("a1"))
        assert await groups("a1") == ["G"]
        whole = [{"group": {"name": "G", "members": []}}, member("G", "a5"), agent("a1"), agent("a5")]
        assert (await imported(*whole)).counts["left"] == 1
        assert (await groups("a1"), await groups("a5"), await groups("a2")) == ([], ["G"], ["G"])
        # A membership an IdP assigned is not the file's to end.
        okta = Actor("connection", "c1", "okta-prod")
        group = await by_name(store.reads, "group", "G")
        found = await find_agent(store.reads, "a1")
        assert group is not None and found is not None
        group_id, agent_id = group.id, found.resource.id

        async def assign(work: Work) -> None:
            await add_members(work, group_id, [(agent_id, None)])

        async def connect(work: Work) -> None:
            await create_connection(work, MASTER, "okta-prod", "okta")

        await store.transact(TESTER, connect)
        await store.transact(okta, assign)
        assert (await imported(*whole)).portions == 0
        assert await groups("a1") == ["G"]

    on_store(body)


def command(url: str, file: Path, *options: str) -> subprocess.Popen[str]:
    env = {**os.environ, "SCIM_BRIDGE_SECRET_KEY": "a key for tests, thirty-two bytes or more"}
    arguments = ["agents", "import", str(file), "--database-url", url, *options]
    return subprocess.Popen(
        [sys.executable, "-m", "scim_bridge", *arguments],
        cwd=ROOT,
        env=env,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_an_import_ended_by_a_signal_is_completed_by_the_next(
    database_url: str, clock: ManualClock, tmp_path: Path, number: signal.Signals
) -> None:
    entries = [*(agent(f"a{n}", groups=["G"]) for n in range(400)), {"group": {"name": "G"}}, person("ann")]
    file = written(tmp_path, entries)
    first = command(database_url, file, "--portion", "1", "--output", "jsonl")
    assert first.stdout is not None
    for line in first.stdout:
        said = json.loads(line)
        if said["event"] == "portion" and said["portion"] == 5:
            first.send_signal(number)
            break
    rest, told = first.communicate(timeout=300)
    if number is signal.SIGINT:
        assert first.returncode == 130
        assert json.loads(rest.splitlines()[-1])["complete"] is False
        assert "run it again" in told
    else:
        assert first.returncode == -signal.SIGKILL
    second = command(database_url, file, "--output", "jsonl")
    out, told = second.communicate(timeout=300)
    assert second.returncode == 0, told
    finished = json.loads(out.splitlines()[-1])
    assert finished["event"] == "finished" and finished["complete"]
    assert finished["unchanged"] >= 3 and finished["created"] + finished["unchanged"] == 402

    async def body(store: Store) -> None:
        found = await contents(store)
        assert (len(found["resource"]), len(found["agent"]), len(found["member"])) == (402, 400, 400)
        created = await store.reads.one("SELECT COUNT(*) AS n FROM sb_audit WHERE action = 'agent.created'")
        assert created["n"] == 400
        assert '["live:agent", 400]' in found["counter"]

    run_with_store(database_url, clock, body)


def test_postgresql_knows_of_the_rows_before_the_import_ends(
    postgres_url: str, clock: ManualClock, tmp_path: Path
) -> None:
    """It keeps the plan for an empty table otherwise: 50,000 agents took 76 seconds, and take 11."""

    async def body(store: Store) -> None:
        before = await store.reads.one("SELECT reltuples AS n FROM pg_class WHERE relname = 'sb_agent'")
        assert before["n"] <= 0
        await import_lines(store, TESTER, written(tmp_path, ENTRIES), size=3)
        after = await store.reads.one("SELECT reltuples AS n FROM pg_class WHERE relname = 'sb_agent'")
        assert after["n"] > 0

    run_with_store(postgres_url, clock, body)
