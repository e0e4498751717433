"""Which forms, buttons and links somebody is shown: the gate's own table decides both.

What is shown is accepted, what is refused is not shown; a test walks every page as every role.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import urlsplit

from scim_bridge.console.permissions import NEEDS, PUBLIC, SIGNED_IN
from scim_bridge.console.session import Session
from scim_bridge.registry.roles import ADMIN, Reach, reach

_PARAMETER = re.compile(r"\{\w+\}")


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile("[^/]+".join(re.escape(part) for part in _PARAMETER.split(path)))


def _table(needs: Mapping[tuple[str, str], str]) -> dict[tuple[str, int], list[tuple[re.Pattern[str], str]]]:
    """Needs by method and number of segments; addresses without a parameter come first, as in the router."""
    found: dict[tuple[str, int], list[tuple[re.Pattern[str], str]]] = {}
    for (method, path), need in sorted(needs.items(), key=lambda one: (one[0][1].count("{"), one[0])):
        if not path.endswith("{rest:path}"):
            found.setdefault((method, path.count("/")), []).append((_pattern(path), need))
    return found


_KNOWN = _table(NEEDS)


@lru_cache(maxsize=2048)
def need_of(method: str, path: str) -> str | None:
    """What the gate asks for at an address; None where it knows no such address: an admin's alone."""
    for pattern, need in _KNOWN.get((method, path.count("/")), ()):
        if pattern.fullmatch(path):
            return need
    return None


def may(session: Session | None, method: str, url: str, own: bool = False) -> bool:
    """True when the gate lets this session do it. `own`: the page is about an agent they answer for.

    Addresses outside the console are nobody's secret.
    """
    path = urlsplit(url).path
    if not path.startswith("/console"):
        return True
    need = need_of(method, path)
    if need in (PUBLIC, SIGNED_IN):
        return True
    if session is None:
        return False
    if need is None:
        return ADMIN in session.roles
    far = reach(session.roles, need)
    if far is Reach.OWN:
        return session.person_id is not None and (own or need == "attestations.answer")
    return far is Reach.ALL


def permitted(session: Session, permission: str) -> bool:
    """True when whoever is signed in has a permission for everything."""
    return reach(session.roles, permission) is Reach.ALL
