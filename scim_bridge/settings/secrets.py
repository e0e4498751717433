"""What nobody may read in `config show`, and how strong a secret has to be. Pure."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence

from scim_bridge.kernel.errors import ConfigurationError

SECRETS = {"secret_key", "secret_key_previous", "runtime_secret", "notify_secret", "hr", "revokers"}
# Secret wherever they stand: the last part of a key.
SECRET_PARTS = {"authorization", "secret", "client_secret", "token", "password"}


def check_master_keys(current: str, previous: Sequence[str]) -> None:
    """ConfigurationError when a master key is weak, or an earlier one stands there without today's."""
    fix = "Make one with `openssl rand -hex 32`."
    given = [("secret_key", current)] if current else []
    given += [("secret_key_previous", each) for each in previous]
    for name, key in given:
        if len(key) < 32:
            raise ConfigurationError(name, "is too weak (under 32 characters)", fix)
        if len(set(key)) < 8:
            raise ConfigurationError(name, "is too weak (it repeats itself)", fix)
    if previous and not current:
        raise ConfigurationError(
            "secret_key_previous", "says nothing without secret_key", "Set secret_key, too."
        )


def check_signing_secret(key: str, value: str) -> None:
    """ConfigurationError when this is no Standard Webhooks secret of 24 bytes or more."""
    fix = "Make one: whsec_ followed by the base64 of 24 or more random bytes."
    try:
        raw = base64.b64decode(value.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ConfigurationError(key, "is not a Standard Webhooks secret", fix) from error
    if not value.startswith("whsec_") or len(raw) < 24:
        raise ConfigurationError(key, "is too weak for a webhook secret", fix)
