"""How owners are asked: the settings `[attestations]` and `[[attestations.campaigns]]`, and their checks."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from scim_bridge.kernel.errors import ConfigurationError, Invalid
from scim_bridge.registry.scope import parse_scope

MATERIAL = (
    *("owner", "coOwners", "sponsors", "groups", "tools", "resources", "credentials"),
    *("purpose", "platform", "model", "version", "environment", "riskTier", "workloadId", "expiresAt"),
)


LONGEST_NAME = 80
# Ten years: longer than anybody means, and every date made of it can be written.
MOST_DAYS = 3650


@dataclass(frozen=True, slots=True)
class CampaignSettings:
    """A campaign that opens by itself every so many days, over the agents of a scope."""

    name: str
    every_days: int
    scope: str = ""
    due_days: int = 14


@dataclass(frozen=True, slots=True)
class AttestationSettings:
    """How long statements and links are valid, in days, when owners are warned, and what a lapse does.

    `material` are the facts whose change ends a statement; empty: none does.
    """

    valid_days: int = 90
    valid_days_low: int = 0
    valid_days_medium: int = 0
    valid_days_high: int = 0
    link_days: int = 14
    warn_days: int = 14
    grace_days: int = 0
    hold_on_lapse: bool = True
    due_days: int = 14
    remind_days: tuple[str, ...] = ("7", "2")
    material: tuple[str, ...] = (
        "owner",
        "groups",
        "purpose",
        "environment",
        "riskTier",
        "tools",
        "resources",
    )
    campaigns: tuple[CampaignSettings, ...] = ()

    def valid_for(self, risk_tier: str) -> int:
        """Days a confirmation of an agent of this risk tier holds."""
        own = {"low": self.valid_days_low, "medium": self.valid_days_medium, "high": self.valid_days_high}
        return own.get(risk_tier, 0) or self.valid_days


def check_attestations(told: AttestationSettings) -> None:
    """ConfigurationError names the first setting that cannot be meant."""
    for name in ("valid_days", "link_days", "due_days"):
        if getattr(told, name) < 1:
            raise ConfigurationError(
                f"attestations.{name}", "must be at least 1", "Remove it to use the default."
            )
    for name in ("valid_days_low", "valid_days_medium", "valid_days_high", "warn_days", "grace_days"):
        if getattr(told, name) < 0:
            raise ConfigurationError(f"attestations.{name}", "must not be negative", "Write 0 or more.")
    for name in AttestationSettings.__slots__:
        if isinstance(days := getattr(told, name), int) and days > MOST_DAYS:
            raise ConfigurationError(
                f"attestations.{name}", f"{days} days is too long", f"Write at most {MOST_DAYS}."
            )
    for days in told.remind_days:
        if len(days) > 4 or not (days.isascii() and days.isdigit()):
            raise ConfigurationError(
                "attestations.remind_days", f"{days!r} is not a number of days", 'Write ["7", "2"].'
            )
    for part in told.material:
        if part not in MATERIAL:
            close = difflib.get_close_matches(part, MATERIAL, n=1)
            fix = f"Did you mean {close[0]}?" if close else f"Use some of {', '.join(MATERIAL)}."
            raise ConfigurationError("attestations.material", f"{part!r} is none of the facts", fix)
    names: set[str] = set()
    for campaign in told.campaigns:
        _check_campaign(campaign)
        if campaign.name in names:
            raise ConfigurationError(
                f"attestations.campaigns.{campaign.name}.name",
                "is the name of two campaigns",
                "A campaign is known by its name: give each its own.",
            )
        names.add(campaign.name)


def checked_name(name: str) -> str:
    """A campaign's name on one line; Invalid when it is empty, too long, or holds control characters."""
    cleaned = " ".join(name.split())
    if not cleaned or len(cleaned) > LONGEST_NAME or not cleaned.isprintable():
        raise Invalid(
            "campaign-name", f"{name[:40]!r} is no name.", f"Use at most {LONGEST_NAME} characters."
        )
    return cleaned


def _check_campaign(told: CampaignSettings) -> None:
    path = f"attestations.campaigns.{told.name or '?'}"
    if not told.name.strip():
        raise ConfigurationError(f"{path}.name", "is empty", "Give the campaign a name.")
    for name in ("every_days", "due_days"):
        if not 1 <= getattr(told, name) <= MOST_DAYS:
            raise ConfigurationError(
                f"{path}.{name}", f"must be from 1 to {MOST_DAYS}", "Write a number of days."
            )
    try:
        checked_name(told.name)
    except Invalid as error:
        raise ConfigurationError(f"{path}.name", error.message, error.fix) from error
    try:
        parse_scope(told.scope)
    except Invalid as error:
        raise ConfigurationError(f"{path}.scope", error.message, error.fix) from error
