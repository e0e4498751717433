"""A bridge over both sandbox IdPs with a store of files: what tests of inventory and rotation need at hand."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from scim_bridge.audit.record import effect_settled
from scim_bridge.credentials.delivery.stores import Stores
from scim_bridge.credentials.effects import handlers
from scim_bridge.credentials.model import Delivery
from scim_bridge.credentials.outcomes import settled
from scim_bridge.credentials.policies import set_policy
from scim_bridge.credentials.scan import Scanned, scan
from scim_bridge.kernel.clock import ManualClock
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.effects import Effects
from scim_bridge.kernel.outbound import Outbound
from scim_bridge.kernel.work import Store, Work
from scim_bridge.registry.agent_creation import create_agent
from scim_bridge.registry.connections import create_connection
from scim_bridge.registry.model import PersonRef
from scim_bridge.registry.people import create_person
from scim_bridge.registry.people_refs import people
from scim_bridge.sync.idp.open import Idps
from tests.conftest import MASTER, TESTER
from tests.sandbox.servers import Running
from tests.sync.entra_tenant import Tenant
from tests.sync.okta_org import Org

TOKEN = "sandbox-admin-api-token-of-the-tests"
ROLES = [
    "Application.ReadWrite.All",
    "AgentIdentityBlueprint.ReadWrite.All",
    "AgentIdentityBlueprintPrincipal.Create",
    "AgentIdentity.ReadWrite.All",
    "AgentIdentity.Create.All",
]
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass
class OktaApp:
    """An OIDC app of an agent, and what a client of it does."""

    org: Org
    id: str
    secret: str = ""

    def login(self, value: str) -> int:
        """The status of a token request with this secret or private JWK (JSON)."""
        form = {"grant_type": "client_credentials", "scope": "tools.read"}
        url = f"{self.org.sandbox.url}/oauth2/default/v1/token"
        if value.startswith("{"):
            key = ECKey.import_key(json.loads(value))
            now = int(time.time())
            claims = {"iss": self.id, "sub": self.id, "aud": url, "iat": now, "exp": now + 60}
            claims["jti"] = secrets.token_hex(8)
            header = {"alg": "ES256", "kid": json.loads(value)["kid"]}
            token = jwt.encode(header, claims, key, algorithms=["ES256"])
            form |= {"client_assertion": token, "client_assertion_type": ASSERTION}
        else:
            form |= {"client_id": self.id, "client_secret": value}
        with self.org.sandbox.client() as client:
            return client.post("/oauth2/default/v1/token", data=form).status_code

    def items(self, kind: str = "clientsecret") -> list[dict[str, Any]]:
        """Its secrets or keys as the org keeps them."""
        return [one for one in self.org.objects(kind) if one["owner"] == self.id]


def entra_proof(value: str, app_id: str, url: str) -> dict[str, str]:
    """What proves an application: its secret, or an assertion by key and certificate (PEM)."""
    if not value.startswith("-----"):
        return {"client_secret": value}
    end = "-----END PRIVATE KEY-----\n"
    key, _, certificate = value.partition(end)
    raw = x509.load_pem_x509_certificate(certificate.encode()).public_bytes(Encoding.DER)
    thumb = base64.urlsafe_b64encode(hashlib.sha256(raw).digest()).rstrip(b"=").decode()
    now = int(time.time())
    claims = {"iss": app_id, "sub": app_id, "aud": url, "nbf": now - 60, "exp": now + 600}
    header = {"alg": "PS256", "x5t#S256": thumb}
    token = jwt.encode(header, claims, RSAKey.import_key(key + end), algorithms=["PS256"])
    return {"client_assertion": token, "client_assertion_type": ASSERTION}


@dataclass
class EntraApp:
    """An application of an agent, and what a client of it does."""

    tenant: Tenant
    id: str
    app_id: str
    secret: str = ""

    def login(self, value: str) -> bool:
        """Whether a token is given for this secret, or key and certificate (PEM)."""
        authority = self.tenant.settings["authority"]
        form = {
            "grant_type": "client_credentials",
            "client_id": self.app_id,
            "scope": "https://graph.microsoft.com/.default",
            **entra_proof(value, self.app_id, f"{authority}/oauth2/v2.0/token"),
        }
        with self.tenant.running.client() as client:
            return client.post(f"{authority}/oauth2/v2.0/token", data=form).status_code == 200

    def shown(self) -> dict[str, Any]:
        """The application as the directory keeps it."""
        (found,) = [one for one in self.tenant.objects("application") if one["id"] == self.id]
        return found


@dataclass
class House:
    """One bridge, opened on a store."""

    store: Store
    clock: ManualClock
    directory: Path
    org: Org | None = None
    tenant: Tenant | None = None
    delivery: Delivery | None = None
    outbound: Outbound = field(default_factory=lambda: Outbound(allow=["127.0.0.0/8"]))
    more_stores: dict[str, dict[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.ctx = Context(self.store, MASTER, self.outbound, "https://bridge.example", self.directory)
        self.idps = Idps(self.ctx)
        files = {"kind": "file", "directory": str(self.directory)}
        self.stores = Stores({"files": files, **self.more_stores}, self.outbound, self.clock)
        self.effects = self.engine(self.delivery or self.stores)

    def engine(self, delivery: Delivery) -> Effects:
        """The engine, delivering by this."""
        made = handlers(self.ctx, {}, self.idps.keeper, delivery, self.stores)
        return Effects(self.store, made, [effect_settled, settled])

    async def close(self) -> None:
        """Let go of every connection."""
        await self.idps.close()
        await self.stores.close()
        await self.outbound.aclose()

    async def agent(self, name: str) -> str:
        """A new agent; its id."""

        async def body(work: Work) -> str:
            made = await create_agent(work, {"userName": f"{name}@agents.test"}, origin="test", slug=name)
            return made.id

        return await self.store.transact(TESTER, body)

    async def person(self, name: str) -> PersonRef:
        """A person."""
        doc = {"userName": f"{name}@corp.test", "displayName": name.title()}
        made = await self.store.transact(TESTER, lambda work: create_person(work, doc, origin="test"))
        return (await people(self.store.reads, [made.id]))[made.id]

    async def connect(self) -> None:
        """The connections "okta" and "entra", to whichever sandbox there is."""

        async def body(work: Work) -> None:
            if self.org is not None:
                settings = {"org_url": self.org.sandbox.url, "ca_file": self.org.sandbox.ca_file}
                await create_connection(
                    work, MASTER, "okta", "okta", settings=settings, secrets={"ssws_token": TOKEN}
                )
            if self.tenant is not None:
                await create_connection(
                    work,
                    MASTER,
                    "entra",
                    "entra",
                    settings=self.tenant.settings,
                    secrets=self.tenant.secrets,
                )

        await self.store.transact(TESTER, body)

    def okta_app(self, agent_id: str, label: str = "app", *, jwk: dict[str, Any] | None = None) -> OktaApp:
        """A service app that carries the agent's mark; it has a secret, or this public key."""
        assert self.org is not None
        method = "private_key_jwt" if jwk else "client_secret_post"
        oauth: dict[str, Any] = {"application_type": "service", "grant_types": ["client_credentials"]}
        if jwk:
            oauth["jwks"] = {"keys": [jwk]}
        body = {
            "name": "oidc_client",
            "label": label,
            "signOnMode": "OPENID_CONNECT",
            "profile": {"scimBridgeAgent": agent_id} if agent_id else {},
            "credentials": {"oauthClient": {"token_endpoint_auth_method": method}},
            "settings": {"oauthClient": oauth},
        }
        with self.org.sandbox.client(authorization=f"SSWS {TOKEN}") as client:
            answer = client.post("/api/v1/apps", json=body)
        assert answer.status_code == 200, answer.text
        made = answer.json()
        secret = made["credentials"]["oauthClient"].get("client_secret", "")
        return OktaApp(self.org, made["id"], secret)

    def entra_app(self, agent_id: str, **wish: Any) -> EntraApp:
        """An application that carries the agent's mark, with a secret unless it is told otherwise."""
        assert self.tenant is not None
        answer = self.tenant.running.control.post(
            "/app-registrations", json={"roles": [], "secret": True, "display_name": "app", **wish}
        )
        made = answer.raise_for_status().json()
        found = EntraApp(self.tenant, made["object_id"], made["client_id"], made.get("client_secret", ""))
        self.graph("PATCH", f"/v1.0/applications/{found.id}", {"tags": [f"scim-bridge:{agent_id}"]})
        return found

    def graph(self, method: str, path: str, body: Any = None) -> httpx2.Response:
        """A call of Graph as an administrator's app."""
        assert self.tenant is not None
        client_id, secret = self.tenant.secrets["client_id"], self.tenant.secrets["client_secret"]
        tenant_id = self.tenant.settings["tenant_id"]
        form = {
            "grant_type": "client_credentials",
            "client_id": client_id,
            "client_secret": secret,
            "scope": "https://graph.microsoft.com/.default",
        }
        with self.tenant.running.client() as client:
            token = client.post(f"/{tenant_id}/oauth2/v2.0/token", data=form).json()["access_token"]
            answer = client.request(
                method, path, json=body, headers={"authorization": f"Bearer {token}", "odata-version": "4.0"}
            )
        assert answer.status_code < 300, answer.text
        return answer

    async def policy(self, subject: str = "all", **content: Any) -> None:
        """A policy with the store of files, confirmed by acknowledgement, half an hour of overlap."""
        told = {
            "store": "files",
            "store_kind": "file",
            "address": {"path": "{slug}"},
            "overlap_seconds": 1800,
            "confirm_seconds": 3600,
            **content,
        }
        await self.store.transact(TESTER, lambda work: set_policy(work, subject, told))

    async def scan(self, name: str) -> Scanned:
        """Scan one connection."""
        return await scan(self.ctx, self.idps.keeper, name)

    async def work(self, most: int = 200) -> int:
        """Perform everything that is due now, and what follows at once; how many attempts."""
        for done in range(most):
            row = await self.store.reads.one(
                "SELECT id FROM sb_effect WHERE state IN ('pending', 'handed') AND next_at <= ?"
                " AND kind LIKE 'credential.%' ORDER BY next_at, id LIMIT 1",
                self.clock.now(),
            )
            if row is None:
                return done
            await self.effects.attempt(row["id"])
        raise AssertionError("effects without end")

    def delivered(self, slug: str) -> str:
        """What the agent reads now."""
        return (self.directory / slug).read_text()

    async def credentials(self, agent_id: str = "") -> list[dict[str, Any]]:
        """The rows of the inventory, oldest first."""
        rows = await self.store.reads.all("SELECT * FROM sb_credential ORDER BY created, id")
        return [dict(row) for row in rows if not agent_id or row["agent_id"] == agent_id]

    async def rotation(self) -> dict[str, Any]:
        """The latest rotation's row."""
        row = await self.store.reads.one("SELECT * FROM sb_rotation ORDER BY created DESC, id DESC LIMIT 1")
        return dict(row)


class Killed(BaseException):
    """The process is no more: nothing catches it on its way."""


class Points:
    """Counts the fault points as they are passed, and ends everything at one of them."""

    def __init__(self, fatal: int, die: Callable[[], None]) -> None:
        self.count = 0
        self._fatal = fatal
        self._die = die

    def passed(self) -> None:
        """Go on, or die."""
        self.count += 1
        if self.count == self._fatal:
            self._die()


class Fatal(Outbound):
    """A way out with a fault point before and after each call; with `writes`, only after calls that write."""

    def __init__(self, points: Points, *, writes: bool = False, ca_files: tuple[str, ...] = ()) -> None:
        super().__init__(allow=["127.0.0.0/8"], more_ca_files=ca_files)
        self._points = points
        self._writes = writes

    def trusting(self, ca_file: Any) -> Outbound:
        """The same with a private authority."""
        return Fatal(self._points, writes=self._writes, ca_files=(str(ca_file),))

    async def send(self, method: str, url: str, *args: Any, **options: Any) -> Any:
        """Send, unless it is over before or after."""
        writes = method != "GET" and "/token" not in url and "$batch" not in url
        if not self._writes:
            self._points.passed()
        answer = await super().send(method, url, *args, **options)
        if writes or not self._writes:
            self._points.passed()
        return answer


class FatalStore:
    """A store with a fault point before and after each call."""

    def __init__(self, inner: Delivery, points: Points) -> None:
        self._inner = inner
        self._points = points

    async def deliver(self, *args: Any) -> Any:
        """Deliver, unless it is over before or after."""
        self._points.passed()
        made = await self._inner.deliver(*args)
        self._points.passed()
        return made

    async def confirmed(self, *args: Any) -> Any:
        """As the inner one says."""
        return await self._inner.confirmed(*args)

    async def withdraw(self, *args: Any) -> Any:
        """Withdraw, unless it is over before or after."""
        self._points.passed()
        await self._inner.withdraw(*args)
        self._points.passed()


Scene = Callable[[House], Awaitable[None]]


def fresh_tenant(running: Running) -> Tenant:
    """An emptied tenant in which the bridge's app may do what rotation needs."""
    return Tenant.fresh(running, roles=[*ROLES, "AuditLog.Read.All"])
