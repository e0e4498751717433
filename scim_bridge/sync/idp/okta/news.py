"""News of people out of an org: one user as they are now, and the System Log page by page."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from scim_bridge.kernel.clock import iso
from scim_bridge.registry.certification import APPROVE, REVOKE, RemoteReview
from scim_bridge.registry.news import CursorLost, LogPage, RemotePerson, There, instant
from scim_bridge.sync.idp.okta.errors import INVALID, NOT_ENABLED, NOT_PERMITTED, OktaRefusal
from scim_bridge.sync.idp.okta.people import People
from scim_bridge.sync.idp.okta.session import Session
from scim_bridge.sync.idp.okta.vocabulary import MARK
from scim_bridge.sync.idp.port import IdpError

LOGS = "/api/v1/logs"
REVIEW_SCOPE = "okta.governance.accessCertifications.read"
REVIEWS = "/governance/api/v1/reviews"
DECISIONS = {"APPROVE": APPROVE, "REVOKE": REVOKE}
LOG_SCOPE = "okta.logs.read"
# The most the System Log gives at once (Okta, System Log API).
PAGE = 1000
USER_ID = re.compile(r"00u[0-9A-Za-z]{7,37}")
DEPROVISIONED = "DEPROVISIONED"
SUSPENDED = "SUSPENDED"


class OktaNews:
    """See `registry.news.LogNews`."""

    def __init__(self, session: Session, people: People) -> None:
        self._session = session
        self._people = people

    async def person(self, remote_id: str) -> RemotePerson:
        """The user with this id; a login is no id."""
        user = await self._people.user(remote_id)
        if user is None or str(user.get("id")) != remote_id:
            return RemotePerson(remote_id, There.ABSENT)
        return person_of(user)

    async def named(self, login: str) -> RemotePerson | None:
        """The user with this login, and no other one Okta might take it for."""
        user = await self._people.user(login)
        found = (
            user is not None and str((user.get("profile") or {}).get("login")).casefold() == login.casefold()
        )
        return person_of(user) if user is not None and found else None

    def is_id(self, name: str) -> bool:
        """Okta's ids of users begin with 00u."""
        return bool(USER_ID.fullmatch(name))

    def may_read_log(self) -> str:
        """Why not: the scope is not among the connection's. A token of a person (SSWS) may what they may."""
        scopes = self._session.scopes
        if scopes is None or LOG_SCOPE in scopes:
            return ""
        return f"the connection's credentials lack the scope {LOG_SCOPE}"

    async def review(self, review_id: str) -> RemoteReview | None:
        """One review of Okta Identity Governance, with our mark on the user it is about."""
        scopes = self._session.scopes
        if scopes is not None and REVIEW_SCOPE not in scopes:
            return None
        try:
            reply = await self._session.send(
                f"read the review {review_id}", "GET", f"{REVIEWS}/{quote(review_id, safe='')}"
            )
        except OktaRefusal as error:
            # An org that reviews other things with governance is no trouble because we may not read along.
            if error.absent or error.http == 403 or error.okta in (NOT_PERMITTED, NOT_ENABLED):
                return None
            raise
        found = reply.content if isinstance(reply.content, Mapping) else {}
        principal, reviewer = found.get("principalProfile") or {}, found.get("reviewerProfile") or {}
        user = await self._people.user(str(principal["id"])) if principal.get("id") else None
        profile = (user or {}).get("profile") or {}
        note = found.get("note")
        return RemoteReview(
            review=str(found.get("id") or review_id),
            campaign=str(found.get("campaignId") or ""),
            decision=DECISIONS.get(str(found.get("decision")), ""),
            agent_mark=str(profile.get(MARK) or ""),
            agent_login=str(profile.get("login") or ""),
            agent_remote=str(principal.get("id") or ""),
            reviewer=str(reviewer.get("id") or ""),
            resource=str(found.get("resourceId") or ""),
            note=str(note.get("note") or "") if isinstance(note, Mapping) else "",
            decided=instant(found.get("decided")),
        )

    async def events(self, cursor: str, since: int, kinds: Sequence[str]) -> LogPage:
        """Polling, as Okta means it: no `until`, ascending, and the next link is kept even of an empty page."""
        path = cursor or _first(since, kinds)
        try:
            reply = await self._session.send("read the System Log", "GET", path)
        except OktaRefusal as error:
            if cursor and error.http == 400 and error.okta == INVALID:
                raise CursorLost(f"Okta takes the cursor of its log no more ({error.message})") from error
            raise
        events = reply.content if isinstance(reply.content, list) else None
        if events is None or not reply.next:
            raise IdpError("okta-log", "Okta's log page has no events or no next link.", transient=True)
        found = tuple(event for event in events if isinstance(event, Mapping))
        return LogPage(found, _within(reply.next, self._session.org_url), len(events) >= PAGE)


def person_of(user: Mapping[str, Any]) -> RemotePerson:
    """A user object as a person; statuses but DEPROVISIONED and SUSPENDED are somebody who is there."""
    profile = user.get("profile") or {}
    status = str(user.get("status"))
    there = {DEPROVISIONED: There.GONE, SUSPENDED: There.SUSPENDED}.get(status, There.PRESENT)
    return RemotePerson(
        remote_id=str(user["id"]),
        there=there,
        login=str(profile.get("login") or ""),
        called=(str(user["id"]),),
        since=instant(user.get("statusChanged")),
        manager=str(profile.get("managerId") or profile.get("manager") or ""),
        department=str(profile.get("department") or ""),
    )


def _first(since: int, kinds: Sequence[str]) -> str:
    expression = " or ".join(f'eventType eq "{kind}"' for kind in kinds)
    query = {"since": iso(since), "sortOrder": "ASCENDING", "limit": str(PAGE), "filter": expression}
    return f"{LOGS}?{urlencode(query, quote_via=quote)}"


def _within(link: str, org_url: str) -> str:
    """A next link as a path, so that it outlives a change of the org's name; it must be one of this org."""
    parts = urlsplit(link)
    if f"{parts.scheme}://{parts.netloc}" != org_url or parts.path != LOGS:
        raise IdpError("okta-link", "The log's next page is at another address.", transient=False)
    return f"{parts.path}?{parts.query}"
