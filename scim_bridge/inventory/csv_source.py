"""CSV (RFC 4180) as a tree: one agent a row, lists separated by `;` inside a field."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from scim_bridge.inventory.problems import Problem, nearest, shown
from scim_bridge.inventory.source import Key, Mapping, Node, Scalar, Sequence, Unreadable

TEXT_COLUMNS = (
    "slug",
    "name",
    "purpose",
    "platform",
    "model",
    "version",
    "environment",
    "riskTier",
    "owner",
    "workloadId",
    "expires",
    "runtimeUrl",
    "userName",
)
LIST_COLUMNS = ("coOwners", "sponsors", "groups", "tools", "resources")
COLUMNS = TEXT_COLUMNS + LIST_COLUMNS


def read_csv(text: str) -> tuple[Node | None, list[Problem]]:
    """A mapping with the key `agents` (None for an empty file), and rows that could not be taken.

    Lines are those of the file, so a quoted field with line breaks does not shift what follows.
    Unreadable when the quoting is broken.
    """
    rows = _rows(text)
    first = next(rows, None)
    if first is None:
        return None, []
    line, header = first
    names, problems = _header(line, header)
    agents = Sequence(line, None)
    for row_line, cells in rows:
        if len(cells) != len(header):
            problems.append(
                Problem(
                    row_line,
                    None,
                    f"agents[{len(agents.items)}]",
                    f"The row has {len(cells)} fields; the header has {len(header)}.",
                    "Quote fields that hold commas, and give every column a field.",
                )
            )
        agents.items.append(_agent(row_line, names, cells))
    return Mapping(line, None, [(Key(line, None, "agents"), agents)]), problems


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not blank, each with the line it starts on."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    while True:
        start = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise Unreadable(
                start, None, f"This is not CSV: {error}.", "Check the quotes of this row."
            ) from None
        if any(cell.strip() for cell in cells):
            yield start, cells


def _header(line: int, header: list[str]) -> tuple[list[str], list[Problem]]:
    """Column names, empty for those that cannot be taken."""
    if len(header) == 1 and ";" in header[0]:
        raise Unreadable(
            line,
            None,
            "The columns are separated by semicolons.",
            "Save with commas; semicolons separate the values of a list.",
        )
    names: list[str] = []
    problems: list[Problem] = []
    for number, cell in enumerate(header, start=1):
        name = cell.strip()
        if name in COLUMNS and name not in names:
            names.append(name)
            continue
        names.append("")
        if name in COLUMNS:
            message, fix = f"The column {shown(name)} is there twice.", "Keep one of them."
        elif name == "credentials":
            message = "Credentials cannot be given in CSV."
            fix = "Use YAML or JSON for agents with credentials."
        else:
            message = f"Column {number}, {shown(name)}, is not known."
            fix = nearest(name, COLUMNS) or f"Columns are: {', '.join(COLUMNS)}."
        problems.append(Problem(line, None, "", message, fix))
    return names, problems


def _agent(line: int, names: list[str], cells: list[str]) -> Mapping:
    made = Mapping(line, None)
    for name, cell in zip(names, cells, strict=False):
        text = cell.strip()
        if not name:
            continue
        value: Node
        if name in LIST_COLUMNS:
            parts = [part.strip() for part in text.split(";")] if text else []
            value = Sequence(line, None, [Scalar(line, None, part, part, True) for part in parts if part])
        else:
            value = Scalar(line, None, text or None, text, True)
        if name == "runtimeUrl":
            inner: list[tuple[Key, Node]] = [(Key(line, None, "url"), value)] if text else []
            made.items.append((Key(line, None, "runtime"), Mapping(line, None, inner)))
        else:
            made.items.append((Key(line, None, name), value))
    return made
