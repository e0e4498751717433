"""A real OpenID provider on 127.0.0.1, over TLS: the sandbox's, with a way to make it lie."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import uvicorn
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from scim_bridge.kernel.clock import SECOND, Clock
from scim_bridge.sandbox.kit.openid import Account, Client, OpenId, form_of
from scim_bridge.sandbox.kit.tls import ensure_ca

BASE = "https://bridge.test"
CLIENT, SECRET = "console-client", "a secret of the console+with:signs"
KEYS = {kid: RSAKey.generate_key(2048, {"kid": kid, "use": "sig", "alg": "RS256"}) for kid in ("k1", "k2")}


@dataclass
class Idp:
    """The provider as tests see it: `people` by user name with their claims, `lie` changes a token's claims."""

    issuer: str
    ca_file: Path
    clock: Clock
    people: dict[str, dict[str, Any]] = field(default_factory=dict)
    lie: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    forge: Callable[[dict[str, Any]], str] | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    published: tuple[str, ...] = ("k1",)
    fetches: int = 0
    away: bool = False

    def reset(self, clock: Clock) -> None:
        """As at the start, on this clock."""
        self.clock, self.people, self.lie, self.forge, self.metadata = clock, {}, None, None, {}
        self.published, self.fetches, self.away = ("k1",), 0, False
        self.openid.key = KEYS["k1"]
        self.openid.codes.clear()
        self.openid.since.clear()

    def __post_init__(self) -> None:
        idp = self

        class Lying(OpenId):
            def signed(self, claims: Any) -> str:
                said = dict(claims)
                said = idp.lie(said) if idp.lie else said
                return idp.forge(said) if idp.forge else super().signed(said)

        self.openid = Lying(
            self.issuer,
            KEYS["k1"],
            lambda: self.clock.now() / SECOND,
            lambda client_id: CLIENTS.get(client_id),
            lambda _client: [Account(name, name, claims) for name, claims in self.people.items()],
            "/authorize",
            "/token",
            "/logout",
        )


CLIENTS = {
    CLIENT: Client(
        CLIENT,
        lambda secret: secret == SECRET,
        [f"{BASE}/console/sign-in/callback"],
        [f"{BASE}/console/sign-in"],
    )
}


def _app(idp: Idp) -> Starlette:
    async def discovery(_request: Request) -> Response:
        idp.fetches += 1
        said = {**idp.openid.described(idp.issuer), "jwks_uri": f"{idp.issuer}/keys", **idp.metadata}
        return _json(said, 503 if idp.away else 200)

    async def keys(_request: Request) -> Response:
        return _json({"keys": [KEYS[kid].as_dict(private=False) for kid in idp.published]})

    async def authorize(request: Request) -> Response:
        return idp.openid.authorize(request)

    async def token(request: Request) -> Response:
        form = form_of(await request.body())
        status, said = idp.openid.token(form, request.headers.get("authorization", ""))
        return _json(said, status)

    async def logout(request: Request) -> Response:
        return idp.openid.logout(request)

    return Starlette(
        routes=[
            Route("/.well-known/openid-configuration", discovery),
            Route("/keys", keys),
            Route("/authorize", authorize),
            Route("/token", token, methods=["POST"]),
            Route("/logout", logout),
        ]
    )


def _json(content: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(content), status, media_type="application/json")


@contextmanager
def identity_provider(clock: Clock, directory: Path) -> Iterator[Idp]:
    """A provider that runs in a thread of its own until the block ends."""
    authority = ensure_ca(directory)
    certificate, key = authority.issue(["127.0.0.1"])
    listener = socket.create_server(("127.0.0.1", 0))
    idp = Idp(f"https://127.0.0.1:{listener.getsockname()[1]}", authority.ca_file, clock)
    config = uvicorn.Config(
        _app(idp), log_config=None, lifespan="off", ssl_certfile=str(certificate), ssl_keyfile=str(key)
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield idp
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()
