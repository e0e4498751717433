"""The whole examination: look, then judge. Whatever cannot be looked at is itself a finding."""

from __future__ import annotations

from dataclasses import replace

from scim_bridge.app import open_bridge
from scim_bridge.doctor.look_life import look_at_life
from scim_bridge.doctor.look_outside import ask_again, look_outside
from scim_bridge.doctor.look_place import look_at_place
from scim_bridge.doctor.model import Finding, Life, Place, Reached, wrong
from scim_bridge.doctor.rules_life import of_life
from scim_bridge.doctor.rules_outside import of_outside
from scim_bridge.doctor.rules_place import of_place
from scim_bridge.kernel.errors import BridgeError, ConfigurationError, NotFound
from scim_bridge.settings.model import Settings

PATIENCE = 10.0


async def examine(
    settings: Settings, *, connection: str = "", told_url: str = "", online: bool = False
) -> list[Finding]:
    """Every finding about an installation; with `connection`, only that one's and what concerns all.

    The database is not migrated: an older one is a finding. NotFound for a connection there is not.
    """
    place = look_at_place(settings, told_url)
    life: Life | None = None
    reached: list[Reached] = []
    if place.schema == place.head and (place.key_in_settings or place.mode is not None):
        try:
            life, reached = await _opened(settings, connection, told_url, online)
        except NotFound:
            raise
        except ConfigurationError as error:
            place = replace(place, key_trouble=error.message)
        except BridgeError as error:
            place = replace(place, schema_trouble=(error.message, error.fix or "Look at the database's log."))
    return judged(place, life, reached)


def judged(place: Place, life: Life | None, reached: list[Reached]) -> list[Finding]:
    """What was looked at, as findings. Pure."""
    found = list(of_place(place, life.tenants if life is not None else ()))
    if life is not None:
        found += of_life(life, place)
    elif place.schema is not None:
        found.append(
            wrong("inside", "The database was not looked into.", "Mend what is above, then ask again.")
        )
    return [*found, *of_outside(reached)]


async def _opened(settings: Settings, name: str, told_url: str, online: bool) -> tuple[Life, list[Reached]]:
    bridge = await open_bridge(settings, patience=PATIENCE)
    try:
        life = await look_at_life(bridge)
        if name:
            tenants = tuple(one for one in life.tenants if one.name == name)
            if not tenants:
                raise NotFound(
                    "connection-unknown",
                    f"There is no connection {name!r}.",
                    "See `scim-bridge connections list`.",
                )
            life = replace(life, tenants=tenants)
        if not online:
            return life, []
        life = replace(life, tenants=tuple([await ask_again(bridge, one) for one in life.tenants]))
        return life, await look_outside(bridge, told_url, life.tenants)
    finally:
        await bridge.close()
