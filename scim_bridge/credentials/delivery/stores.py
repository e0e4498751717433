"""The stores of an installation by name: read from its settings, opened when first used."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Protocol, TypeVar

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from scim_bridge.credentials.delivery.failures import misplaced, refused
from scim_bridge.credentials.model import Delivered, Delivery, Fresh, Target
from scim_bridge.kernel.clock import Clock
from scim_bridge.kernel.errors import ConfigurationError, NotFound
from scim_bridge.kernel.outbound import Outbound
from scim_bridge.settings.stores import Options, read_options

if TYPE_CHECKING:
    from scim_bridge.credentials.delivery.openbao import OpenBao

T = TypeVar("T")


class Adapter(Delivery, Protocol):
    """A kind of store, and how an installation's own is tried."""

    async def probe(self) -> None:
        """Write a canary and remove it; DeliveryFailed says what is wrong."""

    async def close(self) -> None:
        """Let go of what is open."""


class Stores:
    """Delivery to whichever store a target names. A store's library is loaded when it is first used."""

    def __init__(self, settings: Mapping[str, Mapping[str, str]], outbound: Outbound, clock: Clock) -> None:
        self._options = {name: read_options(name, table) for name, table in settings.items()}
        self._outbound = outbound
        self._clock = clock
        self._opened: dict[str, Adapter] = {}

    def __iter__(self) -> Iterator[Options]:
        return iter(self._options.values())

    def open(self, name: str) -> Adapter:
        """The adapter of one store; NotFound for an unknown name, ConfigurationError without its library."""
        if name not in self._opened:
            if name not in self._options:
                known = ", ".join(sorted(self._options)) or "none"
                raise NotFound(
                    "store-unknown",
                    f"There is no store {name!r}.",
                    f"Set [stores.{name}]; there is: {known}.",
                )
            self._opened[name] = self._adapter(self._options[name])
        return self._opened[name]

    def _adapter(self, options: Options) -> Adapter:
        # Imported here: one installation seldom has more than one kind.
        if options.kind == "openbao":
            from scim_bridge.credentials.delivery.openbao import OpenBao

            return OpenBao(options)
        if options.kind == "aws":
            from scim_bridge.credentials.delivery.aws import SecretsManager

            return SecretsManager(options)
        if options.kind == "kubernetes":
            from scim_bridge.credentials.delivery.kubernetes import Kubernetes

            return Kubernetes(options, self._outbound)
        if options.kind == "file":
            from scim_bridge.credentials.delivery.file import Files

            return Files(options)
        from scim_bridge.credentials.delivery.webhook import Webhook

        return Webhook(options, self._outbound, self._clock)

    def _of(self, target: Target) -> Adapter:
        options = self._options.get(target.name)
        if options is None:
            raise misplaced(target.name, "nothing can be kept: it is not set", f"Set [stores.{target.name}].")
        if options.kind != target.kind:
            raise misplaced(
                target.name, f"the kind is {options.kind}, not {target.kind}", "Name another store."
            )
        try:
            return self.open(target.name)
        except ConfigurationError as error:
            raise refused(target.name, "cannot be opened", error.text()) from error

    async def certificate(self, store: str, request: str, name: str, days: int) -> str:
        """The certificate (PEM) of a request (PEM), signed by a store's authority."""
        return await self._keeping(store).certificate(request, name, days)

    async def with_key(self, store: str, key: str, use: Callable[[RSAPrivateKey], T]) -> T:
        """Use, in a thread, a key the store keeps; it is made there when there is none of that name."""
        return await self._keeping(store).with_key(key, use)

    async def drop_key(self, store: str, key: str) -> None:
        """Destroy a key the store keeps; twice is once."""
        await self._keeping(store).drop_key(key)

    async def revoke_certificate(self, store: str, serial: str) -> None:
        """Put a certificate on the list of those a store's authority revoked; twice is once."""
        await self._keeping(store).revoke_certificate(serial)

    def _keeping(self, name: str) -> OpenBao:
        """The store of this name when it is one that signs certificates and keeps keys; DeliveryFailed otherwise."""
        from scim_bridge.credentials.delivery.openbao import OpenBao

        if name not in self._options:
            raise misplaced(name, "nothing can be signed or kept: it is not set", f"Set [stores.{name}].")
        try:
            found = self.open(name)
        except ConfigurationError as error:
            raise refused(name, "cannot be opened", error.text()) from error
        if not isinstance(found, OpenBao):
            raise misplaced(
                name, "certificates are not signed and keys not kept", "Name a store of kind openbao."
            )
        return found

    async def close(self) -> None:
        """Let go of every connection to a store."""
        for adapter in self._opened.values():
            await adapter.close()
        self._opened.clear()

    async def deliver(self, target: Target, fresh: Fresh, idempotency: str) -> Delivered:
        """Put a credential there. The same `idempotency` twice is one version."""
        return await self._of(target).deliver(target, fresh, idempotency)

    async def confirmed(self, target: Target, delivered: Delivered, since: int) -> bool | None:
        """Does whoever uses it use this version? None: the store cannot tell. `since` in microseconds."""
        return await self._of(target).confirmed(target, delivered, since)

    async def withdraw(self, target: Target, delivered: Delivered) -> None:
        """Take it out again and put back what was there before; doing it twice changes nothing."""
        await self._of(target).withdraw(target, delivered)
