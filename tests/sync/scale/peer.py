"""A sandbox IdP as a process of its own, steered by its control API and counted by its own journal."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import httpx2
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc.jwk import RSAKey

from scim_bridge.cli.story.opening import ENTRA_ROLES, OKTA_SCOPES
from tests.sandbox.servers import trust

OWNERS = 20
QUIET = ("/oauth2/", "/.well-known/")


def owner(number: int) -> str:
    """The login of an owner."""
    return f"owner-{number % OWNERS}@corp.test"


class Peer:
    """One sandbox, `kind` okta or entra; `settings` and `secrets` are those of a connection to it."""

    def __init__(self, kind: str, data: Path) -> None:
        self.kind = kind
        self._data = data
        command = [sys.executable, "-m", f"scim_bridge.sandbox.{kind}", "--data", str(data)]
        self._process = subprocess.Popen(
            [*command, "--exit-with-parent"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._process.stdout is not None
        ready = json.loads(self._process.stdout.readline())
        self.url, self.ca_file = ready["url"], ready["ca_file"]
        token = Path(ready["control_token_file"]).read_text()
        self._control = httpx2.Client(
            base_url=f"{self.url}/sandbox",
            verify=trust(self.ca_file),
            trust_env=False,
            headers={"authorization": f"Bearer {token}"},
            timeout=120,
        )
        self.settings: dict[str, Any] = {"ca_file": self.ca_file}
        self.secrets: dict[str, Any] = {}
        self.fresh()

    def close(self) -> None:
        """Stop the process."""
        self._control.close()
        self._process.terminate()
        self._process.wait(20)
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()

    def control(self, method: str, path: str, body: Any = None) -> Any:
        """A call of the control API."""
        answer = self._control.request(method, path, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def fresh(self) -> None:
        """Forget everything, and let us and the owners in again."""
        self.control("POST", "/reset")
        if self.kind == "okta":
            self._okta()
        else:
            self._entra()

    def _okta(self) -> None:
        if not self.secrets:
            key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
            pem = key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ).decode()
            self.secrets = {"client_id": "0oascale", "private_key": pem, "kid": "k1", "scopes": OKTA_SCOPES}
            self.settings["org_url"] = self.url
        jwk = RSAKey.import_key(self.secrets["private_key"]).as_dict(private=False) | {"kid": "k1"}
        self.control("POST", "/api-clients", {"client_id": "0oascale", "jwk": jwk, "scopes": OKTA_SCOPES})
        users = [
            {"login": owner(n), "email": owner(n), "firstName": f"Owner {n}", "lastName": "Person"}
            for n in range(OWNERS)
        ]
        self.control("POST", "/directory", {"users": users})

    def _entra(self) -> None:
        made = self.control("POST", "/app-registrations", {"secret": True, "roles": ENTRA_ROLES})
        self.secrets = {"client_id": made["client_id"], "client_secret": made["client_secret"]}
        self.settings |= {
            "tenant_id": made["tenant_id"],
            "authority": f"{self.url}/{made['tenant_id']}",
            "graph_url": self.url,
        }
        users = [{"userPrincipalName": owner(n), "mail": owner(n)} for n in range(OWNERS)]
        self.control("POST", "/directory", {"users": users})

    def mark(self) -> int:
        """Where its journal is now."""
        return int(self._journal("SELECT COALESCE(MAX(id), 0) FROM journal")[0][0])

    def calls(self, after: int = 0) -> Counter[str]:
        """reads, writes and refused (429) calls since a mark; steps of a batch count, the batch itself does not."""
        found: Counter[str] = Counter(reads=0, writes=0, refused=0, batches=0)
        for method, url, status, _operation, number in self._journal(
            "SELECT method, url, status, operation, COUNT(*) FROM journal WHERE direction = 'in' AND id > ?"
            " GROUP BY method, url, status, operation",
            after,
        ):
            found["refused"] += number * (status == 429)
            if any(part in url for part in QUIET):
                continue
            if url.endswith("/$batch"):
                found["batches"] += number
            else:
                found["reads" if method == "GET" else "writes"] += number
        return found

    def moments(self, after: int, where: str) -> list[float]:
        """When (seconds) the calls since a mark came that a condition on the journal selects."""
        return [
            at / 1e6
            for (at,) in self._journal(
                f"SELECT at FROM journal WHERE direction = 'in' AND id > ? AND {where} ORDER BY id", after
            )
        ]

    def agents(self) -> dict[str, list[dict[str, Any]]]:
        """Every object that is an agent of ours by name, as it is, without what chance decides (ids, times)."""
        owners = {}
        if self.kind == "okta":
            logins = {user["id"]: user["profile"]["login"] for user in self._objects("user")}
            owners = {link["associated"]: logins[link["primary"]] for link in self._objects("link")}
            found = [
                (
                    user["profile"]["login"],
                    {**user["profile"], "status": user["status"], "owner": owners.get(user["id"])},
                )
                for user in self._objects("user")
                if user["profile"].get("agentId")
            ]
        else:
            names = {user["id"]: user["userPrincipalName"] for user in self._objects("user")}
            found = [
                (
                    one["displayName"],
                    {
                        "enabled": one["accountEnabled"],
                        "facts": one["$"].get("attributes"),
                        **{r: sorted(names[i] for i in one["$"].get(r, [])) for r in ("sponsors", "owners")},
                    },
                )
                for one in self._objects("servicePrincipal")
                if one.get("agentIdentityBlueprintId")
            ]
        by_name: dict[str, list[dict[str, Any]]] = {}
        for name, facts in found:
            by_name.setdefault(name, []).append(facts)
        return by_name

    def _objects(self, kind: str) -> list[dict[str, Any]]:
        return [
            json.loads(value)
            for (value,) in self._journal("SELECT value FROM object WHERE kind = ? ORDER BY seq", kind)
        ]

    def _journal(self, statement: str, *values: Any) -> list[Any]:
        database = sqlite3.connect(f"file:{self._data / self.kind}.db?mode=ro", uri=True, timeout=30)
        try:
            return database.execute(statement, values).fetchall()
        finally:
            database.close()
