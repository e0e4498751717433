"""The problems of a file of any length: all are counted, and as many kept as anybody reads."""

from __future__ import annotations

from collections.abc import Iterable

from scim_bridge.inventory.lines.careful import careful
from scim_bridge.inventory.lines.stream import LineFile
from scim_bridge.inventory.problems import MOST, ManifestProblems, Problem


class Findings:
    """What is wrong with a file so far."""

    def __init__(self, file: LineFile) -> None:
        self._file = file
        self._kept: list[Problem] = []
        self._last = 1
        self.count = 0

    def add(self, problems: Iterable[Problem]) -> None:
        """Note problems that know their places."""
        for problem in problems:
            self.count += 1
            self._last = max(self._last, problem.line)
            if len(self._kept) < MOST - 1:
                self._kept.append(problem)

    def say(self, line: int, at: int, where: str, message: str, fix: str) -> None:
        """Note a problem of the line that begins at `at`; its column is looked up there."""
        full = len(self._kept) >= MOST - 1
        column = None if full else careful(self._file.at(at), line).column(where)
        self.add([Problem(line, column, where, message, fix)])

    def stop_at_any(self) -> None:
        """ManifestProblems when there is one."""
        if not self.count:
            return
        more = self.count - len(self._kept)
        rest = (
            [Problem(self._last, None, "", f"{more} more problems follow.", "Repair these first.")]
            if more
            else []
        )
        raise ManifestProblems(self._file.name, [*self._kept, *rest])
