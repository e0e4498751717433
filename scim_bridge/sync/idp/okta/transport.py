"""The okta SDK's HTTP client over our own way out: guarded addresses, paced calls, errors as exceptions."""

from __future__ import annotations

import json
import logging
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from multidict import CIMultiDict
from okta.http_client import HTTPClient

from scim_bridge.kernel.outbound import Answer, Outbound
from scim_bridge.kernel.outbound_error import OutboundError
from scim_bridge.sync.idp.okta.errors import NONCE, refusal
from scim_bridge.sync.idp.okta.pace import Pace, endpoint_of
from scim_bridge.sync.idp.port import IdpError

# It logs requests with their tokens, at whatever level; the SDK's own client silences it as well.
logging.getLogger("okta-sdk-python").disabled = True

TIMEOUT = 30.0
LARGEST = 8_000_000
TOKEN_PATH = "/oauth2/v1/token"


@dataclass(frozen=True, slots=True)
class SdkResponse:
    """An answer in the form the SDK reads (it was written against aiohttp)."""

    status: int
    headers: CIMultiDict[str]
    url: str
    reason: str = ""

    @property
    def content_type(self) -> str:
        """The media type alone."""
        return self.headers.get("content-type", "").split(";", 1)[0].strip().casefold()


# Of the call under way: the answer it got, what it does in words, and the media type it sends.
LAST: ContextVar[Answer | None] = ContextVar("okta_answer", default=None)
DOING: ContextVar[str] = ContextVar("oktaDOING", default="do that")
MEDIA: ContextVar[str] = ContextVar("oktaMEDIA", default="")


class Transport(HTTPClient):  # type: ignore[misc]
    """The SDK's HTTP client over `Outbound`: guarded addresses, paced calls, errors as exceptions."""

    def __init__(self, config: dict[str, Any], outbound: Outbound, pace: Pace, authorization: str) -> None:
        self._default_headers = config["headers"]
        self._outbound = outbound
        self._pace = pace
        self._authorization = authorization

    async def send_request(self, request: dict[str, Any]) -> tuple[Any, Any, str, None]:
        """Send one call; IdpError when there is no answer or a refusal."""
        headers = {**self._default_headers, **request["headers"]}
        if self._authorization:
            # The SDK's generated calls write scheme and token without the blank between them.
            headers["Authorization"] = self._authorization
        if media := MEDIA.get():
            # The SDK's executor knows no media type but JSON's.
            headers["Content-Type"] = media
        body = None
        if request["data"]:
            body = json.dumps(request["data"]).encode()
        elif request["form"]:
            body = urlencode(request["form"]).encode()
        url = str(request["url"])
        endpoint = endpoint_of(request["method"], urlsplit(url).path)
        window = await self._pace.enter(endpoint)
        answer = None
        try:
            answer = await self._outbound.send(
                request["method"], url, headers=headers, body=body, timeout=TIMEOUT, max_bytes=LARGEST
            )
        except OutboundError as error:
            raise IdpError(
                error.code, f"Okta: {error.message}", error.fix, transient=error.transient
            ) from error
        finally:
            self._pace.leave(endpoint, window, None if answer is None else answer.headers)
        if answer.status >= 400:
            token = urlsplit(url).path == TOKEN_PATH
            what = "give a token" if token else DOING.get()
            refused = refusal(what, answer.status, answer.headers, answer.body)
            if not (token and refused.okta == NONCE and "DPoP" in headers):
                raise refused
            # The SDK's own business: it asks again with the nonce of this answer (RFC 9449, section 8).
        LAST.set(answer)
        response = SdkResponse(answer.status, CIMultiDict(answer.headers), url)
        return None, response, answer.body.decode(errors="replace"), None
