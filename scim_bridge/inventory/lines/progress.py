"""How far an import of lines is, for whoever watches."""

from __future__ import annotations

from typing import Protocol

from scim_bridge.kernel.errors import BridgeError


class Progress(Protocol):
    """Told of each step: "checking" counts bytes; "comparing" and "applying" entries."""

    def begin(self, step: str, total: int) -> None:
        """A step begins."""

    def advance(self, amount: int) -> None:
        """So much more of it is done."""

    def applied(self, portion: int, portions: int, entries: int, counts: dict[str, int]) -> None:
        """A portion is committed."""


class Unwatched:
    """Progress that nobody watches."""

    def begin(self, step: str, total: int) -> None:
        """A step begins."""

    def advance(self, amount: int) -> None:
        """So much more of it is done."""

    def applied(self, portion: int, portions: int, entries: int, counts: dict[str, int]) -> None:
        """A portion is committed."""


class Stopped(BridgeError):
    """The import was told to stop before anything was written."""

    def __init__(self) -> None:
        super().__init__("import-stopped", "Stopped while checking; nothing was imported.", "Run it again.")
