"""Import: every page of the app's users, what Okta makes of each, and the safeguard against a short list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scim_bridge.sandbox.okta.scim_side import answers, bodies
from scim_bridge.sandbox.okta.scim_side.bodies import ENTERPRISE
from scim_bridge.sandbox.okta.scim_side.session import Session

SAFEGUARD_PERCENT = 20


async def everything(session: Session, resource: str) -> list[dict[str, Any]]:
    """Every resource of the app, page after page; Failed when one comes twice."""
    found: list[dict[str, Any]] = []
    start = 1
    while True:
        items, total = await session.page(resource, start)
        found.extend(items)
        start += bodies.PAGE
        if start > total:
            break
    ids = [str(item.get("id")) for item in found]
    twice = sorted({key for key in ids if ids.count(key) > 1}) if len(set(ids)) != len(ids) else []
    if twice:
        raise answers.Failed(f"import: {twice[0]} came twice; the order of pages is not stable")
    return found


def offered(users: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The users an import offers: inactive ones are skipped. Failed when one lacks what Okta needs."""
    return [answers.user(user, f"import of {user.get('userName')!r}") for user in users if user.get("active")]


def profile(user: Mapping[str, Any]) -> dict[str, Any]:
    """The Okta profile of an imported user: mapped attributes only."""
    extension = user.get(ENTERPRISE) or {}
    manager = extension.get("manager") or {}
    found = {
        "login": user["userName"],
        "email": user["emails"][0]["value"],
        "firstName": user["name"]["givenName"][:50],
        "lastName": user["name"]["familyName"][:50],
        "displayName": user.get("displayName"),
        "managerId": manager.get("value"),
        "manager": manager.get("displayName"),
    }
    for name in ("title", "userType", "nickName", "profileUrl", "preferredLanguage", "locale", "timezone"):
        found[name] = user.get(name)
    for name in ("employeeNumber", "costCenter", "organization", "division", "department"):
        found[name] = extension.get(name)
    return {name: value for name, value in found.items() if isinstance(value, str) and value}


def missing(linked: Mapping[str, str], users: Sequence[Mapping[str, Any]]) -> list[str]:
    """Okta ids of linked users the app no longer lists (`linked`: Okta id to the app's id).

    Failed when that is a fifth of them or more: a short listing is no reason to unassign.
    """
    here = {str(user["id"]) for user in users}
    gone = [okta_id for okta_id, scim_id in linked.items() if scim_id not in here]
    if gone and len(gone) * 100 >= len(linked) * SAFEGUARD_PERCENT:
        raise answers.Failed(
            f"import safeguard: {len(gone)} of {len(linked)} assignments would go; nothing was changed"
        )
    return gone
