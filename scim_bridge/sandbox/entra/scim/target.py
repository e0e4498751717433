"""The application being provisioned: where it is, and the calls made to it in one run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, get_args
from urllib.parse import quote_plus

from scim_bridge.sandbox.entra.scim import dialect as dialects
from scim_bridge.sandbox.entra.scim.dialect import Dialect, ManagerShape
from scim_bridge.sandbox.entra.scim.mapping import EXTERNAL_ID_SOURCES
from scim_bridge.sandbox.entra.scim.replies import check
from scim_bridge.sandbox.kit.control import Refusal
from scim_bridge.sandbox.kit.scim_client import ScimCaller, ScimReply
from scim_bridge.sandbox.kit.store import Store

KIND = "scimTarget"
KEY = "target"


@dataclass(frozen=True, slots=True)
class Target:
    """A non-gallery application's connection: Tenant URL, Secret Token, and how it is written to."""

    base_url: str
    token: str
    dialect: Dialect = dialects.LEGACY
    ca_file: str = ""
    manager_shape: ManagerShape = "array"
    external_id: str = "objectId"

    def on_demand(self) -> Target:
        """The same for provisioning on demand, which does not know the flag."""
        return replace(self, dialect=dialects.LEGACY, manager_shape="array")


def read_target(body: Mapping[str, Any]) -> Target:
    """A target from the control API; Refusal for what the portal would not take."""
    base_url, token = body.get("base_url"), body.get("token")
    if not isinstance(base_url, str) or not base_url.startswith("https://"):
        raise Refusal("'base_url' is the Tenant URL, https only.")
    if not isinstance(token, str) or not token:
        raise Refusal("'token' is the Secret Token.")
    dialect = body.get("dialect", dialects.LEGACY)
    if dialect not in dialects.DIALECTS:
        raise Refusal(f"'dialect' is one of {', '.join(dialects.DIALECTS)}.")
    shape = body.get("manager_shape") or dialects.usual_manager_shape(dialect)
    if shape not in get_args(ManagerShape):
        raise Refusal(f"'manager_shape' is one of {', '.join(dialects.MANAGER_SHAPES)}.")
    external_id = body.get("external_id", "objectId")
    if external_id not in EXTERNAL_ID_SOURCES:
        raise Refusal(f"'external_id' is one of {', '.join(EXTERNAL_ID_SOURCES)}.")
    ca_file = body.get("ca_file") or ""
    if ca_file and not (isinstance(ca_file, str) and Path(ca_file).is_file()):
        raise Refusal("'ca_file' is a file with certificates to trust.")
    base, _, query = base_url.partition("?")
    if query and query != dialects.FLAG:
        raise Refusal(f"The Tenant URL may carry the query {dialects.FLAG} only.")
    return Target(base.rstrip("/"), token, dialects.MODERN if query else dialect, ca_file, shape, external_id)


def keep(store: Store, target: Target) -> None:
    """Keep the target."""
    names = ("base_url", "token", "dialect", "ca_file", "manager_shape", "external_id")
    store.put(KIND, KEY, {name: getattr(target, name) for name in names})


def load(store: Store) -> Target:
    """The target; Refusal before there is one."""
    kept = store.get(KIND, KEY)
    if kept is None:
        raise Refusal("Configure the SCIM target first.", 409)
    return Target(**kept)


def filter_query(expression: str) -> str:
    """A filter as the service writes it into a query: blanks as +, the rest percent-encoded."""
    return f"filter={quote_plus(expression)}"


@dataclass
class Run:
    """The calls of one run, in order, each {operation, method, path, status}, and what went wrong."""

    target: Target
    caller: ScimCaller
    calls: list[dict[str, Any]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    async def call(
        self, operation: str, method: str, path: str, body: Any = None, wanted: tuple[int, ...] = (200,)
    ) -> ScimReply:
        """One call; Failed unless its status is one of `wanted`."""
        full = dialects.target_query(self.target.dialect, path)
        reply = await self.caller.call(operation, method, full, body)
        self.calls.append({"operation": operation, "method": method, "path": full, "status": reply.status})
        return check(operation, reply, wanted)


def caller_for(store: Store, target: Target) -> ScimCaller:
    """A caller for one run; use as `async with`."""
    return ScimCaller(store, target.base_url, target.token, target.ca_file or None)
