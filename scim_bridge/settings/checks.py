"""Whether settings can be right together: the first key that cannot is named, with the fix. Pure."""

from __future__ import annotations

import base64
import binascii
from urllib.parse import urlsplit

from scim_bridge.kernel.allow_list import readable
from scim_bridge.kernel.errors import ConfigurationError
from scim_bridge.kernel.vendor_webhook import SHORTEST, STANDARD, signing_of
from scim_bridge.settings.access import check_access
from scim_bridge.settings.attestations import check_attestations
from scim_bridge.settings.audit import check_outlets, is_address
from scim_bridge.settings.model import ALL, ROLES, LeakSettings, Settings, TransmitterSettings
from scim_bridge.settings.scim import check_scim
from scim_bridge.settings.secrets import check_master_keys, check_signing_secret
from scim_bridge.settings.sign_in import check_sign_in
from scim_bridge.settings.stores import check_stores
from scim_bridge.settings.watch import check_targets, check_watching


def check_settings(settings: Settings) -> None:
    """ConfigurationError names the first key that cannot be right."""
    _check_process(settings)
    _check_addresses(settings)
    _check_hr(settings)
    _check_sections(settings)
    check_stores(settings.stores)
    check_scim(settings.scim)
    check_attestations(settings.attestations)
    check_access(settings.access)
    check_outlets(settings.audit)
    _check_transmitter(settings.transmitter)
    check_targets(settings.notify_targets)
    check_watching(settings.activity, settings.alerts)
    for route in settings.alerts.routes:
        if route.kind == "webhook":
            _check_url(f"alerts.routes.{route.name}.url", route.url, "")
            check_signing_secret(f"alerts.secrets.{route.name}", settings.alerts.secrets[route.name])
    check_sign_in(settings.sign_in)


def _check_process(settings: Settings) -> None:
    """Its database, its keys and its log."""
    scheme = settings.database_url.split(":", 1)[0]
    if scheme not in ("sqlite", "postgresql", "postgres"):
        raise ConfigurationError(
            "database_url",
            f"{scheme!r} is not a database this program knows",
            "Use sqlite:///file.db or postgresql://…",
        )
    check_master_keys(settings.secret_key, settings.secret_key_previous)
    if scheme != "sqlite" and not settings.secret_key:
        raise ConfigurationError(
            "secret_key",
            "is needed with PostgreSQL, for all replicas share it",
            "Make one with `openssl rand -hex 32`.",
        )
    if settings.role not in ROLES:
        raise ConfigurationError("role", f"{settings.role!r} is no role", f"Use {', '.join(ROLES)}.")
    if scheme == "sqlite" and settings.role != ALL:
        raise ConfigurationError(
            "role", "a SQLite file serves one process, which does everything", "Use all, or PostgreSQL."
        )
    if settings.log_level not in ("debug", "info", "warning", "error"):
        raise ConfigurationError(
            "log_level", f"{settings.log_level!r} is no level", "Use debug, info, warning or error."
        )
    if settings.log_format not in ("auto", "json", "text"):
        raise ConfigurationError(
            "log_format", f"{settings.log_format!r} is no format", "Use auto, json or text."
        )


def _check_addresses(settings: Settings) -> None:
    """Where others are found, the secrets that sign what is sent there, and which networks may be called."""
    _check_url("public_url", settings.public_url, "")
    _check_url("leaks.keys_url", settings.leaks.keys_url, "")
    _check_leak_keys(settings.leaks)
    _check_url("notify_url", settings.notify_url, settings.notify_secret)
    signing = {"runtime_secret": settings.runtime_secret, "notify_secret": settings.notify_secret}
    for key, value in signing.items():
        if value:
            check_signing_secret(key, value)
    for entry in settings.allow_networks:
        if not readable(entry):
            raise ConfigurationError(
                "allow_networks",
                f"{entry[:80]!r} is neither a network, a host nor host:port",
                "Write for example 10.20.0.0/16, vault.internal or 10.0.0.7:8200.",
            )


def _check_hr(settings: Settings) -> None:
    for name, value in settings.hr.items():
        table = settings.hr_mappings.get(name, {})
        standard = not isinstance(table, dict) or signing_of(name, table) == STANDARD
        for part in value.split():
            if standard:
                check_signing_secret(f"hr.{name}", part)
            elif len(part) < SHORTEST:
                raise ConfigurationError(
                    f"hr.{name}",
                    f"is too weak (under {SHORTEST} characters)",
                    "Copy the key from the HR system.",
                )


def _check_sections(settings: Settings) -> None:
    """The sections that are too small for checks of their own."""
    if not 60 <= settings.oauth.token_minutes <= 360:
        raise ConfigurationError(
            "oauth.token_minutes", "must be between 60 and 360", "Entra refuses tokens that live otherwise."
        )
    if settings.credentials.scan_minutes < 0 or not 1 <= settings.credentials.at_once <= 1000:
        raise ConfigurationError(
            "credentials",
            "scan_minutes must be at least 0 and at_once between 1 and 1000",
            "Remove them to use the defaults.",
        )
    for limit in ("header_seconds", "body_seconds", "max_header_kib"):
        if getattr(settings.http, limit) < 1:
            raise ConfigurationError(f"http.{limit}", "must be at least 1", "Remove it to use the default.")


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


def _check_transmitter(chosen: TransmitterSettings) -> None:
    if chosen.default_subjects not in ("ALL", "NONE"):
        raise ConfigurationError(
            "transmitter.default_subjects", f"{chosen.default_subjects!r} is neither", "Use ALL or NONE."
        )
    if not 0 <= chosen.verify_seconds <= 86_400:
        raise ConfigurationError("transmitter.verify_seconds", "must be 0 to 86400", "Remove it for 30.")


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
            "notify_secret",
            "is missing while notify_url is set",
            "Set it to whsec_ and 32 random bytes in base64: whsec_$(openssl rand -base64 32).",
        )
