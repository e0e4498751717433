"""Opening a tenant: what proves us, what is refused in words, and who sponsors what is made first."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from scim_bridge.kernel.clock import ManualClock
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.errors import Refused
from scim_bridge.kernel.outbound import Outbound
from scim_bridge.kernel.work import Store
from scim_bridge.registry.connections import Connection
from scim_bridge.sync.idp.entra.adapter import open_entra
from scim_bridge.sync.idp.port import IdpError
from tests.conftest import MASTER, run_with_store
from tests.sandbox.servers import Running
from tests.sync.bench import Bench
from tests.sync.entra_tenant import Tenant, on_bench, upn


@pytest.fixture
def tenant(sandbox: Running) -> Tenant:
    return Tenant.fresh(sandbox)


async def one_agent(bench: Bench) -> str:
    return await bench.agent("triage", await bench.person(upn("maria")))


def test_without_anybody_to_sponsor_it_the_blueprint_is_asked_for_by_setting(
    sqlite_url: str, clock: ManualClock, tenant: Tenant
) -> None:
    async def nobody(bench: Bench) -> None:
        await bench.agent("triage", await bench.person("ghost@elsewhere.test"))
        done = await bench.apply()
        assert (done.state, done.stage) == ("FAILED", "preparing")
        assert "sponsor=" in done.reason

    async def named(bench: Bench) -> None:
        await bench.idp.make_ready()
        (made,) = [one for one in tenant.objects("application") if one.get("uniqueName")]
        users = {user["id"]: user["userPrincipalName"] for user in tenant.objects("user")}
        assert [users[one] for one in made["$"]["sponsors"]] == [upn("dave")]
        assert await bench.idp.missing() == ()
        count = len(tenant.writes())
        await bench.idp.make_ready()
        assert len(tenant.writes()) == count, "making ready twice wrote twice"

    on_bench(sqlite_url, clock, tenant, nobody)
    run_with_store(sqlite_url, clock, lambda store: _named(store, tenant, named))


async def _named(store: Store, tenant: Tenant, body: Any) -> None:
    idp = tenant.open(store, sponsor=upn("dave"))
    await body(type("B", (), {"idp": idp})())
    await idp.close()


def attempt(tenant: Tenant, url: str, clock: ManualClock, **settings: Any) -> IdpError:
    """The error of asking a tenant what it lacks."""
    found: list[IdpError] = []

    async def body(store: Store) -> None:
        idp = tenant.open(store, **settings)
        with pytest.raises(IdpError) as error:
            await idp.missing()
        found.append(error.value)
        await idp.close()

    run_with_store(url, clock, body)
    return found[0]


def test_wrong_credentials_and_addresses_are_told_in_words(
    sqlite_url: str, clock: ManualClock, tenant: Tenant, tmp_path: Path
) -> None:
    good = dict(tenant.secrets)
    tenant.secrets["client_secret"] = "wrong-secret"
    wrong = attempt(tenant, sqlite_url, clock)
    assert (wrong.transient, wrong.code) == (False, "entra-token")
    assert "AADSTS7000215" in wrong.message and "not its id" in wrong.fix
    assert "wrong-secret" not in wrong.text()
    tenant.secrets.update(good, client_id="12345678-1234-4234-8234-123456789012")
    assert "700016" in attempt(tenant, sqlite_url, clock).message
    tenant.secrets.update(good)
    nowhere = attempt(tenant, sqlite_url, clock, authority="https://127.0.0.1:9/tenant")
    assert (nowhere.transient, nowhere.code) == (True, "entra-unreachable")
    strangers = attempt(tenant, sqlite_url, clock, ca_file="")
    assert not strangers.transient and "ca_file" in strangers.fix
    elsewhere = attempt(tenant, sqlite_url, clock, authority=f"{tenant.running.url}/no-such-tenant")
    assert not elsewhere.transient
    tenant.faults({"match": {"path": "/oauth2/"}, "action": "status", "status": 503, "times": None})
    assert attempt(tenant, sqlite_url, clock).transient is True


def test_an_internal_address_needs_the_admins_leave(
    sqlite_url: str, clock: ManualClock, tenant: Tenant
) -> None:
    """Token endpoint and Graph go through the same guarded door as every other call."""

    async def body(store: Store) -> None:
        ctx = Context(store, MASTER, Outbound(), "https://bridge.example", Path())
        chosen = Connection("c1", "entra", "entra", "entra", tenant.settings, True)
        idp = open_entra(chosen, tenant.secrets, ctx)
        with pytest.raises(IdpError, match="internal address"):
            await idp.missing()
        await idp.close()

    run_with_store(sqlite_url, clock, body)
    assert not tenant.calls()


def test_settings_that_cannot_work_are_refused_before_anything_is_sent(
    sqlite_url: str, clock: ManualClock, tenant: Tenant, tmp_path: Path
) -> None:
    no_certificate = tmp_path / "empty.pem"
    no_certificate.write_text("nothing")
    wrong: list[tuple[dict[str, Any], dict[str, Any], str]] = [
        ({"authority": "", "tenant_id": ""}, {}, "tenant_id"),
        ({"authority": "http://127.0.0.1/x"}, {}, "authority"),
        ({"graph_url": "ftp://x"}, {}, "graph_url"),
        ({"attribute_set": "scim bridge"}, {}, "attribute_set"),
        ({"ca_file": str(tmp_path / "none.pem")}, {}, "ca_file"),
        ({"ca_file": str(no_certificate)}, {}, "ca_file"),
        ({}, {"client_id": ""}, "client_id"),
        ({}, {"client_secret": ""}, "client_secret"),
    ]

    async def body(store: Store) -> None:
        for settings, secrets, name in wrong:
            changed = Tenant(tenant.running, tenant.settings, {**tenant.secrets, **secrets})
            with pytest.raises(Refused, match=name):
                changed.open(store, **settings)

    run_with_store(sqlite_url, clock, body)


def test_a_certificate_proves_the_client_too(sqlite_url: str, clock: ManualClock, sandbox: Running) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "scim-bridge")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=30))
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    tenant = Tenant.fresh(sandbox, secret=False, certificate=pem)
    tenant.secrets = {
        "client_id": tenant.secrets["client_id"],
        "private_key": private,
        "certificate": pem,
    }

    async def body(bench: Bench) -> None:
        await one_agent(bench)
        done = await bench.apply()
        assert (done.state, done.reason) == ("OK", "")
        assert len(tenant.identities()) == 1

    on_bench(sqlite_url, clock, tenant, body)
