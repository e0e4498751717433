"""One org through the okta SDK: its calls over our own way out, answers as Okta wrote them.

The SDK builds the calls and proves who we are. What it gets wrong is kept from it: answers without a
body that are errors, connections that fail, tokens in logs, proxies and files of the environment.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from okta.api.application_users_api import ApplicationUsersApi
from okta.api.group_api import GroupApi
from okta.api.linked_object_api import LinkedObjectApi
from okta.api.schema_api import SchemaApi
from okta.api.user_api import UserApi
from okta.api.user_lifecycle_api import UserLifecycleApi
from okta.api.user_linked_object_api import UserLinkedObjectApi
from okta.api.user_type_api import UserTypeApi
from okta.cache.no_op_cache import NoOpCache
from okta.http_client import HTTPClient
from okta.request_executor import RequestExecutor

from scim_bridge.kernel.outbound import Answer, Outbound
from scim_bridge.sync.idp.okta.errors import BAD_TOKEN, PROOF_DEMANDED, OktaRefusal
from scim_bridge.sync.idp.okta.pace import Pace
from scim_bridge.sync.idp.okta.proofs import Proofs
from scim_bridge.sync.idp.okta.transport import DOING, LAST, MEDIA, Transport
from scim_bridge.sync.idp.port import IdpError
from scim_bridge.sync.idp.rate import RESERVE_PERCENT


@dataclass(frozen=True, slots=True)
class Credentials:
    """How the service app proves itself: a private key for client assertions, or an SSWS token."""

    client_id: str = ""
    private_key: str = ""
    kid: str = ""
    scopes: tuple[str, ...] = ()
    ssws_token: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """Okta's answer as it came: parsed JSON (None when empty), the next page's address, and Location."""

    content: Any
    next: str = ""
    location: str = ""


class _Apis(
    UserApi,  # type: ignore[misc]
    UserLifecycleApi,  # type: ignore[misc]
    UserTypeApi,  # type: ignore[misc]
    SchemaApi,  # type: ignore[misc]
    LinkedObjectApi,  # type: ignore[misc]
    UserLinkedObjectApi,  # type: ignore[misc]
    GroupApi,  # type: ignore[misc]
    ApplicationUsersApi,  # type: ignore[misc]
):
    """The parts of the SDK's client that are used, with exactly the configuration that is given.

    `okta.client.Client` brings every part, which takes seconds and 100 MB, and fills what a
    configuration leaves out from the environment and from files named okta.yaml.
    """

    def __init__(self, config: dict[str, Any], http_client: Callable[[dict[str, Any]], HTTPClient]) -> None:
        super().__init__(configuration=config)
        self._request_executor = RequestExecutor(config, NoOpCache(), http_client)


class Session:
    """An opened org. `org_url` without a slash at its end."""

    def __init__(
        self,
        org_url: str,
        credentials: Credentials,
        outbound: Outbound,
        *,
        own: bool,
        reserve: int = RESERVE_PERCENT,
    ) -> None:
        self.org_url = org_url
        # What the service app asks for; None of a token that may whatever its owner may.
        self.scopes = None if credentials.ssws_token else frozenset(credentials.scopes)
        self.client_id = credentials.client_id
        self._outbound = outbound if own else None
        self._pace = Pace(reserve=reserve)
        self._renewing = asyncio.Lock()
        authorization = f"SSWS {credentials.ssws_token}" if credentials.ssws_token else ""
        config: dict[str, Any] = {
            "orgUrl": org_url,
            "requestTimeout": 0,
            "rateLimit": {"maxRetries": 0},
            "oauthTokenRenewalOffset": 5,
        }
        if credentials.ssws_token:
            config |= {"authorizationMode": "SSWS", "token": credentials.ssws_token}
        else:
            config |= {
                "authorizationMode": "PrivateKey",
                "clientId": credentials.client_id,
                "privateKey": credentials.private_key,
                "kid": credentials.kid,
                "scopes": list(credentials.scopes),
            }
        self.client = _Apis(
            {"client": config}, lambda http: Transport(http, outbound, self._pace, authorization)
        )
        self._executor = self.client._request_executor
        self._oauth = None if credentials.ssws_token else self._executor._oauth

    async def call(self, what: str, method: Callable[..., Awaitable[Any]], *args: Any, **more: Any) -> Reply:
        """Make one SDK call; Okta's answer as JSON. `what` completes "Okta refused to …".

        The SDK's models are not asked: they refuse values that are newer than they are.
        """
        return await self._renewed(what, lambda: method(*args, **more))

    @property
    def proves_possession(self) -> bool:
        """True when the tokens in use are bound to a key (DPoP, RFC 9449)."""
        return self._oauth is not None and bool(self._oauth.is_dpop_enabled())

    async def send(self, what: str, method: str, path: str, body: Any = None, *, media: str = "") -> Reply:
        """A call the SDK has no method for, or would strip of its nulls, through the SDK's executor.

        `path` is a path of the org or an address of it (a next link); `media` replaces JSON's media type.
        """
        if path.startswith("/"):
            path = self.org_url + path
        elif not path.startswith(self.org_url + "/"):
            raise IdpError("okta-link", "Okta's next page is at another host.", transient=False)

        async def act() -> None:
            request, error = await self._executor.create_request(
                method, path, body, {}, keep_empty_params=True
            )
            if error is not None:
                raise error
            told = MEDIA.set(media)
            try:
                await self._executor.fire_request(request)
            finally:
                MEDIA.reset(told)

        return await self._renewed(what, act)

    async def _renewed(self, what: str, act: Callable[[], Awaitable[Any]]) -> Reply:
        """Act; once more with a new token when the one in use was revoked, or with a proof where one is demanded."""
        before = None if self._oauth is None else self._oauth._access_token
        try:
            return await self._answered(what, act)
        except OktaRefusal as error:
            if self._oauth is None:
                raise
            if error.okta in PROOF_DEMANDED and not self.proves_possession:
                await self._prove_possession(self._oauth)
            elif before is None or error.okta not in BAD_TOKEN:
                raise
        async with self._renewing:
            if self._oauth._access_token == before:
                self._oauth.clear_access_token()
        return await self._answered(what, act)

    async def _prove_possession(self, oauth: Any) -> None:
        """From now on ask for tokens bound to a key of this process: the org demands it of the app."""
        async with self._renewing:
            if self.proves_possession:
                return
            oauth._dpop_generator = await asyncio.to_thread(Proofs, dict(oauth._config["client"]))
            oauth._dpop_enabled = True

    async def _answered(self, what: str, act: Callable[[], Awaitable[Any]]) -> Reply:
        doing, last = DOING.set(what), LAST.set(None)
        try:
            result: Any = None
            try:
                result = await act()
            except IdpError:
                raise
            except Exception as error:
                # Answered, and only the SDK's model of the answer tripped over it: then the answer counts.
                result = error
            answer = LAST.get()
            if answer is None:
                raise _unanswered(what, result)
            return Reply(
                _content(what, answer), next_link(answer.headers), str(answer.headers.get("location") or "")
            )
        finally:
            LAST.reset(last)
            DOING.reset(doing)

    async def close(self) -> None:
        """Close connections."""
        if self._outbound is not None:
            await self._outbound.aclose()


def _unanswered(what: str, result: Any) -> IdpError:
    error = result[-1] if isinstance(result, tuple) else result
    # Never the error's text: it may hold what was to be sent.
    reason = type(error).__name__ if isinstance(error, Exception) else "the SDK made no call"
    return IdpError(
        "okta-credentials",
        f"Could not {what}: no call to Okta could be made ({reason}).",
        "Check private_key (RSA, PEM), client_id and scopes of the connection.",
        transient=False,
    )


def _content(what: str, answer: Answer) -> Any:
    if not answer.body:
        return None
    try:
        return json.loads(answer.body)
    except ValueError as error:
        raise IdpError(
            "okta-answer", f"Okta's answer is no JSON; tried to {what}.", transient=True
        ) from error


def next_link(headers: Mapping[str, str]) -> str:
    """The address of the next page in a Link header (RFC 8288); empty on the last one."""
    for target, parameters in re.findall(r"<([^>]*)>([^<]*)", headers.get("link", "")):
        if 'rel="next"' in parameters.replace(" ", ""):
            return str(target)
    return ""
