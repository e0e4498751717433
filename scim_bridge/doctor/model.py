"""What a doctor looks at, and what it finds. Values only."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How one check came out. A `note` is worth knowing and no mistake by itself."""

    OK = "ok"
    NOTE = "note"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: what was found, in words, and what mends it. `about` names the one it concerns."""

    check: str
    state: State
    found: str
    fix: str = ""
    about: str = ""


def ok(check: str, found: str, about: str = "") -> Finding:
    """All is well."""
    return Finding(check, State.OK, found, "", about)


def note(check: str, found: str, fix: str, about: str = "") -> Finding:
    """Worth knowing."""
    return Finding(check, State.NOTE, found, fix, about)


def wrong(check: str, found: str, fix: str, about: str = "") -> Finding:
    """A mistake."""
    return Finding(check, State.WRONG, found, fix, about)


@dataclass(frozen=True, slots=True)
class Place:
    """Settings and files. `mode` is the key file's permission bits, None when there is no such file.

    `free` is bytes left on the disk of the database; `filesystem` its type as the kernel names it. Both
    are None where that cannot be said. `schema` is the database's revision, None when there is none yet.
    """

    public_url: str
    public_url_set: bool
    told_url: str = ""
    log_level: str = "info"
    allow_networks: tuple[str, ...] = ()
    sqlite: bool = True
    database: str = ""
    key_in_settings: bool = False
    key_file: str = ""
    mode: int | None = None
    key_trouble: str = ""
    schema: str | None = None
    head: str = ""
    schema_trouble: tuple[str, str] | None = None
    writable: bool = True
    free: int | None = None
    filesystem: str | None = None
    notices: bool = False


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token of a connection: `standing` as `tokens list` says it, `scopes` what it may do."""

    id: str
    label: str
    standing: str
    days: int | None
    used: bool
    scopes: tuple[str, ...]
    old: bool


@dataclass(frozen=True, slots=True)
class Tenant:
    """A connection. `address` is where its IdP answers, empty when that is not set.

    `refused` are features of the tenant that cannot be used, with why, as they were last asked for; `clients`
    how many OAuth clients may speak for it instead of a token; `rehearsed` is whether our server plays its IdP.
    """

    name: str
    kind: str
    address: str = ""
    pushes: bool = False
    asked: bool = False
    refused: tuple[tuple[str, str], ...] = ()
    heard: bool = False
    tokens: tuple[Token, ...] = ()
    clients: int = 0
    rehearsed: bool = False


@dataclass(frozen=True, slots=True)
class Door:
    """A way news of people comes in: `heard` is whether it ever was, `trouble` what ails it."""

    name: str
    kind: str
    heard: bool
    trouble: str


@dataclass(frozen=True, slots=True)
class Life:
    """What the database says. Times are in seconds.

    `odd`: agents, each with its facts in a form that no door takes any more, of which `odd_counted` are counted at
    most. `overdue`: the age of the oldest effect that should have been handed on by now; `unheard`: agents none of
    whose owners has an address; `permits`: grants in the policies in force; `policies` why they are unusable.
    """

    tenants: tuple[Tenant, ...] = ()
    doors: tuple[Door, ...] = ()
    worker: bool = False
    overdue: int | None = None
    dead: int = 0
    dead_words: str = ""
    agents: int = 0
    unowned: int = 0
    unheard: int = 0
    odd: tuple[tuple[str, tuple[str, ...]], ...] = ()
    odd_counted: int = 0
    permits: int | None = None
    policies: str = ""
    denied: int = 0
    allowed: int = 0
    brakes: int = 0
    held_plans: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reached:
    """What came of one call: `trouble` with its code when nothing usable did; `skew` in seconds, ours minus theirs."""

    what: str
    about: str
    address: str
    trouble: str = ""
    code: str = ""
    fix: str = ""
    skew: float | None = None
