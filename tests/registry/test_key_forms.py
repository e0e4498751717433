"""Promises of keys given for a connection: what cannot sign is refused at the door, in words, and never shown."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import PrivateFormat
from okta.jwt import JWT

from scim_bridge.cli.run import run
from scim_bridge.kernel.clock import ManualClock
from scim_bridge.kernel.errors import Invalid
from scim_bridge.kernel.work import Store
from scim_bridge.registry.connection_settings import check_secrets
from scim_bridge.registry.connections import configure_connection, connection_secrets, create_connection
from tests.conftest import MASTER, TESTER, run_with_store
from tests.registry.keys import PASSPHRASE, certificate, jwk, made, pem, public, unusable

WRONG = unusable()


def shown(text: str, secret: str) -> bool:
    """True when a piece of a secret is in a text."""
    told = re.sub(r"-----[A-Z ]+-----", "", secret)
    pieces = [told[at : at + 12] for at in range(0, len(told), 12)]
    return any(len(piece) == 12 and piece in text for piece in pieces)


@pytest.mark.parametrize("name", WRONG)
def test_a_key_an_okta_app_cannot_sign_with_is_refused_with_its_fault_and_is_not_shown(name: str) -> None:
    text, said = WRONG[name]
    with pytest.raises(Invalid) as refusal:
        check_secrets("okta", {"client_id": "0oa1", "private_key": text})
    found = refusal.value
    assert found.message.startswith("private_key ") and said in found.message and found.fix
    assert (found.code, found.field, found.status) == ("connection-key", "private_key", 400)
    assert not shown(found.text(), text) and found.__cause__ is None


@pytest.mark.parametrize(
    "text",
    [
        pem(made()),
        pem(made(), PrivateFormat.TraditionalOpenSSL),
        "  " + pem(made()).replace("\n", "\r\n    "),
        jwk(kid="k1", alg="RS256", use="sig"),
        f"\n {jwk()} ",
    ],
    ids=["pkcs8", "pkcs1", "indented", "jwk", "jwk-spaced"],
)
def test_each_form_of_key_that_is_taken_is_one_that_oktas_sdk_signs_with(text: str) -> None:
    check_secrets("okta", {"private_key": text})
    assert JWT.create_token("https://acme.okta.com", "0oa1", text.strip(), "k1").count(".") == 2


LOCKED = pem(made(), passphrase=PASSPHRASE)
PAIR = {"private_key": pem(made()), "certificate": certificate(made())}


@pytest.mark.parametrize(
    "changes, field, said",
    [
        ({"private_key": jwk()}, "private_key", "is a JWK"),
        ({"private_key": public()}, "private_key", "is a public key only"),
        ({"private_key": LOCKED}, "private_key", "is locked with a passphrase"),
        ({"private_key": LOCKED, "passphrase": "0therwise"}, "private_key", "is not opened by passphrase"),
        ({"passphrase": PASSPHRASE}, "private_key", "is not locked, and a passphrase is given"),
        ({"private_key": pem(made(1024))}, "private_key", "too short"),
        ({"certificate": public()}, "certificate", "is no certificate in PEM form"),
        ({"certificate": certificate(made(number=1))}, "certificate", "is that of another key"),
    ],
)
def test_a_key_or_certificate_that_proves_nothing_to_entra_is_refused_and_not_shown(
    changes: dict[str, str], field: str, said: str
) -> None:
    given = {"client_id": "app", **PAIR, **changes}
    with pytest.raises(Invalid) as refusal:
        check_secrets("entra", given)
    assert (refusal.value.code, refusal.value.field) == ("connection-key", field)
    assert said in refusal.value.message
    assert not any(shown(refusal.value.text(), value) for value in given.values())


@pytest.mark.parametrize("more", [{}, {"private_key": LOCKED, "passphrase": PASSPHRASE}])
def test_a_certificate_with_its_key_open_or_with_its_passphrase_is_taken_for_entra(
    more: dict[str, str],
) -> None:
    check_secrets("entra", {"client_id": "app", **PAIR, **more})


def test_a_refused_key_changes_nothing_of_what_a_connection_had(
    database_url: str, clock: ManualClock
) -> None:
    good: dict[str, Any] = {"client_id": "0oa1", "private_key": pem(made()), "kid": "k1", "scopes": ["a"]}

    async def body(store: Store) -> None:
        there = await store.transact(
            TESTER, lambda work: create_connection(work, MASTER, "okta", "okta", secrets=good)
        )
        bad = {**good, "private_key": public()}
        for _ in range(2):
            with pytest.raises(Invalid):
                await store.transact(
                    TESTER, lambda work: configure_connection(work, MASTER, "okta", secrets=bad)
                )
        assert await connection_secrets(store.reads, MASTER, there.id) == good
        rows = await store.reads.all("SELECT action, detail FROM sb_audit")
        assert [row["action"] for row in rows] == ["connection.created"]
        assert not any(shown(row["detail"], public()) for row in rows)

    run_with_store(database_url, clock, body)


def test_the_command_refuses_a_file_with_a_public_key_and_does_not_repeat_it(
    sqlite_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "secrets.json"
    file.write_text(json.dumps({"client_id": "0oa1", "private_key": public(), "kid": "k", "scopes": ["a"]}))
    told = ["connections", "create", "acme", "--kind", "okta", "--database-url", sqlite_url]
    assert run([*told, "--secrets-file", str(file)]) == 2
    said = capsys.readouterr()
    assert "private_key is a public key only" in said.err and "Give the private key" in said.err
    assert not shown(said.err + said.out, public())
