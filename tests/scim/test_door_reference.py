"""docs/reference/scim.md is held to the program."""

from __future__ import annotations

from pathlib import Path

from scim_bridge.scim.dialects.table import DIALECTS
from scim_bridge.scim.endpoints import ENDPOINTS
from scim_bridge.scim.limits import CURSOR_SECONDS, MAX_BULK_OPERATIONS, SCAN_SECONDS, SORT_LIMIT
from scim_bridge.scim.routing import FIXED, ITEMS

TEXT = (Path(__file__).parents[2] / "docs" / "reference" / "scim.md").read_text()


def test_every_dialect_and_row_is_described_with_who_has_it() -> None:
    lines = {line.split("|")[1].strip(): line for line in TEXT.splitlines() if line.startswith("| `")}
    tolerant = [found for name, found in DIALECTS.items() if name != "strict"]
    for row in {row.name: row for found in tolerant for row in found.rows}.values():
        line = lines[f"`{row.name}`"]
        assert row.matches in line
        marks = [cell.strip() == "yes" for cell in line.split("|")[-len(tolerant) - 1 : -1]]
        assert marks == [row.name in {other.name for other in found.rows} for found in tolerant], row.name


def test_every_address_and_limit_is_named() -> None:
    for address in (*ENDPOINTS, *FIXED, *ITEMS):
        assert f"/{address}" in TEXT
    for limit in (f"{MAX_BULK_OPERATIONS:,}", f"{SORT_LIMIT:,}", f"{SCAN_SECONDS:g} seconds"):
        assert limit in TEXT
    assert CURSOR_SECONDS == 3600 and "an hour" in TEXT
