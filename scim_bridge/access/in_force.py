"""The policies in force in this process: what was activated last, else the files of the settings.

Asked twice a second, so that every replica answers by a new version within a second, without a restart.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import structlog

from scim_bridge.access.cedar import UTC_OFFICE
from scim_bridge.access.model import Decision, Facts, Question, denied
from scim_bridge.access.policies import Policies, load_policies, prepared
from scim_bridge.access.versions import latest, version
from scim_bridge.kernel.calendar import Calendar
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import ConfigurationError

log = structlog.get_logger("scim_bridge.access")


class Unusable(Policies):
    """A version this program cannot use: a mistake or words of a newer program. Everything is denied."""

    __slots__ = ()

    def decide(self, facts: Facts, question: Question, now: int) -> Decision:
        """No, and why."""
        text = f"Policy version {self.version} cannot be used by this program, so the answer is no."
        return denied("policies-unusable", text, facts)


class InForce:
    """What answers now. `current` never changes while one question is answered."""

    def __init__(self, settings: Policies) -> None:
        self.settings = settings
        self.current = settings

    async def refresh(self, reader: Reader) -> Policies:
        """Take up what was activated since; the policies in force."""
        newest = await latest(reader)
        if newest != self.current.version:
            self.current = await self._loaded(reader, newest)
            log.info(
                "access.policies", action="access.policies", version=newest, name=self.current.text.title
            )
        return self.current

    async def _loaded(self, reader: Reader, number: int | None) -> Policies:
        if number is None:
            return self.settings
        found = await version(reader, number)
        if found.text is None:
            return replace(self.settings, version=number)
        try:
            # A third of a second of checks: nobody waits for an answer meanwhile.
            checked = await asyncio.to_thread(prepared, found.text)
            return replace(checked, calendar=self.settings.calendar, version=number)
        except ConfigurationError as error:
            # An older replica during an upgrade, say: what it does not understand it must not overlook.
            log.error("access.policies_unusable", action="access.policies_unusable", reason=error.message)
            kept = self.settings
            return Unusable(
                found.text, kept.compiled, kept.schema, {}, {}, frozenset(), kept.words, kept.calendar, number
            )


def in_force(path: str | Path = "", sets: Sequence[str] = (), calendar: Calendar = UTC_OFFICE) -> InForce:
    """The policies of the settings, until something else is activated; ConfigurationError as `load_policies`."""
    return InForce(load_policies(path, sets, calendar))


async def policies_now(
    reader: Reader, path: str | Path = "", sets: Sequence[str] = (), calendar: Calendar = UTC_OFFICE
) -> Policies:
    """The policies in force at this moment, for one command."""
    return await in_force(path, sets, calendar).refresh(reader)
