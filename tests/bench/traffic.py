"""Requests as IdPs send them. Builders answer with whole HTTP requests, ready for the wire."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from urllib.parse import quote

from scim_bridge.registry.model import AGENT_URN, GROUP_URN, USER_URN
from tests.bench.client import request

PATCH_URN = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
BULK_URN = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"


class Traffic:
    """Requests to one server: where SCIM begins there, and the token it wants."""

    def __init__(self, base: str, token: str) -> None:
        self.base = base
        self.token = token

    def send(self, method: str, path: str, body: Any = None) -> bytes:
        """One request."""
        packed = b"" if body is None else json.dumps(body, separators=(",", ":")).encode()
        return request(method, f"{self.base}{path}", token=self.token, body=packed)

    def get(self, kind: str, ids: Iterable[str], query: str = "") -> list[bytes]:
        """GET of each id."""
        return [self.send("GET", f"/{kind}/{each}{query}") for each in ids]

    def equal(self, kind: str, attribute: str, values: Iterable[str]) -> list[bytes]:
        """A filter for each value, as Okta sends it before a create."""
        filters = (quote(f'{attribute} eq "{value}"') for value in values)
        return [self.send("GET", f"/{kind}?filter={each}&startIndex=1&count=100") for each in filters]

    def page(self, kind: str, start: int, count: int = 100, query: str = "") -> bytes:
        """A page of a list."""
        return self.send("GET", f"/{kind}?startIndex={start}&count={count}{query}")

    def patch(self, path: str, *operations: dict[str, Any]) -> bytes:
        """A PATCH with these operations."""
        return self.send("PATCH", path, {"schemas": [PATCH_URN], "Operations": list(operations)})

    def titles(self, ids: Sequence[str], tag: str) -> Iterator[bytes]:
        """PATCHes of one attribute, each with a value nobody had before."""
        for number in itertools.count():
            change = {"op": "replace", "path": "title", "value": f"Title {tag} {number}"}
            yield self.patch(f"/Users/{ids[number % len(ids)]}", change)

    def activity(self, ids: Sequence[str]) -> Iterator[bytes]:
        """Deactivations and activations in turn, in the form of Okta's catalog apps (no path)."""
        for number in itertools.count():
            active = bool(number // len(ids) % 2)
            change = {"op": "replace", "value": {"active": active}}
            yield self.patch(f"/Users/{ids[number % len(ids)]}", change)

    def creates(self, tag: str) -> Iterator[bytes]:
        """Creates of people, each another one."""
        for number in itertools.count():
            yield self.send("POST", "/Users", user(f"{tag}-{number}@corp.example"))

    def agent_creates(self, tag: str, owner: str) -> Iterator[bytes]:
        """Creates of agents with an owner, each another one."""
        for number in itertools.count():
            yield self.send("POST", "/Users", agent_user(f"{tag}-{number}@agents.example", owner))

    def member(self, group: str, members: Iterable[str]) -> Iterator[bytes]:
        """One member added, then the next: each is new to the group."""
        for member in members:
            change = {"op": "add", "path": "members", "value": [{"value": member}]}
            yield self.patch(f"/Groups/{group}", change)

    def no_member(self, group: str, members: Iterable[str]) -> Iterator[bytes]:
        """One member removed, then the next, in the form of Okta's catalog apps."""
        for member in members:
            change = {"op": "remove", "path": f'members[value eq "{member}"]'}
            yield self.patch(f"/Groups/{group}", change)

    def members(self, group: str, members: Sequence[str], batch: int) -> Iterator[bytes]:
        """Members added in batches."""
        for start in range(0, len(members), batch):
            value = [{"value": member} for member in members[start : start + batch]]
            yield self.patch(f"/Groups/{group}", {"op": "add", "path": "members", "value": value})

    def bulk(self, tag: str, operations: int) -> Iterator[bytes]:
        """Bulk requests that create people, so many each."""
        for number in itertools.count():
            wanted = range(number * operations, (number + 1) * operations)
            steps = [
                {
                    "method": "POST",
                    "path": "/Users",
                    "bulkId": f"b{each}",
                    "data": user(f"{tag}-{each}@corp.example"),
                }
                for each in wanted
            ]
            yield self.send("POST", "/Bulk", {"schemas": [BULK_URN], "Operations": steps})


def user(name: str) -> dict[str, Any]:
    """A person as Okta creates them."""
    short = name.split("@", 1)[0]
    return {
        "schemas": [USER_URN],
        "userName": name,
        "name": {"givenName": "Given", "familyName": short},
        "emails": [{"primary": True, "value": name, "type": "work"}],
        "displayName": f"Given {short}",
        "locale": "en-US",
        "title": "Engineer",
        "externalId": f"00u{short}",
        "groups": [],
        "active": True,
    }


def agent_user(name: str, owner: str) -> dict[str, Any]:
    """An agent as Okta creates it when the extension is mapped."""
    made = user(name)
    made["schemas"] = [USER_URN, AGENT_URN]
    made["userType"] = "Agent"
    made[AGENT_URN] = {
        "purpose": "Reads invoices and prepares what people decide.",
        "platform": "langgraph",
        "model": "gpt-5",
        "environment": "production",
        "riskTier": "medium",
        "owner": {"value": owner},
    }
    return made


def group(name: str, members: Iterable[str] = ()) -> dict[str, Any]:
    """A group."""
    return {"schemas": [GROUP_URN], "displayName": name, "members": [{"value": member} for member in members]}
