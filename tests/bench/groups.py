"""T6 and T11a: membership as rows, so that a large group costs what a small one costs."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from statistics import median

from tests.bench.client import forever, measure
from tests.bench.compare import Load, Pace, in_turn, ratio
from tests.bench.databases import query
from tests.bench.fill import GROUPS
from tests.bench.site import Site, expect, tag
from tests.bench.table import Row
from tests.bench.traffic import Traffic, group

LARGE = 100_000
BATCH = 500
# Added and taken out again in blocks, so that a group of ten stays small; longer than what is under way at once.
BLOCK = 64
SAMPLE = 512


def comings_and_goings(traffic: Traffic, group_id: str, members: Sequence[str]) -> Iterator[bytes]:
    """PATCHes that add one member each, then take the same ones out again: all of them change something."""
    for start in itertools.count(0, BLOCK):
        block = [members[(start + each) % len(members)] for each in range(BLOCK)]
        yield from traffic.member(group_id, block)
        yield from traffic.no_member(group_id, block)


def going_on(requests: Iterator[bytes]) -> Callable[[], Iterator[bytes]]:
    """For several runs: each goes on where the one before ended, so that what came in goes out again."""
    return lambda: requests


def largest(site: Site) -> int:
    """The size of the largest group in this database."""
    return max(size for size in GROUPS if size <= site.agents)


def member_rows(site: Site, pace: Pace) -> Iterator[Row]:
    """T6: one member more or less, and a GET without members, in the smallest and in the largest group."""
    size = largest(site)
    people = site.ids_of(site.person_names(SAMPLE))
    halves = people[: len(people) // 2 // BLOCK * BLOCK], people[len(people) // 2 :]
    loads, before = [], []
    for members, each in zip(halves, (10, size), strict=True):
        group_id = site.group(each)
        before.append(_version(site, group_id))
        requests = comings_and_goings(site.traffic, group_id, members[: len(halves[0])])
        loads.append(Load(f"one member in {each}", site.port, going_on(requests)))
    small, large = in_turn(loads, pace)
    for found, each, was in zip((small, large), (10, size), before, strict=True):
        done = _version(site, site.group(each)) - was
        expect(done >= found.requests, f"{found.name}: {found.requests} answered, {done} changes")
        there = site.count("sb_member", f"group_id = '{site.group(each)}'")
        # A change that waits long for its turn may be overtaken by the one that undoes it.
        most = each + 4 * BLOCK * (10, size).count(each)
        expect(each <= there <= most, f"{found.name}: {there} members are left")
    what = f"PATCH one member in a group of {size:,}"
    note = "added and removed in turn, 16 clients"
    found_ratio = ratio(large, small).inverse()
    yield site.place.beside(
        "T6", what, large.rate, "/s", "the time in a group of 10", found_ratio, "<=", 1.2, note
    )
    yield from _without_members(site, size, pace)
    site.settled()


def _version(site: Site, group_id: str) -> int:
    return int(query(site.url, f"SELECT version FROM sb_resource WHERE id = '{group_id}'")[0][0])


def _without_members(site: Site, size: int, pace: Pace) -> Iterator[Row]:
    plain = site.traffic.get("Users", site.ids_of(site.agent_names()))
    bare = {
        each: site.traffic.get("Groups", [site.group(each)], "?excludedAttributes=members")
        for each in (10, size)
    }
    answer = json.loads(measure(site.port, bare[size], clients=1, limit=1).last)
    expect(
        "members" not in answer and answer["displayName"] == f"Group of {size}",
        f"excludedAttributes: {answer}",
    )
    one, few, many = in_turn(
        [
            Load("GET by id", site.port, lambda: forever(plain)),
            Load("GET of a group of 10 without members", site.port, lambda: forever(bare[10])),
            Load(f"GET of a group of {size:,} without members", site.port, lambda: forever(bare[size])),
        ],
        pace,
    )
    user = "the time of a user's GET"
    yield site.place.beside("T6", many.name, many.rate, "/s", user, ratio(many, one).inverse(), "<=", 1.2)
    ten = "the time with 10 members"
    yield site.place.beside("T11a", many.name, many.rate, "/s", ten, ratio(many, few).inverse(), "<=", 1.2)


def build_rows(site: Site) -> Iterator[Row]:
    """T11a: a group built by PATCHes of 500 members each, then read whole."""
    size = min(site.agents, LARGE)
    rows = query(
        site.url,
        f"SELECT id FROM sb_resource WHERE kind = 'agent' AND deleted IS NULL ORDER BY id LIMIT {size}",
    )
    members = [row[0] for row in rows]
    status, made = site.call("POST", "/Groups", group(f"Built {tag()}"))
    expect(status == 201, f"POST of a group: {status} {made}")
    wire = list(site.traffic.members(made["id"], members, BATCH))
    built = measure(site.port, wire, clients=4, seconds=120)
    there = site.count("sb_member", f"group_id = '{made['id']}'")
    expect(there == size and set(built.statuses) <= {200, 204}, f"built {there} of {size}: {built.statuses}")
    wanted = 50_000.0 if size == LARGE else None
    what = f"group of {size:,} built, {BATCH} members a PATCH"
    rate = size / built.seconds
    yield site.place.alone("T11a", what, rate, "members/s", ">=", wanted, "4 clients")
    site.settled()
    yield from _whole(site, made["id"], size)


def _whole(site: Site, group_id: str, size: int) -> Iterator[Row]:
    whole = site.traffic.get("Groups", [group_id])
    resident, peaks, times = site.running.memory(), [], []
    for _ in range(5):
        resident = site.running.memory()
        site.running.forget_peak()
        answer = measure(site.port, whole, clients=1, limit=1, seconds=60)
        peaks.append((site.running.peak() - resident) / 2**20)
        times.append(answer.times[0] * 1e3)
    found = json.loads(_dechunked(answer.last))
    expect(len(found["members"]) == size, f"whole group: {len(found['members'])} of {size} members")
    slowest, most = (150.0, 30.0) if size == LARGE else (None, None)
    what = f"GET of a whole group of {size:,}"
    note = f"{len(answer.last) / 2**20:.1f} MB; median of 5"
    yield site.place.alone("T11a", what, median(times), "ms", "<=", slowest, note)
    # The first answer grows the heap for good, so it is the one that counts.
    yield site.place.alone("T11a", f"{what}, extra memory", max(peaks), "MB", "<=", most, "most of 5")


def _dechunked(body: bytes) -> bytes:
    """A body without the lengths of its chunks, when it came in chunks."""
    if body[:1] == b"{":
        return body
    made, at = bytearray(), 0
    while True:
        end = body.index(b"\r\n", at)
        length = int(body[at:end].split(b";")[0], 16)
        if length == 0:
            return bytes(made)
        made += body[end + 2 : end + 2 + length]
        at = end + 4 + length
