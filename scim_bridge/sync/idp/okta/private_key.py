"""Whether a service app's private key can be used at all, said before anything is sent."""

from __future__ import annotations

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from scim_bridge.kernel.errors import Refused

FIX = "Give the whole PEM text of the RSA key, first and last line too, as Okta showed it, or make a new key."


def check_private_key(connection: str, private_key: str) -> None:
    """Refused when a key is not an RSA key in PEM form without a passphrase, which is what signs for Okta.

    A key in JWK form is left to the SDK. Nothing of the key is repeated.
    """
    if private_key.lstrip().startswith("{"):
        return
    lines = "\n".join(line.strip() for line in private_key.splitlines())
    try:
        key = load_pem_private_key(lines.encode(), None)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _refused(connection, "cannot be read as a private key in PEM form") from error
    except TypeError as error:
        raise _refused(connection, "is locked with a passphrase") from error
    if not isinstance(key, RSAPrivateKey):
        raise _refused(connection, "is of another kind than RSA")


def _refused(connection: str, what: str) -> Refused:
    return Refused("okta-private-key", f"The private_key of {connection} {what}.", FIX)
