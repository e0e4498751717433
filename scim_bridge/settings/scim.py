"""Limits of the SCIM front door: the settings `[scim]`, and their checks."""

from __future__ import annotations

from dataclasses import dataclass

from scim_bridge.kernel.errors import ConfigurationError
from scim_bridge.settings.attributes import AttributeSettings, check_attributes

# Entra asks of a SCIM server to keep up at least 25 requests a second for a tenant (requirements of its gallery).
LOWEST_RATE = 25
# Far above what IdPs send: it stops a loop that went wild, not an import.
GENEROUS_RATE = 10_000


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


def check_scim(scim: ScimSettings) -> None:
    """ConfigurationError names the first key that cannot be right."""
    check_attributes(scim.attributes)
    _check_rate(scim)
    for limit in ("max_body_kib", "page_size", "max_page_size"):
        if getattr(scim, limit) < 1:
            raise ConfigurationError(f"scim.{limit}", "must be at least 1", "Remove it to use the default.")


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
