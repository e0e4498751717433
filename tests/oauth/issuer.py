"""A real issuer of assertions on 127.0.0.1: signs JWTs as Entra does, and serves its keys over TLS."""

from __future__ import annotations

import socket
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import uvicorn
from joserfc import jws
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from scim_bridge.kernel.clock import SECOND, Clock
from scim_bridge.sandbox.kit.tls import ensure_ca

TENANT = "72f988bf-86f1-41af-91ab-2d7cd011db47"
SUBJECT = "0a1b2c3d-1111-4222-8333-944445555666"
AUDIENCE = "5e6f7a8b-9999-4aaa-8bbb-cccc0000dddd"
ISSUER = f"https://login.microsoftonline.com/{TENANT}/v2.0"
# Making an RSA key takes a third of a second: the tests share these.
KEYS = {kid: RSAKey.generate_key(2048) for kid in ("k1", "k2", "stranger")}


@dataclass
class Issuer:
    """Signs and publishes. `published` are the ids of its keys; `answer` replaces its answer, as in an outage."""

    clock: Clock
    host: str
    ca_file: Path
    published: list[str] = field(default_factory=lambda: ["k1"])
    answer: tuple[int, bytes] | None = None
    fetches: int = 0

    def reset(self, clock: Clock) -> None:
        """As it was at the start, on this clock."""
        self.clock, self.published, self.answer, self.fetches = clock, ["k1"], None, 0

    @property
    def keys_url(self) -> str:
        """Its jwks_uri."""
        return f"https://{self.host}/{TENANT}/discovery/v2.0/keys"

    def jwks(self) -> bytes:
        """What it publishes, among keys nobody asked for."""
        others: list[dict[str, Any]] = [
            {"kty": "EC", "crv": "P-256", "kid": "ec", "x": "AA", "y": "AA"},
            {"kty": "RSA", "use": "enc", "kid": "enc", **_numbers(KEYS["stranger"])},
            {"kty": "RSA", "kid": "weak", "n": "AQAB", "e": "AQAB"},
        ]
        mine = [{"kty": "RSA", "use": "sig", "kid": kid, **_numbers(KEYS[kid])} for kid in self.published]
        return orjson.dumps({"keys": [*others, *mine]})

    def claims(self, **more: Any) -> dict[str, Any]:
        """The claims Entra puts into an assertion; None takes one away."""
        now = self.clock.now() // SECOND
        made = {
            "iss": ISSUER,
            "sub": SUBJECT,
            "oid": SUBJECT,
            "aud": AUDIENCE,
            "tid": TENANT,
            "azp": SUBJECT,
            "iat": now - 300,
            "nbf": now - 300,
            "exp": now + 3900,
            "uti": uuid.uuid4().hex,
            "ver": "2.0",
        }
        return {name: value for name, value in {**made, **more}.items() if value is not None}

    def assertion(self, *, key: str = "k1", header: dict[str, Any] | None = None, **claims: Any) -> str:
        """A signed assertion."""
        head = {"typ": "JWT", "alg": "RS256", "x5t": key, "kid": key, **(header or {})}
        head = {name: value for name, value in head.items() if value is not None}
        registry = jws.JWSRegistry(algorithms=[head["alg"]], strict_check_header=False)
        return jws.serialize_compact(head, orjson.dumps(self.claims(**claims)), KEYS[key], registry=registry)


def _numbers(key: RSAKey) -> dict[str, Any]:
    public = key.as_dict(private=False)
    return {"n": public["n"], "e": public["e"]}


@contextmanager
def issuing(clock: Clock, directory: Path) -> Iterator[Issuer]:
    """An issuer that runs in a thread of its own until the block ends."""
    authority = ensure_ca(directory)
    certificate, key = authority.issue(["127.0.0.1"])
    listener = socket.create_server(("127.0.0.1", 0))
    issuer = Issuer(clock, f"127.0.0.1:{listener.getsockname()[1]}", authority.ca_file)

    async def keys(_request: Request) -> Response:
        issuer.fetches += 1
        status, body = issuer.answer or (200, issuer.jwks())
        return Response(body, status, media_type="application/json")

    app = Starlette(routes=[Route("/{path:path}", keys)])
    config = uvicorn.Config(
        app, log_config=None, lifespan="off", ssl_certfile=str(certificate), ssl_keyfile=str(key)
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield issuer
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()
