"""The settings of a store, `[stores.NAME]`: which keys each kind has, checked before anything is called. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from scim_bridge.kernel.errors import ConfigurationError

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
LOCAL = ("127.0.0.1", "localhost", "::1")
SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
# What nobody may read in `config show`.
VALUES = ("token", "secret_id", "secret_access_key", "secret")


@dataclass(frozen=True, slots=True)
class Kind:
    """The keys of one kind of store: which there must be, and the others with their defaults."""

    needed: tuple[str, ...]
    defaults: Mapping[str, str]
    auths: Mapping[str, tuple[tuple[str, ...], ...]]


# By `auth`: groups of keys, of each of which one must be there.
KINDS: Mapping[str, Kind] = {
    "openbao": Kind(
        ("address",),
        {
            "auth": "token",
            "mount": "secret",
            "namespace": "",
            "auth_mount": "",
            "token": "",
            "token_path": "",
            "role_id": "",
            "secret_id": "",
            "role": "",
            "jwt_path": f"{SERVICE_ACCOUNT}/token",
            "ca_file": "",
            "prefix": "",
            "timeout": "10",
            "pki": "pki",
            "pki_role": "",
            "transit": "",
        },
        {
            "token": (("token", "token_path"),),
            "approle": (("role_id",), ("secret_id",)),
            "kubernetes": (("role",), ("jwt_path",)),
        },
    ),
    "aws": Kind(
        ("region",),
        {
            "auth": "keys",
            "access_key_id": "",
            "secret_access_key": "",
            "address": "",
            "ca_file": "",
            "prefix": "",
            "create": "false",
            "timeout": "10",
        },
        {"keys": (("access_key_id",), ("secret_access_key",)), "default": ()},
    ),
    "kubernetes": Kind(
        (),
        {
            "address": "https://kubernetes.default.svc",
            "namespace": "default",
            "token": "",
            "token_path": f"{SERVICE_ACCOUNT}/token",
            "ca_file": f"{SERVICE_ACCOUNT}/ca.crt",
            "prefix": "",
            "timeout": "10",
        },
        {},
    ),
    "file": Kind(("directory",), {"prefix": ""}, {}),
    "webhook": Kind(("address", "secret"), {"encrypt_to": "", "timeout": "10"}, {}),
}


@dataclass(frozen=True, slots=True)
class Options:
    """The settings of one store, every key of its kind present."""

    name: str
    kind: str
    values: Mapping[str, str]

    def __getitem__(self, key: str) -> str:
        return self.values[key]

    @property
    def timeout(self) -> float:
        """Seconds one call may take."""
        return float(self.values["timeout"])

    @property
    def where(self) -> str:
        """Where it is, as people read it."""
        return self.values.get("address") or self.values.get("directory") or self.values.get("region", "")


def check_stores(stores: Mapping[str, Mapping[str, str]]) -> None:
    """ConfigurationError for the first store that cannot be meant; nothing is called or opened."""
    for name, table in stores.items():
        read_options(name, table)


def read_options(name: str, table: object) -> Options:
    """The settings of a store with their defaults; ConfigurationError names the first key that is wrong."""
    path = f"stores.{name}"
    if not NAME.fullmatch(name):
        raise ConfigurationError(path, "is no name for a store", "Use lower-case letters, digits, - and _.")
    if not isinstance(table, dict):
        raise ConfigurationError(path, "must be a table", f"Write [{path}] with keys below it.")
    given = str(table.get("kind", ""))
    if given not in KINDS:
        raise ConfigurationError(f"{path}.kind", f"{given!r} is no kind of store", f"Use {', '.join(KINDS)}.")
    kind = KINDS[given]
    known = {"kind", *kind.needed, *kind.defaults}
    for key, value in table.items():
        if key not in known:
            close = difflib.get_close_matches(key, known, n=1)
            fix = f"Did you mean {close[0]}?" if close else f"Known keys: {', '.join(sorted(known))}."
            raise ConfigurationError(f"{path}.{key}", f"is not a setting of a store of kind {given}", fix)
        if not isinstance(value, str | int | bool):
            raise ConfigurationError(f"{path}.{key}", "must be text", "Put it in quotes.")
    told = {key: _text(value) for key, value in table.items() if key != "kind"}
    values = {**dict.fromkeys(kind.needed, ""), **kind.defaults, **told}
    for key in kind.needed:
        if not values[key]:
            raise ConfigurationError(f"{path}.{key}", "is missing", "Set it.")
    options = Options(name, given, values)
    _check_auth(path, options, kind)
    _check_values(path, options)
    return options


def _text(value: str | int | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _check_auth(path: str, options: Options, kind: Kind) -> None:
    if not kind.auths:
        return
    auth = options["auth"]
    if auth not in kind.auths:
        raise ConfigurationError(
            f"{path}.auth", f"{auth!r} is no way to sign in there", f"Use {', '.join(kind.auths)}."
        )
    for group in kind.auths[auth]:
        if not any(options[key] for key in group):
            raise ConfigurationError(
                f"{path}.{group[0]}", f"is missing, with auth {auth!r}", f"Set {' or '.join(group)}."
            )


def _check_values(path: str, options: Options) -> None:
    address = options.values.get("address", "")
    if address:
        parts = urlsplit(address)
        right = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOCAL)
        if not right or not parts.hostname or parts.username or parts.query or parts.fragment:
            raise ConfigurationError(
                f"{path}.address",
                "is no https address",
                "Write https://host[:port]; http on this machine only.",
            )
    if "timeout" in options.values:
        seconds = options["timeout"]
        if not (seconds.isascii() and seconds.isdigit() and 1 <= int(seconds) <= 60):
            raise ConfigurationError(f"{path}.timeout", "must be 1 to 60 seconds", "Write a whole number.")
    if options.values.get("create", "false") not in ("true", "false"):
        raise ConfigurationError(f"{path}.create", "is not true or false", "Write true or false.")
    if options.kind == "file" and not Path(options["directory"]).is_absolute():
        raise ConfigurationError(f"{path}.directory", "must be an absolute path", "Write it from / on.")
    if options.kind == "webhook":
        _check_webhook(path, options)


def _check_webhook(path: str, options: Options) -> None:
    from scim_bridge.kernel.envelope import receiver_key
    from scim_bridge.kernel.webhook import signature

    try:
        if not options["secret"].startswith("whsec_"):
            raise ValueError
        signature(options["secret"], "check", 0, b"{}")
    except ValueError as error:
        raise ConfigurationError(
            f"{path}.secret",
            "is not a Standard Webhooks secret",
            "Make one: whsec_ followed by the base64 of 24 or more random bytes.",
        ) from error
    if options["encrypt_to"]:
        try:
            receiver_key(options["encrypt_to"])
        except ValueError as error:
            raise ConfigurationError(
                f"{path}.encrypt_to", "is no public key (JWK)", "Use an RSA, P-256 or X25519 key in JSON."
            ) from error
