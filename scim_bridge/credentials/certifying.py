"""A new certificate as the policy wants it: signed by itself or by an authority, its key made here or in the store.

The authority and the store are both stores of the settings that can. Whatever is made anew after a crash has
another serial number and the same name; what an authority signed for nobody runs out by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Protocol, TypeVar

import orjson
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from scim_bridge.credentials.material import (
    Made,
    certificate_request,
    new_key,
    own_certificate,
    public_of,
    request_for,
    with_certificate,
)
from scim_bridge.kernel.clock import MINUTE, SECOND, iso
from scim_bridge.kernel.errors import Refused
from scim_bridge.kernel.secret_text import SecretText

T = TypeVar("T")


class Keys(Protocol):
    """Stores that sign certificates or keep private keys. Each method raises DeliveryFailed."""

    async def certificate(self, store: str, request: str, name: str, days: int) -> str:
        """The certificate (PEM) of a request (PEM), signed by a store's authority."""

    async def with_key(self, store: str, key: str, use: Callable[[RSAPrivateKey], T]) -> T:
        """Use, in a thread, a key the store keeps; it is made there when there is none of that name."""

    async def drop_key(self, store: str, key: str) -> None:
        """Destroy a key the store keeps; twice is once."""

    async def revoke_certificate(self, store: str, serial: str) -> None:
        """Put a certificate on the list of those a store's authority revoked; twice is once."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What certificate: its label and the agent's name, the days it lives (0: a year, or as the authority says),
    who signs it (empty: it does itself), and where its key is made (empty: here)."""

    label: str
    name: str
    days: int = 0
    authority: str = ""
    key_store: str = ""


async def certified(keys: Keys | None, wish: Wish, now: int, needed: int) -> Made:
    """A certificate and its key. Refused when it is not valid now, or ends within `needed` microseconds."""
    if not wish.authority and not wish.key_store:
        made = await asyncio.to_thread(own_certificate, new_key, wish.label, wish.name, now, wish.days)
    elif keys is None:
        raise Refused("certificate-stores", "No store signs certificates or keeps keys here.", "")
    elif wish.key_store:
        made = await _in_store(keys, wish, now)
    else:
        request, key = await asyncio.to_thread(certificate_request, wish.name)
        signed = await keys.certificate(wish.authority, request, wish.name, wish.days)
        made = _checked(signed, lambda text: with_certificate(key, text), wish)
    _valid(made.public["certificate"], now, needed, wish)
    if not wish.authority:
        return made
    # By this the authority is told when it is over.
    serial = f"{x509.load_pem_x509_certificate(made.public['certificate'].encode()).serial_number:x}"
    serial = serial.zfill(len(serial) + len(serial) % 2)
    pairs = ":".join(serial[at : at + 2] for at in range(0, len(serial), 2))
    return replace(made, public={**made.public, "serial": pairs, "signed_by": wish.authority})


async def _in_store(keys: Keys, wish: Wish, now: int) -> Made:
    """What is delivered names the key in the store and holds the certificate: there is nothing secret in it."""

    def own(key: RSAPrivateKey) -> str:
        made = own_certificate(lambda: key, wish.label, wish.name, now, wish.days, private=False)
        return made.public["certificate"]

    if not wish.authority:
        text = await keys.with_key(wish.key_store, wish.label, own)
    else:
        request = await keys.with_key(wish.key_store, wish.label, lambda key: request_for(key, wish.name))
        text = await keys.certificate(wish.authority, request, wish.name, wish.days)
        wanted = x509.load_pem_x509_csr(request.encode()).public_key()
        _checked(text, lambda signed: _same(signed, wanted), wish)
    public = public_of(text)
    told = {"key": wish.label, "certificate": public["certificate"], "thumbprint": public["thumbprint"]}
    stored = {"stored_key": wish.label, "stored_in": wish.key_store}
    return Made(SecretText(orjson.dumps(told).decode()), {**public, **stored})


def _same(certificate: str, wanted: object) -> None:
    if x509.load_pem_x509_certificate(certificate.encode()).public_key() != wanted:
        raise ValueError("the certificate is for another key")


def _checked(signed: str, read: Callable[[str], T], wish: Wish) -> T:
    try:
        return read(signed)
    except ValueError as error:
        raise Refused(
            "certificate-signed",
            f"What {wish.authority} signed cannot be used: it is no certificate for the key that was made.",
            "Check its role: the request has to be signed as it is.",
        ) from error


def _valid(certificate: str, now: int, needed: int, wish: Wish) -> None:
    found = x509.load_pem_x509_certificate(certificate.encode())
    begins, ends = (_micros(at) for at in (found.not_valid_before_utc, found.not_valid_after_utc))
    by = wish.authority or "the bridge"
    if begins > now + MINUTE:
        raise Refused(
            "certificate-time",
            f"The certificate that {by} signed begins at {iso(begins)}, later than now.",
            "Compare the clocks of the two machines.",
        )
    if ends < now + needed:
        raise Refused(
            "certificate-time",
            f"The certificate that {by} signed ends at {iso(ends)}, before a rotation would be over.",
            "Let it live longer (--lifetime-days, the role's max_ttl), or shorten --within and --overlap.",
        )


def _micros(at: datetime) -> int:
    return int(at.astimezone(UTC).timestamp()) * SECOND
