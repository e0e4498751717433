"""Lines and one piece: the same registry, in any order of lines and any size of portions; or both refuse."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from scim_bridge.inventory.lines.service import import_lines
from scim_bridge.inventory.problems import ManifestProblems
from scim_bridge.inventory.service import import_manifest
from scim_bridge.kernel.clock import ManualClock
from scim_bridge.kernel.database import open_database
from scim_bridge.kernel.ids import UuidV7
from scim_bridge.kernel.work import Store
from tests.conftest import TESTER
from tests.inventory.registry import contents

PEOPLE = ("ann", "bob", "cid", "dee")
GROUPS = ("Readers", "writers", "Ops")
SLUGS = ("a", "b", "c", "d", "e")


def mail(name: str) -> str:
    return f"{name}@corp.example"


def person(name: str, manager: str | None, department: str, address: str) -> dict[str, Any]:
    said = {
        "userName": name,
        "givenName": name,
        "familyName": "X",
        "email": address,
        "department": department,
    }
    return said if manager is None else {**said, "manager": manager}


references = st.sampled_from([*PEOPLE, *map(mail, PEOPLE), "ANN", "nobody"] + ["ann", "bob"] * 6)
managers = st.sampled_from([None] * 8 + [*PEOPLE, mail("ann")])
addresses = st.sampled_from(["", "", "", "", "other-"])
people = st.lists(
    st.builds(
        lambda name, manager, department, before: person(name, manager, department, before + mail(name)),
        st.sampled_from(PEOPLE),
        managers,
        st.sampled_from(["IT", "HR"]),
        addresses,
    ),
    max_size=4,
    unique_by=lambda said: str(said["userName"]),
)
groups = st.lists(
    st.fixed_dictionaries(
        {"name": st.sampled_from(GROUPS)},
        optional={
            "owner": references,
            "description": st.sampled_from(["", "Reads"]),
            "members": st.lists(st.sampled_from(SLUGS), max_size=3, unique=True),
        },
    ),
    max_size=3,
    unique_by=lambda said: said["name"],
)
credentials = st.lists(
    st.builds(
        lambda label, kept: {"label": label, "system": "vault", "kind": "api_key", "reference": kept},
        st.sampled_from(["main", "spare"]),
        st.sampled_from(["kv/1", "kv/2"]),
    ),
    max_size=2,
    unique_by=(lambda said: said["label"], lambda said: said["reference"]),
)
agents = st.lists(
    st.fixed_dictionaries(
        {
            "slug": st.sampled_from(SLUGS),
            "name": st.sampled_from(["Agent", 'A "quoted" one', "Zo\u00eb"]),
            "purpose": st.sampled_from(["P", "two\nlines"]),
            "platform": st.just("k8s"),
            "environment": st.sampled_from(["dev", "production"]),
            "riskTier": st.just("low"),
            "owner": references,
        },
        optional={
            "coOwners": st.lists(st.sampled_from([*PEOPLE, mail("bob")]), max_size=2, unique=True),
            "sponsors": st.lists(st.sampled_from(PEOPLE), max_size=2, unique=True),
            "groups": st.lists(st.sampled_from(["readers", "Writers", "ops"]), max_size=2, unique=True),
            "tools": st.lists(st.sampled_from(["search", "mail"]), max_size=2, unique=True),
            "credentials": credentials,
            "runtime": st.sampled_from([{"url": "https://r.example/1"}, {}]),
            "userName": st.sampled_from(["bot-1", "bot-2", "a@agents.example", "dee"] + [""] * 8),
            "expires": st.sampled_from(["2027-01-31", None]),
        },
    ),
    max_size=5,
    unique_by=lambda said: str(said["slug"]),
)
manifests = st.fixed_dictionaries({"people": people, "groups": groups, "agents": agents})
# What is registered before: its references always lead somewhere, or nothing would be.
FIRST: dict[str, Any] = {
    "people": [person(name, None, "IT", mail(name)) for name in PEOPLE[:3]],
    "groups": [{"name": "Readers", "owner": "ann"}, {"name": "Ops", "members": ["a"]}],
    "agents": [
        {
            "slug": slug,
            "name": "Agent",
            "purpose": "P",
            "platform": "k8s",
            "environment": "dev",
            "riskTier": "low",
            "owner": "ann",
            "groups": ["Readers"],
        }
        for slug in ("a", "b")
    ],
}


def as_lines(manifest: dict[str, Any], seed: int) -> bytes:
    """The manifest as lines in any order, some of the members of groups on lines of their own."""
    chance = random.Random(seed)
    said: list[dict[str, Any]] = [{"person": each} for each in manifest["people"]]
    said += [{"agent": each} for each in manifest["agents"]]
    for group in manifest["groups"]:
        if "members" in group and chance.random() < 0.5:
            said += [{"member": {"group": group["name"], "agent": slug}} for slug in group["members"]]
            group = {**group, "members": []}
        said.append({"group": group})
    chance.shuffle(said)
    return "\n".join(json.dumps(each, ensure_ascii=chance.random() < 0.5) for each in said).encode()


async def _opened(url: str) -> tuple[Any, Store]:
    database = await open_database(url)
    clock = ManualClock()
    return database, Store(database, clock, UuidV7(clock))


def _told(problems: ManifestProblems) -> list[str]:
    """What is said, without what differs on purpose: places, and that lines tell of every name that
    something else has where one piece ends at the first.
    """
    said = [
        problem.message.partition(" is taken by ")[0].partition("circle:")[0] for problem in problems.problems
    ]
    return sorted(each for each in said if "already in use" not in each) or ["already in use"]


Outcome = tuple[list[str], bool, dict[str, list[str]]]


async def _outcome(store: Store, folder: Path, way: str, manifest: dict[str, Any], size: int) -> Outcome:
    """What is said, whether it changed anything, and what is registered then."""
    there = await contents(store)
    try:
        if way == "piece":
            done = await import_manifest(store, TESTER, json.dumps(manifest).encode(), "m.json")
            changes = not done.diff.empty
        else:
            lines = await import_lines(store, TESTER, folder / "m.jsonl", size=size)
            assert lines.complete
            changes = lines.portions > 0
    except ManifestProblems as problems:
        assert await contents(store) == there
        return _told(problems), False, there
    return [], changes, await contents(store)


@given(
    manifests.filter(lambda said: any(said.values())), st.booleans(), st.integers(0, 1000), st.integers(1, 4)
)
@example(FIRST, True, 1, 1)
@settings(max_examples=60)
def test_lines_in_any_order_and_portion_make_the_registry_that_one_piece_makes(
    sqlite_template: Path, manifest: dict[str, Any], before: bool, seed: int, size: int
) -> None:
    async def body(folder: Path) -> None:
        (folder / "m.jsonl").write_bytes(as_lines(manifest, seed))
        found = []
        for way in ("piece", "lines"):
            shutil.copy(sqlite_template, folder / f"{way}.db")
            database, store = await _opened(f"sqlite:///{folder / way}.db")
            try:
                if before:
                    await import_manifest(store, TESTER, json.dumps(FIRST).encode(), "m.json")
                # The second time nothing changes, or both say the same of what the first time changed.
                found.append([await _outcome(store, folder, way, manifest, size) for _ in range(2)])
            finally:
                await database.close()
        assert found[1] == found[0]

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(body(Path(folder)))
