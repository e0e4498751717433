"""A file as a tree of values that remember where they stood, whatever the file's format."""

from __future__ import annotations

from dataclasses import dataclass, field

from scim_bridge.inventory.problems import Problem

MAX_BYTES = 20 * 1024 * 1024
MAX_DEPTH = 16
# Each alias may repeat a whole subtree; this bounds the tree after all of them are written out.
MAX_NODES = 5_000_000
INSTEAD = "Write it as JSON Lines (.jsonl), which has no limit, or split it."


@dataclass(frozen=True, slots=True)
class Scalar:
    """A leaf. `value` is text, a truth value or None; `loose` marks unquoted YAML and CSV text,
    where `1.10` or `2027-03-31` may be meant as text.
    """

    line: int
    column: int | None
    value: str | bool | int | float | None
    source: str = ""
    loose: bool = False


@dataclass(frozen=True, slots=True)
class Key:
    """A key of a mapping and its place."""

    line: int
    column: int | None
    text: str


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list."""

    line: int
    column: int | None
    items: list[Node] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Mapping:
    """Keys and values in the order of the file; a repeated key is a problem and appears once."""

    line: int
    column: int | None
    items: list[tuple[Key, Node]] = field(default_factory=list)


Node = Scalar | Sequence | Mapping


class Unreadable(Exception):
    """The file breaks its own format, so nothing after that place can be read."""

    def __init__(self, line: int, column: int | None, message: str, fix: str) -> None:
        super().__init__(message)
        self.problem = Problem(line, column, "", message, fix)


def kind_of(node: Node) -> str:
    """What a value is, in the words of a message."""
    if isinstance(node, Mapping):
        return "an object"
    if isinstance(node, Sequence):
        return "a list"
    if node.value is None:
        return "empty"
    if isinstance(node.value, bool):
        return "true or false"
    if isinstance(node.value, (int, float)):
        return "a number"
    return "text"


def decoded(data: bytes) -> str:
    """The text of a UTF-8 file, with or without a byte order mark; Unreadable otherwise."""
    if len(data) > MAX_BYTES:
        size = f"{len(data) / 1024 / 1024:.1f} MB"
        raise Unreadable(
            1, None, f"The file has {size}; at most {MAX_BYTES // 1024 // 1024} MB are read.", INSTEAD
        )
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise Unreadable(1, 1, "The file is UTF-16.", "Save it as UTF-8.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - (data.rfind(b"\n", 0, error.start) + 1) + 1
        raise Unreadable(line, column, "This byte is not UTF-8.", "Save the file as UTF-8.") from None
