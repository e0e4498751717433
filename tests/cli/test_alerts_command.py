"""Promises of `scim-bridge alerts`: a mute needs an end and a reason, and whom alerts are told can be tried."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.command import Command
from tests.watch.receiver import receiver

SECRET = "whsec_" + "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA=="


def test_mutes_are_listed_and_ended_and_what_does_not_exist_is_said(command: Command) -> None:
    assert command("connections", "create", "okta", "--kind", "okta").code == 0
    assert "No alerts" in command("alerts", "list").out
    refused = command("alerts", "mute", "--kind", "rate")
    assert refused.code == 2 and "reason" in refused.err
    assert command("alerts", "mute", "--kind", "rate", "--reason", "a move", "--for", "2d").code == 0
    [mute] = json.loads(command("alerts", "mutes", "--output", "json").out)
    assert (mute["kind"], mute["agent"], mute["reason"]) == ("rate", None, "a move")
    assert command("alerts", "unmute", mute["id"]).code == 0
    assert command("alerts", "unmute", mute["id"]).code == 1
    for wrong in (("show", "nothing"), ("mute", "nobody", "--reason", "x"), ("routes", "test", "pager")):
        done = command("alerts", *wrong)
        assert done.code == 1 and "There is no" in done.err


def test_a_route_is_tried_with_a_made_up_alert(command: Command, monkeypatch) -> None:
    with receiver() as there:
        file = Path("settings.toml")
        route = f'[[alerts.routes]]\nname = "siem"\nkind = "webhook"\nurl = "{there.url}/siem"\n'
        file.write_text(f'allow_networks = ["127.0.0.0/8"]\n{route}')
        monkeypatch.setenv("SCIM_BRIDGE_SETTINGS", str(file))
        monkeypatch.setenv("SCIM_BRIDGE_ALERTS__SECRETS__SIEM", SECRET)
        assert command("connections", "create", "okta", "--kind", "okta").code == 0
        [listed] = json.loads(command("alerts", "routes", "list", "--output", "json").out)
        assert (listed["route"], listed["severity"]) == ("siem", "medium")
        done = command("alerts", "routes", "test", "siem", "--output", "json")
        assert done.code == 0 and json.loads(done.out)[0]["outcome"] == "done", done.err
        assert json.loads(there.seen[0].body)["type"] == "alert.opened"
        there.answers = [(404, {})]
        failed = command("alerts", "routes", "test", "siem", "--output", "json")
        assert failed.code == 1 and "404" in failed.out
        shown = command("config", "show", "--output", "json")
        assert SECRET not in shown.out and "alerts.secrets.siem" in shown.out
