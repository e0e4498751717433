"""Promises of the token service: the real msal gets tokens over HTTPS, and every refusal has Microsoft's code."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msal
import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from msal.exceptions import MsalServiceError

from scim_bridge.sandbox.entra import registrations
from scim_bridge.sandbox.entra.app import build
from scim_bridge.sandbox.entra.sts.errors import StsError
from tests.sandbox.entra.world import GRAPH, IDENTITIES, World, identity_body, user_url
from tests.sandbox.servers import Running, running

SCOPE = [f"{GRAPH}/.default"]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The tenant, served over HTTPS, started once."""
    with running("entra", build, tmp_path_factory.mktemp("entra")) as found:
        yield found


@pytest.fixture
def entra(served: Running) -> Running:
    """The tenant, empty."""
    served.control.post("reset").raise_for_status()
    return served


@pytest.fixture
def session(entra: Running) -> Iterator[requests.Session]:
    """The HTTP client msal is given: it trusts the local CA and looks at no environment."""
    with requests.Session() as found:
        found.trust_env = False
        found.verify = entra.ca_file
        yield found


def register(entra: Running, **wish: Any) -> dict[str, Any]:
    """An app registration through the control API."""
    answer = entra.control.post(
        "app-registrations", json={"secret": True, "roles": ["User.Read.All"], **wish}
    )
    answer.raise_for_status()
    return dict(answer.json())


def client(
    entra: Running, session: requests.Session, made: dict[str, Any], credential: Any = None, tenant: str = ""
) -> Any:
    """A real msal client of an app registration."""
    return msal.ConfidentialClientApplication(
        made["client_id"],
        client_credential=credential or made["client_secret"],
        authority=f"{entra.url}/{tenant or made['tenant_id']}",
        instance_discovery=False,
        http_client=session,
    )


def self_signed() -> tuple[str, str]:
    """A certificate and its private key, PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "scim-bridge")])
    now = datetime.now(UTC)
    cert = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return cert.public_bytes(Encoding.PEM).decode(), pem


def test_a_client_secret_gets_a_token_that_graph_takes(entra: Running, session: requests.Session) -> None:
    made = register(entra)
    app = client(entra, session, made)
    answer = app.acquire_token_for_client(SCOPE)
    assert answer["token_source"] == "identity_provider" and answer["expires_in"] > 300
    with entra.client(authorization=f"Bearer {answer['access_token']}") as graph:
        assert graph.get("/v1.0/users").status_code == 200
        assert graph.get("/v1.0/groups").status_code == 403
    assert app.acquire_token_for_client(SCOPE)["token_source"] == "cache"


def test_a_certificate_gets_a_token_and_another_one_does_not(
    entra: Running, session: requests.Session
) -> None:
    cert, key = self_signed()
    made = register(entra, secret=False, certificate=cert)
    assert "client_secret" not in made
    credential = {"private_key": key, "public_certificate": cert}
    assert "access_token" in client(entra, session, made, credential).acquire_token_for_client(SCOPE)
    other_cert, other_key = self_signed()
    credential = {"private_key": other_key, "public_certificate": other_cert}
    answer = client(entra, session, made, credential).acquire_token_for_client(SCOPE)
    assert answer["error"] == "invalid_client" and answer["error_codes"] == [700027]
    credential = {"private_key": other_key, "public_certificate": cert}
    answer = client(entra, session, made, credential).acquire_token_for_client(SCOPE)
    assert answer["error_codes"] == [700027], "the right thumbprint does not make up for the wrong key"


def test_refusals_come_back_as_msal_hands_them_on(entra: Running, session: requests.Session) -> None:
    made = register(entra)
    answer = client(entra, session, made, "wrong").acquire_token_for_client(SCOPE)
    assert answer["error"] == "invalid_client" and answer["error_codes"] == [7000215]
    assert answer["error_description"].startswith("AADSTS7000215: Invalid client secret provided.")
    stranger = {**made, "client_id": "00000000-0000-0000-0000-000000000000"}
    answer = client(entra, session, stranger).acquire_token_for_client(SCOPE)
    assert answer["error"] == "unauthorized_client" and answer["error_codes"] == [700016]
    answer = client(entra, session, made).acquire_token_for_client(["https://vault.azure.net/.default"])
    assert answer["error"] == "invalid_resource" and answer["error_codes"] == [500011]
    with pytest.raises(ValueError, match="authority"):
        client(entra, session, made, tenant="nowhere").acquire_token_for_client(SCOPE)


def test_a_scripted_outage_reaches_msal(entra: Running, session: requests.Session) -> None:
    made = register(entra)
    fault = {
        "match": {"path": "/oauth2/v2.0/token"},
        "action": "status",
        "status": 503,
        "body": {"error": "x"},
    }
    entra.control.put("faults", json={"faults": [fault]}).raise_for_status()
    app = client(entra, session, made)
    with pytest.raises(MsalServiceError):
        app.acquire_token_for_client(SCOPE)
    assert entra.control.get("faults").json()["faults"][0]["fired"] == 1


def test_tokens_and_objects_outlive_a_restart(tmp_path: Path) -> None:
    with running("entra", build, tmp_path) as first:
        made = register(first)
        first.control.post("directory", json={"users": [{"userPrincipalName": "ana@harborpine.example"}]})
        with requests.Session() as session:
            session.trust_env, session.verify = False, first.ca_file
            token = client(first, session, made).acquire_token_for_client(SCOPE)["access_token"]
    with running("entra", build, tmp_path) as second, requests.Session() as session:
        session.trust_env, session.verify = False, second.ca_file
        assert "access_token" in client(second, session, made).acquire_token_for_client(SCOPE)
        with second.client(authorization=f"Bearer {token}") as graph:
            assert graph.get("/v1.0/users/ana@harborpine.example").status_code == 200


def test_neither_secret_nor_token_gets_into_the_journal(entra: Running, session: requests.Session) -> None:
    made = register(entra)
    token = client(entra, session, made).acquire_token_for_client(SCOPE)["access_token"]
    with entra.client(authorization=f"Bearer {token}") as graph:
        graph.get("/v1.0/users")
    written = json.dumps(entra.control.get("journal").json())
    assert "/oauth2/v2.0/token" in written
    assert made["client_secret"] not in written and token not in written


def test_a_registration_with_a_role_nobody_knows_is_refused(entra: Running) -> None:
    answer = entra.control.post("app-registrations", json={"roles": ["User.Read.All", "Moon.Walk.All"]})
    assert answer.status_code == 400 and "Moon.Walk.All" in answer.json()["error"]
    answer = entra.control.post("app-registrations", json={"certificate": "x"})
    assert answer.status_code == 400 and "certificate" in answer.json()["error"]


def token(world: World, **form: str) -> dict[str, Any]:
    """A token request of a fresh app registration's, changed as told; "" leaves a member out."""
    api = {"grant_type": "client_credentials", "scope": SCOPE[0]}
    return world.sts.token({name: value for name, value in {**api, **form}.items() if value})


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({"grant_type": ""}, 900144),
        ({"scope": ""}, 900144),
        ({"client_id": ""}, 900144),
        ({"grant_type": "password"}, 70003),
        ({"scope": f"{GRAPH}/User.Read"}, 1002012),
        ({"scope": f"{GRAPH}/.default openid"}, 1002012),
        ({"client_secret": ""}, 7000218),
        ({"client_assertion": "x", "client_assertion_type": "y"}, 900144),
        (
            {
                "client_assertion": "not a jwt",
                "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            },
            700027,
        ),
    ],
)
def test_every_wrong_form_has_its_own_code(world: World, form: dict[str, str], code: int) -> None:
    made = registrations.register(world.tenant, {"secret": True})
    right = {"client_id": made["client_id"], "client_secret": made["client_secret"]}
    with pytest.raises(StsError) as caught:
        token(world, **{**right, **form})
    assert caught.value.code == code
    body = caught.value.body(world.clock.now(), world.sts.authority())
    assert body["error_codes"] == [code] and f"AADSTS{code}: " in body["error_description"]


def test_a_secret_works_until_it_expires_and_two_may_live_at_once(world: World) -> None:
    made = registrations.register(
        world.tenant, {"secret": True, "secret_seconds": 60, "roles": ["Application.ReadWrite.All"]}
    )
    first = made["client_secret"]
    api = world.signed_in(made["client_id"], {"client_secret": first})
    second = api.ok("POST", f"applications/{made['object_id']}/addPassword", {})["secretText"]
    for secret in (first, second):
        world.signed_in(made["client_id"], {"client_secret": secret})
    world.clock.move(60)
    with pytest.raises(StsError, match="7000222"):
        world.signed_in(made["client_id"], {"client_secret": first})
    world.signed_in(made["client_id"], {"client_secret": second})


def test_an_agent_signs_in_through_its_blueprint_until_it_is_disabled(
    entra: Running, session: requests.Session
) -> None:
    roles = [
        "AgentIdentityBlueprint.ReadWrite.All",
        "AgentIdentityBlueprintPrincipal.ReadWrite.All",
        "AgentIdentity.ReadWrite.All",
        "AgentIdentity.Create.All",
        "User.Read.All",
    ]
    made = register(entra, roles=roles)
    entra.control.post("directory", json={"users": [{"userPrincipalName": "ana@harborpine.example"}]})
    bearer = client(entra, session, made).acquire_token_for_client(SCOPE)["access_token"]
    with entra.client(authorization=f"Bearer {bearer}") as graph:
        ana = graph.get("/v1.0/users/ana@harborpine.example").json()["id"]
        body = {"displayName": "bridge", "sponsors@odata.bind": [user_url(ana)]}
        blueprint = graph.post("/v1.0/applications/graph.agentIdentityBlueprint", json=body).json()
        secret = graph.post(f"/v1.0/applications/{blueprint['id']}/addPassword", json={}).json()["secretText"]
        path = "/v1.0/servicePrincipals/graph.agentIdentityBlueprintPrincipal"
        assert graph.post(path, json={"appId": blueprint["appId"]}).status_code == 201
        own = graph.post(f"/v1.0/{IDENTITIES}", json=identity_body(blueprint["appId"], ana)).json()["id"]

        def sign_in() -> dict[str, Any]:
            parent = {
                "client_id": blueprint["appId"],
                "tenant_id": made["tenant_id"],
                "client_secret": secret,
            }
            first = client(entra, session, parent).acquire_token_for_client(
                ["api://AzureADTokenExchange/.default"], fmi_path=own
            )
            assertion = {"client_assertion": lambda: first["access_token"]}
            agent = client(entra, session, {**parent, "client_id": own}, assertion)
            return dict(agent.acquire_token_for_client(SCOPE))

        signed = sign_in()
        assert "access_token" in signed
        with entra.client(authorization=f"Bearer {signed['access_token']}") as agent:
            answer = agent.post(f"/v1.0/{IDENTITIES}", json=identity_body(blueprint["appId"], ana))
            assert answer.status_code == 403, "an agent identity makes no other"
        graph.patch(f"/v1.0/servicePrincipals/{own}", json={"accountEnabled": False})
        assert sign_in()["error_codes"] == [7000112]
