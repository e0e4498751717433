"""T10, first half: no filter of 8 KB takes long to read or to refuse. Measured in this process."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress

from scim_bridge.kernel.errors import BridgeError
from scim_bridge.scim import schema
from scim_bridge.scim.dialects.rewrite import filter_of
from scim_bridge.scim.dialects.table import DIALECTS
from scim_bridge.scim.match import predicate
from tests.bench.compare import Pace
from tests.bench.table import Row

LONGEST = 8192


def hard_filters() -> Iterator[tuple[str, str]]:
    """Filters of 8 KB, each hard for another kind of reader."""
    yield "parentheses", "(" * LONGEST
    yield "closed parentheses", "(" * 4000 + "active eq true" + ")" * 4000
    yield "not", "not (" * 1638
    yield "or of equalities", _repeated('userName eq "a"', " or ")
    yield "and of presence", _repeated("title pr", " and ")
    yield "mixed", _repeated('title eq "a" and userName sw "b"', " or ")
    yield "value paths", _repeated('emails[type eq "work"]', " or ")
    yield "brackets", "emails[" * 1170
    yield "one long string", 'userName eq "' + "a" * (LONGEST - 14) + '"'
    yield "escapes", 'userName eq "' + "\\u0041" * ((LONGEST - 14) // 6) + '"'
    yield "backslashes", 'userName eq "' + "\\\\" * ((LONGEST - 14) // 2)
    yield "unquoted words", "userName eq " + "a" * (LONGEST - 12)
    yield "unquoted text", "userName eq " + "a b " * ((LONGEST - 12) // 4)
    yield "dots", "name" + ".a" * ((LONGEST - 10) // 2) + " pr"
    yield "colons", "urn:" + "a:" * ((LONGEST - 10) // 2) + "b pr"
    yield "spaces", " " * (LONGEST - 8) + "title pr"
    yield "digits", "meta.version eq " + "9" * (LONGEST - 16)
    yield "dates", _repeated('meta.created gt "2020-01-01T00:00:00Z"', " or ")
    yield "contains", _repeated('displayName co "aaaaaaaaaaaaaaaaaaaaaaaaaaaaab"', " or ")


def _repeated(term: str, glue: str) -> str:
    count = (LONGEST + len(glue)) // (len(term) + len(glue))
    return glue.join([term] * count)


def filter_rows(pace: Pace) -> Iterator[Row]:
    """The hardest of all these filters under the tolerant and the strict reading."""
    users = schema.of("User")
    worst, name = 0.0, ""
    for what, text in hard_filters():
        assert len(text) <= LONGEST, what
        for dialect in DIALECTS.values():
            # Noise only ever adds to what reading a filter takes.
            took = min(_once(text, dialect, users) for _ in range(2 * pace.rounds))
            if took > worst:
                worst, name = took, f"{what} ({dialect.name})"
    yield Row(
        "T10", "8 KB filter read or refused", "", 0, worst * 1e3, "ms", sense="<=", wanted=5.0, note=name
    )


def _once(text: str, dialect: object, users: schema.ResourceType) -> float:
    began = time.perf_counter()
    with suppress(BridgeError):
        predicate(filter_of(dialect, text, users, set()), users)  # type: ignore[arg-type]
    return time.perf_counter() - began
