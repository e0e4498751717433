"""The settings of a process as one frozen value, with the sections that are too small for a file of their own."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scim_bridge.settings.access import AccessSettings
from scim_bridge.settings.attestations import AttestationSettings
from scim_bridge.settings.audit import AuditSettings
from scim_bridge.settings.scim import ScimSettings
from scim_bridge.settings.sign_in import SignInSettings
from scim_bridge.settings.watch import ActivitySettings, AlertSettings

# What a process does: answer and make outward calls, or (on PostgreSQL) only one of the two.
ALL, WEB, WORKER = "all", "web", "worker"
ROLES = (ALL, WEB, WORKER)


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
    role: str = ALL
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
