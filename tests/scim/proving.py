"""What the tests of the RFCs' requirements share: refusals, messages and a few resources."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from scim_bridge.registry.model import GROUP_URN, USER_URN
from tests.scim.bridge import Bridge, Client, Reply

ERROR_URN = "urn:ietf:params:scim:api:messages:2.0:Error"
LIST_URN = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
PATCH_URN = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
BULK_URN = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"


def refused(answer: Reply, status: int, scim_type: str | None = None) -> Reply:
    """The answer is a SCIM error of this status and scimType."""
    assert answer.status == status, (answer.status, answer.content[:500])
    assert answer.headers["content-type"].startswith("application/scim+json")
    assert answer["schemas"] == [ERROR_URN]
    assert answer["status"] == str(status)
    assert answer["detail"]
    assert answer.body.get("scimType") == scim_type, answer.content[:500]
    return answer


def user(name: str = "maria", /, **more: Any) -> dict[str, Any]:
    """A user as the letter of the RFC wants one; extensions are listed by their URN."""
    return {"schemas": [USER_URN, *(key for key in more if ":" in key)], "userName": name, **more}


def group(name: str = "Crew", /, **more: Any) -> dict[str, Any]:
    """A group as the letter of the RFC wants one."""
    return {"schemas": [GROUP_URN], "displayName": name, **more}


def op(name: str, path: str | None = None, /, *value: Any) -> dict[str, Any]:
    """One PATCH operation."""
    made: dict[str, Any] = {"op": name}
    if path is not None:
        made["path"] = path
    if value:
        made["value"] = value[0]
    return made


async def made(client: Client, path: str, body: dict[str, Any]) -> str:
    """Create a resource; its id."""
    answer = await client.post(path, body)
    assert answer.status == 201, answer.content
    return str(answer["id"])


async def people(client: Client, *names: str, **more: Any) -> list[str]:
    """Create people of these userNames; their ids."""
    return [await made(client, "/Users", user(name, **more)) for name in names]


async def found(client: Client, text: str, path: str = "/Users") -> list[str]:
    """The userNames or displayNames a filter finds, in order."""
    answer = await client.post(f"{path}/.search", {"filter": text})
    assert answer.status == 200, (text, answer.content)
    return [each.get("userName") or each["displayName"] for each in answer.body.get("Resources", ())]


async def written(bridge: Bridge) -> list[int]:
    """What a refusal must leave alone: how many rows there are of what a change writes, and all versions."""
    counts = [await bridge.count(f"sb_{name}") for name in ("audit", "effect", "resource", "member", "hold")]
    row = await bridge.store.reads.one("SELECT COALESCE(SUM(version), 0) AS n FROM sb_resource")
    return [*counts, int(row["n"])]


async def unharmed(bridge: Bridge, client: Client, attack: Callable[[str, str], Awaitable[None]]) -> None:
    """Make the attack on a person and a group; afterwards both are as before, and so is everything else."""
    (maria,) = await people(client, "maria")
    crew = await made(client, "/Groups", group(members=[{"value": maria}]))
    before, rows = await everything(client, maria, crew), await written(bridge)
    await attack(f"/Users/{maria}", f"/Groups/{crew}")
    assert await everything(client, maria, crew) == before
    assert await written(bridge) == rows


async def everything(client: Client, *ids: str) -> list[Any]:
    """All there is to see."""
    return [
        (await client.get("/Users")).body,
        (await client.get("/Groups")).body,
        [(await client.get(f"/Users/{each}")).headers.get("etag") for each in ids],
    ]
