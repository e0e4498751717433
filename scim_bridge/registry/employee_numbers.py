"""Employee numbers: how an HR system names people; looked up by an index of their own where HR is set up."""

from __future__ import annotations

from dataclasses import dataclass

from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.document_index import FOLDED, DocumentIndex
from scim_bridge.kernel.work import Store
from scim_bridge.registry.model import ENTERPRISE_URN, PERSON


@dataclass(frozen=True, slots=True)
class _Enterprise(DocumentIndex):
    """An index over the enterprise extension, kept apart from those an installation declares."""

    @property
    def name(self) -> str:
        """The name under which its entries are kept."""
        return f"enterprise:{self.attribute}:{self.form}"


EMPLOYEE_NUMBER = _Enterprise(ENTERPRISE_URN, "employeeNumber", FOLDED, (PERSON,))


def ready(store: Store) -> bool:
    """Whether everybody's number can be looked up by now."""
    return EMPLOYEE_NUMBER.name in store.indexes.ready


async def people_numbered(reader: Reader, number: str) -> set[str]:
    """The ids of everybody who has this employee number; more than one is ambiguous."""
    rows = await reader.all(
        "SELECT id FROM sb_resource WHERE id IN (SELECT resource_id FROM sb_attr WHERE name = ? AND key = ?)"
        " AND kind = ? AND deleted IS NULL",
        EMPLOYEE_NUMBER.name,
        EMPLOYEE_NUMBER.key(number),
        PERSON,
    )
    return {row["id"] for row in rows}
