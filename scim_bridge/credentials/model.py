"""What a rotation hands on: a fresh credential, where it goes, and the port every store implements. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from scim_bridge.kernel.errors import BridgeError
from scim_bridge.kernel.secret_text import SecretText

__all__ = ["KINDS", "TARGETS", "Delivered", "Delivery", "DeliveryFailed", "Fresh", "SecretText", "Target"]

KINDS = ("client_secret", "jwk", "certificate", "api_key")
TARGETS = ("openbao", "aws", "kubernetes", "file", "webhook")


class DeliveryFailed(BridgeError):
    """A store refused or did not answer. `transient` says whether the same call may succeed later."""

    status = 502

    def __init__(self, code: str, message: str, fix: str = "", *, transient: bool) -> None:
        super().__init__(code, message, fix)
        self.transient = transient


@dataclass(frozen=True, slots=True)
class Fresh:
    """A credential that was just made. `reference` is its id at the IdP; `expires` in microseconds.

    `kind` is one of KINDS. `value` is the secret, the private key as JWK (JSON), or key and certificate
    (PEM). `public` says what may be known of it: client_id, kid, thumbprint.
    """

    kind: str
    value: SecretText = field(repr=False)
    reference: str
    expires: int | None = None
    public: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Target:
    """Where a credential is kept for its agent: `kind` is one of TARGETS, `address` is that kind's own.

    `name` is what the installation calls the store in its settings. An address holds no secret.
    """

    kind: str
    address: Mapping[str, str]
    name: str


@dataclass(frozen=True, slots=True)
class Delivered:
    """That a store has it: `version` is the store's own word for what was written."""

    version: str


class Delivery(Protocol):
    """One kind of store. Each method raises DeliveryFailed; none retries for longer than seconds."""

    async def deliver(self, target: Target, fresh: Fresh, idempotency: str) -> Delivered:
        """Put it there. The same `idempotency` twice is one version."""

    async def confirmed(self, target: Target, delivered: Delivered, since: int) -> bool | None:
        """Does whoever uses it use this version? None: the store cannot tell. `since` in microseconds."""

    async def withdraw(self, target: Target, delivered: Delivered) -> None:
        """Take it out again and put back what was there before; doing it twice changes nothing."""
