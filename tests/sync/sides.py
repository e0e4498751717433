"""Both sandbox IdPs under the same words, for tests of the engine that must hold whatever the peer is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.sandbox.servers import Running
from tests.sync.entra_tenant import Tenant
from tests.sync.okta_org import Org

MARIA = "maria@corp.test"


@dataclass
class Side:
    """One sandbox: where its calls go (for faults), how it refuses, and what agents it has."""

    kind: str
    running: Running
    peer: Any
    listing: dict[str, str]
    create: dict[str, str]
    update: dict[str, str]
    stop: dict[str, str]
    one_feature: dict[str, str]

    def fault(self, *faults: dict[str, Any]) -> None:
        """Script what goes wrong from now on."""
        body = {"faults": list(faults)}
        answer = self.running.control.put("/faults", json=body)
        assert answer.status_code == 200, answer.text

    def fired(self) -> list[int]:
        """How often each scripted fault struck."""
        found = self.running.control.get("/faults").raise_for_status().json()["faults"]
        return [fault["fired"] for fault in found]

    def throttled(self, match: dict[str, str], times: int) -> dict[str, Any]:
        """A storm of 429s, as this vendor words them."""
        if self.kind == "okta":
            body: Any = {"errorCode": "E0000047", "errorSummary": "API call exceeded rate limit"}
            headers = {"x-rate-limit-limit": "0", "x-rate-limit-remaining": "0"}
        else:
            body = {"error": {"code": "Request_ThrottledTemporarily", "message": "slow down"}}
            headers = {"retry-after": "1"}
        return {
            "match": match,
            "action": "status",
            "status": 429,
            "headers": headers,
            "body": body,
            "times": times,
        }

    def refused(self, match: dict[str, str], status: int, code: str, **more: Any) -> dict[str, Any]:
        """A refusal with a code of this vendor's."""
        if self.kind == "okta":
            body: Any = {"errorCode": code, "errorSummary": "said the sandbox", "errorCauses": []}
        else:
            body = {"error": {"code": code, "message": "said the sandbox"}}
        return {"match": match, "action": "status", "status": status, "body": body, **more}

    def listed(self, keep: int) -> dict[str, Any]:
        """The answer to the next listing: 200, and only so many of the agents, as if that were all."""
        with self.running.client(**self.peer_headers()) as client:
            if self.kind == "okta":
                params: dict[str, Any] = {"search": 'profile.agentPlatform eq "in-house"', "limit": 200}
                found = client.get("/api/v1/users", params=params).raise_for_status().json()
                body: Any = found[:keep]
            else:
                path = "/v1.0/servicePrincipals/microsoft.graph.agentIdentity"
                body = client.get(path, params={"$top": "100"}).raise_for_status().json()
                body["value"] = body["value"][:keep]
        return {"match": self.listing, "action": "status", "status": 200, "body": body, "times": 1}

    def peer_headers(self) -> dict[str, str]:
        """Credentials of another client of this peer."""
        if self.kind == "okta":
            return {"authorization": f"SSWS {self.peer.control('POST', '/api-tokens', {})['token']}"}
        url = f"{self.peer.settings['authority']}/oauth2/v2.0/token"
        form = {
            "grant_type": "client_credentials",
            "client_id": self.peer.secrets["client_id"],
            "client_secret": self.peer.secrets["client_secret"],
            "scope": "https://graph.microsoft.com/.default",
        }
        with self.running.client() as client:
            token = client.post(url, data=form).raise_for_status().json()["access_token"]
        return {"authorization": f"Bearer {token}"}

    def agents(self) -> dict[str, dict[str, Any]]:
        """purpose and enabled of every agent by its slug; twice the same slug is an error."""
        found: list[tuple[str, dict[str, Any]]] = []
        if self.kind == "okta":
            for user in self.peer.objects("user"):
                if user["profile"].get("agentId"):
                    facts = {"purpose": user["profile"].get("agentPurpose"), "on": user["status"] == "ACTIVE"}
                    found.append((user["profile"]["login"].split("@")[0], facts))
        else:
            for one in self.peer.identities():
                facts = (one["$"].get("attributes") or {}).get("scimBridge") or {}
                told = {"purpose": facts.get("purpose"), "on": one["accountEnabled"]}
                found.append((one["displayName"].lower(), told))
        names = [name for name, _ in found]
        assert len(names) == len(set(names)), f"made twice: {names}"
        return dict(found)

    def remote(self, slug: str, other_than: str = "") -> str:
        """The id of an agent's object."""
        (found,) = [key for key, value in self._of(slug) if key != other_than]
        return found

    def doubled(self, slug: str) -> str:
        """Somebody clones an agent's object, mark and all; the clone's id."""
        ((key, value),) = self._of(slug)
        store, clone = self.running.sandbox.store, f"{key[:-4]}ffff"
        copy = {**value, "id": clone}
        if self.kind == "okta":
            copy["profile"] = {**value["profile"], "login": f"clone-of-{value['profile']['login']}"}
            store.put("login", copy["profile"]["login"], {"id": clone})
        store.put("user" if self.kind == "okta" else "servicePrincipal", clone, copy)
        return clone

    def purpose_of(self, remote_id: str) -> str:
        """What an object says its agent is for."""
        store = self.running.sandbox.store
        if self.kind == "okta":
            return str((store.get("user", remote_id) or {})["profile"]["agentPurpose"])
        return str(
            (store.get("servicePrincipal", remote_id) or {})["$"]["attributes"]["scimBridge"]["purpose"]
        )

    def _of(self, slug: str) -> list[tuple[str, dict[str, Any]]]:
        store = self.running.sandbox.store
        if self.kind == "okta":
            return [
                (k, v) for k, v in store.all("user") if v["profile"]["login"].endswith(f"{slug}@agents.test")
            ]
        found = store.all("servicePrincipal")
        return [(k, v) for k, v in found if v.get("displayName", "").lower() == slug]

    def vanish(self, slug: str) -> None:
        """Somebody deletes an agent's object."""
        store = self.running.sandbox.store
        kind = "user" if self.kind == "okta" else "servicePrincipal"
        for key, value in store.all(kind):
            if value.get("profile", {}).get("login", "").startswith(f"{slug}@"):
                store.delete("login", value["profile"]["login"])
                store.delete(kind, key)
            elif value.get("displayName", "").lower() == slug:
                store.delete(kind, key)


def okta_side(org: Org) -> Side:
    """The sandbox org."""
    return Side(
        "okta",
        org.sandbox,
        org,
        listing={"method": "GET", "path": r"^/api/v1/users\?.*type\.id"},
        create={"method": "POST", "path": r"^/api/v1/users\?"},
        update={"method": "POST", "path": r"^/api/v1/users/[^/]+$"},
        stop={"method": "POST", "path": "/lifecycle/suspend"},
        one_feature={"method": "PUT", "path": "/linkedObjects/"},
    )


def entra_side(tenant: Tenant) -> Side:
    """The sandbox tenant."""
    identity = r"/servicePrincipals/microsoft\.graph\.agentIdentity"
    return Side(
        "entra",
        tenant.running,
        tenant,
        listing={"method": "GET", "path": rf"{identity}\?.*top=\d+"},
        create={"method": "POST", "path": rf"{identity}$"},
        update={"method": "PATCH", "path": r"/servicePrincipals/[^/]+$"},
        stop={"method": "PATCH", "path": r"/servicePrincipals/[^/]+/microsoft\.graph\.agentIdentity$"},
        one_feature={"method": "PATCH", "path": r"/servicePrincipals/[^/]+$"},
    )
