"""The tenant's directory: objects by type and id, found by their other names, each change numbered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from scim_bridge.sandbox.kit.clock import iso
from scim_bridge.sandbox.kit.store import Store

USER = "user"
GROUP = "group"
APPLICATION = "application"
PRINCIPAL = "servicePrincipal"
DELETED = "deletedItem"
KINDS = (USER, GROUP, APPLICATION, PRINCIPAL)

GRAPH_APP_ID = "00000003-0000-0000-c000-000000000000"
HIDDEN = "$"
"""The member of a stored object that Graph never shows: references, secrets' digests, change number."""

Object = dict[str, Any]


def hidden(value: Mapping[str, Any], name: str, otherwise: Any = None) -> Any:
    """A hidden member of an object."""
    return value.get(HIDDEN, {}).get(name, otherwise)


def with_hidden(value: Mapping[str, Any], **members: Any) -> Object:
    """The object with hidden members set."""
    return {**value, HIDDEN: {**value.get(HIDDEN, {}), **members}}


class Tenant:
    """The directory over the sandbox's store. Methods commit at once outside `store.transaction()`."""

    def __init__(self, store: Store, base_url: str) -> None:
        self.store = store
        self.base_url = base_url

    @property
    def id(self) -> str:
        """The tenant id, a GUID."""
        return str(self._self()["id"])

    @property
    def domain(self) -> str:
        """The initial domain of the tenant."""
        return str(self._self()["domain"])

    def _self(self) -> Object:
        found = self.store.get("tenant", "self")
        assert found is not None, "seed() makes the tenant"
        return found

    def seed(self) -> None:
        """Make the tenant and Microsoft Graph's own service principal, once."""
        if self.store.get("tenant", "self") is None:
            self.store.put("tenant", "self", {"id": new_id(), "domain": "sandbox.onmicrosoft.example"})
        if self.principal_of(GRAPH_APP_ID) is None:
            graph = {
                "@odata.type": "#microsoft.graph.servicePrincipal",
                "id": new_id(),
                "appId": GRAPH_APP_ID,
                "displayName": "Microsoft Graph",
                "servicePrincipalType": "Application",
                "accountEnabled": True,
                "createdDateTime": self.now_text(),
                "tags": [],
                "appRoles": [],
            }
            self.put(PRINCIPAL, graph)

    def now(self) -> int:
        """The current instant, microseconds."""
        return self.store.clock.now()

    def now_text(self) -> str:
        """The current instant as Graph writes it: whole seconds, Z."""
        return iso(self.now())[:19] + "Z"

    def find(self, kind: str, object_id: str) -> Object | None:
        """A live object by id, or None."""
        return self.store.get(kind, object_id)

    def anything(self, object_id: str) -> tuple[str, Object] | None:
        """A live directory object of any type by id, or None."""
        for kind in KINDS:
            found = self.store.get(kind, object_id)
            if found is not None:
                return kind, found
        return None

    def every(self, kind: str) -> list[Object]:
        """Every live object of a type."""
        return [value for _, value in self.store.all(kind)]

    def listing(self, kind: str) -> list[Object]:
        """Every live object of a type, not to be changed; for reading calls only.

        A call that writes uses `every`: what it sees may be rolled back and must not be remembered.
        """
        return self.store.listing(kind)

    def user_named(self, name: str) -> Object | None:
        """A user by userPrincipalName (any case), or None."""
        return self._indexed(USER, f"upn:{name.lower()}")

    def application_of(self, app_id: str) -> Object | None:
        """An application by appId, or None."""
        return self._indexed(APPLICATION, f"app:{app_id.lower()}")

    def principal_of(self, app_id: str) -> Object | None:
        """An application's service principal by appId, or None."""
        return self._indexed(PRINCIPAL, f"principal:{app_id.lower()}")

    def agent_user_of(self, identity_id: str) -> Object | None:
        """The user account of an agent identity, or None."""
        return self._indexed(USER, f"parent:{identity_id}")

    def _indexed(self, kind: str, name: str) -> Object | None:
        entry = self.store.get("index", name)
        return None if entry is None else self.store.get(kind, str(entry["id"]))

    def put(self, kind: str, value: Mapping[str, Any]) -> Object:
        """Create or replace an object; as it was stored, with its new change number."""
        object_id = str(value["id"])
        with self.store.transaction():
            before = self.store.get(kind, object_id)
            after = with_hidden(value, change=self._next_change())
            self._reindex(kind, before, after)
            self.store.put(kind, object_id, after)
        return after

    def delete(self, kind: str, object_id: str) -> None:
        """Move a live object to the deleted items (soft delete)."""
        with self.store.transaction():
            value = self.store.get(kind, object_id)
            if value is None:
                return
            self._reindex(kind, value, None)
            self.store.delete(kind, object_id)
            gone = with_hidden(value, kind=kind, change=self._next_change())
            self.store.put(DELETED, object_id, {**gone, "deletedDateTime": self.now_text()})

    def restore(self, object_id: str) -> Object | None:
        """Bring a deleted object back; None when there is no such item."""
        with self.store.transaction():
            value = self.store.get(DELETED, object_id)
            if value is None:
                return None
            self.store.delete(DELETED, object_id)
            back = {name: item for name, item in value.items() if name != "deletedDateTime"}
            return self.put(str(hidden(value, "kind")), back)

    def purge(self, object_id: str) -> bool:
        """Delete a deleted item for good; True when there was one."""
        with self.store.transaction():
            value = self.store.get(DELETED, object_id)
            if value is None:
                return False
            self.store.delete(DELETED, object_id)
            if value.get("agentIdentityBlueprintId"):
                self.count_children(str(value["agentIdentityBlueprintId"]), -1)
            gone = {"id": object_id, "kind": hidden(value, "kind"), "change": self._next_change()}
            self.store.put("purged", object_id, gone)
            return True

    def count_children(self, blueprint_id: str, step: int = 0) -> int:
        """How many agent identities a blueprint has, deleted ones that can be restored included; after `step`."""
        kept = self.store.get("counter", f"children:{blueprint_id}")
        count = (0 if kept is None else int(kept["value"])) + step
        if step:
            self.store.put("counter", f"children:{blueprint_id}", {"value": count})
        return count

    def change(self) -> int:
        """The number of the latest change."""
        counter = self.store.get("counter", "change")
        return 0 if counter is None else int(counter["value"])

    def _next_change(self) -> int:
        number = self.change() + 1
        self.store.put("counter", "change", {"value": number})
        return number

    def _reindex(self, kind: str, before: Object | None, after: Object | None) -> None:
        old = set() if before is None else set(_names(kind, before))
        new = set() if after is None else set(_names(kind, after))
        for name in old - new:
            self.store.delete("index", name)
        if after is not None:
            for name in new - old:
                self.store.put("index", name, {"id": after["id"]})


def new_id() -> str:
    """A fresh GUID."""
    return str(uuid4())


def _names(kind: str, value: Mapping[str, Any]) -> list[str]:
    if kind == USER:
        parent = value.get("identityParentId")
        named = [f"upn:{str(value['userPrincipalName']).lower()}"]
        return [*named, f"parent:{parent}"] if parent else named
    if kind == APPLICATION:
        return [f"app:{str(value['appId']).lower()}"]
    if kind == PRINCIPAL and value.get("appId"):
        return [f"principal:{str(value['appId']).lower()}"]
    return []
