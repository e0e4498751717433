"""AI agents (Okta for AI Agents): every change is an operation that is done a while after it was accepted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scim_bridge.sandbox.kit.clock import SECOND
from scim_bridge.sandbox.okta import events, ids
from scim_bridge.sandbox.okta.api.gate import Caller
from scim_bridge.sandbox.okta.errors import OktaError, invalid, not_found
from scim_bridge.sandbox.okta.org import Org
from scim_bridge.sandbox.okta.owners import Owners

STAGED, ACTIVE, INACTIVE = "STAGED", "ACTIVE", "INACTIVE"
SHORTEST = 3
LONGEST = 255
PROFILE = ("name", "description")

Agent = dict[str, Any]
Operation = dict[str, Any]


class AiAgents:
    """The AI agents of one org and what is being done to them. Writing methods belong into a transaction."""

    def __init__(self, org: Org, owners: Owners) -> None:
        self._org = org
        self._owners = owners

    def all(self) -> list[Agent]:
        """Every agent, oldest first, after what is due was done."""
        self._settle()
        return [value for _, value in self._org.store.all("aiagent")]

    def need(self, key: str) -> Agent:
        """The agent with this id; E0000007 otherwise."""
        self._settle()
        found = self._org.store.get("aiagent", key)
        if found is None:
            raise not_found(key, "AIAgent")
        return found

    def operation(self, key: str) -> Operation:
        """The operation with this id as it stands; E0000007 otherwise."""
        self._settle()
        found = self._org.store.get("aioperation", key)
        if found is None:
            raise not_found(key, "Operation")
        return found

    def operations(self) -> list[Operation]:
        """Every operation, oldest first."""
        self._settle()
        return [value for _, value in self._org.store.all("aioperation")]

    def register(self, profile: object, caller: Caller) -> Operation:
        """Accept a new agent; it is STAGED when the operation is done."""
        made = self._checked(profile, {}, None)
        return self._begin("Register", self._org.ids.new(ids.AI_AGENT), caller, made)

    def patch(self, agent: Agent, profile: object, caller: Caller) -> Operation:
        """Accept a merge patch of the profile; null takes a value away."""
        if profile is None:
            profile = {}
        return self._begin(
            "Patch", agent["id"], caller, self._checked(profile, agent["profile"], agent["id"])
        )

    def replace(self, agent: Agent, profile: object, caller: Caller) -> Operation:
        """Accept a whole new profile."""
        return self._begin("Replace", agent["id"], caller, self._checked(profile, {}, agent["id"]))

    def activate(self, agent: Agent, caller: Caller) -> Operation:
        """Accept an activation; it fails later when nobody answers for the agent."""
        if agent["status"] == ACTIVE:
            raise invalid("status", "status: The AI agent is already ACTIVE")
        return self._begin("Activate", agent["id"], caller)

    def deactivate(self, agent: Agent, caller: Caller) -> Operation:
        """Accept a deactivation. Tokens that were issued stay valid."""
        if agent["status"] != ACTIVE:
            raise invalid("status", f"status: The AI agent is {agent['status']}")
        return self._begin("Deactivate", agent["id"], caller)

    def delete(self, agent: Agent, caller: Caller) -> Operation:
        """Accept a deletion, of an inactive agent only."""
        if agent["status"] != INACTIVE:
            raise invalid("status", "status: The AI agent must be INACTIVE to be deleted")
        return self._begin("Delete", agent["id"], caller)

    def _checked(self, given: object, before: Mapping[str, Any], own_id: str | None) -> dict[str, Any]:
        if not isinstance(given, Mapping):
            raise invalid("profile", "profile: The field cannot be left blank")
        unknown = [name for name in given if name not in PROFILE]
        if unknown:
            raise invalid(unknown[0], f"{unknown[0]}: The property is not supported")
        profile = {name: value for name, value in {**before, **given}.items() if value is not None}
        for name, value in profile.items():
            if not isinstance(value, str):
                raise invalid(name, f"{name}: The value must be of type string")
        name = profile.get("name", "")
        if not SHORTEST <= len(name.strip()) <= LONGEST:
            raise invalid("name", f"name: The name must be between {SHORTEST} and {LONGEST} characters")
        if self._taken(name, own_id):
            raise invalid("name", f"name: An AI agent with the name {name} already exists")
        return profile

    def _taken(self, name: str, own_id: str | None) -> bool:
        pending = [
            (op["agent"], op["profile"])
            for op in self.operations()
            if op["status"] != "COMPLETED" and op["profile"]
        ]
        known = [(agent["id"], agent["profile"]) for agent in self.all()]
        return any(
            key != own_id and profile["name"].casefold() == name.casefold()
            for key, profile in pending + known
        )

    def _begin(
        self, kind: str, agent_id: str, caller: Caller, profile: dict[str, Any] | None = None
    ) -> Operation:
        key = self._org.ids.new(ids.OPERATION)
        due = self._org.now() + int(float(self._org.settings()["ai_operation_seconds"]) * SECOND)
        operation: Operation = {
            "id": key,
            "type": f"ai-agent:{kind}",
            "status": "SCHEDULED",
            "created": self._org.stamp(),
            "agent": agent_id,
            "profile": profile,
            "due": due,
            "caller": [caller.id, caller.name, caller.kind],
        }
        self._org.store.put("aioperation", key, operation)
        self._settle()
        return operation

    def _settle(self) -> None:
        """Do what is due."""
        store, now = self._org.store, self._org.now()
        for key, operation in store.all("aioperation"):
            if operation["status"] != "SCHEDULED" or operation["due"] > now:
                continue
            with store.transaction():
                stamp = self._org.stamp()
                after = {**operation, "started": stamp, "completed": stamp, "status": "COMPLETED"}
                try:
                    self._do(operation)
                except OktaError as error:
                    words = "; ".join((error.summary, *error.causes))
                    after |= {"status": "FAILED", "errorDetails": {"code": error.code, "message": words}}
                store.put("aioperation", key, after)

    def _do(self, operation: Operation) -> None:
        store, key = self._org.store, operation["agent"]
        kind = operation["type"].removeprefix("ai-agent:")
        now = self._org.stamp()
        agent = store.get("aiagent", key)
        if kind == "Register":
            agent = {"id": key, "created": now, "status": STAGED}
        elif agent is None:
            raise not_found(key, "AIAgent")
        if kind == "Delete":
            store.delete("aiagent", key)
            self._owners.forget(key)
        else:
            if kind == "Activate" and not self._owners.of_agent(key):
                raise invalid("owner", "owner: An AI agent needs an owner before it can be activated")
            status = {"Activate": ACTIVE, "Deactivate": INACTIVE}.get(kind, agent["status"])
            profile = operation["profile"] or agent.get("profile")
            store.put("aiagent", key, {**agent, "profile": profile, "status": status, "lastUpdated": now})
        verb = {"Replace": "update", "Patch": "update"}.get(kind, kind.casefold())
        name = str((operation["profile"] or agent.get("profile") or {}).get("name", key))
        by, named, of = operation["caller"]
        caller = Caller(by, named, of, None)
        events.write(
            self._org, f"workload_principal.{verb}", caller, [events.other_target("AIAgent", key, name)]
        )
