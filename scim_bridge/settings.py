"""Settings: a TOML file, over it the environment (SCIM_BRIDGE_...), over it files (..._FILE).

Unknown keys and weak secrets refuse to start, with one line that names the key and the fix.
Nesting in the environment is two underscores: SCIM_BRIDGE_HR__WORKDAY=whsec_...
"""

from __future__ import annotations

import base64
import binascii
import difflib
import os
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints
from urllib.parse import urlsplit

from scim_bridge.asking import AttestationSettings, check_attestations
from scim_bridge.deciding import AccessSettings, check_access
from scim_bridge.declared import AttributeSettings, check_attributes
from scim_bridge.kernel.allow_list import readable
from scim_bridge.kernel.errors import ConfigurationError
from scim_bridge.kernel.vendor_webhook import SHORTEST, STANDARD, signing_of
from scim_bridge.outlets import AuditSettings, check_outlets, is_address
from scim_bridge.signing_in import SignInSettings, check_sign_in
from scim_bridge.store_settings import check_stores
from scim_bridge.watching import ActivitySettings, AlertSettings, check_targets, check_watching

PREFIX = "SCIM_BRIDGE_"
# Entra asks of a SCIM server to keep up at least 25 requests a second for a tenant (requirements of its gallery).
LOWEST_RATE = 25
# Far above what IdPs send: it stops a loop that went wild, not an import.
GENEROUS_RATE = 10_000
SECRETS = {"secret_key", "secret_key_previous", "runtime_secret", "notify_secret", "hr", "revokers"}
# Secret wherever they stand: the last part of a key.
SECRET_PARTS = {"authorization", "secret", "client_secret", "token", "password"}


@dataclass(frozen=True, slots=True)
class ScimSettings:
    """Limits of the SCIM front door, and the attributes an installation adds to it."""

    max_body_kib: int = 1024
    page_size: int = 100
    max_page_size: int = 200
    agent_mail_domain: str = "agents.example"
    rate_limit: int = 0
    rate_burst: int = 0
    attributes: tuple[AttributeSettings, ...] = ()

    @property
    def rate(self) -> int:
        """Requests a second a connection may keep up."""
        return self.rate_limit or GENEROUS_RATE

    @property
    def burst(self) -> int:
        """Requests a connection may send at once when it was quiet: two seconds' worth, unless set."""
        return self.rate_burst or 2 * self.rate


@dataclass(frozen=True, slots=True)
class DepartureSettings:
    """The file of departure policies (who takes over, the brake); empty: the packaged default."""

    policies: str = ""


@dataclass(frozen=True, slots=True)
class LeakSettings:
    """Whose findings are taken at /credentials/v1/leaks: their keys' address, or keys (PEM) pinned by identifier."""

    keys_url: str = ""
    public_keys: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """How long clients have for the headers and for the whole body of a request, and how large headers may be."""

    header_seconds: int = 20
    body_seconds: int = 60
    max_header_kib: int = 64


@dataclass(frozen=True, slots=True)
class OauthSettings:
    """How long access tokens live, and from which hosts the keys of trusted issuers are fetched."""

    token_minutes: int = 60
    keys_hosts: tuple[str, ...] = (
        "login.microsoftonline.com",
        "login.microsoftonline.us",
        "login.partner.microsoftonline.cn",
    )


@dataclass(frozen=True, slots=True)
class CredentialSettings:
    """How often IdPs are scanned for credentials (0: never), and how many rotations are under way at once."""

    scan_minutes: int = 60
    at_once: int = 50


@dataclass(frozen=True, slots=True)
class TransmitterSettings:
    """Whether security events (SSF) are sent to receivers, and what a stream gets without asking.

    `default_subjects` is ALL or NONE. `verify_seconds`: how often a receiver may ask for a verification.
    """

    enabled: bool = False
    default_subjects: str = "ALL"
    verify_seconds: int = 30


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything a process needs to know before it starts."""

    database_url: str = "sqlite:///scim-bridge.db"
    public_url: str = "http://127.0.0.1:8080"
    secret_key: str = ""
    secret_key_previous: tuple[str, ...] = ()
    log_level: str = "info"
    log_format: str = "auto"
    policies: str = ""
    runtime_secret: str = ""
    notify_url: str = ""
    notify_secret: str = ""
    security_contact: str = ""
    notify_targets: dict[str, str] = field(default_factory=dict)
    templates: str = ""
    allow_networks: tuple[str, ...] = ()
    ca_file: str = ""
    hr: dict[str, str] = field(default_factory=dict)
    hr_mappings: dict[str, dict[str, Any]] = field(default_factory=dict)
    revokers: dict[str, dict[str, str]] = field(default_factory=dict)
    stores: dict[str, dict[str, str]] = field(default_factory=dict)
    scim: ScimSettings = field(default_factory=ScimSettings)
    attestations: AttestationSettings = field(default_factory=AttestationSettings)
    access: AccessSettings = field(default_factory=AccessSettings)
    departures: DepartureSettings = field(default_factory=DepartureSettings)
    oauth: OauthSettings = field(default_factory=OauthSettings)
    leaks: LeakSettings = field(default_factory=LeakSettings)
    http: HttpSettings = field(default_factory=HttpSettings)
    credentials: CredentialSettings = field(default_factory=CredentialSettings)
    audit: AuditSettings = field(default_factory=AuditSettings)
    transmitter: TransmitterSettings = field(default_factory=TransmitterSettings)
    activity: ActivitySettings = field(default_factory=ActivitySettings)
    alerts: AlertSettings = field(default_factory=AlertSettings)
    sign_in: SignInSettings = field(default_factory=SignInSettings)
    origins: dict[str, str] = field(default_factory=dict)

    @property
    def data_dir(self) -> Path:
        """Where an embedded installation keeps its files: beside the SQLite file, else here."""
        if self.database_url.startswith("sqlite:///"):
            return Path(self.database_url.removeprefix("sqlite:///")).parent
        return Path()


def load_settings(
    file: Path | None, environment: Mapping[str, str], overrides: Mapping[str, Any] | None = None
) -> Settings:
    """Read and check the settings; ConfigurationError names the first key that is wrong."""
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for origin, layer in (("file", _toml(file)), ("environment", _environment(environment))):
        _merge(values, layer, origin, origins, "")
    for key, value in (overrides or {}).items():
        values[key] = value
        origins[key] = "command line"
    made: Settings = _build(Settings, values, "")
    object.__setattr__(made, "origins", origins)
    _check(made)
    return made


def _toml(file: Path | None) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        return tomllib.loads(file.read_text())
    except OSError as error:
        raise ConfigurationError(
            "settings file", f"{file} cannot be read", f"Check the path ({error.strerror})."
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(
            "settings file", f"{file} is not TOML ({error})", "Mend that line."
        ) from error


def _environment(environment: Mapping[str, str]) -> dict[str, Any]:
    layer: dict[str, Any] = {}
    for name in sorted(environment):
        if not name.startswith(PREFIX) or name == f"{PREFIX}SETTINGS":
            continue
        path = name.removeprefix(PREFIX).lower().split("__")
        value: str = environment[name]
        if path[-1].endswith("_file") and path[-1] != "ca_file":
            path[-1] = path[-1].removesuffix("_file")
            try:
                value = Path(value).read_text().strip()
            except OSError as error:
                raise ConfigurationError(
                    name, f"{value} cannot be read", f"Check the path ({error.strerror})."
                ) from error
        here = layer
        for part in path[:-1]:
            here = here.setdefault(part, {})
        here[path[-1]] = value
    return layer


def _merge(
    into: dict[str, Any], layer: Mapping[str, Any], origin: str, origins: dict[str, str], path: str
) -> None:
    for key, value in layer.items():
        if isinstance(value, dict):
            if not isinstance(into.get(key), dict):
                into[key] = {}
            _merge(into[key], value, origin, origins, f"{path}{key}.")
        else:
            into[key] = value
            origins[f"{path}{key}"] = origin


def _build(kind: Any, values: Mapping[str, Any], path: str) -> Any:
    known = {f.name: f for f in fields(kind) if f.name != "origins"}
    hints = get_type_hints(kind)
    for key in values:
        if key not in known:
            close = difflib.get_close_matches(key, known, n=1)
            fix = f"Did you mean {path}{close[0]}?" if close else f"Known keys: {', '.join(sorted(known))}."
            raise ConfigurationError(f"{path}{key}", "is not a setting", fix)
    made = {name: _typed(hints[name], value, f"{path}{name}") for name, value in values.items()}
    missing = [f.name for f in known.values() if f.default is MISSING and f.default_factory is MISSING]
    for name in missing:
        if name not in made:
            raise ConfigurationError(f"{path}{name}", "is missing", "Set it.")
    return kind(**made)


def _typed(hint: Any, value: Any, path: str) -> Any:
    if is_dataclass(hint):
        if not isinstance(value, dict):
            raise ConfigurationError(path, "must be a table", f"Write [{path}] with keys below it.")
        return _build(hint, value, f"{path}.")
    if hint is bool:
        if isinstance(value, bool):
            return value
        if str(value).lower() in ("true", "1", "yes", "false", "0", "no"):
            return str(value).lower() in ("true", "1", "yes")
        raise ConfigurationError(path, f"{value!r} is not true or false", "Write true or false.")
    if hint is int:
        try:
            return int(value)
        except (TypeError, ValueError) as error:
            raise ConfigurationError(
                path, f"{value!r} is not a whole number", "Write digits only."
            ) from error
    if hint is str:
        if not isinstance(value, str):
            raise ConfigurationError(path, "must be text", "Put it in quotes.")
        return value
    if hint == str | float:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ConfigurationError(path, "must be text or a number", "Put text in quotes.")
        return value
    if hint == tuple[str, ...]:
        items = value.split(",") if isinstance(value, str) else value
        if not isinstance(items, list | tuple):
            raise ConfigurationError(path, "must be a list", 'Write ["one", "another"].')
        return tuple(str(item).strip() for item in items if str(item).strip())
    if get_origin(hint) is tuple:
        return _tables(get_args(hint)[0], value, path)
    if not isinstance(value, dict):
        raise ConfigurationError(path, "must be a table", f"Write [{path}] with keys below it.")
    kinds = [kind for kind in get_args(hint) if is_dataclass(kind)]
    if kinds:
        return {name: _typed(kinds[0], item, f"{path}.{name}") for name, item in value.items()}
    return value


def _tables(kind: Any, value: Any, path: str) -> tuple[Any, ...]:
    """A list of tables; each is spoken of by its name, or else by its number."""
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise ConfigurationError(
            path, "must be a list of tables", f"Write [[{path}]] in the settings file, once for each."
        )
    return tuple(
        _build(kind, item, f"{path}.{item.get('name') or number}.")
        for number, item in enumerate(value, start=1)
    )


def _check(settings: Settings) -> None:
    scheme = settings.database_url.split(":", 1)[0]
    if scheme not in ("sqlite", "postgresql", "postgres"):
        raise ConfigurationError(
            "database_url",
            f"{scheme!r} is not a database this program knows",
            "Use sqlite:///file.db or postgresql://…",
        )
    _check_master_keys(settings)
    if scheme != "sqlite" and not settings.secret_key:
        raise ConfigurationError(
            "secret_key",
            "is needed with PostgreSQL, for all replicas share it",
            "Make one with `openssl rand -hex 32`.",
        )
    _check_url("public_url", settings.public_url, "")
    _check_url("leaks.keys_url", settings.leaks.keys_url, "")
    _check_leak_keys(settings.leaks)
    _check_url("notify_url", settings.notify_url, settings.notify_secret)
    if settings.log_level not in ("debug", "info", "warning", "error"):
        raise ConfigurationError(
            "log_level", f"{settings.log_level!r} is no level", "Use debug, info, warning or error."
        )
    if settings.log_format not in ("auto", "json", "text"):
        raise ConfigurationError(
            "log_format", f"{settings.log_format!r} is no format", "Use auto, json or text."
        )
    signing = {"runtime_secret": settings.runtime_secret, "notify_secret": settings.notify_secret}
    for key, value in signing.items():
        if value:
            _check_signing_secret(key, value)
    _check_hr(settings)
    if not 60 <= settings.oauth.token_minutes <= 360:
        raise ConfigurationError(
            "oauth.token_minutes", "must be between 60 and 360", "Entra refuses tokens that live otherwise."
        )
    for entry in settings.allow_networks:
        if not readable(entry):
            raise ConfigurationError(
                "allow_networks",
                f"{entry[:80]!r} is neither a network, a host nor host:port",
                "Write for example 10.20.0.0/16, vault.internal or 10.0.0.7:8200.",
            )
    check_stores(settings.stores)
    if settings.credentials.scan_minutes < 0 or not 1 <= settings.credentials.at_once <= 1000:
        raise ConfigurationError(
            "credentials",
            "scan_minutes must be at least 0 and at_once between 1 and 1000",
            "Remove them to use the defaults.",
        )
    check_attributes(settings.scim.attributes)
    check_attestations(settings.attestations)
    check_access(settings.access)
    check_outlets(settings.audit)
    _check_transmitter(settings.transmitter)
    check_targets(settings.notify_targets)
    check_watching(settings.activity, settings.alerts)
    for route in settings.alerts.routes:
        if route.kind == "webhook":
            _check_url(f"alerts.routes.{route.name}.url", route.url, "")
            _check_signing_secret(f"alerts.secrets.{route.name}", settings.alerts.secrets[route.name])
    check_sign_in(settings.sign_in)
    _check_rate(settings.scim)
    for limit in ("header_seconds", "body_seconds", "max_header_kib"):
        if getattr(settings.http, limit) < 1:
            raise ConfigurationError(f"http.{limit}", "must be at least 1", "Remove it to use the default.")
    for limit in ("max_body_kib", "page_size", "max_page_size"):
        if getattr(settings.scim, limit) < 1:
            raise ConfigurationError(f"scim.{limit}", "must be at least 1", "Remove it to use the default.")


def _check_master_keys(settings: Settings) -> None:
    fix = "Make one with `openssl rand -hex 32`."
    given = [("secret_key", settings.secret_key)] if settings.secret_key else []
    given += [("secret_key_previous", each) for each in settings.secret_key_previous]
    for name, key in given:
        if len(key) < 32:
            raise ConfigurationError(name, "is too weak (under 32 characters)", fix)
        if len(set(key)) < 8:
            raise ConfigurationError(name, "is too weak (it repeats itself)", fix)
    if settings.secret_key_previous and not settings.secret_key:
        raise ConfigurationError(
            "secret_key_previous", "says nothing without secret_key", "Set secret_key, too."
        )


def _check_leak_keys(leaks: LeakSettings) -> None:
    for name, pem in leaks.public_keys.items():
        try:
            if "BEGIN PUBLIC KEY" not in pem:
                raise ValueError
            base64.b64decode("".join(pem.strip().splitlines()[1:-1]), validate=True)
        except (binascii.Error, ValueError) as error:
            raise ConfigurationError(
                f"leaks.public_keys.{name}", "is no public key in PEM", "Copy it from the scanner's page."
            ) from error


def _check_hr(settings: Settings) -> None:
    for name, value in settings.hr.items():
        table = settings.hr_mappings.get(name, {})
        standard = not isinstance(table, dict) or signing_of(name, table) == STANDARD
        for part in value.split():
            if standard:
                _check_signing_secret(f"hr.{name}", part)
            elif len(part) < SHORTEST:
                raise ConfigurationError(
                    f"hr.{name}",
                    f"is too weak (under {SHORTEST} characters)",
                    "Copy the key from the HR system.",
                )


def _check_transmitter(chosen: TransmitterSettings) -> None:
    if chosen.default_subjects not in ("ALL", "NONE"):
        raise ConfigurationError(
            "transmitter.default_subjects", f"{chosen.default_subjects!r} is neither", "Use ALL or NONE."
        )
    if not 0 <= chosen.verify_seconds <= 86_400:
        raise ConfigurationError("transmitter.verify_seconds", "must be 0 to 86400", "Remove it for 30.")


def _check_rate(scim: ScimSettings) -> None:
    if scim.rate_limit and scim.rate_limit < LOWEST_RATE:
        raise ConfigurationError(
            "scim.rate_limit",
            f"must be at least {LOWEST_RATE} requests a second, which Entra demands of a SCIM server",
            "Remove it, or set it to 0, to use the default.",
        )
    if scim.rate_burst and scim.rate_burst < scim.rate:
        raise ConfigurationError(
            "scim.rate_burst",
            f"must be at least what one second allows, {scim.rate}",
            "Remove it, or set it to 0, for two seconds' worth.",
        )


def _check_url(key: str, value: str, secret: str) -> None:
    if not value:
        return
    if not is_address(value):
        raise ConfigurationError(key, f"{value!r} is not a web address", "Write https://host[:port].")
    parts = urlsplit(value)
    if parts.scheme == "http" and parts.hostname not in ("127.0.0.1", "localhost", "::1"):
        raise ConfigurationError(
            key, "must be https, except on this machine", "Put TLS in front, or use --tls-cert."
        )
    if key == "notify_url" and not secret:
        raise ConfigurationError(
            "notify_secret", "is missing while notify_url is set", "Set a whsec_ secret."
        )


def _check_signing_secret(key: str, value: str) -> None:
    fix = "Make one: whsec_ followed by the base64 of 24 or more random bytes."
    try:
        raw = base64.b64decode(value.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ConfigurationError(key, "is not a Standard Webhooks secret", fix) from error
    if not value.startswith("whsec_") or len(raw) < 24:
        raise ConfigurationError(key, "is too weak for a webhook secret", fix)


def settings_from_environment(overrides: Mapping[str, Any] | None = None) -> Settings:
    """The settings of this process: file named by SCIM_BRIDGE_SETTINGS, then the environment."""
    named = os.environ.get(f"{PREFIX}SETTINGS")
    return load_settings(Path(named) if named else None, os.environ, overrides)
