"""Microsoft's token tests against our own token endpoint: a client secret, and an assertion of a real issuer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from scim_bridge.conformance.entra_oauth import fetched
from scim_bridge.conformance.model import OAuthClient, Report, Verdict
from scim_bridge.conformance.report import document
from scim_bridge.kernel.clock import SystemClock
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.errors import Invalid
from scim_bridge.kernel.work import Work
from scim_bridge.oauth import clients, keys, trusts
from scim_bridge.registry.connections import connection
from tests.conformance.conftest import BASE, Prove
from tests.conformance.servers import TOKEN, bridge, listening, plain
from tests.conformance.small_server import SmallServer
from tests.conftest import TESTER
from tests.oauth.issuer import AUDIENCE, SUBJECT, TENANT, Issuer, issuing


@dataclass
class Registered:
    """Our server with an OAuth client that has a secret and trusts an issuer."""

    url: str
    issuer: Issuer
    tokens: dict[str, str] = field(default_factory=dict)
    client_id: str = ""
    secret: str = ""

    def client(self, *, secret: str = "", assertion: str = "") -> OAuthClient:
        """What an admin passes."""
        return OAuthClient(f"{self.url}/oauth/token", self.client_id, secret, assertion)


@pytest.fixture(scope="module")
def registered(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registered]:
    """Our server, its client and the issuer, listening."""
    import shutil

    directory = tmp_path_factory.mktemp("oauth")
    shutil.copy(sqlite_template, directory / "bridge.db")
    with issuing(SystemClock(), directory) as issuer:
        made = Registered("", issuer)

        async def also(ctx: Context) -> None:
            async def body(work: Work) -> None:
                client = await clients.create_client(work, await connection(work.tx, "entra"))
                made.client_id = client.id
                made.secret = (await clients.add_secret(work, ctx.master, client.id)).secret
                await trusts.add_trust(
                    work,
                    client.id,
                    tenant=TENANT,
                    subject=SUBJECT,
                    audience=AUDIENCE,
                    keys_url=issuer.keys_url,
                    hosts=(issuer.host,),
                )

            await ctx.store.transact(TESTER, body)
            await keys.refresh(ctx, (issuer.host,))

        more: dict[str, Any] = {
            "ca_file": str(issuer.ca_file),
            "allow_networks": ("127.0.0.1",),
            "oauth": {"keys_hosts": [issuer.host]},
        }
        opened = bridge(f"sqlite:///{directory / 'bridge.db'}", made.tokens, also, **more)
        with listening(opened) as url:
            made.url = url
            yield made


def verdict(report: Report, step: str) -> Verdict:
    """What became of a step."""
    return next(result.verdict for result in report.results if result.id == step)


def test_a_secret_and_an_assertion_both_give_a_token_that_works(prove: Prove, registered: Registered) -> None:
    assertion = registered.issuer.assertion()
    oauth = registered.client(secret=registered.secret, assertion=assertion)
    report = prove(
        registered.url + BASE, "entra", "entra.21", "entra.22", token=registered.tokens["entra"], oauth=oauth
    )
    assert (verdict(report, "entra.21"), verdict(report, "entra.22")) == (Verdict.PASS, Verdict.PASS)
    whole = str(document(report))
    assert registered.secret not in whole and assertion not in whole and "sbr_" not in whole


def test_a_wrong_secret_and_a_used_assertion_fail(prove: Prove, registered: Registered) -> None:
    assertion = registered.issuer.assertion()
    oauth = registered.client(secret="wrong", assertion=assertion)
    ask = (registered.url + BASE, "entra", "entra.21", "entra.22")
    report = prove(*ask, token=registered.tokens["entra"], oauth=oauth)
    assert (verdict(report, "entra.21"), verdict(report, "entra.22")) == (Verdict.FAIL, Verdict.PASS)
    report = prove(*ask, token=registered.tokens["entra"], oauth=oauth)
    assert verdict(report, "entra.22") is Verdict.FAIL


async def _fetched(client: OAuthClient) -> tuple[str, OAuthClient]:
    return await fetched(client, None)


def test_without_a_token_the_client_gets_one_and_an_assertion_is_used_once(
    prove: Prove, registered: Registered
) -> None:
    import asyncio

    client = registered.client(assertion=registered.issuer.assertion())
    token, answered = asyncio.run(_fetched(client))
    ask = (registered.url + BASE, "entra", "entra.1", "entra.22")
    report = prove(*ask, token=token, oauth=answered)
    assert report.ok
    assert verdict(report, "entra.22") is Verdict.PASS
    with pytest.raises(Invalid) as raised:
        asyncio.run(_fetched(client))
    assert raised.value.code == "token-refused"


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ({"access_token": TOKEN, "token_type": "Bearer", "expires_in": 60}, 200),
        ({"access_token": TOKEN, "token_type": "Bearer", "expires_in": "3600"}, 200),
        ({"access_token": TOKEN, "token_type": "Bearer", "expires_in": 86400}, 200),
        ({"access_token": TOKEN, "token_type": "mac", "expires_in": 3600}, 200),
        ({"token_type": "Bearer", "expires_in": 3600}, 200),
        ({"access_token": "another", "token_type": "Bearer", "expires_in": 3600}, 200),
        ({"error": "invalid_client"}, 401),
    ],
    ids=["too short", "text", "too long", "other type", "no token", "unusable", "refused"],
)
def test_a_token_endpoint_that_is_wrong_is_found_out(
    prove: Prove, answer: dict[str, Any], status: int
) -> None:
    async def token(_request: Request) -> Response:
        return JSONResponse(answer, status)

    app = Starlette(routes=[Route("/token", token, methods=["POST"]), Mount("/", SmallServer().app)])
    with listening(plain(app)) as url:
        oauth = OAuthClient(f"{url}/token", "client", "s3cret")
        report = prove(f"{url}/scim/v2", "entra", "entra.21", oauth=oauth)
    assert verdict(report, "entra.21") is Verdict.FAIL
    assert TOKEN not in str(document(report))
