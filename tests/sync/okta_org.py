"""A sandbox Okta org over HTTPS, with a service app for us, and a bench whose tenant is that org."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc.jwk import RSAKey

from scim_bridge.kernel.context import Context
from scim_bridge.kernel.outbound import Outbound
from scim_bridge.kernel.work import Store
from scim_bridge.registry.connections import Connection
from scim_bridge.sandbox.okta.app import build
from scim_bridge.sync.idp.okta.opening import open_okta
from scim_bridge.sync.idp.port import Idp
from tests.conftest import MASTER
from tests.sandbox.servers import Running, running

SCOPES = ["okta.users.manage", "okta.userTypes.manage", "okta.schemas.manage", "okta.linkedObjects.manage"]
EVERY_SCOPE = [
    *SCOPES,
    "okta.groups.manage",
    "okta.apps.manage",
    "okta.logs.read",
    "okta.aiAgents.manage",
    "okta.governance.resourceOwner.manage",
]
CLIENT = "0oaofthetests0000001"


@cache
def private_key() -> str:
    """An RSA key of the tests, PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


@cache
def public_jwk() -> dict[str, Any]:
    """Its public half."""
    return RSAKey.import_key(private_key()).as_dict(private=False)


@dataclass(frozen=True)
class Org:
    """A running org and what a test asks of it."""

    sandbox: Running

    def open(self, store: Store, there: Connection | None = None, **changes: Any) -> Idp:
        """The adapter, as a connection's settings and secrets would open it."""
        secrets: dict[str, Any] = {
            "client_id": CLIENT,
            "private_key": private_key(),
            "kid": "k1",
            "scopes": SCOPES,
        }
        settings = {"org_url": self.sandbox.url, "ca_file": self.sandbox.ca_file}
        if there is not None:
            settings |= there.settings
        asked = Connection(
            there.id if there else "c1", there.name if there else "okta", "okta", "okta-put", settings, True
        )
        outbound = Outbound(allow=["127.0.0.0/8"])
        return open_okta(
            asked, {**secrets, **changes}, Context(store, MASTER, outbound, "http://127.0.0.1", Path())
        )

    def emptied(self, token: str) -> None:
        """Empty the org, and give an admin this API token: much faster than keys are."""
        self.control("POST", "/reset")
        self.control("POST", "/api-tokens", {"token": token})

    def afresh(self, scopes: Sequence[str] = EVERY_SCOPE) -> None:
        """Empty the org, and let our service app in again."""
        self.control("POST", "/reset")
        self.let_in(scopes)

    def let_in(self, scopes: Sequence[str] = EVERY_SCOPE, **more: Any) -> None:
        """Our service app as the org knows it: the scopes granted to it, whether it must prove its key."""
        jwk = public_jwk() | {"kid": "k1"}
        client = {"client_id": CLIENT, "jwk": jwk, "scopes": list(scopes), **more}
        self.control("POST", "/api-clients", client)

    def people(self, *logins: str) -> None:
        """People with accounts."""
        users = [
            {"login": login, "email": login, "firstName": login.split("@")[0].title(), "lastName": "Person"}
            for login in logins
        ]
        self.control("POST", "/directory", {"users": users})

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """A call of the control API."""
        answer = self.sandbox.control.request(method, path, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def objects(self, kind: str) -> list[dict[str, Any]]:
        """What the org keeps of a kind."""
        found = self.control("GET", f"/objects/{kind}")["objects"]
        return [item["value"] for item in found]

    def user(self, login: str) -> dict[str, Any]:
        """The one user with this login."""
        (found,) = [user for user in self.objects("user") if user["profile"]["login"] == login]
        return found

    def calls(self, after: int = 0) -> list[dict[str, Any]]:
        """The journal of calls that reached the org."""
        found: list[dict[str, Any]] = self.control("GET", f"/journal?direction=in&after={after}")["calls"]
        return found

    def fault(self, method: str, path: str, action: str, **more: Any) -> None:
        """Let the next matching call go wrong."""
        rule = {"match": {"method": method, "path": path}, "times": 1, "action": action, **more}
        self.control("PUT", "/faults", {"faults": [rule]})


@contextlib.contextmanager
def okta_org(data: Path, scopes: list[str] = SCOPES) -> Iterator[Org]:
    """A fresh org with our service app in it."""
    with running("okta", build, data) as sandbox:
        org = Org(sandbox)
        org.afresh(scopes)
        yield org
