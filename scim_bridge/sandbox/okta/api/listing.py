"""Which users a listing shows: q, filter or search; what each of them leaves out; the order."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from scim_bridge.sandbox.okta.api.paging import limit_of
from scim_bridge.sandbox.okta.directory import User
from scim_bridge.sandbox.okta.errors import OktaError
from scim_bridge.sandbox.okta.model import expressions, profiles, statuses
from scim_bridge.sandbox.okta.parts import Parts

Q_LIMIT = 10


def matching(parts: Parts, request: Request) -> tuple[list[User], int]:
    """The users a request asks for in their order, and the page size."""
    query = request.query_params
    given = [name for name in ("q", "filter", "search") if query.get(name)]
    if len(given) > 1:
        raise OktaError("E0000033")
    if "search" in given:
        return _searched(parts, request), limit_of(request)
    users = parts.directory.everybody()
    if "filter" in given:
        test = expressions.compiled(query["filter"], expressions.user_filter())
        return [user for user in users if test(user)], limit_of(request)
    users = [user for user in users if user["status"] != statuses.DEPROVISIONED]
    if "q" in given:
        return [user for user in users if _named(user, query["q"])], limit_of(request, Q_LIMIT)
    return users, limit_of(request)


def _named(user: User, start: str) -> bool:
    names = (user["profile"].get(name) or "" for name in ("firstName", "lastName", "email"))
    return any(name.casefold().startswith(start.casefold()) for name in names)


def _searched(parts: Parts, request: Request) -> list[User]:
    known: set[str] = set()
    for _, schema in parts.org.store.all("schema"):
        known |= set(profiles.definitions(schema))
    dialect = expressions.user_search(known)
    test = expressions.compiled(request.query_params["search"], dialect)
    users = [user for user in parts.directory.searchable() if test(user)]
    by = request.query_params.get("sortBy")
    if by is None:
        return users
    if not dialect.knows(by):
        raise OktaError("E0000031", "", [f"Unknown property {by}"])
    users.sort(key=lambda user: _sort_key(user, by), reverse=request.query_params.get("sortOrder") == "desc")
    return users


def _sort_key(user: User, by: str) -> tuple[bool, str, str]:
    values: list[Any] = expressions.values_at(user, by)
    return (not values, str(values[0]).casefold() if values else "", user["id"])
