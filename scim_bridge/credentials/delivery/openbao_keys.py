"""What else OpenBao and Vault can do for a certificate: sign its request (PKI), keep its private key (transit).

Source: openbao.org/api-docs/secret/pki ("Sign certificate") and /transit ("Create key", "Sign data"). A key of
transit is not exportable: what is signed with it is sent there, and the private half is nowhere else, ever.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from scim_bridge.credentials.delivery.failures import misplaced, refused
from scim_bridge.settings.stores import Options

T = TypeVar("T")

PKI_RIGHTS = "Check that the role allows the name and the time, and that the token may update pki/sign/ROLE."
TRANSIT_RIGHTS = (
    "Check that the token may create, read, update and delete transit/keys/*, and update transit/sign/*."
)
REVOKE_RIGHTS = "Check that the token may update pki/revoke."
KEY_TYPE = "rsa-2048"


class StoredKey(RSAPrivateKey):
    """A private key that another system keeps: it signs there (PKCS #1 v1.5, SHA-256) and can do nothing else here."""

    def __init__(self, public: RSAPublicKey, signed: Callable[[bytes], bytes]) -> None:
        self._public = public
        self._signed = signed

    def sign(self, data: bytes, padding_: Any, algorithm: Any) -> bytes:
        """The signature, made where the key is."""
        if not isinstance(padding_, padding.PKCS1v15) or not isinstance(algorithm, hashes.SHA256):
            raise TypeError("a stored key signs by PKCS #1 v1.5 with SHA-256 only")
        return self._signed(bytes(data))

    def public_key(self) -> RSAPublicKey:
        """Its public half."""
        return self._public

    @property
    def key_size(self) -> int:
        """Bits."""
        return self._public.key_size

    def decrypt(self, ciphertext: bytes, padding_: Any) -> NoReturn:
        """Not by this key."""
        raise TypeError("a stored key only signs")

    def private_numbers(self) -> NoReturn:
        """Nobody has them."""
        raise TypeError("a stored key never leaves its store")

    def private_bytes(self, encoding: Any, format: Any, encryption_algorithm: Any) -> NoReturn:
        """Nobody has them."""
        raise TypeError("a stored key never leaves its store")

    def __copy__(self) -> RSAPrivateKey:
        return self

    def __deepcopy__(self, memo: dict[Any, Any]) -> RSAPrivateKey:
        return self


def sign_request(client: Any, options: Options, request: str, name: str, days: int) -> str:
    """The certificate (PEM) of a request, signed by the store's role; without days as long as the role says."""
    if not options["pki_role"]:
        raise misplaced(options.name, "no role of a PKI engine signs certificates", "Set its pki_role.")
    wish = {"exclude_cn_from_sans": True, "format": "pem", **({"ttl": f"{days * 24}h"} if days else {})}
    answer = client.secrets.pki.sign_certificate(
        options["pki_role"], request, name, extra_params=wish, mount_point=options["pki"]
    )
    found = answer["data"]["certificate"]
    if not isinstance(found, str):
        raise TypeError("no certificate")
    return found


def revoke_signed(client: Any, options: Options, serial: str, refusal: type[Exception]) -> None:
    """Revoke a certificate by its serial number. `refusal` is what the client raises for one that is not kept."""
    try:
        client.secrets.pki.revoke_certificate(serial, mount_point=options["pki"])
    except refusal as error:
        # A role with no_store keeps none; one that ran out is tidied away.
        if not any("not found" in str(reason) for reason in getattr(error, "errors", None) or ()):
            raise


def with_stored_key(client: Any, options: Options, key: str, use: Callable[[RSAPrivateKey], T]) -> T:
    """Use a key of transit, made there when there is none of that name. `use` may sign."""
    transit, mount = client.secrets.transit, _mount(options)
    # Of a key that is there already nothing changes: a step that is done again finds its own.
    transit.create_key(key, exportable=False, key_type=KEY_TYPE, mount_point=mount)
    versions = transit.read_key(key, mount_point=mount)["data"]["keys"]
    newest = max(versions, key=int)
    public = serialization.load_pem_public_key(versions[newest]["public_key"].encode())
    if not isinstance(public, RSAPublicKey):
        raise refused(options.name, f"has another kind of key called {key!r}", "Remove it there.")

    def signed(data: bytes) -> bytes:
        answer = transit.sign_data(
            key,
            hash_input=base64.b64encode(data).decode(),
            key_version=int(newest),
            hash_algorithm="sha2-256",
            signature_algorithm="pkcs1v15",
            mount_point=mount,
        )
        # vault:v1:BASE64
        made = base64.b64decode(answer["data"]["signature"].rsplit(":", 1)[1])
        public.verify(made, data, padding.PKCS1v15(), hashes.SHA256())
        return made

    return use(StoredKey(public, signed))


def drop_stored_key(client: Any, options: Options, key: str, absent: type[Exception]) -> None:
    """Destroy a key of transit; one that is gone is as good. `absent` is what the client raises for it."""
    transit, mount = client.secrets.transit, _mount(options)
    try:
        transit.read_key(key, mount_point=mount)
    except absent:
        return
    transit.update_key_configuration(key, deletion_allowed=True, mount_point=mount)
    transit.delete_key(key, mount_point=mount)


def _mount(options: Options) -> str:
    if not options["transit"]:
        raise misplaced(options.name, "no transit engine keeps private keys", "Set its transit.")
    return options["transit"]
