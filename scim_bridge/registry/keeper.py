"""An IdP as the keeper of agents' credentials: what it has, and how one is added and made worthless.

`sync/idp` implements it per IdP, `credentials` asks; the composition root hands one to the other. What is
read never holds a value: an adapter drops what its IdP shows too much of.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from scim_bridge.kernel.secret_text import SecretText
from scim_bridge.registry.connections import Connection
from scim_bridge.registry.news import Unanswered

# What we make at an IdP is called so there, with the id of its rotation behind it.
LABEL = "scim-bridge-"
VOID = f"{LABEL}void-"
SECRET = "client_secret"
JWK = "jwk"
CERTIFICATE = "certificate"
FEDERATED = "federated"
# A key proves its owner without being sent: the kinds a rotation prefers, in this order.
PREFERRED = (JWK, CERTIFICATE, SECRET)


@dataclass(frozen=True, slots=True)
class RemoteClient:
    """An OAuth client at an IdP: an app, an AI agent, a blueprint. `remote_id` is its id there.

    `agent_id` is the agent whose mark it carries, else empty. `shared` counts the agents that use its
    credentials where that is more than one. `kinds` are those that can be added, preferred first.
    """

    kind: str
    remote_id: str
    name: str
    client_id: str
    agent_id: str = ""
    shared: int = 0
    enabled: bool = True
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RemoteCredential:
    """One credential as its IdP shows it, without its value. Instants in microseconds, where it tells.

    `label` is what it is called there; `public` may hold kid, thumbprint, issuer and subject.
    """

    kind: str
    reference: str
    active: bool = True
    label: str = ""
    created: int | None = None
    expires: int | None = None
    last_used: int | None = None
    public: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Material:
    """What a credential is made of: its name at the IdP, its public half, or a secret's value.

    `public` is a JWK as JSON or a certificate as PEM. `value` is a secret's text; a private key never
    comes this far. Both are empty where the IdP makes the value.
    """

    kind: str
    label: str
    public: str = ""
    value: SecretText | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Issued:
    """A credential that was just added. `value` is set where the IdP made it and shows it only now."""

    reference: str
    value: SecretText | None = field(default=None, repr=False)
    expires: int | None = None


class LimitReached(Unanswered):
    """The IdP takes no more credentials of this kind for this client."""

    def __init__(self, message: str, fix: str) -> None:
        super().__init__("credential-limit", message, fix, transient=False)


class CredentialKeeper(Protocol):
    """One tenant's credentials. Every method raises Unanswered; none retries for longer than seconds."""

    def clients(self, linked: Mapping[str, str]) -> AsyncIterator[RemoteClient]:
        """Every client that is or may be an agent's; and those in `linked` (remote id: agent id) by their id."""

    async def client(self, kind: str, remote_id: str) -> RemoteClient | None:
        """One client as it is now; None when it is gone."""

    async def credentials(self, client: RemoteClient) -> tuple[RemoteCredential, ...]:
        """Everything that proves this client, oldest first; never a value."""

    def room(self, client: RemoteClient, kind: str, there: tuple[RemoteCredential, ...]) -> None:
        """LimitReached when no further credential of this kind fits beside these."""

    def generates(self, kind: str) -> bool:
        """True when the IdP makes the value of this kind itself and shows it once."""

    async def add(self, client: RemoteClient, material: Material, expires: int | None) -> Issued:
        """Add a credential. Not idempotent: `find` says first whether it is there. `expires` in microseconds."""

    async def find(self, client: RemoteClient, material: Material) -> RemoteCredential | None:
        """The credential that an `add` with a lost answer made; None when there is none."""

    async def revoke(self, client: RemoteClient, kind: str, reference: str) -> str:
        """Make one worthless and take it away; the reference of a placeholder that had to be put in its place.

        Some IdPs never let go of a client's last credential: then one whose value nobody ever had replaces
        it. Empty otherwise. Twice changes nothing.
        """


KeeperOf = Callable[[str], Awaitable[tuple[Connection, CredentialKeeper]]]
"""A connection (by id or name) and its tenant's keeper; NotFound or Refused when it has none."""
