"""What Okta makes of the app's answers: success, a failure for the task list, or come back later."""

from __future__ import annotations

from typing import Any

from scim_bridge.sandbox.kit.scim_client import ScimReply

LIST_RESPONSE = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
DEFAULT_WAIT = 300
MAX_TRIES = 10


class Failed(Exception):
    """The task failed for good; the message is what an admin reads in the task list."""


class Throttled(Exception):
    """The app said 429; try again after `seconds`, doubled with every try."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"429, again in {seconds} s")
        self.seconds = seconds


def expect(reply: ScimReply, *statuses: int, what: str) -> Any:
    """The parsed body of an answer with one of these statuses; Failed or Throttled otherwise."""
    if reply.status == 0:
        raise Failed(f"{what}: {reply.error}")
    if reply.status == 429:
        raise Throttled(retry_after(reply.headers.get("retry-after", "")))
    if reply.text and reply.body is None:
        raise Failed(f"{what}: Bad Gateway. Invalid JSON: Unrecognized token '{reply.text.split()[0][:40]}'")
    if reply.status not in statuses:
        raise Failed(f"{what}: {_told(reply)}")
    return reply.body


def retry_after(header: str) -> int:
    """Whole seconds to wait; a date or anything else is ignored and five minutes are taken."""
    text = header.strip()
    return int(text) if text.isascii() and text.isdigit() else DEFAULT_WAIT


def wait_before(seconds: int, tries: int) -> int:
    """The wait before the next try: doubled with each try made so far (1 is the first)."""
    return seconds * int(2 ** (tries - 1))


def listed(body: Any, what: str) -> list[dict[str, Any]]:
    """The resources of a ListResponse; Failed when it is none, or counts in strings."""
    if not isinstance(body, dict) or LIST_RESPONSE not in (body.get("schemas") or []):
        raise Failed(f"{what}: the answer is no ListResponse")
    for member in ("totalResults", "startIndex", "itemsPerPage"):
        if type(body.get(member)) is not int:
            raise Failed(f"{what}: {member} is not an integer but {body.get(member)!r}")
    resources = body.get("Resources")
    if resources is None and body["totalResults"] == 0:
        return []
    if not isinstance(resources, list) or not all(isinstance(item, dict) for item in resources):
        raise Failed(f"{what}: Resources is not a list of objects")
    return resources


def user(body: Any, what: str) -> dict[str, Any]:
    """A user as Okta needs it: id, userName, both names, an address and active, none of them empty."""
    if not isinstance(body, dict) or not body:
        raise Failed(f"{what} returned empty user")
    given, emails = body.get("name"), body.get("emails")
    name = given if isinstance(given, dict) else {}
    first = emails[0] if isinstance(emails, list) and emails and isinstance(emails[0], dict) else {}
    found = {
        "id": body.get("id"),
        "userName": body.get("userName"),
        "name.givenName": name.get("givenName"),
        "name.familyName": name.get("familyName"),
        "emails[0].value": first.get("value"),
    }
    missing = [path for path, value in found.items() if not isinstance(value, str) or not value]
    if not isinstance(body.get("active"), bool):
        missing.append("active")
    if missing:
        raise Failed(f"{what}: the user has no {', '.join(missing)}")
    if "bulkid" in body["id"].casefold():
        raise Failed(f"{what}: an id must not contain 'bulkId'")
    return body


def group(body: Any, what: str) -> dict[str, Any]:
    """A group as Okta needs it: with an id and a displayName."""
    if not isinstance(body, dict) or not body.get("id") or not body.get("displayName"):
        raise Failed(f"{what}: the group has no id or displayName")
    return body


def _told(reply: ScimReply) -> str:
    """What an admin reads: the app's detail where it gave one."""
    detail = reply.body.get("detail") if isinstance(reply.body, dict) else None
    if reply.status == 501:
        return f"501 is not answered by another attempt; provision by hand. {detail or ''}".strip()
    return f"{reply.status} {detail or 'without detail'}"
