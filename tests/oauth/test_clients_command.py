"""Promises of `clients`, `tokens` and `connections show`: what an admin does, and that no secret is shown twice."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
import typer
from typer.testing import CliRunner

from scim_bridge.cli import clients, connections, tokens
from scim_bridge.cli.duration import duration
from scim_bridge.kernel.clock import DAY, HOUR, MINUTE, parse_iso
from scim_bridge.kernel.errors import Invalid
from tests.oauth.issuer import AUDIENCE, SUBJECT, TENANT, Issuer


class Shell:
    """The command line on one database."""

    def __init__(self, url: str) -> None:
        self._env = {"SCIM_BRIDGE_DATABASE_URL": url}
        self._runner = CliRunner()

    def run(self, app: typer.Typer, *arguments: str, code: int = 0) -> Any:
        """A command's parsed answer, or its words when it prints none; the exit code must be the given one."""
        done = self._runner.invoke(app, [*arguments], env=self._env)
        assert done.exit_code == code, (done.output, done.stderr, done.exception)
        if code:
            return done.stderr
        try:
            return orjson.loads(done.stdout)
        except orjson.JSONDecodeError:
            return done.stdout

    def json(self, app: typer.Typer, *arguments: str) -> Any:
        """The answer for machines."""
        return self.run(app, *arguments, "--output", "json")


@pytest.fixture(params=["sqlite"])
def shell(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, issuer: Issuer) -> Shell:
    """A shell in a bridge with a connection to Entra, that may fetch the issuer's keys."""
    database_url = str(request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "emptied"))
    monkeypatch.setenv("SCIM_BRIDGE_SECRET_KEY", "b3f1c2d4e5a60718293a4b5c6d7e8f90a1b2c3d4e5f60718")
    monkeypatch.setenv("SCIM_BRIDGE_PUBLIC_URL", "https://bridge.example.com")
    monkeypatch.setenv("SCIM_BRIDGE_OAUTH__KEYS_HOSTS", issuer.host)
    monkeypatch.setenv("SCIM_BRIDGE_ALLOW_NETWORKS", "127.0.0.1")
    monkeypatch.setenv("SCIM_BRIDGE_CA_FILE", str(issuer.ca_file))
    made = Shell(database_url)
    made.json(connections.app, "create", "entra", "--kind", "entra")
    return made


@pytest.mark.parametrize("shell", ["sqlite", "postgresql"], indirect=True)
def test_an_admin_makes_rotates_and_deletes_a_client_and_what_it_opens_with(shell: Shell) -> None:
    made = shell.json(clients.app, "create", "--connection", "entra", "--label", "CC", "--years", "2")
    assert made["tenant_url"] == "https://bridge.example.com/scim/v2"
    assert made["token_endpoint"] == "https://bridge.example.com/oauth/token"
    client, first = made["client_id"], made["secret_id"]
    second = shell.json(clients.app, "add-secret", client, "--years", "3")
    third = shell.json(clients.app, "rotate-secret", client, "--overlap", "12h")
    values = [made["client_secret"], second["client_secret"], third["client_secret"]]
    assert len(set(values)) == 3
    shown = shell.json(clients.app, "show", client)
    assert [secret["state"] for secret in shown["secrets"]] == ["rotated", "rotated", "live"]
    assert [secret["id"] for secret in shown["secrets"]] == [first, second["secret_id"], third["secret_id"]]
    assert [secret["days_left"] for secret in shown["secrets"]] == [1, 1, 3 * 365]
    (listed,) = shell.json(clients.app, "list", "--connection", "entra")
    assert (listed["secrets"], listed["trusts"], listed["label"]) == (3, 0, "CC")
    assert "ended" in shell.run(clients.app, "delete-secret", first)
    assert len(shell.json(clients.app, "show", client)["secrets"]) == 2
    for words in (
        shell.run(clients.app, "show", client),
        shell.run(clients.app, "list"),
        shell.run(connections.app, "show", "entra"),
    ):
        assert not [value for value in values if value in words]
    shell.run(clients.app, "delete", client)
    assert shell.json(clients.app, "list") == []
    for arguments in (("show", client), ("add-secret", client), ("delete", client), ("delete-secret", first)):
        assert "There is no" in shell.run(clients.app, *arguments, code=1)


def test_an_admin_sees_at_once_whether_an_issuers_keys_can_be_fetched(shell: Shell, issuer: Issuer) -> None:
    client = shell.json(clients.app, "create", "--connection", "entra", "--no-secret")["client_id"]
    who = ("--tenant", TENANT, "--subject", SUBJECT, "--audience", AUDIENCE, "--keys-url", issuer.keys_url)
    issuer.answer = (503, b"")
    failing = shell.json(clients.app, "trust", "add", client, *who)
    assert "answered 503" in failing["keys"]
    shell.run(clients.app, "trust", "remove", failing["trust_id"])
    issuer.answer = None
    working = shell.json(clients.app, "trust", "add", client, *who, "--reusable")
    assert working["keys"].startswith("1 keys, fetched")
    assert (working["single_use"], working["tenant"]) == (False, TENANT)
    assert [each["trust_id"] for each in shell.json(clients.app, "trust", "list", client)] == [
        working["trust_id"]
    ]
    refused = shell.run(
        clients.app, "trust", "add", client, *who[:6], "--keys-url", "https://evil.test/k", code=2
    )
    assert "evil.test" in refused and "oauth.keys_hosts" in refused
    assert "There is no" in shell.run(clients.app, "trust", "list", "nobody", code=1)
    assert "There is no" in shell.run(clients.app, "trust", "remove", failing["trust_id"], code=1)


def test_a_token_is_rotated_by_its_id_and_the_list_says_what_each_is(shell: Shell) -> None:
    old = shell.json(tokens.app, "create", "--connection", "entra", "--label", "Entra", "--days", "60")[
        "token"
    ]
    (listed,) = shell.json(tokens.app, "list")
    assert (listed["state"], listed["days_left"]) == ("live", 60)
    made = shell.json(tokens.app, "rotate", listed["id"], "--overlap", "3d")
    assert made["token"] != old and made["old_id"] == listed["id"]
    assert parse_iso(made["expires"]) - parse_iso(made["old_expires"]) > 56 * DAY
    assert [(row["id"], row["state"]) for row in shell.json(tokens.app, "list")] == [
        (made["id"], "live"),
        (listed["id"], "rotated"),
    ]
    assert "rotated already" in shell.run(tokens.app, "rotate", listed["id"], code=1)
    assert "span of time" in shell.run(tokens.app, "rotate", made["id"], "--overlap", "soon", code=2)
    shell.run(tokens.app, "revoke", made["id"])
    assert shell.json(tokens.app, "list")[0]["state"] == "revoked"


def test_a_connection_shows_who_may_speak_for_it(shell: Shell) -> None:
    shell.json(connections.app, "create", "okta", "--kind", "okta")
    for name in ("entra", "okta"):
        shell.json(tokens.app, "create", "--connection", name, "--label", f"for {name}")
    client = shell.json(clients.app, "create", "--connection", "entra")["client_id"]
    shown = shell.json(connections.app, "show", "entra")
    assert (shown["dialect"], shown["push"], shown["last_call"]) == ("entra", False, None)
    assert [token["label"] for token in shown["tokens"]] == ["for entra"]
    assert [each["client_id"] for each in shown["clients"]] == [client]
    assert shell.json(connections.app, "show", "okta")["clients"] == []
    assert "There is no connection" in shell.run(connections.app, "show", "nobody", code=1)


def test_wrong_clients_are_refused_in_one_line(shell: Shell) -> None:
    assert "There is no connection" in shell.run(clients.app, "create", "--connection", "nobody", code=1)
    assert "scopes must be" in shell.run(
        clients.app, "create", "--connection", "entra", "--scope", "admin", code=2
    )
    shell.run(clients.app, "create", "--connection", "entra", "--years", "4", code=2)
    client = shell.json(clients.app, "create", "--connection", "entra")["client_id"]
    for _ in range(9):
        shell.json(clients.app, "add-secret", client)
    assert "10 live secrets" in shell.run(clients.app, "add-secret", client, code=1)


def test_spans_are_written_as_people_write_them() -> None:
    spans = {"0": 0, "30m": 30 * MINUTE, "12h": 12 * HOUR, " 7d ": 7 * DAY, "2w": 14 * DAY}
    assert {text: duration(text) for text in spans} == spans
    for wrong in ("", "7", "d", "-1d", "1.5h", "7 d", "1y", "٣d", "999999d"):
        with pytest.raises(Invalid):
            duration(wrong)
