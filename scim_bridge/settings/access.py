"""How access decisions are asked, made and kept: the settings `[access]`, and their checks."""

from __future__ import annotations

from dataclasses import dataclass

from scim_bridge.kernel.calendar import Calendar, read_calendar
from scim_bridge.kernel.errors import ConfigurationError

FULL, OFF = "full", "off"
MOST_DAYS = 3650


@dataclass(frozen=True, slots=True)
class AccessSettings:
    """Which subjects are people, what is known of resources, which decisions are kept how long; policy sets on
    top of the policies, what time it is for them, and the file of budgets.

    `allow_log` is "full", "off" or the share of yeses to keep, such as 0.1; a no is always kept.
    `resources` is a file of resources with their properties; empty: none are known. Days of 0: for ever.
    `unused_days`: so long a group must have been of no use before leaving it is recommended.
    """

    person_types: tuple[str, ...] = ("user", "person", "identity")
    resources: str = ""
    max_evaluations: int = 100
    allow_log: str | float = FULL
    keep_allow_days: int = 90
    keep_deny_days: int = 400
    sets: tuple[str, ...] = ()
    time_zone: str = "UTC"
    business_hours: str = "mon-fri 09:00-17:00"
    holidays: tuple[str, ...] = ()
    holidays_file: str = ""
    budgets: str = ""
    unused_days: int = 90

    @property
    def allow_share(self) -> float:
        """The share of yeses that is kept, from 0 to 1."""
        if self.allow_log in (FULL, OFF):
            return float(self.allow_log == FULL)
        return float(self.allow_log)

    @property
    def calendar(self) -> Calendar:
        """What time it is for policies; ConfigurationError names the setting that cannot be meant."""
        return read_calendar(self.time_zone, self.business_hours, self.holidays, self.holidays_file)


def check_access(told: AccessSettings) -> None:
    """ConfigurationError names the first setting that cannot be meant."""
    try:
        share = told.allow_share
    except ValueError:
        share = -1.0
    if not 0.0 <= share <= 1.0:
        raise ConfigurationError(
            "access.allow_log",
            f"{str(told.allow_log)[:40]!r} is neither full, off nor a share from 0 to 1",
            'Write "full", "off", or for example 0.1 to keep one yes in ten.',
        )
    if not 1 <= told.max_evaluations <= 1000:
        raise ConfigurationError(
            "access.max_evaluations", "must be between 1 and 1000", "Remove it to use the default."
        )
    for name in ("keep_allow_days", "keep_deny_days"):
        if not 0 <= getattr(told, name) <= MOST_DAYS:
            raise ConfigurationError(
                f"access.{name}", f"must be between 0 and {MOST_DAYS}", "Write 0 to keep them for ever."
            )
    if any(kind.casefold() == "agent" for kind in told.person_types):
        raise ConfigurationError("access.person_types", "an agent is not a person", "Remove agent from it.")
    if not 1 <= told.unused_days <= MOST_DAYS:
        raise ConfigurationError(
            "access.unused_days", f"must be between 1 and {MOST_DAYS}", "Write a number of days."
        )
    _ = told.calendar
