"""One walk along a chain: every row and checkpoint once, in flat memory, and where something does not add up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from scim_bridge.audit.model import CHECKPOINT_TYPE, GENESIS, Finding, merkle_root, odd_hash, row_hash
from scim_bridge.audit.signatures import Stated
from scim_bridge.audit.signatures import stated as statement_of
from scim_bridge.kernel.crypto import Tampered, verify

COLUMNS = ("first_seq", "last_seq", "last_hash", "root", "at")
# A file that is nothing but breaks must neither fill the memory nor the screen.
MOST = 200
MOST_GAPS = 10_000

Keys = Mapping[str, dict[str, Any]]


class Walk:
    """What is handed in row by row and checkpoint by checkpoint, held against hashes and signatures.

    Rows are wanted in order of seq, each checkpoint after the rows it covers; what comes otherwise is
    told. Only rows that no checkpoint has covered yet are remembered.
    """

    def __init__(self, keys: Keys, anchors: Iterable[str] = ()) -> None:
        self.rows = 0
        self.checkpoints = 0
        self.next = 1
        self.tip = GENESIS
        self.covered = 0
        self.anchors = 0
        self.keys = dict(keys)
        self._digests: dict[int, str] = {}
        self._missing: list[tuple[int, int]] = []
        self._findings: list[Finding] = []
        self._more = 0
        self._anchored: dict[int, set[str]] = {}
        for statement in anchors:
            self._anchor(statement)

    def told(self, seq: int | None, row_id: object, message: str) -> None:
        """Keep a finding, or only count it when there are too many."""
        name = row_id if row_id is None or isinstance(row_id, str) else repr(row_id)[:80]
        if len(self._findings) < MOST:
            self._findings.append(Finding(seq, name, message))
        else:
            self._more += 1

    def row(self, row: Mapping[str, Any]) -> None:
        """The next row, with every column of the table."""
        seq, expected = row["seq"], self.next
        self.rows += 1
        if seq == expected:
            if row["prev"] != self.tip:
                self.told(seq, row["id"], "does not follow the row before it")
        elif seq > expected:
            self._gap(expected, seq - 1)
        else:
            self._misplaced(seq, row["id"])
        actual, ours = _hash(row)
        if not ours:
            self.told(seq, row["id"], "it holds bytes, which no row of ours does")
        if actual != row["hash"]:
            self.told(seq, row["id"], "its content is not what was sealed")
        if seq > self.covered:
            self._digests.setdefault(seq, actual)
        if seq >= expected:
            self.tip, self.next = row["hash"], seq + 1
        if seq in self._anchored:
            self._held_against(seq, actual)

    def _gap(self, first: int, last: int) -> None:
        if len(self._missing) < MOST_GAPS:
            self._missing.append((first, last))
        else:
            self.told(first, None, f"rows {first} to {last} are missing")

    def _misplaced(self, seq: int, row_id: str) -> None:
        """A row that comes late: it is in the wrong place, or here for the second time."""
        for number, (first, last) in enumerate(self._missing):
            if first <= seq <= last:
                left = [(first, seq - 1), (seq + 1, last)]
                self._missing[number : number + 1] = [(a, b) for a, b in left if a <= b]
                self.told(seq, row_id, f"stands behind row {self.next - 1}: the order was changed")
                return
        self.told(seq, row_id, f"comes again behind row {self.next - 1}, or where no such row can be")

    def checkpoint(self, mark: Mapping[str, Any], known: Stated | None = None) -> None:
        """The next checkpoint, as it is stored: its columns and its signed statement.

        `known` is what the statement was found to sign, where that was looked up ahead.
        """
        self.checkpoints += 1
        stated = statement_of(mark["statement"], self.keys) if known is None else known
        if isinstance(stated, Tampered):
            self.told(mark["last_seq"], None, f"checkpoint: {stated.message}")
            return
        if any(stated.get(name) != mark[name] for name in COLUMNS):
            self.told(mark["last_seq"], None, "the checkpoint's columns are not what it signed")
        first, last = stated.get("first_seq"), stated.get("last_seq")
        if not isinstance(first, int) or not isinstance(last, int) or not 0 < first <= last:
            self.told(mark["last_seq"], None, "the checkpoint signs no rows")
            return
        if first != self.covered + 1:
            self.told(self.covered + 1, None, f"no checkpoint covers row {self.covered + 1}")
        self._covers(first, last, stated)
        self.covered = max(self.covered, last)
        if self._findings and self._digests:
            # What a broken checkpoint left behind is of no use any more.
            self._digests = {seq: one for seq, one in self._digests.items() if seq > self.covered}

    def _covers(self, first: int, last: int, stated: Mapping[str, Any]) -> None:
        if last >= self.next:
            there = self.next - 1
            message = f"a checkpoint vouches for rows up to {last}, but only {there} exist"
            self.told(last, None, message)
            return
        # Counted before anything is looked up: a forged range must not keep the verifier busy.
        whole = last - first + 1 <= len(self._digests)
        found = [self._digests.pop(seq, "") for seq in range(first, last + 1)] if whole else [""]
        if "" in found:
            self.told(
                last, None, f"a checkpoint vouches for rows {first} to {last}, some of which are missing"
            )
        elif found[-1] != stated.get("last_hash") or merkle_root(found) != stated.get("root"):
            self.told(last, None, f"rows {first} to {last} are not those the checkpoint signed")

    def _anchor(self, statement: str) -> None:
        try:
            stated = verify(statement, self.keys, CHECKPOINT_TYPE)
            seq, digest = int(stated["last_seq"]), str(stated["last_hash"])
            self.anchors += 1
        except (Tampered, KeyError, TypeError, ValueError):
            self.told(None, None, "an anchored checkpoint is not signed by a key that is trusted here")
            return
        known = self._anchored.setdefault(seq, set())
        known.add(digest)
        if len(known) == 2:
            # None of them may stand for the other: whoever holds the keys could add one that fits.
            self.told(
                seq, None, f"anchored checkpoints contradict each other about the chain up to row {seq}"
            )

    def _held_against(self, seq: int, actual: str) -> None:
        if self._anchored.pop(seq) != {actual}:
            self.told(seq, None, f"the chain up to row {seq} is not the one that was anchored outside")

    def findings(self) -> tuple[Finding, ...]:
        """All that was found, with what is only known at the end; in order of the chain."""
        there = self.next - 1
        late = [Finding(first, None, f"rows {first} to {last} are missing") for first, last in self._missing]
        if there > self.covered:
            late.append(
                Finding(self.covered + 1, None, f"no checkpoint covers rows {self.covered + 1} to {there}")
            )
        for seq in sorted(self._anchored):
            message = (
                f"a checkpoint anchored outside vouches for rows up to {seq}, but the chain ends at {there}"
                if seq > there
                else f"row {seq}, which was anchored outside, is missing"
            )
            late.append(Finding(seq, None, message))
        found = sorted([*self._findings, *late[:MOST]], key=lambda one: one.seq or 0)
        more = self._more + max(0, len(late) - MOST)
        if more:
            found.append(Finding(None, None, f"and {more} more that are not listed"))
        return tuple(found)


def _hash(row: Mapping[str, Any]) -> tuple[str, bool]:
    """The hash of a row as it is stored, and whether it holds only what a row of ours can."""
    try:
        return row_hash(row, row["seq"], row["prev"]), True
    except TypeError:
        return odd_hash(row, row["seq"], row["prev"]), False
