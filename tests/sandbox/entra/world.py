"""A tenant without a network for the tests of its Graph: a clock that stands still, apps with chosen roles."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc.jwk import RSAKey

from scim_bridge.sandbox.entra import people, registrations, settings
from scim_bridge.sandbox.entra.graph import lifecycle
from scim_bridge.sandbox.entra.graph.call import Answer
from scim_bridge.sandbox.entra.graph.service import Graph
from scim_bridge.sandbox.entra.sts.service import TokenService
from scim_bridge.sandbox.entra.tenant import Tenant
from scim_bridge.sandbox.kit.clock import SECOND
from scim_bridge.sandbox.kit.store import Store

GRAPH = "https://graph.microsoft.com"
DAY = 86400 * SECOND
AGENT_ROLES = (
    "AgentIdentity.ReadWrite.All",
    "AgentIdentity.Create.All",
    "AgentIdentityBlueprint.ReadWrite.All",
    "AgentIdentityBlueprintPrincipal.ReadWrite.All",
    "CustomSecAttributeAssignment.ReadWrite.All",
    "CustomSecAttributeDefinition.ReadWrite.All",
    "Application.Read.All",
    "User.ReadWrite.All",
    "Group.ReadWrite.All",
    "LifecyclePolicies-AgentId.ReadWrite.All",
    "AppRoleAssignment.ReadWrite.All",
)
ATTRIBUTE_VALUE = "#Microsoft.DirectoryServices.CustomSecurityAttributeValue"
_PEM = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
    Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
)
KEY = RSAKey.import_key(_PEM, {"kid": "test-key"})


class Clock:
    """A kit clock that stands still until moved."""

    def __init__(self) -> None:
        self.instant = 1_795_600_000 * SECOND

    def now(self) -> int:
        """The instant in microseconds."""
        return self.instant

    def move(self, seconds: float) -> None:
        """Move it."""
        self.instant += int(seconds * SECOND)


@dataclass
class Api:
    """Graph as one application calls it."""

    graph: Graph
    token: str
    app_id: str

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """One call; `path` starts below the version unless it names one, and may carry a query."""
        split = urlsplit(path)
        version, _, rest = split.path.lstrip("/").partition("/")
        if version not in ("v1.0", "beta"):
            version, rest = "v1.0", split.path.lstrip("/")
        sent = {"authorization": f"Bearer {self.token}", "content-type": "application/json"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        raw = b"" if body is None else json.dumps(body).encode()
        query = dict(parse_qsl(split.query, keep_blank_values=True))
        return self.graph.answer(method, version, rest, query, sent, raw)

    def ok(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """The body of a call that must succeed."""
        answer = self.call(method, path, body, **headers)
        assert answer.status < 300, (answer.status, answer.body)
        return answer.body

    def refused(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, str, str]:
        """Status, code and message of a call that must be refused; the error object is checked."""
        answer = self.call(method, path, body, **headers)
        assert answer.status >= 400, (answer.status, answer.body)
        assert set(answer.body) == {"error"}
        error = answer.body["error"]
        assert set(error["innerError"]) == {"date", "request-id", "client-request-id"}
        assert error["innerError"]["request-id"] == answer.headers["request-id"]
        return answer.status, error["code"], error["message"]

    def listed(self, path: str, **headers: str) -> list[dict[str, Any]]:
        """Every object of a collection, following @odata.nextLink."""
        found: list[dict[str, Any]] = []
        while path:
            body = self.ok("GET", path, **headers)
            found += body["value"]
            path = _below(body.get("@odata.nextLink", ""))
        return found


def _below(url: str) -> str:
    split = urlsplit(url)
    return f"{split.path}?{split.query}" if url else ""


class World:
    """A tenant, its services, and shortcuts."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.store = Store(None, self.clock)
        self.tenant = Tenant(self.store, "https://entra.test")
        self.tenant.seed()
        lifecycle.seed(self.tenant)
        self.sts = TokenService(self.tenant, KEY)
        self.graph = Graph(self.tenant, KEY)

    def app(self, *roles: str) -> Api:
        """A new application that was granted these roles, signed in."""
        made = registrations.register(self.tenant, {"secret": True, "roles": list(roles)})
        return self.signed_in(made["client_id"], {"client_secret": made["client_secret"]})

    def admin(self) -> Api:
        """A new application that may do what the bridge does."""
        return self.app(*AGENT_ROLES)

    def signed_in(self, client_id: str, proof: Mapping[str, str]) -> Api:
        """An application or agent identity with a token for Graph."""
        form = {"grant_type": "client_credentials", "client_id": client_id, "scope": f"{GRAPH}/.default"}
        token = self.sts.token({**form, **proof})["access_token"]
        return Api(self.graph, token, client_id)

    def set(self, **wish: Any) -> None:
        """Change settings of the tenant."""
        settings.save(self.store, settings.changed(settings.load(self.store), wish))

    def user(self, name: str, **members: Any) -> str:
        """A user by a short name; its id."""
        upn = f"{name}@harborpine.example"
        people.fill(self.tenant, {"users": [{"userPrincipalName": upn, "mail": upn, **members}]})
        found = self.tenant.user_named(upn)
        assert found is not None
        return str(found["id"])

    def group(self, name: str, members: list[str] | None = None, **more: Any) -> str:
        """A group; its id."""
        names = [f"{one}@harborpine.example" for one in members or []]
        people.fill(self.tenant, {"groups": [{"displayName": name, "members": names, **more}]})
        return next(str(one["id"]) for one in self.tenant.every("group") if one["displayName"] == name)

    def blueprint(self, api: Api, sponsor: str, *, principal: bool = True) -> str:
        """A blueprint and, unless told otherwise, its principal; the appId."""
        body = {"displayName": "bridge", "sponsors@odata.bind": [user_url(sponsor)]}
        app_id = str(api.ok("POST", "applications/microsoft.graph.agentIdentityBlueprint", body)["appId"])
        if principal:
            path = "servicePrincipals/microsoft.graph.agentIdentityBlueprintPrincipal"
            api.ok("POST", path, {"appId": app_id})
        return app_id

    def identity(self, api: Api, blueprint: str, sponsor: str, name: str = "Triage") -> str:
        """An agent identity; its id."""
        return str(api.ok("POST", IDENTITIES, identity_body(blueprint, sponsor, name))["id"])


IDENTITIES = "servicePrincipals/microsoft.graph.agentIdentity"


def identity_body(blueprint: str, sponsor: str, name: str = "Triage") -> dict[str, Any]:
    """The body of an agent identity's create."""
    return {
        "displayName": name,
        "agentIdentityBlueprintId": blueprint,
        "sponsors@odata.bind": [user_url(sponsor)],
    }


def user_url(user_id: str) -> str:
    """A user as @odata.bind names it."""
    return f"{GRAPH}/v1.0/users/{user_id}"


def reference(object_id: str) -> dict[str, str]:
    """The body of a $ref call."""
    return {"@odata.id": f"{GRAPH}/v1.0/directoryObjects/{object_id}"}
