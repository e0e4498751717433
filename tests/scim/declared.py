"""Attributes as an installation declares them, one of each type, and people who have them."""

from __future__ import annotations

from typing import Any

from scim_bridge.registry.model import CUSTOM_USER_URN
from scim_bridge.settings.attributes import AttributeSettings
from tests.scim.bridge import Client

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
AGENT = "urn:ietf:params:scim:schemas:core:2.0:Agent"
DECLARED = (
    AttributeSettings("costCode", indexed=True, description="Who pays."),
    AttributeSettings("badge", case_exact=True, indexed=True),
    AttributeSettings("contractor", "boolean", indexed=True),
    AttributeSettings("level", "integer", indexed=True),
    AttributeSettings("share", "decimal", indexed=True),
    AttributeSettings("since", "dateTime", indexed=True),
    AttributeSettings("homepage", "reference", case_exact=True),
    AttributeSettings("floors", multi_valued=True, indexed=True),
    AttributeSettings("tier", canonical_values=("Gold", "Silver"), applies_to=("Agent",), indexed=True),
    AttributeSettings("ticket", applies_to=("Group",), indexed=True),
)
EVERYTHING: dict[str, Any] = {
    "costCode": "C-17",
    "badge": "aB3",
    "contractor": True,
    "level": 3,
    "share": 2.5,
    "since": "2026-01-02T03:04:05+01:00",
    "homepage": "https://a.example/x",
    "floors": ["Two", "Three"],
}


def person(name: str, **custom: Any) -> dict[str, Any]:
    """A user with declared attributes."""
    body: dict[str, Any] = {"schemas": [USER, CUSTOM_USER_URN], "userName": name}
    return body | ({CUSTOM_USER_URN: custom} if custom else {})


async def found(client: Client, path: str, text: str) -> list[str]:
    """The userNames (or displayNames, agentUserNames) a filter finds."""
    answer = await client.call("POST", f"{path}/.search", {"filter": text})
    assert answer.status == 200, answer.content
    return sorted(
        item.get("userName") or item.get("agentUserName") or item["displayName"]
        for item in answer["Resources"]
    )
