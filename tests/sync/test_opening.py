"""Promises of opening a tenant: what is missing is named, one adapter a connection, closed at the end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from scim_bridge.kernel.context import Context
from scim_bridge.kernel.errors import NotFound, Refused
from scim_bridge.kernel.outbound import Outbound
from scim_bridge.kernel.work import Store, Work
from scim_bridge.registry.connections import configure_connection, create_connection
from scim_bridge.sync.idp.open import Idps
from tests.conftest import MASTER, TESTER, run_with_store
from tests.sync.okta_org import CLIENT, SCOPES, private_key

URL = {"org_url": "https://acme.okta.test"}


def secrets(**changes: Any) -> dict[str, Any]:
    made = {"client_id": CLIENT, "private_key": private_key(), "kid": "k1", "scopes": SCOPES, **changes}
    return {name: value for name, value in made.items() if value is not None}


def other_key(passphrase: bytes | None = None) -> str:
    """A key Okta's SDK cannot sign with: an elliptic one, or one behind a passphrase."""
    locked = NoEncryption() if passphrase is None else BestAvailableEncryption(passphrase)
    return (
        ec.generate_private_key(ec.SECP256R1())
        .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked)
        .decode()
    )


async def opened(store: Store, kind: str, settings: dict[str, Any], content: dict[str, Any] | None) -> Idps:
    async def body(work: Work) -> None:
        made = await create_connection(work, MASTER, "there", kind)
        # As it may stand in a database from before settings and keys were checked when they are set.
        kept = content and MASTER.seal(f"sb_connection:{made.id}:secrets", orjson.dumps(content))
        told = orjson.dumps(settings).decode()
        await work.tx.run("UPDATE sb_connection SET settings = ?, secrets = ?", told, kept)

    await store.transact(TESTER, body)
    return Idps(Context(store, MASTER, Outbound(), "http://127.0.0.1", Path()))


@pytest.mark.parametrize(
    "kind, settings, content, named",
    [
        ("generic", {}, {"token": "x"}, "base_url"),
        ("generic", {"base_url": "http://idp.example.com"}, {"token": "x"}, "base_url"),
        ("generic", {"base_url": "https://u:p@idp.example.com"}, {"token": "x"}, "base_url"),
        ("generic", {"base_url": "https://idp.example.com"}, {"client_id": "x"}, "neither token nor"),
        (
            "generic",
            {"base_url": "https://idp.example.com"},
            {"client_id": "x", "client_secret": "y"},
            "token_url",
        ),
        ("okta", URL, None, "no credentials"),
        ("okta", {}, secrets(), "org_url"),
        ("okta", {"org_url": "http://acme.okta.test"}, secrets(), "org_url"),
        ("okta", {"org_url": "https://u:p@acme.okta.test"}, secrets(), "org_url"),
        ("okta", {"org_url": "https://acme.okta.test/api"}, secrets(), "org_url"),
        ("okta", {"org_url": "https://acme-admin.okta.test"}, secrets(), "Admin Console"),
        ("okta", URL, secrets(private_key=None, scopes=None), "private_key, scopes"),
        ("okta", URL, secrets(private_key="-----BEGIN PRIVATE KEY-----\nnone\n"), "is cut off"),
        ("okta", URL, secrets(private_key="/etc/hostname"), "is no private key in PEM form"),
        ("okta", URL, secrets(private_key=other_key()), "is an EC key"),
        ("okta", URL, secrets(private_key=other_key(b"locked")), "locked with a passphrase"),
        ("okta", {**URL, "ca_file": "/nowhere/ca.pem"}, secrets(), "/nowhere/ca.pem"),
    ],
)
def test_what_is_missing_or_wrong_is_named_and_no_secret_is_shown(
    sqlite_url, clock, kind, settings, content, named
) -> None:
    async def body(store: Store) -> None:
        idps = await opened(store, kind, settings, content)
        with pytest.raises(Refused) as refusal:
            await idps.of("there")
        assert named in refusal.value.message
        assert "BEGIN" not in refusal.value.text() and "u:p" not in refusal.value.fix
        await idps.close()

    run_with_store(sqlite_url, clock, body)


def test_one_adapter_serves_a_connection_until_its_settings_change(sqlite_url, clock) -> None:
    async def body(store: Store) -> None:
        idps = await opened(store, "okta", URL, secrets())
        there, first = await idps.of("there")
        assert (await idps.of(there.id))[1] is first
        moved = {"org_url": "https://other.okta.test"}
        await store.transact(TESTER, lambda work: configure_connection(work, MASTER, "there", settings=moved))
        assert (await idps.of("there"))[1] is not first
        with pytest.raises(NotFound):
            await idps.of("nowhere")
        await idps.close()

    run_with_store(sqlite_url, clock, body)
