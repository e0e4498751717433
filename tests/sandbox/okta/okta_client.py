"""The real Okta SDK against the sandbox, over HTTPS with its CA; and bare calls where the SDK cannot say it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

import aiohttp
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc import jwt
from joserfc.jwk import RSAKey
from okta.client import Client

from tests.sandbox.servers import Running

T = TypeVar("T")
CLIENT_ID = "0oatests0000000001"
KID = "tests"
SCOPES = [
    "okta.users.manage",
    "okta.userTypes.manage",
    "okta.schemas.manage",
    "okta.linkedObjects.manage",
    "okta.groups.manage",
    "okta.apps.manage",
    "okta.logs.read",
]
PRIVATE = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PEM = PRIVATE.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()
KEY = RSAKey.import_key(PEM)
JWK = KEY.as_dict(private=False) | {"kid": KID}


def register(org: Running, scopes: list[str] | None = None, client_id: str = CLIENT_ID) -> None:
    """Make the service app the SDK signs in as."""
    body = {"client_id": client_id, "jwk": JWK, "scopes": SCOPES if scopes is None else scopes}
    assert org.control.post("/api-clients", json=body).status_code == 200


def ssws(org: Running) -> str:
    """A new API token."""
    return str(org.control.post("/api-tokens", json={}).json()["token"])


@contextlib.asynccontextmanager
async def sdk(org: Running, **config: Any) -> AsyncIterator[Client]:
    """The SDK, signed in with the service app's key."""
    settings = {
        "orgUrl": org.url,
        "authorizationMode": "PrivateKey",
        "clientId": CLIENT_ID,
        "scopes": SCOPES,
        "privateKey": PEM,
        "kid": KID,
        "oauthTokenRenewalOffset": 5,
        "rateLimit": {"maxRetries": 0},
        **config,
    }
    client = Client(settings)
    context = ssl.create_default_context(cafile=org.ca_file)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session:
        client.get_request_executor().set_session(session)
        yield client
        await asyncio.sleep(0)


def with_sdk(org: Running, body: Callable[[Client], Awaitable[T]], **config: Any) -> T:
    """Run an async body with the SDK."""

    async def main() -> T:
        async with sdk(org, **config) as client:
            return await body(client)

    return asyncio.run(main())


async def ok(call: Awaitable[tuple[Any, Any, Any]]) -> Any:
    """The object of a call that must succeed."""
    found, *_, error = await call
    assert error is None, error
    return found


async def refused(call: Awaitable[tuple[Any, Any, Any]]) -> tuple[int, str]:
    """Status and code of a call that must be refused (lifecycle calls then answer two values, not three)."""
    error = (await call)[-1]
    assert error is not None, "the call was followed"
    return error.status, error.error_code


def assertion(org: Running, now: float, **claims: Any) -> str:
    """A client assertion as the SDK makes it, with some claims changed."""
    body = {
        "iss": CLIENT_ID,
        "sub": CLIENT_ID,
        "aud": f"{org.url}/oauth2/v1/token",
        "iat": int(now),
        "exp": int(now) + 3000,
        "jti": str(uuid.uuid4()),
        **claims,
    }
    return str(jwt.encode({"alg": "RS256", "kid": KID}, json.loads(json.dumps(body)), KEY))


def profile(login: str, **more: Any) -> dict[str, Any]:
    """A profile with what every user needs."""
    return {"login": login, "email": login, "firstName": "Ada", "lastName": "Byron", **more}
