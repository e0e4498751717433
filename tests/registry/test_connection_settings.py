"""Promises of a connection's settings: known names only, checked values, and old rows that stay readable."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scim_bridge.cli.run import run
from scim_bridge.kernel.clock import ManualClock
from scim_bridge.kernel.errors import Invalid
from scim_bridge.kernel.work import Store, Work
from scim_bridge.registry.connection_settings import AGENT_SCHEMAS, SETTINGS
from scim_bridge.registry.connections import configure_connection, connection, create_connection
from scim_bridge.scim.agent_view import ABBEY, WZDK
from tests.conftest import MASTER, TESTER, run_with_store

REFERENCE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "connections.md"


def refusal(url: str, clock: ManualClock, kind: str, **given: Any) -> Invalid:
    """What is said to creating, and to configuring, a connection so; nothing may be left of it."""

    async def body(store: Store) -> Invalid:
        with pytest.raises(Invalid) as created:
            await store.transact(TESTER, lambda work: create_connection(work, MASTER, "new", kind, **given))
        await store.transact(TESTER, lambda work: create_connection(work, MASTER, "old", kind))
        with pytest.raises(Invalid) as configured:
            await store.transact(TESTER, lambda work: configure_connection(work, MASTER, "old", **given))
        assert configured.value.text() == created.value.text()
        found = await store.reads.all("SELECT name, settings FROM sb_connection")
        assert [(row["name"], row["settings"]) for row in found] == [("old", "{}")]
        return created.value

    return run_with_store(url, clock, body)


@pytest.mark.parametrize(
    "kind, settings, said",
    [
        ("okta", {"Scope": "environment=dev"}, "Did you mean scope?"),
        ("entra", {"scop": "environment=dev"}, "Did you mean scope?"),
        ("generic", {"scope_": "environment=dev"}, "Did you mean scope?"),
        ("generic", {"scopes": "scim.write"}, "is a credential"),
        ("okta", {"orgurl": "https://acme.okta.com"}, "Did you mean org_url?"),
        ("okta", {"nonsense": "1"}, "Known: scope, "),
        ("entra", {"tenant_id": "YOUR-TENANT-ID"}, "tenant_id is no tenant"),
        ("entra", {"graph_url": "https://graph.microsoft.com/v1.0"}, "names a version of Graph"),
        ("okta", {"tenant_id": "x"}, "is a setting of entra connections, this one is okta"),
        ("generic", {"org_url": "https://acme.okta.com"}, "is a setting of okta connections"),
        ("generic", {"base_url": "http://idp.example.com/scim"}, "https address"),
        ("generic", {"base_url": "https://u:00secret@idp.example.com"}, "https address"),
        ("generic", {"retire": "burn"}, "disable, delete"),
        ("okta", {"ssws_token": "00secret"}, "--secrets-file"),
        ("okta", {"org_url": "notaurl"}, "https address"),
        ("okta", {"org_url": "http://acme.okta.com"}, "https address"),
        ("okta", {"org_url": "https://acme okta.com"}, "https address"),
        ("okta", {"org_url": "https://[acme"}, "cannot be read"),
        ("okta", {"org_url": "https://u:00secret@acme.okta.com"}, "https address"),
        ("okta", {"org_url": "https://acme.okta.com/admin"}, "without a path"),
        ("okta", {"org_url": "https://acme-admin.okta.com"}, "Leave out -admin"),
        ("entra", {"graph_url": "graph.microsoft.us"}, "https address"),
        ("entra", {"attribute_set": "scim bridge"}, "letters and digits"),
        ("okta", {"brake_percent": "101"}, "from 0 to 100"),
        ("okta", {"brake_count": "-1"}, "from 0 to 1000000"),
        ("okta", {"entitlements": "yes"}, "off, on, managed"),
        ("okta", {"agent_schema": "abby"}, "wzdk, abbey"),
        ("okta", {"agent_marker": "robot"}, "attribute=value"),
        ("okta", {"scope": "environment"}, "not name=value"),
        ("okta", {"ca_file": "x" * 500}, "At most 400"),
    ],
)
def test_a_setting_that_nobody_reads_or_that_cannot_be_is_refused_in_words(
    sqlite_url: str, clock: ManualClock, kind: str, settings: dict[str, str], said: str
) -> None:
    found = refusal(sqlite_url, clock, kind, settings=settings)
    assert said in found.text() and "00secret" not in found.text()


@pytest.mark.parametrize(
    "kind, dialect",
    [("entra", "okta-put"), ("okta", "entra-062020"), ("okta", "generic"), ("generic", "okta")],
)
def test_a_dialect_that_does_not_fit_the_kind_is_refused(
    sqlite_url: str, clock: ManualClock, kind: str, dialect: str
) -> None:
    found = refusal(sqlite_url, clock, kind, dialect=dialect)
    assert found.code == "connection-dialect" and "strict" in found.fix


def test_a_misspelt_credential_is_refused_and_not_shown(sqlite_url: str, clock: ManualClock) -> None:
    found = refusal(sqlite_url, clock, "entra", secrets={"client_secrets": "00secret"})
    assert "Did you mean client_secret?" in found.fix and "00secret" not in found.text()


@pytest.mark.parametrize(
    "kind, name, value",
    [
        ("okta", "ssws_token", "00secret\n"),
        ("okta", "ssws_token", "00secretä"),
        ("okta", "client_id", 5),
        ("okta", "private_key", {"kty": "RSA", "d": "00secret"}),
        ("okta", "scopes", 5),
        ("okta", "scopes", ["okta.users.manage", 5]),
        ("entra", "client_secret", ["00secret"]),
        ("entra", "assertion_headers", {"Authorization": 5}),
        ("entra", "assertion_headers", "Bearer 00secret"),
        ("generic", "token", "Basic 00secret\r\nX: y"),
    ],
)
def test_a_credential_that_cannot_be_one_is_refused_when_it_is_given_and_not_shown(
    sqlite_url: str, clock: ManualClock, kind: str, name: str, value: Any
) -> None:
    found = refusal(sqlite_url, clock, kind, secrets={name: value})
    assert found.message.startswith(name) and found.fix and "00secret" not in found.text()


def test_settings_from_before_they_were_checked_are_read_shown_and_can_be_taken_away(
    sqlite_url: str, clock: ManualClock, capsys: pytest.CaptureFixture[str]
) -> None:
    async def old(store: Store) -> None:
        async def body(work: Work) -> None:
            await create_connection(work, MASTER, "old", "okta")
            await work.tx.run(
                "UPDATE sb_connection SET settings = ?", '{"nonsense": "1", "tenant_id": "t", "scope": ""}'
            )

        await store.transact(TESTER, body)
        assert (await connection(store.reads, "old")).settings["nonsense"] == "1"
        kept = await store.transact(
            TESTER, lambda w: configure_connection(w, MASTER, "old", settings={"brake_count": "3"})
        )
        assert kept.settings["nonsense"] == "1"

    run_with_store(sqlite_url, clock, old)
    at = ["--database-url", sqlite_url, "--output", "json"]
    assert run(["connections", "show", "old", *at]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["no_such_setting"] == ["nonsense", "tenant_id"]
    assert "org_url" in shown["not_set"] and "brake_count" not in shown["not_set"]
    assert run(["connections", "configure", "old", "--set", "nonsense=", "--set", "tenant_id=", *at]) == 0
    assert json.loads(capsys.readouterr().out)["settings"] == {"scope": "", "brake_count": "3"}


def test_everything_that_can_be_set_is_listed_and_in_the_reference(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert set(AGENT_SCHEMAS) == {WZDK, ABBEY}
    assert run(["connections", "settings", "generic", "--output", "json"]) == 0
    listed = [row["setting"] for row in json.loads(capsys.readouterr().out)]
    assert listed == [name for name, known in SETTINGS.items() if "generic" in known.kinds]
    page = REFERENCE.read_text()
    for name, known in SETTINGS.items():
        (row,) = [line for line in page.splitlines() if line.startswith(f"| `{name}` |")]
        kinds = "all" if len(known.kinds) == 3 else ", ".join(known.kinds)
        assert f"| {kinds} |" in row, f"{name}: {row}"
