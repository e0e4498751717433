"""The simulated Okta provisions into a SCIM server nobody here wrote (scim2-server), in both dialects."""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
from scim2_models import ScimProvider
from scim2_server.memory import InMemoryStorage
from scim2_server.service import ScimService
from scim2_server.testserver.application import BearerTokenApplication
from scim2_server.utils import (
    load_default_resource_types,
    load_default_schemas,
    load_default_service_provider_config,
)

from scim_bridge.sandbox.kit.tls import ensure_ca
from tests.sandbox.okta.scim_app import done, people
from tests.sandbox.servers import Running

BOT = "bot@agents.test"


class Quiet(WSGIRequestHandler):
    """No line per request."""

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextlib.contextmanager
def stranger(data: Path) -> Iterator[tuple[str, str, InMemoryStorage]]:
    """scim2-server over HTTPS: its base URL, the CA to trust, what it keeps."""
    provider = ScimProvider.from_discovery(
        load_default_schemas().values(),
        load_default_resource_types().values(),
        config=load_default_service_provider_config(),
    )
    storage = InMemoryStorage()
    service = ScimService(provider, secret="a secret of the tests")
    application = BearerTokenApplication(storage, provider, service=service, bearer_tokens=["tok"])
    authority = ensure_ca(data / "ca")
    cert, key = authority.issue(["127.0.0.1"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    with make_server("127.0.0.1", 0, application, handler_class=Quiet) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"https://127.0.0.1:{server.server_port}/v2", str(authority.ca_file), storage
        finally:
            server.shutdown()
            thread.join(10)


def kept(storage: InMemoryStorage, name: str) -> Any:
    """The resource with this userName or displayName."""
    return next(
        item
        for item in storage.resources
        if name in (getattr(item, "user_name", None), getattr(item, "display_name", None))
    )


@pytest.mark.parametrize("dialect", ["okta-put", "okta-patch"])
def test_a_whole_life_in_somebody_else_s_scim_server(org: Running, tmp_path: Path, dialect: str) -> None:
    with stranger(tmp_path) as (base_url, ca_file, storage):
        config = {"base_url": base_url, "token": "tok", "dialect": dialect, "ca_file": ca_file}
        assert org.control.post("/scim/configure", json=config).status_code == 200
        done(org, "test")
        people(org, BOT, "two@x.test", groups={"Owners": [BOT, "two@x.test"]})
        done(org, "assign", logins=[BOT, "two@x.test"])
        bot = kept(storage, BOT)
        assert (bot.active, bot.name.given_name, bot.external_id[:3]) == (True, "Bot", "00u")
        done(org, "update", login=BOT, profile={"title": "Robot", "department": "IT"})
        assert kept(storage, BOT).title == "Robot"
        done(org, "push-groups", names=["Owners"])
        assert {m.value for m in kept(storage, "Owners").members} == {bot.id, kept(storage, "two@x.test").id}
        people(org, groups={"Owners": [BOT]})
        done(org, "settle")
        assert [m.value for m in kept(storage, "Owners").members] == [bot.id]
        done(org, "deactivate", login=BOT)
        assert kept(storage, BOT).active is False
        done(org, "reactivate", login=BOT)
        assert (kept(storage, BOT).active, kept(storage, BOT).id) == (True, bot.id)
        assert done(org, "import")["result"]["linked"] == 2
        done(org, "unpush-groups", names=["Owners"], delete=True)
        assert [type(item).__name__.startswith("Group") for item in storage.resources] == [False, False]
