"""The operations of a Bulk request as sent (RFC 7644 section 3.7): read, counted, addressed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from scim_bridge.kernel.errors import NotFound
from scim_bridge.scim.bulk_refs import references
from scim_bridge.scim.endpoints import ENDPOINTS, Endpoint
from scim_bridge.scim.errors import invalid_syntax, invalid_value
from scim_bridge.scim.exchange import BodyTooLarge
from scim_bridge.scim.limits import MAX_BULK_OPERATIONS


@dataclass(frozen=True, slots=True)
class Step:
    """One operation of a Bulk request, as sent."""

    method: str
    path: str
    bulk_id: str | None
    data: Any
    version: str | None

    @property
    def needs(self) -> set[str]:
        """The bulkIds that must be known before it can be done."""
        return references(self.path) | references(self.data)


def refuse_too_many(body: Any) -> None:
    """BodyTooLarge when a request has more than maxOperations; nothing else of it is looked at then."""
    listed = _listed(body) if isinstance(body, dict) else None
    if isinstance(listed, list) and len(listed) > MAX_BULK_OPERATIONS:
        raise BodyTooLarge(
            "bulk-too-many",
            f"{len(listed)} operations are more than maxOperations, {MAX_BULK_OPERATIONS}.",
            "Send several requests.",
        )


def _listed(body: dict[str, Any]) -> Any:
    return next((value for key, value in body.items() if key.casefold() == "operations"), None)


def steps_of(body: dict[str, Any]) -> list[Step]:
    """The operations in a body; ScimError when they make no sense."""
    listed = _listed(body)
    if not isinstance(listed, list) or not all(isinstance(item, dict) for item in listed):
        raise invalid_syntax("Operations is not a list of objects.", "See RFC 7644 section 3.7.")
    steps = [_step(item) for item in listed]
    names = [step.bulk_id for step in steps if step.bulk_id is not None]
    if len(set(names)) < len(names):
        raise invalid_value("A bulkId stands at more than one operation.", "Give each its own.")
    return steps


def _step(item: dict[str, Any]) -> Step:
    folded = {key.casefold(): value for key, value in item.items()}
    texts = {name: folded.get(name) for name in ("method", "path", "bulkid", "version")}
    wrong = next(
        (name for name, value in texts.items() if value is not None and not isinstance(value, str)), None
    )
    if wrong is not None:
        raise invalid_syntax(f"An operation's {wrong} is not a text.", "See RFC 7644 section 3.7.")
    return Step(
        str(texts["method"] or "").upper(),
        str(texts["path"] or ""),
        texts["bulkid"],
        folded.get("data"),
        texts["version"],
    )


def fail_on_errors(body: dict[str, Any]) -> int | None:
    """After how many errors to stop; None to go on through all of them."""
    value = next((value for key, value in body.items() if key.casefold() == "failonerrors"), None)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise invalid_value("failOnErrors is not a number from 1.", "Leave it out to go on through errors.")
    return value


def address(path: str) -> tuple[Endpoint, str]:
    """The endpoint a path leads to, and the id in it, empty for a collection; NotFound otherwise."""
    parts = [part for part in path.split("/") if part]
    endpoint = ENDPOINTS.get(parts[0]) if parts else None
    if endpoint is None or len(parts) > 2:
        raise NotFound(
            "address-unknown",
            f"There is nothing at {path[:200]!r}.",
            f"Use one of {', '.join(f'/{name}' for name in ENDPOINTS)}.",
        )
    return endpoint, parts[1] if len(parts) == 2 else ""
