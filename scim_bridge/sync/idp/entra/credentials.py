"""What proves the bridge itself to Entra, read from a connection's secrets and checked. Pure.

Five ways: a client secret; a certificate; an assertion of somebody Entra was told to trust (a federated
credential), from a file or an address that is asked anew each time; a managed identity of the Azure machine;
that identity's own token as the assertion.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from scim_bridge.kernel.errors import Refused
from scim_bridge.sync.idp.entra.options import GUID

SYSTEM = "system"
RESOURCE_ID = re.compile(r"/subscriptions/[^\s]+/userAssignedIdentities/[\w-]+", re.IGNORECASE)
# Three parts of base64url: whatever else is in a file is not sent anywhere.
ASSERTION = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)
LONGEST = 16_384
# What each way is recognised by, and what has to stand beside it.
WAYS = {
    "client_secret": (),
    "private_key": ("certificate",),
    "assertion_file": (),
    "assertion_url": (),
    "managed_identity": (),
}


@dataclass(frozen=True, slots=True)
class Secret:
    """A client secret."""

    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Certificate:
    """A private key and its certificate, PEM."""

    private_key: str = field(repr=False)
    certificate: str
    passphrase: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class AssertionFile:
    """A file somebody keeps fresh: a Kubernetes service account token, a SPIFFE JWT."""

    path: str


@dataclass(frozen=True, slots=True)
class AssertionUrl:
    """An address that answers with an assertion (text, or JSON with a `value`), and the headers it wants."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class ManagedIdentity:
    """An identity of the Azure machine: "system", a client id, or a resource id.

    `exchanged`: its token is the assertion for an app registration, not the way into Graph itself.
    """

    name: str
    exchanged: bool = False


Credential = Secret | Certificate | AssertionFile | AssertionUrl | ManagedIdentity


def _refused(message: str, fix: str) -> Refused:
    return Refused("entra-secrets", message, fix)


def credential_of(secrets: Mapping[str, Any]) -> Credential:
    """The one way the secrets name; Refused when it is none, several, or half of one. No value is shown."""
    ways = [name for name in WAYS if secrets.get(name)]
    if not ways:
        raise _refused(
            "The secrets hold neither client_secret, private_key and certificate, assertion_file, assertion_url"
            " nor managed_identity.",
            "Put one of them into the secrets file (PEM text for the key and the certificate).",
        )
    if len(ways) > 1:
        raise _refused(
            f"The secrets hold {' and '.join(ways)}: two ways to prove the same thing.",
            "Leave one of them in the secrets file.",
        )
    (way,) = ways
    for name in WAYS[way]:
        if not secrets.get(name):
            raise _refused(f"The secrets hold {way} without {name}.", f"Add {name} to the secrets file.")
    if not secrets.get("client_id") and way != "managed_identity":
        raise _refused("The secrets have no client_id.", "Put the app registration's id into the file.")
    return _read(way, secrets)


def _read(way: str, secrets: Mapping[str, Any]) -> Credential:
    value = str(secrets[way])
    if way == "client_secret":
        return Secret(value)
    if way == "private_key":
        return Certificate(value, str(secrets["certificate"]), str(secrets.get("passphrase") or ""))
    if way == "assertion_file":
        if not value.startswith("/"):
            raise _refused("assertion_file is no whole path.", "Write it from / on, as the server sees it.")
        return AssertionFile(value)
    if way == "assertion_url":
        return _asked(value, secrets.get("assertion_headers") or {})
    if value != SYSTEM and not GUID.fullmatch(value) and not RESOURCE_ID.fullmatch(value):
        raise _refused(
            "managed_identity names no identity.",
            'Write "system", or the client id or resource id of a user-assigned identity.',
        )
    return ManagedIdentity(value, exchanged=bool(secrets.get("client_id")))


def _asked(url: str, headers: Any) -> AssertionUrl:
    split = urlsplit(url)
    if split.scheme not in ("https", "http") or not split.hostname or split.username:
        raise _refused("assertion_url is no address.", "Write https://host/path.")
    if not isinstance(headers, Mapping) or not all(isinstance(one, str) for one in headers.values()):
        raise _refused("assertion_headers is no object of texts.", 'Write {"name": "value"}.')
    return AssertionUrl(url, {str(name): str(value) for name, value in headers.items()})


def assertion_in(text: str) -> str:
    """The assertion a file or an answer holds; ValueError when it holds none. Its content is never shown."""
    found = text.strip()
    if len(found) > LONGEST or not ASSERTION.fullmatch(found):
        raise ValueError("not a signed token")
    return found
