"""A file of leavers from HR, as CSV: read and checked as a whole, every fault by its line. Pure."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from scim_bridge.kernel.errors import BadFile
from scim_bridge.signals.hr import known_zone
from scim_bridge.signals.hr_fields import LONGEST, Day, read_day

MAX_BYTES = 20_000_000
MOST = 100_000
# Names of columns, without case, blanks, underscores and hyphens, by what they hold.
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "user_name": ("username", "login", "user"),
    "email": ("email", "workemail", "mail", "emailaddress"),
    "number": ("employeenumber", "employeeid", "personnelnumber", "number"),
    "last_day": ("lastday", "lastworkingday", "terminationdate", "enddate", "leavedate"),
    "zone": ("timezone", "zone", "tz"),
    "kind": ("kind", "type", "terminationtype", "leavetype"),
}
KINDS = {"": False, "voluntary": False, "retirement": False, "endofcontract": False, "involuntary": True}


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one line (1 is the header), in words."""

    line: int
    why: str


@dataclass(frozen=True, slots=True)
class Row:
    """One leaver as the file says. `last_day` None is an involuntary leave: at once."""

    line: int
    user_name: str
    email: str
    number: str
    last_day: Day | None
    zone: str
    involuntary: bool

    @property
    def named(self) -> str:
        """What the person is called in the file."""
        return self.user_name or self.email or self.number


@dataclass(frozen=True, slots=True)
class LeaveFile:
    """A file as read: its digest, its rows, its faults, and columns nobody reads."""

    digest: str
    rows: tuple[Row, ...]
    faults: tuple[Fault, ...]
    unread: tuple[str, ...] = ()


def read_file(raw: bytes) -> LeaveFile:
    """Every row and every fault of a file; BadFile when it is no such file at all.

    UTF-8 (or what Excel writes with a mark at its start), separated by commas, semicolons or tabs.
    """
    if len(raw) > MAX_BYTES:
        raise BadFile("leave-file", f"The file is larger than {MAX_BYTES // 1_000_000} MB.", "Split it.")
    lines = list(_lines(_text(raw)))
    if not lines:
        raise BadFile("leave-file", "The file is empty.", "The first line names the columns.")
    header, *body = lines
    places, unread = _header(header[1])
    rows: list[Row] = []
    faults: list[Fault] = []
    for number, cells in body[: MOST + 1]:
        if not any(cell.strip() for cell in cells):
            continue
        found = _row(number, {what: cells[at].strip() for what, at in places.items() if at < len(cells)})
        (rows if isinstance(found, Row) else faults).append(found)  # type: ignore[arg-type]
    if len(body) > MOST:
        raise BadFile("leave-file", f"The file has more than {MOST:,} lines.", "Split it.")
    return LeaveFile(hashlib.sha256(raw).hexdigest(), tuple(rows), tuple(faults), unread)


def _text(raw: bytes) -> str:
    marks = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
    try:
        return raw.decode(marks.get(raw[:2], "utf-8-sig"))
    except UnicodeDecodeError as error:
        raise BadFile(
            "leave-file", f"The file is not UTF-8 (byte {error.start}).", "Save it as CSV UTF-8."
        ) from error


def _lines(text: str) -> Iterator[tuple[int, list[str]]]:
    first = text.split("\n", 1)[0]
    delimiter = max((",", ";", "\t"), key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for cells in reader:
            yield reader.line_num, cells
    except csv.Error as error:
        raise BadFile(
            "leave-file", f"Line {reader.line_num} is not CSV ({error}).", "Close the quotation marks."
        ) from error


def _header(cells: list[str]) -> tuple[dict[str, int], tuple[str, ...]]:
    places: dict[str, int] = {}
    unread: list[str] = []
    for at, cell in enumerate(cells):
        name = "".join(c for c in cell.casefold() if c not in " _-.")
        what = next((one for one, names in COLUMNS.items() if name in names), None)
        if what is None:
            unread.append(cell.strip()[:40])
        elif what in places:
            raise BadFile(
                "leave-file", f"Two columns hold the same: {cell.strip()[:40]!r}.", "Keep one of them."
            )
        else:
            places[what] = at
    if not places.keys() & {"user_name", "email", "number"}:
        raise BadFile(
            "leave-file", "No column says who leaves.", "Name one userName, email or employee_number."
        )
    if "last_day" not in places and "kind" not in places:
        raise BadFile("leave-file", "No column says when.", "Name one last_day.")
    return places, tuple(unread)


def _row(line: int, cells: Mapping[str, str]) -> Row | Fault:
    for what, cell in cells.items():
        if len(cell) > LONGEST or not cell.isprintable():
            return Fault(line, f"{what} is not a short, printable text")
    names = {what: cells.get(what, "") for what in ("user_name", "email", "number")}
    if not any(names.values()):
        return Fault(line, "nobody is named")
    kind = "".join(c for c in cells.get("kind", "").casefold() if c not in " _-")
    if kind not in KINDS:
        return Fault(line, f"{cells['kind'][:40]!r} is no kind of leave: {', '.join(filter(None, KINDS))}")
    day = cells.get("last_day", "")
    if not day and not KINDS[kind]:
        return Fault(line, "there is no last day")
    zone = cells.get("zone", "")
    if zone and known_zone(zone) is None:
        return Fault(line, f"{zone[:40]!r} is no time zone (write for example Europe/Lisbon)")
    try:
        when = read_day(day) if day else None
    except ValueError:
        return Fault(line, f"{day[:40]!r} is no date (write 2026-11-27, or 2026-11-27 18:00)")
    return Row(line, names["user_name"], names["email"], names["number"], when, zone, KINDS[kind])
