"""The format of GitHub's secret scanning partner programme: its signature, its findings, its answer. Pure.

Source: docs.github.com, "Secret scanning partner program". ECDSA with P-256 and SHA-256 over the body as
it came; the answer says of each finding, by the SHA-256 of its token, whether it was a real one.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import orjson
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from scim_bridge.kernel.errors import Invalid, Unauthenticated
from scim_bridge.kernel.secret_text import SecretText

IDENTIFIER = "github-public-key-identifier"
SIGNATURE = "github-public-key-signature"
MAX_BYTES = 1024 * 1024
MOST = 500
LONGEST_TOKEN = 16_384
LONGEST_TEXT = 2_000
# Of the group of P-256 (NIST SP 800-186, section 3.2.1.3).
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
TRUE, FALSE = "true_positive", "false_positive"


class Forged(Unauthenticated):
    """A message that is not proven to come from a scanner we know."""


@dataclass(frozen=True, slots=True)
class Found:
    """One secret that was found: its text, what the scanner calls its kind, and where it is."""

    token: SecretText
    type: str
    url: str
    source: str


def read_keys(body: bytes) -> dict[str, str]:
    """Public keys (PEM) by identifier, as GitHub publishes them; Invalid for anything else.

    Keys that are no longer current are kept: messages signed with them may be under way.
    """
    try:
        listed = orjson.loads(body)["public_keys"]
        keys = {str(each["key_identifier"]): str(each["key"]) for each in listed}
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise Invalid(
            "leak-keys", "The address of the scanner's keys answers with something else."
        ) from error
    for pem in keys.values():
        public_key(pem)
    return keys


def public_key(pem: str) -> ec.EllipticCurvePublicKey:
    """A P-256 public key from PEM; Invalid for any other."""
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Invalid("leak-keys", "A key of the scanner is no public key in PEM.") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise Invalid("leak-keys", "A key of the scanner is not on the curve P-256.")
    return key


def check_signature(pem: str, signature: str, body: bytes) -> bytes:
    """The signature in its one form when the holder of the key signed exactly this body; Forged otherwise.

    Of (r, s) and (r, n - s) both verify, and base64 can be written in several ways: who heard a message could
    send it again in another form.
    """
    try:
        raw = base64.b64decode(signature, validate=True)
        public_key(pem).verify(raw, body, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, binascii.Error, ValueError) as error:
        raise Forged(
            "leak-signature", "The signature of the message does not match.", "Sign the body as it is sent."
        ) from error
    r, s = decode_dss_signature(raw)
    return f"{r:x}:{min(s, ORDER - s):x}".encode()


def read_findings(body: bytes) -> list[Found]:
    """What a message tells; Invalid names what is wrong with it, and never a token."""
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Invalid("json-invalid", "The body is not JSON.", "Send a JSON array of findings.") from error
    if not isinstance(said, list):
        raise Invalid("leak-form", "The body is no array of findings.", "Send [{token, type, url, source}].")
    if len(said) > MOST:
        raise Invalid("leak-form", f"The message has more than {MOST} findings.", "Send them in several.")
    return [_finding(number, each) for number, each in enumerate(said, start=1)]


def _finding(number: int, each: Any) -> Found:
    if not isinstance(each, Mapping) or not isinstance(each.get("token"), str) or not each["token"].strip():
        raise Invalid("leak-form", f"Finding {number} has no token.", "Send token, type, url and source.")
    if len(each["token"]) > LONGEST_TOKEN:
        raise Invalid("leak-form", f"The token of finding {number} is too long.", "Send the secret alone.")
    texts = {}
    for name in ("type", "url", "source"):
        value = each.get(name) or ""
        if not isinstance(value, str) or len(value) > LONGEST_TEXT:
            raise Invalid("leak-form", f"{name} of finding {number} is no text, or too long.", "Send text.")
        texts[name] = "".join(char for char in value if char.isprintable())
    return Found(SecretText(each["token"].strip()), texts["type"], shown_url(texts["url"]), texts["source"])


def shown_url(url: str) -> str:
    """A place without what could be a secret in it: no user, query or fragment."""
    try:
        parts = urlsplit(url) if url.startswith(("https://", "http://")) else None
    except ValueError:
        # A host in brackets that is no address: the finding counts all the same.
        return ""
    if parts is None or not parts.netloc:
        return ""
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def answer(found: Found, verdict: str) -> dict[str, str]:
    """What the scanner is told of one finding: by a digest, so that no answer repeats a secret."""
    digest = hashlib.sha256(found.token.reveal().encode()).hexdigest()
    return {"token_hash": digest, "token_type": found.type, "label": verdict}
