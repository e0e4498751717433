"""scim2-server's ASGI application over its in-memory storage, filled before it answers.

BENCH_USERS is how many users there should be, BENCH_SECONDS how long filling may take.
"""

from __future__ import annotations

import os
import time
import uuid
from typing import Any

from scim2_models import Meta, ScimProvider, UnauthorizedException
from scim2_server.applications.asgi import ASGIApplication
from scim2_server.memory import AsyncInMemoryStorage, InMemoryStorage, utcnow
from scim2_server.requests import ScimRequest
from scim2_server.utils import load_default_provider

from tests.bench.population import person_name
from tests.bench.traffic import group, user

TOKEN = os.environ["BENCH_TOKEN"]


class Guarded(ASGIApplication):
    """Accepts one bearer token, as the bridge and the other peer do."""

    def check_auth(self, request: ScimRequest) -> None:
        """Refuse a request without the token."""
        if request.header("Authorization") != f"Bearer {TOKEN}":
            raise UnauthorizedException


def _made(provider: ScimProvider, name: str, doc: dict[str, Any]) -> Any:
    model = provider.model_for(name)
    assert model is not None
    made: Any = model.model_validate(doc)
    made.id = uuid.uuid4().hex
    now = utcnow()
    made.meta = Meta(resource_type=name, created=now, last_modified=now, version=f'W/"{made.id}"')
    return made


def filled(provider: ScimProvider, users: int, seconds: float) -> InMemoryStorage:
    """A storage with as many users as the time allows, and groups of 1,000 and 10,000 members."""
    until = time.monotonic() + seconds
    made: list[Any] = []
    for number in range(users):
        if time.monotonic() > until:
            break
        made.append(_made(provider, "User", user(person_name(number))))
    ids = [each.id for each in made]
    for size in (1_000, 10_000):
        members = [ids[number] if number < len(ids) else f"nobody-{number}" for number in range(size)]
        made.append(_made(provider, "Group", group(f"Group of {size}", members)))
    storage = InMemoryStorage()
    storage.resources = made
    return storage


_provider = load_default_provider()
app = Guarded(
    AsyncInMemoryStorage(
        filled(_provider, int(os.environ["BENCH_USERS"]), float(os.environ["BENCH_SECONDS"]))
    ),
    _provider,
)
