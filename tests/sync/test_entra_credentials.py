"""What proves the bridge to Entra: assertions read anew, the machine's own identity, and refusals in words."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from scim_bridge.kernel.clock import ManualClock
from scim_bridge.kernel.errors import Refused
from scim_bridge.kernel.work import Store
from scim_bridge.sync.idp.entra.credentials import credential_of
from scim_bridge.sync.idp.entra.proofs import identity_hosts
from scim_bridge.sync.idp.port import IdpError
from tests.conftest import run_with_store
from tests.sandbox.servers import Running
from tests.sync.bench import Bench
from tests.sync.entra_tenant import Tenant, on_bench, upn

CLUSTER = "https://oidc.cluster.example/"
SUBJECT = "system:serviceaccount:bridge:scim-bridge"
AUDIENCE = "api://AzureADTokenExchange"
ONE = "11111111-1111-4111-8111-111111111111"


@pytest.fixture(scope="module")
def cluster() -> RSAKey:
    """The key of a Kubernetes cluster's token issuer."""
    return RSAKey.generate_key(2048, {"kid": "cluster-1"})


def service_account(cluster: RSAKey, *, lives: int = 3600, **claims: Any) -> str:
    """A projected service account token."""
    now = int(time.time())
    said = {"iss": CLUSTER, "sub": SUBJECT, "aud": [AUDIENCE], "nbf": now - 60, "exp": now + lives, **claims}
    return jwt.encode({"alg": "RS256", "kid": cluster.kid}, said, cluster)


def federated_tenant(sandbox: Running, cluster: RSAKey, **trust: Any) -> Tenant:
    keys = {"keys": [cluster.as_dict(private=False)]}
    record = {"issuer": CLUSTER, "subject": SUBJECT, "audiences": [AUDIENCE], "keys": keys, **trust}
    tenant = Tenant.fresh(sandbox, secret=False, federated=[record])
    tenant.secrets = {"client_id": tenant.secrets["client_id"]}
    return tenant


def asked(tenant: Tenant, url: str, clock: ManualClock, **settings: Any) -> IdpError | None:
    """What asking the tenant what it lacks ends in."""
    found: list[IdpError | None] = []

    async def body(store: Store) -> None:
        idp = tenant.open(store, **settings)
        try:
            await idp.missing()
            found.append(None)
        except IdpError as error:
            found.append(error)
        finally:
            await idp.close()

    run_with_store(url, clock, body)
    return found[0]


def test_a_service_account_token_proves_the_bridge_and_is_read_anew_when_it_was_renewed(
    sqlite_url: str, clock: ManualClock, sandbox: Running, cluster: RSAKey, tmp_path: Path
) -> None:
    tenant = federated_tenant(sandbox, cluster)
    mounted = tmp_path / "token"
    first = service_account(cluster)
    mounted.write_text(first + "\n")
    tenant.secrets["assertion_file"] = str(mounted)

    async def body(bench: Bench) -> None:
        await bench.agent("triage", await bench.person(upn("maria")))
        assert (await bench.apply()).state == "OK"
        mounted.write_text(service_account(cluster, jti="renewed"))
        tenant.faults({"match": {"path": "/v1.0/"}, "action": "status", "status": 401})
        await bench.idp.missing()
        assert len([call for call in tenant.calls() if call["operation"] == "token"]) == 2
        mounted.write_text("not a token: hunter2")
        tenant.faults({"match": {"path": "/v1.0/"}, "action": "status", "status": 401})
        with pytest.raises(IdpError) as error:
            await bench.idp.missing()
        assert error.value.code == "entra-assertion" and str(mounted) in error.value.message
        assert "hunter2" not in error.value.text()
        mounted.unlink()
        tenant.faults({"match": {"path": "/v1.0/"}, "action": "status", "status": 401})
        with pytest.raises(IdpError, match="No such file"):
            await bench.idp.missing()

    on_bench(sqlite_url, clock, tenant, body)


def test_an_assertion_is_fetched_from_an_address_with_its_headers(
    sqlite_url: str, clock: ManualClock, sandbox: Running, cluster: RSAKey
) -> None:
    tenant = federated_tenant(sandbox, cluster)
    tenant.secrets["assertion_url"] = f"{tenant.running.url}/oidc?audience={AUDIENCE}"
    tenant.secrets["assertion_headers"] = {"x-purpose": "rehearsal"}
    answer = {"match": {"path": "^/oidc"}, "action": "status", "status": 200, "times": None}
    tenant.faults({**answer, "body": {"value": service_account(cluster), "count": 1}})
    assert asked(tenant, sqlite_url, clock) is None
    (call,) = [call for call in tenant.calls() if call["url"].startswith("/oidc")]
    assert call["headers"]["x-purpose"] == "rehearsal"
    tenant.faults({**answer, "body": service_account(cluster)})
    assert asked(tenant, sqlite_url, clock) is None
    tenant.faults({**answer, "status": 403, "body": "go away"})
    refused = asked(tenant, sqlite_url, clock)
    assert refused is not None and not refused.transient and "status 403" in refused.message
    tenant.faults({**answer, "body": "<html>hello</html>"})
    refused = asked(tenant, sqlite_url, clock)
    assert refused is not None and "hello" not in refused.text()


@pytest.mark.parametrize(
    ("trust", "claims", "code", "word"),
    [
        ({"issuer": CLUSTER.rstrip("/")}, {}, 700211, "issuer"),
        ({"subject": "system:serviceaccount:other:x"}, {}, 700213, "subject"),
        ({"audiences": ["api://other"]}, {}, 700212, "audience"),
        ({}, {"exp": 1}, 700024, "fresh"),
    ],
)
def test_an_assertion_that_entra_does_not_trust_fails_the_run_with_its_code_and_what_to_do(
    sqlite_url: str,
    clock: ManualClock,
    sandbox: Running,
    cluster: RSAKey,
    tmp_path: Path,
    trust: dict[str, Any],
    claims: dict[str, Any],
    code: int,
    word: str,
) -> None:
    tenant = federated_tenant(sandbox, cluster, **trust)
    (tmp_path / "token").write_text(service_account(cluster, **claims))
    tenant.secrets["assertion_file"] = str(tmp_path / "token")

    async def body(bench: Bench) -> None:
        run = await bench.apply()
        assert (run.state, run.stage) == ("FAILED", "reading")
        assert f"AADSTS{code}" in run.reason and word in run.reason

    on_bench(sqlite_url, clock, tenant, body)


def test_an_expired_secret_fails_the_run_with_its_code_and_a_new_one_mends_it(
    sqlite_url: str, clock: ManualClock, sandbox: Running
) -> None:
    tenant = Tenant.fresh(sandbox, secret_seconds=-1)

    async def body(bench: Bench) -> None:
        run = await bench.apply()
        assert (run.state, run.total) == ("FAILED", 0)
        assert "AADSTS7000222" in run.reason and "make a new one" in run.reason

    on_bench(sqlite_url, clock, tenant, body)


def machine(tenant: Tenant, **wish: Any) -> dict[str, Any]:
    answer = tenant.running.control.post("/managed-identities", json=wish)
    return dict(answer.raise_for_status().json())


@pytest.mark.parametrize("kind", ["system", "client_id", "resource_id"])
def test_a_managed_identity_syncs_without_any_secret(
    sqlite_url: str, clock: ManualClock, sandbox: Running, kind: str
) -> None:
    from scim_bridge.cli.story.opening import ENTRA_ROLES

    tenant = Tenant.fresh(sandbox, secret=False)
    made = machine(tenant, name="bridge", system=kind == "system", roles=ENTRA_ROLES)
    machine(tenant, name="another", system=False)
    tenant.secrets = {"managed_identity": made.get(kind, "system")}

    async def body(bench: Bench) -> None:
        await bench.agent("triage", await bench.person(upn("maria")))
        assert (await bench.apply()).state == "OK"
        assert [one["createdByAppId"] for one in tenant.identities()] == [made["client_id"]]
        assert len([call for call in tenant.calls() if call["url"].startswith("/metadata/")]) == 1
        assert not [call for call in tenant.calls() if call["operation"] == "token"]

    on_bench(sqlite_url, clock, tenant, body, imds_url=sandbox.url)


def test_a_managed_identity_vouches_for_an_app_registration(
    sqlite_url: str, clock: ManualClock, sandbox: Running
) -> None:
    first = Tenant.fresh(sandbox)
    made = machine(first, name="bridge", system=True)
    issuer = f"{sandbox.url}/{made['tenant_id']}/v2.0"
    wish = {"secret": False, "roles": ["Application.Read.All"]}
    wish["federated"] = [{"issuer": issuer, "subject": made["object_id"]}]
    app = sandbox.control.post("/app-registrations", json=wish).raise_for_status().json()
    first.secrets = {"client_id": app["client_id"], "managed_identity": "system"}

    async def body(store: Store) -> None:
        idp = first.open(store, imds_url=sandbox.url)
        assert await idp._people._graph._tokens.token()
        await idp.close()

    run_with_store(sqlite_url, clock, body)
    paths = [call["url"] for call in first.calls()]
    assert any(path.startswith("/metadata/") for path in paths) and any("/oauth2/" in path for path in paths)


def test_a_machine_without_that_identity_is_told_in_words(
    sqlite_url: str, clock: ManualClock, sandbox: Running
) -> None:
    tenant = Tenant.fresh(sandbox, secret=False)
    tenant.secrets = {"managed_identity": ONE}
    refused = asked(tenant, sqlite_url, clock, imds_url=sandbox.url)
    assert refused is not None and not refused.transient and "Identity not found" in refused.message
    nobody = asked(tenant, sqlite_url, clock, imds_url="http://127.0.0.1:9")
    assert nobody is not None and "only inside Azure" in nobody.fix
    tenant.faults({"match": {"path": "/metadata/"}, "action": "status", "status": 410, "times": None})
    assert (refused := asked(tenant, sqlite_url, clock, imds_url=sandbox.url)) and refused.transient


def test_a_managed_identity_opens_the_way_to_its_own_service_and_to_nothing_else() -> None:
    assert identity_hosts("http://127.0.0.1:40342") == ["127.0.0.1:40342"]
    assert identity_hosts("", {}) == ["169.254.169.254:80"]
    app_service = {"IDENTITY_ENDPOINT": "http://169.254.129.2:8081/msi/token", "IDENTITY_HEADER": "x"}
    assert identity_hosts("", app_service) == ["169.254.129.2:8081"]


@pytest.mark.parametrize(
    ("secrets", "words"),
    [
        ({}, "neither client_secret"),
        ({"client_id": ONE, "client_secret": "s3", "assertion_file": "/x"}, "two ways"),
        ({"client_id": ONE, "private_key": "PEM"}, "without certificate"),
        ({"client_secret": "s3"}, "no client_id"),
        ({"assertion_file": "/x"}, "no client_id"),
        ({"client_id": ONE, "assertion_file": "token"}, "no whole path"),
        ({"client_id": ONE, "assertion_url": "ftp://x/y"}, "no address"),
        ({"client_id": ONE, "assertion_url": "https://x/y", "assertion_headers": ["a"]}, "no object"),
        ({"managed_identity": "mine"}, "names no identity"),
    ],
)
def test_half_a_proof_and_two_proofs_are_refused_before_anything_is_sent(
    secrets: dict[str, Any], words: str
) -> None:
    with pytest.raises(Refused, match=words) as error:
        credential_of(secrets)
    assert "s3" not in error.value.text()


def test_imds_url_leads_nowhere_but_to_this_machine(
    sqlite_url: str, clock: ManualClock, sandbox: Running
) -> None:
    tenant = Tenant.fresh(sandbox)

    async def body(store: Store) -> None:
        with pytest.raises(Refused, match="imds_url"):
            tenant.open(store, imds_url="http://169.254.169.254.example")

    run_with_store(sqlite_url, clock, body)
