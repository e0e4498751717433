"""T11: the same requests to the bridge and to a peer, in turn; the peer's best size is not asked for, its equal one is.

The bridge commits durably and audits each change; the peers keep everything in memory.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from urllib.parse import quote

from tests.bench.client import forever
from tests.bench.compare import Load, Pace, in_turn, ratio
from tests.bench.groups import BLOCK, comings_and_goings, going_on
from tests.bench.peers.start import Peer
from tests.bench.population import person_name, sample
from tests.bench.site import Site, expect, tag
from tests.bench.table import Row
from tests.bench.traffic import Traffic, user

ASKED = 500
MEMBERS_USED = 4 * BLOCK
ROUNDS = 2
LARGE = 100_000
# What is asked for at 100,000 users, and in groups of any size. Elsewhere: never behind.
WANTED = {
    "GET by id": 3.0,
    "filter userName eq": 3.0,
    "filter externalId eq": 3.0,
    "filter emails.value eq": 3.0,
    "PATCH active": 3.0,
    "mix of Okta's calls": 3.0,
    "create": 2.5,
    "page of 100": 20.0,
}
MEMBERS = {1_000: 12.0, 10_000: 28.0}


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two servers, and whom to ask it for. `members` are ids that are in neither group."""

    name: str
    port: int
    traffic: Traffic
    names: Sequence[str]
    ids: Sequence[str]
    groups: dict[int, str]
    members: Sequence[str]
    total: int


def ours(site: Site) -> Side:
    """The bridge."""
    names = site.person_names(ASKED)
    ids = site.ids_of(names)
    total = int(site.call("GET", "/Users?count=1")[1]["totalResults"])
    groups = {size: site.group(size) for size in MEMBERS if size <= site.agents}
    return Side("scim-bridge", site.port, site.traffic, names, ids, groups, ids[-MEMBERS_USED:], total)


def theirs(peer: Peer) -> Side:
    """The peer; its ids are read through its own API."""
    names = [person_name(number) for number in sample(peer.users, ASKED)]
    ids = [_id(peer, "Users", "userName", name) for name in names]
    groups = {size: _id(peer, "Groups", "displayName", f"Group of {size}") for size in MEMBERS}
    members = [f"somebody-{number}" for number in range(MEMBERS_USED)]
    return Side(peer.name, peer.running.port, peer.traffic, names, ids, groups, members, peer.users)


def _id(peer: Peer, kind: str, attribute: str, value: str) -> str:
    text = quote(f'{attribute} eq "{value}"')
    found = peer.call(f"/{kind}?filter={text}&excludedAttributes=members")
    expect(found["totalResults"] == 1, f"{peer.name}: {value} found {found['totalResults']} times")
    return str(found["Resources"][0]["id"])


Requests = Callable[[Side], Iterator[bytes]]
Wire = Callable[[], Iterator[bytes]]


def operations() -> dict[str, Requests]:
    """What is asked of both, by name."""

    def equal(attribute: str, value: Callable[[str], str] = str) -> Requests:
        return lambda side: forever(
            side.traffic.equal("Users", attribute, [value(name) for name in side.names])
        )

    return {
        "GET by id": lambda side: forever(side.traffic.get("Users", side.ids)),
        "filter userName eq": equal("userName"),
        "filter externalId eq": equal("externalId", lambda name: f"00u{name.split('@', 1)[0]}"),
        "filter emails.value eq": equal("emails.value"),
        "page of 100": pages,
        "PATCH active": lambda side: side.traffic.activity(side.ids),
        "create": lambda side: side.traffic.creates(tag()),
        "mix of Okta's calls": mix,
    }


def pages(side: Side) -> Iterator[bytes]:
    """Pages of 100 from all over the list."""
    last = max(1, side.total // 100)
    return forever(side.traffic.page("Users", number * 100 + 1) for number in sample(last, 50))


def mix(side: Side) -> Iterator[bytes]:
    """Twenty calls as Okta makes them while it provisions: look up, read, replace, (de)activate, create.

    Eight lookups by userName (one for somebody who is not there yet, who is then created), five reads, three
    profiles replaced by PUT, three activations or deactivations by PATCH, one create. Imports (pages) are
    measured on their own.
    """
    traffic, word = side.traffic, tag()
    people = itertools.cycle(zip(side.names, side.ids, strict=True))
    active = traffic.activity(side.ids)
    for number in itertools.count():
        for _ in range(7):
            yield from traffic.equal("Users", "userName", [next(people)[0]])
        for _ in range(5):
            yield from traffic.get("Users", [next(people)[1]])
        for _ in range(3):
            name, user_id = next(people)
            changed = {**user(name), "id": user_id, "title": f"Title {word} {number}"}
            yield traffic.send("PUT", f"/Users/{user_id}", changed)
            yield next(active)
        new = f"{word}-{number}@corp.example"
        yield from traffic.equal("Users", "userName", [new])
        yield traffic.send("POST", "/Users", user(new))


def peer_rows(site: Site, peer: Peer, pace: Pace) -> Iterator[Row]:
    """T11 beside one peer."""
    here, there = ours(site), theirs(peer)
    pace = Pace(pace.seconds, min(pace.rounds, ROUNDS))
    created = [_people(peer), site.count("sb_person")]
    for what, requests in operations().items():
        loads: list[Wire] = [partial(requests, side) for side in (here, there)]
        yield _beside(site, here, there, what, loads, pace, _wanted(site, peer, what))
    expect(_people(peer) > created[0], f"{peer.name}: nobody was created")
    expect(site.count("sb_person") > created[1], "scim-bridge: nobody was created")
    for size in here.groups:
        what = f"one member in a group of {size:,}"
        loads = [
            going_on(comings_and_goings(side.traffic, side.groups[size], side.members))
            for side in (here, there)
        ]
        yield _beside(site, here, there, what, loads, pace, MEMBERS[size], clients=4)
        left = len(peer.call(f"/Groups/{there.groups[size]}")["members"])
        expect(size <= left <= size + 4 * BLOCK, f"{peer.name}: a group of {size} has {left} members now")
    site.settled()


def _people(peer: Peer) -> int:
    return int(peer.call("/Users?startIndex=1&count=1")["totalResults"])


def _wanted(site: Site, peer: Peer, what: str) -> float:
    return WANTED[what] if site.agents >= LARGE and peer.users >= LARGE else 1.0


def _beside(
    site: Site,
    here: Side,
    there: Side,
    what: str,
    requests: Sequence[Wire],
    pace: Pace,
    wanted: float,
    clients: int = 16,
) -> Row:
    sides = zip((here, there), requests, strict=True)
    mine, other = in_turn([Load(f"{what} ({s.name})", s.port, wire, clients) for s, wire in sides], pace)
    found = ratio(mine, other)
    note = f"{there.name}: {other.rate:,.1f}/s with {there.total:,} users in memory; ours durable, {clients} clients"
    return site.place.beside("T11", what, mine.rate, "/s", there.name, found, ">=", wanted, note)
