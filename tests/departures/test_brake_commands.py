"""Promises of `departures brake`, `policy` and `return` on the command line and over the API."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import httpx2
import pytest

from scim_bridge.cli import departures, tokens
from scim_bridge.departures.service import due
from scim_bridge.kernel.clock import SystemClock
from scim_bridge.kernel.crypto import MasterKey
from scim_bridge.kernel.work import Store
from tests.api.house import application
from tests.conftest import run_with_store
from tests.departures.crowd import gather, states, tell
from tests.departures.house import context, left
from tests.departures.test_commands import SECRET_KEY, Shell

CLOCK = SystemClock()


@pytest.fixture
def shell(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A shell in a company of fourteen of whom eight left at once."""
    monkeypatch.setenv("SCIM_BRIDGE_SECRET_KEY", SECRET_KEY)
    monkeypatch.setenv("USER", "somebody-else")
    monkeypatch.setenv("LOGNAME", "somebody-else")

    async def leave(store: Store) -> None:
        for person_id in (await gather(store, 14))[:8]:
            await tell(store, left(person_id, CLOCK.now(), key=person_id))

    run_with_store(database_url, CLOCK, leave)
    return Shell(database_url)


def test_two_named_people_release_what_the_brake_holds_one_by_account_one_by_token(
    shell: Shell, tmp_path: Path
) -> None:
    (brake,) = shell.run(departures.app, "brake", "list", code=4)
    assert (brake["state"], brake["source"], brake["held"], brake["needed"]) == ("HELD", "hr:acme", 6, 2)
    seen = shell.run(departures.app, "brake", "show", brake["id"])
    assert len(seen["people"]) == 6
    assert len(shell.run(departures.app, "list", "--state", "held")) == 6
    release = ("brake", "release", brake["id"], "--reason", "checked with HR")
    first = shell.run(departures.app, *release, code=4)
    assert (first["state"], first["still_needed"]) == ("HELD", 1)
    account = pwd.getpwuid(os.getuid()).pw_name
    assert f"{account} said so already" in shell.run(departures.app, *release, code=1), "$USER does not count"
    nameless = shell.run(tokens.app, "create", "--scope", "admin")["token"]
    anna = shell.run(tokens.app, "create", "--scope", "admin", "--label", "Anna")["token"]
    (tmp_path / "nameless").write_text(nameless)
    (tmp_path / "anna").write_text(anna)
    refused = shell.run(departures.app, *release, "--token-file", str(tmp_path / "nameless"), code=1)
    assert "says nobody's name" in refused
    second = shell.run(departures.app, *release, "--token-file", str(tmp_path / "anna"))
    assert (second["state"], second["cases"]) == ("released", 6)
    assert "released already" in shell.run(departures.app, *release, code=1)
    assert shell.run(departures.app, "brake", "list") == []
    (over,) = shell.run(departures.app, "brake", "list", "--all")
    mine, hers = (line.split(": ")[0] for line in over["approvals"])
    assert mine == f"{account} (account {account})", (
        "an account and a label called the same can be told apart"
    )
    assert hers == f"Anna (token …{hers[-7:-1]})"

    async def go_on(store: Store) -> dict[str, int]:
        ctx = context(store)
        await due(ctx)
        await ctx.outbound.aclose()
        return await states(store)

    assert run_with_store(shell.url, CLOCK, go_on) == {"open": 8}


def test_the_api_lists_releases_and_rejects_for_admins_with_a_name_only(shell: Shell) -> None:
    keys = {
        name: shell.run(tokens.app, "create", "--scope", "admin", "--label", name)["token"] for name in "ab"
    }
    weak = shell.run(tokens.app, "create", "--scope", "access")["token"]

    async def body(store: Store) -> None:
        ctx = context(store)
        object.__setattr__(ctx, "master", MasterKey(SECRET_KEY.encode()))
        transport = httpx2.ASGITransport(app=application(ctx))
        async with httpx2.AsyncClient(transport=transport, base_url="http://bridge.test") as client:

            async def call(method: str, path: str, token: str, **more: object) -> httpx2.Response:
                headers = {"authorization": f"Bearer {token}"}
                return await client.request(
                    method, f"/api/v1/departure-brakes{path}", headers=headers, **more
                )  # type: ignore[arg-type]

            assert (await call("GET", "", weak)).status_code == 403
            (brake,) = (await call("GET", "", keys["a"])).json()["brakes"]
            assert len((await call("GET", f"/{brake['id']}", keys["a"])).json()["cases"]) == 6
            assert (await call("GET", "/nothing", keys["a"])).status_code == 404
            release, why = f"/{brake['id']}/release", {"reason": "checked with HR"}
            assert (await call("POST", release, keys["a"], json={})).status_code == 400
            assert (await call("POST", release, keys["a"], json=why)).json()["still_needed"] == 1
            assert (await call("POST", release, keys["a"], json=why)).status_code == 422
            assert (await call("POST", f"/{brake['id']}/ignore", keys["b"], json=why)).status_code == 404
            done = await call("POST", f"/{brake['id']}/reject", keys["b"], json={"reason": "bad reload"})
            assert done.json() == {"state": "rejected", "cases": 6, "still_needed": 0}
            assert (await call("POST", "/nothing/reject", keys["b"], json=why)).status_code == 404
        assert await states(store) == {"open": 2, "cancelled": 6}
        await ctx.outbound.aclose()

    run_with_store(shell.url, CLOCK, body)


def test_policies_are_checked_and_shown_and_what_was_taken_is_offered_back(
    shell: Shell, tmp_path: Path
) -> None:
    file = tmp_path / "departures.yaml"
    file.write_text("version: 1\nbrake:\n  ownrs: 3\n")
    (problem,) = shell.run(departures.app, "policy", "check", str(file), code=1)
    assert (problem["line"], problem["fix"]) == (3, "Did you mean owners?")
    file.write_text("version: 1\ndefault: {inherit: [manager]}\n")
    assert shell.run(departures.app, "policy", "check", str(file)) == []
    assert "inherit: [co-owner]" in shell.run(departures.app, "policy", "show", json=False)
    shell.run(departures.app, "simulate", "p9@corp.test", "--leave", "sometimes", code=2, json=False)
    (row,) = shell.run(departures.app, "simulate", "p9@corp.test", "--leave", "involuntary")
    assert (row["outcome"], row["rule"]) == ("held", "default")

    assert shell.run(departures.app, "return", "p0@corp.test") == []
    shell.run(departures.app, "returned", "p0@corp.test")
    # HR said so, and the admin's word counts for every door's.
    (offer,) = shell.run(departures.app, "return", "p0@corp.test")
    assert (offer["agent"], offer["state"], offer["credentials_to_renew"]) == ("a0-0", "held", 1)
    given = shell.run(departures.app, "return", "p0@corp.test", "--agent", "a0-0")
    assert (given["state"], given["credentials_to_renew"]) == ("active", ["key"])
    status = shell.run(departures.app, "status")
    assert (status["held"], status["brakes"]) == (6, 1)
    assert "not held as unused" in shell.run(departures.app, "keep", "a0-0", "--reason", "needed", code=1)
