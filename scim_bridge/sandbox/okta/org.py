"""The org: what every part of the simulated Okta stands on, and what it holds from the start."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from scim_bridge.sandbox.kit.clock import SECOND, iso
from scim_bridge.sandbox.kit.server import Sandbox
from scim_bridge.sandbox.okta import ids
from scim_bridge.sandbox.okta.ids import Ids
from scim_bridge.sandbox.okta.limits import Limits
from scim_bridge.sandbox.okta.model import base_profile

DEFAULT = "default"
SETTINGS: dict[str, Any] = {
    "search_lag_seconds": 0.0,
    "deactivation_seconds": 0.0,
    "import_groups": True,
    # Okta for AI Agents and Identity Governance are subscriptions; without them the API says E0000015.
    "ai_agents": False,
    "governance": False,
    "ai_operation_seconds": 0.0,
}
ORG_ID = "00osandboxorg0000001"
APP_FEATURES = [
    "GROUP_PUSH",
    "IMPORT_NEW_USERS",
    "IMPORT_PROFILE_UPDATES",
    "PUSH_NEW_USERS",
    "PUSH_PROFILE_UPDATES",
    "PUSH_USER_DEACTIVATION",
    "REACTIVATE_USERS",
    "SCIM_PROVISIONING",
]


@dataclass
class Org:
    """One org: its store, clock and ids, and the rate limits of its API."""

    sandbox: Sandbox
    ids: Ids = field(init=False)
    limits: Limits = field(init=False)

    def __post_init__(self) -> None:
        self.store = self.sandbox.store
        self.ids = Ids(self.store.clock)
        self.limits = Limits(self.store)
        self.sandbox.seed_with(self._seed)

    @property
    def url(self) -> str:
        """The org's base URL."""
        return self.sandbox.base_url

    def now(self) -> int:
        """The current instant in microseconds."""
        return self.store.clock.now()

    def stamp(self) -> str:
        """The current instant as Okta writes it."""
        return iso(self.now())

    def seconds(self) -> float:
        """The current instant in seconds."""
        return self.now() / SECOND

    def orn(self, *path: str) -> str:
        """The name of something of this org across Okta's products."""
        return ":".join(("orn:okta:directory", ORG_ID, *path))

    def settings(self) -> dict[str, Any]:
        """The org's settings, with defaults."""
        return {**SETTINGS, **(self.store.get("setting", "org") or {})}

    def default_type(self) -> dict[str, Any]:
        """The default user type."""
        return next(value for _, value in self.store.all("usertype") if value["default"])

    def everyone(self) -> dict[str, Any]:
        """The built-in group of all users."""
        return next(value for _, value in self.store.all("group") if value["type"] == "BUILT_IN")

    def app(self) -> dict[str, Any]:
        """The app that provisions by SCIM."""
        return self.store.all("app")[0][1]

    def _seed(self) -> None:
        self.limits.load()
        if self.store.all("usertype"):
            return
        now = self.stamp()
        self.add_type(
            {"name": "user", "displayName": "User", "description": "Okta user profile template"}, True
        )
        group = self.ids.new(ids.GROUP)
        self.store.put(
            "group",
            group,
            {
                "id": group,
                "created": now,
                "lastUpdated": now,
                "lastMembershipUpdated": now,
                "objectClass": ["okta:user_group"],
                "type": "BUILT_IN",
                "profile": {"name": "Everyone", "description": "All users in your organization"},
            },
        )
        app = self.ids.new(ids.APP)
        self.store.put(
            "app",
            app,
            {
                "id": app,
                "name": "sandbox_scim_1",
                "label": "SCIM app",
                "status": "ACTIVE",
                "created": now,
                "lastUpdated": now,
                "signOnMode": "SAML_2_0",
                "features": APP_FEATURES,
            },
        )

    def add_type(self, fields: dict[str, str], default: bool = False) -> dict[str, Any]:
        """Store a new user type with a schema of its own, a copy of the base template."""
        now = self.stamp()
        type_id, schema_id = self.ids.new(ids.USER_TYPE), self.ids.new(ids.SCHEMA)
        made = {
            "id": type_id,
            **fields,
            "default": default,
            "created": now,
            "lastUpdated": now,
            "createdBy": "sandbox",
            "lastUpdatedBy": "sandbox",
            "schema": schema_id,
        }
        self.store.put("usertype", type_id, made)
        self.store.put(
            "schema",
            schema_id,
            {
                "id": schema_id,
                "name": fields["name"],
                "title": fields["displayName"],
                "created": now,
                "lastUpdated": now,
                "definitions": {"custom": base_profile.custom(), "base": base_profile.base()},
            },
        )
        return made

    def schema_of(self, user: dict[str, Any]) -> dict[str, Any]:
        """The schema that rules a user's profile."""
        kind = self.store.get("usertype", user["type"]["id"])
        found = self.store.get("schema", kind["schema"]) if kind else None
        assert found is not None, f"user {user['id']} has a type without schema"
        return found
