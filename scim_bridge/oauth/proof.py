"""What a token request says about who is asking: its form and its Authorization header, before any lookup."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote_plus

from scim_bridge.oauth.model import CLIENT_CREDENTIALS, JWT_BEARER, OAuthError

FORM = "application/x-www-form-urlencoded"
MAX_FIELDS = 32


@dataclass(frozen=True, slots=True)
class Asked:
    """A token request: who says to ask, with which proof (one of the two), for which scopes."""

    client_id: str | None
    secret: str | None
    assertion: str | None
    scope: str | None


def read_form(content_type: str, query: bytes, body: bytes) -> dict[str, str]:
    """The parameters of a token request; OAuthError invalid_request otherwise.

    One without a value counts as left out, one sent twice is refused (RFC 6749 section 3.2).
    """
    if content_type.split(";", 1)[0].strip().casefold() != FORM:
        raise _invalid(f"The body is not a form ({FORM}).")
    if query:
        # Credentials in an address end up in logs (RFC 6749 section 2.3.1).
        raise _invalid("Parameters belong into the body, not into the address.")
    try:
        pairs = parse_qsl(
            body.decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS
        )
    except ValueError as error:
        raise _invalid(f"The form cannot be read: UTF-8, at most {MAX_FIELDS} parameters.") from error
    form: dict[str, str] = {}
    for name, value in pairs:
        if name in form:
            raise _invalid("A parameter is there twice.")
        if "\0" in value:
            raise _invalid("A parameter holds a NUL character.")
        form[name] = value
    return {name: value for name, value in form.items() if value}


def asked(form: Mapping[str, str], authorization: str) -> Asked:
    """What a request asks and how it proves who it is; OAuthError when that is not one clear thing."""
    grant = form.get("grant_type")
    if grant is None:
        raise _invalid("The grant_type is missing.")
    if grant != CLIENT_CREDENTIALS:
        raise OAuthError("unsupported_grant_type", f"Only {CLIENT_CREDENTIALS} is given here.")
    client_id, secret = form.get("client_id"), form.get("client_secret")
    if authorization:
        named, proven = _basic(authorization)
        if secret is not None or "client_assertion" in form:
            raise _invalid("The client proves itself in more than one way.")
        if client_id is not None and client_id != named:
            raise _invalid("The header and the form name different clients.")
        client_id, secret = named, proven
    assertion = form.get("client_assertion")
    if assertion is not None:
        if secret is not None:
            raise _invalid("The client proves itself in more than one way.")
        if form.get("client_assertion_type") != JWT_BEARER:
            raise _invalid("The client_assertion_type is not the one of JWT bearer assertions.")
    elif secret is None:
        raise OAuthError("invalid_client", "The client proves itself in no way.", why="proof-missing")
    return Asked(client_id, secret, assertion, form.get("scope"))


def _basic(header: str) -> tuple[str, str]:
    """client_id and secret of HTTP Basic; both are form-encoded in it (RFC 6749 section 2.3.1)."""
    scheme, _, rest = header.strip().partition(" ")
    if scheme.casefold() != "basic":
        raise OAuthError("invalid_client", "Only HTTP Basic is known in that header.", why="proof-scheme")
    try:
        name, colon, secret = base64.b64decode(rest.strip(), validate=True).decode("utf-8").partition(":")
        client_id, proven = unquote_plus(name, errors="strict"), unquote_plus(secret, errors="strict")
    except (binascii.Error, ValueError) as error:
        raise OAuthError("invalid_client", "The HTTP Basic header is broken.", why="proof-broken") from error
    if not colon or not client_id or not proven or "\0" in client_id + proven:
        raise OAuthError("invalid_client", "The HTTP Basic header is broken.", why="proof-broken")
    return client_id, proven


def _invalid(message: str) -> OAuthError:
    return OAuthError("invalid_request", message, "See RFC 6749 section 4.4.2.")
