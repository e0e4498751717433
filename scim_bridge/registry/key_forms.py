"""Which private keys can sign for a connection: each function says what is wrong with one. Pure.

Both Okta's SDK (RS256) and msal (PS256) sign with RSA. Nothing of a key is ever repeated, nor kept in an error.
That the primes of a key are primes is left to whoever signs: looking takes seconds, in which nobody is answered.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.dsa import DSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPrivateNumbers, RSAPublicNumbers
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509 import load_pem_x509_certificate

from scim_bridge.registry.setting_values import WrongValue

SHORTEST = 2048
# An RSA key of 8192 bits has about 6,400 characters.
LONGEST = 8_000
WHOLE = (
    "Give the whole text of the RSA private key, first and last line too, as it was shown, or make a new key."
)
PRIVATE = "Give the private key: the public half, or a certificate, signs nothing."
OPEN = "Give the key without a passphrase: openssl rsa -in locked.pem -out key.pem"
RSA = "Make an RSA key of 2048 bits or more, and enter its public half in the IdP."
# What a JWK of a private RSA key has (RFC 7518 section 6.3), as Okta's SDK reads it.
HALVES = ("n", "e", "d", "p", "q", "dp", "dq", "qi")


def okta_key(text: str) -> RSAPrivateKey:
    """The key of an Okta service app, PEM or JWK; WrongValue says why it is none."""
    text = _sized(text)
    if text.startswith("{"):
        return _of_jwk(text)
    # As Okta's SDK reads it: however its lines are indented.
    return _of_pem("\n".join(line.strip() for line in text.splitlines()), None)


def entra_key(text: str, passphrase: str) -> RSAPrivateKey:
    """The key of a certificate for Entra, PEM, opened with its passphrase; WrongValue says why it is none."""
    if _sized(text).startswith("{"):
        raise WrongValue("is a JWK", "Entra's key is given in PEM form: -----BEGIN PRIVATE KEY-----")
    return _of_pem(text, passphrase.encode() or None)


def certificate_of(text: str, key: RSAPrivateKey | None) -> None:
    """WrongValue unless this is a certificate in PEM form, and `key`'s own."""
    try:
        public = load_pem_x509_certificate(text.encode()).public_key()
    except (ValueError, UnsupportedAlgorithm):
        fix = "Give the text from -----BEGIN CERTIFICATE----- on, as it was uploaded to the app registration."
        raise WrongValue("is no certificate in PEM form", fix) from None
    if key is not None and public != key.public_key():
        fix = "Give both of one pair: the certificate that was made from this key."
        raise WrongValue("is that of another key than private_key", fix)


def secret_fault(kind: str, secrets: Mapping[str, Any]) -> tuple[str, WrongValue] | None:
    """The credential among a connection's key, certificate and passphrase that cannot be meant, and why.

    All are texts by now. Whether something is missing is for whoever uses them.
    """
    key, name = None, "private_key"
    try:
        if text := secrets.get(name):
            passphrase = str(secrets.get("passphrase") or "")
            key = _long_enough(okta_key(text) if kind == "okta" else entra_key(text, passphrase))
        name = "certificate"
        if text := secrets.get(name):
            certificate_of(text, key)
    except WrongValue as wrong:
        return name, wrong
    return None


def _sized(text: str) -> str:
    if len(text) > LONGEST:
        raise WrongValue(f"has more than {LONGEST:,} characters", "Give one RSA key, of 8192 bits at most.")
    if not text.isascii():
        raise WrongValue("holds a character that no key has", WHOLE)
    return text.strip()


def _long_enough(key: RSAPrivateKey) -> RSAPrivateKey:
    if key.key_size < SHORTEST:
        raise WrongValue(f"is an RSA key of {key.key_size} bits, which is too short", RSA)
    return key


def _of_pem(text: str, passphrase: bytes | None) -> RSAPrivateKey:
    try:
        key = load_pem_private_key(text.encode(), passphrase, unsafe_skip_rsa_key_validation=True)
    except (ValueError, UnsupportedAlgorithm):
        raise _unread(text, passphrase) from None
    except TypeError:
        if passphrase is None:
            raise WrongValue("is locked with a passphrase", OPEN) from None
        fix = "Leave out passphrase, or give the key that it opens."
        raise WrongValue("is not locked, and a passphrase is given", fix) from None
    if isinstance(key, RSAPrivateKey):
        if not _sound(key.private_numbers()):
            raise WrongValue("is damaged: its numbers are no RSA key", WHOLE)
        return key
    kinds = {EllipticCurvePrivateKey: "an EC key", DSAPrivateKey: "a DSA key"}
    found = next((words for kind, words in kinds.items() if isinstance(key, kind)), "a key of another kind")
    raise WrongValue(f"is {found}, where an RSA key is needed", RSA)


def _unread(text: str, passphrase: bytes | None) -> WrongValue:
    """What a text that cannot be read as a private key seems to be."""
    if "PRIVATE KEY-----" not in text:
        if "BEGIN CERTIFICATE" in text:
            return WrongValue("is a certificate", PRIVATE)
        if "PUBLIC KEY" in text or text.lstrip().startswith("ssh-"):
            return WrongValue("is a public key only", PRIVATE)
        return WrongValue("is no private key in PEM form", WHOLE)
    if "OPENSSH" in text:
        return WrongValue(
            "is in OpenSSH's own form", "Turn a copy of it into PEM: ssh-keygen -p -m PEM -f COPY"
        )
    if "ENCRYPTED" in text:
        if passphrase is None:
            return WrongValue("is locked with a passphrase", OPEN)
        return WrongValue("is not opened by passphrase", "Give the passphrase that it was locked with.")
    if "\\n" in text:
        return WrongValue("has \\n in it where its lines end", "Give it with real line breaks.")
    if "-----END" not in text:
        return WrongValue("is cut off: its last line is missing", WHOLE)
    return WrongValue("is damaged: it begins as a private key and cannot be read as one", WHOLE)


def _of_jwk(text: str) -> RSAPrivateKey:
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        raise WrongValue("begins as a JWK and is no JSON", WHOLE) from None
    if not isinstance(told, dict) or "keys" in told:
        raise WrongValue("is a set of keys", "Give the one key in it that is private: {…}.")
    if told.get("kty") != "RSA":
        found = {"EC": "an EC key", "OKP": "an OKP key", "oct": "a symmetric key"}
        words = found.get(str(told.get("kty")), "no key of a known kty")
        raise WrongValue(f"is {words}, where an RSA key is needed", RSA)
    if "d" not in told:
        raise WrongValue("is a public key only", PRIVATE)
    # The SDK reads nothing but texts.
    if any(not isinstance(value, str) for value in told.values()) or any(name not in told for name in HALVES):
        fix = f"Give kty, {', '.join(HALVES)} (and kid, alg, use), each as a text."
        raise WrongValue("is a JWK with members that are missing or no texts", fix)
    try:
        n, e, d, p, q, dp, dq, qi = (_number(told[name]) for name in HALVES)
        numbers = RSAPrivateNumbers(p, q, d, dp, dq, qi, RSAPublicNumbers(e, n))
        if not _sound(numbers):
            raise ValueError
        return numbers.private_key(unsafe_skip_rsa_key_validation=True)
    except ValueError:
        raise WrongValue("is a damaged JWK: its numbers are no RSA key", WHOLE) from None


def _number(text: str) -> int:
    """A number in a JWK (Base64urlUInt); ValueError when it is none."""
    plain = "".join(text.split())
    return int.from_bytes(base64.b64decode(plain + "=" * (-len(plain) % 4), b"-_", validate=True), "big")


def _sound(of: RSAPrivateNumbers) -> bool:
    """Whether the numbers belong to one key (RFC 8017 section 3.2)."""
    public = of.public_numbers
    if min(of.p, of.q, public.e) < 3 or of.p * of.q != public.n:
        return False
    exponents = (of.d % (of.p - 1), of.d % (of.q - 1)) == (of.dmp1, of.dmq1)
    inverse = all(public.e * of.d % (prime - 1) == 1 for prime in (of.p, of.q))
    return exponents and inverse and of.q * of.iqmp % of.p == 1
