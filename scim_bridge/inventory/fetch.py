"""Fetching an agent card over HTTP, asking only whether it changed when we have one already."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from scim_bridge.inventory.a2a import card_url, read_card
from scim_bridge.inventory.a2a_members import AgentCard
from scim_bridge.kernel.errors import BridgeError, Invalid, NotFound, Refused

MAX_CARD_BYTES = 1_000_000
_ACCEPT = "application/a2a+json, application/json"


class CardAnswer(Protocol):
    """What an outbound call returns."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    @property
    def body(self) -> bytes: ...


class CardCaller(Protocol):
    """The part of `kernel.outbound.Outbound` a fetch needs: guarded against internal addresses."""

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        max_bytes: int = MAX_CARD_BYTES,
    ) -> CardAnswer:
        """Send one request; OutboundError when no answer came or the address is not allowed."""


class CardUnavailable(BridgeError):
    """The server with the card did not give it now; trying again may help."""

    status = 502


@dataclass(frozen=True, slots=True)
class FetchedCard:
    """A card and where it came from; `card` is None when it is the one of the given ETag still."""

    url: str
    etag: str
    card: AgentCard | None

    @property
    def changed(self) -> bool:
        """True when a card came with the answer."""
        return self.card is not None


async def fetch_card(outbound: CardCaller, url: str, etag: str = "") -> FetchedCard:
    """Fetch the card at `url` (of the card, or of the agent: the well-known path is added).

    With `etag` the card is revalidated (RFC 9110 section 13.1.2). Redirects are not followed: who
    answers for the agent's host must publish the card there. Invalid for a bad URL, NotFound for
    404 and 410, Refused for 401, 403 and redirects, CardUnavailable for 429 and 5xx,
    ManifestProblems for a card that is none, OutboundError from the caller.
    """
    try:
        where = card_url(url)
    except ValueError as error:
        raise Invalid(
            "card-url", f"The agent's URL cannot be called: {error}", "Give an https URL."
        ) from None
    headers = {"accept": _ACCEPT}
    if etag:
        headers["if-none-match"] = etag
    answer = await outbound.send("GET", where, headers=headers, max_bytes=MAX_CARD_BYTES)
    found = {name.lower(): value for name, value in answer.headers.items()}
    if answer.status == 304 and etag:
        return FetchedCard(where, etag, None)
    if answer.status != 200:
        raise _refusal(answer.status, where, found)
    media_type = found.get("content-type", "").partition(";")[0].strip().lower()
    if media_type and not media_type.endswith("json"):
        message = f"{where} answered with {media_type[:60]}, not with JSON."
        raise Refused("card-media-type", message, "Check the URL of the card.")
    return FetchedCard(where, found.get("etag", ""), read_card(answer.body, where))


def _refusal(status: int, url: str, headers: Mapping[str, str]) -> BridgeError:
    if status in (404, 410):
        fix = "Servers before A2A 0.3 publish /.well-known/agent.json; a 1.x card is needed."
        return NotFound("card-not-found", f"There is no agent card at {url} ({status}).", fix)
    if status in (401, 403):
        message = f"{url} wants a login before it shows the card ({status})."
        return Refused("card-login", message, "Publish the card openly, or import a manifest.")
    if 300 <= status < 400:
        message = f"{url} redirects elsewhere ({status}), which is not followed."
        return Refused("card-redirect", message, "Give the URL the card is really at.")
    after = headers.get("retry-after", "")
    seconds = int(after) if after.isascii() and after.isdigit() and len(after) < 6 else None
    message = f"{url} answered {status}."
    return CardUnavailable("card-unavailable", message, "Try again later.", retry_after=seconds)
