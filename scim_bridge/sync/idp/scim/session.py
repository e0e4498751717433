"""One SCIM server through scim2-client: its requests over our own way out, bodies as they are on the wire.

The client builds addresses that stay below the base URL, and reads answers. Payloads are not put through
scim2-models: real servers answer what it refuses, and agents' mail addresses are such (docs/adr/0007).
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import quote, urlencode

from scim2_client import BaseAsyncSCIMClient, SCIMClientException
from scim2_client.client import RawResponse
from scim2_models import ResourceType, SCIMException, ScimProvider, User

from scim_bridge.kernel.outbound import Outbound
from scim_bridge.kernel.outbound_error import OutboundError
from scim_bridge.sync.idp.port import IdpError
from scim_bridge.sync.idp.scim.errors import SOON, ScimRefusal, refusal
from scim_bridge.sync.idp.scim.paths import Doc
from scim_bridge.sync.idp.scim.tokens import Tokens

TIMEOUT = 30.0
LARGEST = 32_000_000
# Longer than this nobody waits inside a call for a server that asked to slow down: the effect is tried again.
PATIENCE = 3.0
JSON = "application/scim+json"
READ = [200]
CREATED = [200, 201, 202]
CHANGED = [200, 202, 204]


@dataclass(frozen=True, slots=True)
class _Response:
    """An answer in the form scim2-client reads."""

    status_code: int
    headers: Mapping[str, str]
    text: str


class _Client(BaseAsyncSCIMClient):
    """scim2-client over `Outbound`: guarded addresses, our authorization, no redirect followed."""

    def __init__(self, base_url: str, tokens: Tokens, outbound: Outbound, provider: ScimProvider) -> None:
        super().__init__(
            provider=provider,
            check_request_payload=False,
            check_response_payload=False,
            check_response_content_type=False,
        )
        self._base_url = base_url
        self._tokens = tokens
        self._outbound = outbound

    async def request(self, method: str, url: str, **kwargs: Any) -> RawResponse:
        """Send one request; once more with a new token when the fetched one is refused."""
        used = await self._tokens.header()
        found = await self._once(method, url, used, **kwargs)
        if found.status_code == 401 and self._tokens.renewable:
            found = await self._once(method, url, await self._tokens.header(refused=used), **kwargs)
        return cast(RawResponse, found)

    async def _once(
        self,
        method: str,
        url: str,
        authorization: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> _Response:
        sent = {"accept": f"{JSON}, application/json", "authorization": authorization, **(headers or {})}
        address = f"{self._base_url}/{url.lstrip('/')}"
        if params:
            # %20 and not +, which some servers read as a plus.
            address += "?" + urlencode({k: str(v) for k, v in params.items()}, quote_via=quote)
        body = None
        if json is not None:
            sent["content-type"] = JSON
            body = _encoded(json)
        try:
            answer = await self._outbound.send(
                method, address, headers=sent, body=body, timeout=TIMEOUT, max_bytes=LARGEST
            )
        except OutboundError as error:
            raise IdpError(error.code, error.message, error.fix, transient=error.transient) from error
        return _Response(answer.status, answer.headers, answer.body.decode("utf-8", "replace"))

    def _parse_json(self, response: RawResponse) -> Any:
        """The body; the version of a resource stands in its ETag, in its body only often (RFC 7644 section 3.14)."""
        try:
            found = json.loads(response.text)
        except RecursionError as error:
            raise json.JSONDecodeError("nested too deep", "", 0) from error
        if "\\u" in response.text:
            found = _storable(found)
        etag = response.headers.get("etag")
        if etag and isinstance(found, dict) and "id" in found:
            meta = found.get("meta")
            found["meta"] = {"version": etag, **(meta if isinstance(meta, dict) else {})}
        return found


def _storable(value: Any) -> Any:
    """The same without what JSON can say and no database takes: halves of characters, and NUL."""
    if isinstance(value, str):
        return value.replace("\0", "").encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_storable(one) for one in value]
    if isinstance(value, dict):
        return {_storable(name): _storable(one) for name, one in value.items()}
    return value


def _encoded(body: Any) -> bytes:
    return json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")


def _provider(users: str) -> ScimProvider:
    said = {"id": "User", "name": "User", "endpoint": users, "schema": str(User.__schema__)}
    kind = ResourceType.model_validate(said)
    return ScimProvider(models=[User], resource_types=[kind])


class Unreadable(IdpError):
    """A success whose body is no JSON; `kind` says what it is instead. In the middle of a run that may pass."""

    def __init__(self, what: str, source: _Response) -> None:
        super().__init__(
            "scim-answer", f"The server's answer cannot be read; tried to {what}.", transient=True
        )
        said = source.headers.get("content-type", "").partition(";")[0].strip().casefold()
        page = said in ("text/html", "application/xhtml+xml") or source.text.lstrip()[:1] == "<"
        self.kind = "a web page" if page else "something that is no JSON"


class Session:
    """An opened server. Every method raises IdpError; `what` completes "The server refused to …"."""

    def __init__(self, base_url: str, tokens: Tokens, outbound: Outbound) -> None:
        self._base_url = base_url
        self._tokens = tokens
        self._client = _Client(base_url, tokens, outbound, _provider("/Users"))
        self._quiet_until = 0.0

    def users_at(self, endpoint: str) -> None:
        """Where the server keeps its users, below the base URL; IdpError when that leads away from it."""
        try:
            self._client._check_endpoint(endpoint)
            self._client.provider = _provider(endpoint)
        except (SCIMClientException, ValueError) as error:
            raise IdpError(
                "scim-endpoint",
                f"The server names {endpoint[:80]!r} as its endpoint of users.",
                transient=False,
            ) from error

    async def described(self, what: str, endpoint: str) -> Any:
        """What a discovery endpoint says, in JSON of any kind; None when the server does not have it.

        One that answers with something else is no SCIM server: no waiting mends a wrong address.
        """
        try:
            return await self._heard(what, self._client.query(url=f"/{endpoint}", expected_status_codes=READ))
        except Unreadable as error:
            raise IdpError(
                "scim-no-endpoint",
                f"This is not a SCIM endpoint: {self._base_url}/{endpoint} answers with {error.kind}.",
                "Set base_url to the address that the vendor names as its SCIM base URL (often ending in /scim/v2),"
                " and see whether a proxy or a sign-in page stands in between.",
                transient=False,
                refuses_us=True,
            ) from error
        except ScimRefusal as error:
            if error.unserved or error.answered in (400, 403):
                return None
            raise

    async def read(self, what: str, user_id: str) -> Doc | None:
        """One user; None when there is none."""
        try:
            return await self._told(what, self._client.query("User", user_id, expected_status_codes=READ))
        except ScimRefusal as error:
            if error.absent:
                return None
            raise

    async def page(self, what: str, query: Mapping[str, Any]) -> Doc:
        """One page of users."""
        found = await self._told(
            what, self._client.query("User", query_parameters=dict(query), expected_status_codes=READ)
        )
        if found is None or not isinstance(found.get("Resources", []), list):
            raise IdpError("scim-answer", f"The server's answer is no list; tried to {what}.", transient=True)
        return found

    async def create(self, what: str, doc: Doc) -> Doc | None:
        """Add a user; what the server made of it, None when it does not say."""
        url = self._client.resource_endpoint("User")
        return await self._told(what, self._client.create(doc, url=url, expected_status_codes=CREATED))

    async def change(self, what: str, user_id: str, body: Doc, version: str) -> Doc | None:
        """PATCH a user, if it is still of this version; the user, None when the server does not say."""
        headers: dict[str, Any] = {"headers": {"If-Match": version}} if version else {}
        asked = self._client.modify("User", user_id, body, expected_status_codes=CHANGED, **headers)
        return await self._told(what, asked)

    async def replace(self, what: str, user_id: str, doc: Doc, version: str) -> Doc | None:
        """PUT a user, if it is still of this version; the user, None when the server does not say."""
        headers: dict[str, Any] = {"headers": {"If-Match": version}} if version else {}
        url = f"{self._client.resource_endpoint('User')}/{quote(user_id, safe='')}"
        asked = self._client.replace(doc, url=url, expected_status_codes=CHANGED, **headers)
        return await self._told(what, asked)

    async def delete(self, what: str, user_id: str) -> None:
        """Remove a user; that it is gone already is as good."""
        try:
            await self._told(what, self._client.delete("User", user_id, expected_status_codes=CHANGED))
        except ScimRefusal as error:
            if not error.absent:
                raise

    async def _told(self, what: str, call: Awaitable[Any]) -> Doc | None:
        """The resource, or list of them, in an answer; None for one without a body."""
        found = await self._heard(what, call)
        if found is not None and not isinstance(found, dict):
            # JSON, and no resource: nothing could be read out of it.
            raise IdpError(
                "scim-answer", f"The server's answer is no object; tried to {what}.", transient=True
            )
        return found

    async def _heard(self, what: str, call: Awaitable[Any]) -> Any:
        """The body of an answer; a server that asked to slow down is left in peace by every other call too."""
        wait = self._quiet_until - time.monotonic()
        if wait > PATIENCE:
            getattr(call, "close", bool)()
            raise IdpError(
                "scim-paced",
                f"The server asked to slow down: {wait:.0f} s to go.",
                transient=True,
                retry_after=int(wait) + 1,
            )
        if wait > 0:
            await asyncio.sleep(wait)
        try:
            return await call
        except (SCIMClientException, SCIMException) as error:
            raise self._refusal(what, error) from error

    def _refusal(self, what: str, error: Any) -> IdpError:
        source = getattr(error, "source", None)
        if not isinstance(source, _Response):
            return IdpError("scim-client", f"Could not {what}: {type(error).__name__}.", transient=False)
        if source.status_code < 300:
            return Unreadable(what, source)
        found = refusal(what, source.status_code, source.headers, self._tokens.redacted(source.text))
        if found.answered == 429:
            self._quiet_until = time.monotonic() + (found.retry_after or SOON)
        return found
