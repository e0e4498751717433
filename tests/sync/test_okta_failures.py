"""What goes wrong with Okta, and what does not follow: lost answers, limits, refusals, stray settings."""

from __future__ import annotations

import time
from collections import Counter

import pytest

from scim_bridge.sync.idp.okta import adapter
from scim_bridge.sync.idp.port import IdpError
from scim_bridge.sync.service import status
from tests.sync.bench import Bench
from tests.sync.okta_bench import applied, links, owned, redescribe
from tests.sync.okta_org import Org


@pytest.mark.parametrize("method, path", [("POST", "^/api/v1/users"), ("PUT", "/linkedObjects/")])
def test_a_write_whose_answer_was_lost_makes_no_second_user(on_okta, method, path) -> None:
    async def body(bench: Bench, org: Org) -> None:
        await owned(bench, "triage")
        await bench.idp.make_ready()
        org.fault(method, path, "drop_after")
        await applied(bench)
        logins = [user["profile"]["login"] for user in org.objects("user")]
        assert logins.count("triage@agents.test") == 1
        assert links(org) == [("triage@agents.test", "maria@corp.test")]
        assert org.control("GET", "/faults")["faults"][0]["fired"] == 1

    on_okta(body)


def test_a_create_that_okta_acts_on_after_we_looked_is_gone_on_with(on_okta) -> None:
    async def body(bench: Bench, org: Org) -> None:
        await owned(bench, "triage")
        await bench.idp.make_ready()
        absent = {"errorCode": "E0000007", "errorSummary": "Not found", "errorCauses": []}
        faults = [
            {"match": {"method": "POST", "path": "^/api/v1/users"}, "action": "drop_after"},
            {
                "match": {"method": "GET", "path": "^/api/v1/users/triage"},
                "action": "status",
                "after": 1,
                "status": 404,
                "body": absent,
            },
        ]
        org.control("PUT", "/faults", {"faults": faults})
        await applied(bench)
        logins = [user["profile"]["login"] for user in org.objects("user")]
        assert logins.count("triage@agents.test") == 1
        assert [fault["fired"] for fault in org.control("GET", "/faults")["faults"]] == [1, 1]

    on_okta(body)


def test_a_stop_whose_answer_was_lost_is_released_by_us_later(on_okta) -> None:
    async def body(bench: Bench, org: Org) -> None:
        agent_id = await owned(bench, "triage")
        await applied(bench)
        org.fault("POST", "/lifecycle/suspend", "drop_after")
        await bench.hold(agent_id, "admin")
        await bench.perform()
        assert org.user("triage@agents.test")["status"] == "SUSPENDED"
        await bench.hold(agent_id, "admin", release=True)
        await bench.perform()
        assert org.user("triage@agents.test")["status"] == "ACTIVE"

    on_okta(body)


def test_a_429_is_waited_out_as_okta_says_and_then_the_write_is_made(on_okta) -> None:
    async def body(bench: Bench, org: Org) -> None:
        await owned(bench, "triage")
        await bench.idp.make_ready()
        headers = {
            "x-rate-limit-limit": "600",
            "x-rate-limit-remaining": "0",
            "x-rate-limit-reset": str(int(time.time()) + 1),
        }
        error = {"errorCode": "E0000047", "errorSummary": "API call exceeded rate limit", "errorCauses": []}
        org.fault("POST", "^/api/v1/users", "status", status=429, headers=headers, body=error)
        await bench.apply(perform=False)
        pauses = await bench.perform()
        assert len(pauses) == 1 and 1 <= pauses[0] <= 3
        row = await bench.store.reads.one(
            "SELECT state, last_error, attempts FROM sb_effect WHERE kind = 'sync.change'"
        )
        assert row["state"] == "done" and row["attempts"] == 2
        assert org.user("triage@agents.test")["status"] == "ACTIVE"

    on_okta(body)


def test_calls_are_paced_so_that_okta_refuses_none(on_okta) -> None:
    async def body(bench: Bench, org: Org) -> None:
        for number in range(8):
            await owned(bench, f"agent-{number}")
        await bench.idp.make_ready()
        org.control("PUT", "/limits", {"buckets": {"user-write": 7}})
        await bench.apply(perform=False)
        pauses = await bench.perform(tries=1)
        # A minute, the Date header a second behind, one more for its whole seconds, and rounded up.
        assert pauses and all(50 < pause <= 64 for pause in pauses), pauses
        assert not [call for call in org.calls() if call["status"] == 429]
        seen = await status(bench.store.reads, bench.connection)
        assert seen.runs[0].state == "RUNNING" and seen.next_try is not None
        assert "rate limit" in seen.troubles[-1].reason

    on_okta(body)


def test_a_refusal_names_oktas_code_and_what_to_do_and_parks_that_one_agent(on_okta) -> None:
    async def body(bench: Bench, org: Org) -> None:
        await owned(bench, "triage")
        await owned(bench, "review")
        org.control("POST", "/directory", {"users": []})
        plan = await bench.plan()
        await bench.idp.make_ready()
        error = {
            "errorCode": "E0000001",
            "errorSummary": "Api validation failed: login",
            "errorCauses": [{"errorSummary": "login: The value is bad"}],
        }
        org.fault("POST", "^/api/v1/users", "status", status=400, body=error)
        done = await bench.apply(plan)
        assert (done.state, done.done, done.failed) == ("WARNING", 1, 1)
        (trouble,) = (await status(bench.store.reads, bench.connection)).troubles
        assert "E0000001" in trouble.reason and "login: The value is bad" in trouble.reason

    on_okta(body)


def test_a_search_that_lags_behind_makes_no_change(on_okta) -> None:
    async def body(bench: Bench, org: Org) -> None:
        agent_id = await owned(bench, "triage")
        await owned(bench, "review")
        await applied(bench)
        org.control("POST", "/org", {"search_lag_seconds": 3600})
        await owned(bench, "deploy")
        await redescribe(bench, agent_id, purpose="something else")
        await applied(bench)

    on_okta(body)


def test_every_page_is_read_with_as_few_calls_as_okta_allows(on_okta, monkeypatch) -> None:
    monkeypatch.setattr(adapter, "PAGE", 2)

    async def body(bench: Bench, org: Org) -> None:
        agents = [await owned(bench, f"agent-{number}") for number in range(7)]
        await applied(bench)
        seen = len(org.calls())
        assert (await bench.plan()).listed == 7
        kinds = Counter(call["operation"] for call in org.calls()[seen:])
        # Four pages; who Maria owns, once; the shape of the org. Nothing agent by agent.
        assert kinds.pop("list_users") == 4 and kinds.pop("list_links") == 1
        assert set(kinds.values()) == {1} and len(kinds) == 3
        await redescribe(bench, agents[3], purpose="something else")
        seen = len(org.calls())
        await applied(bench)
        writes = [call for call in org.calls()[seen:] if call["method"] != "GET"]
        assert len(writes) == 1

    on_okta(body)


def test_a_revoked_token_is_replaced_once_and_the_call_is_made(on_okta) -> None:
    async def body(bench: Bench, org: Org) -> None:
        await owned(bench, "triage")
        await bench.plan()
        for key, _ in org.sandbox.sandbox.store.all("accesstoken"):
            org.sandbox.sandbox.store.delete("accesstoken", key)
        await applied(bench)

    on_okta(body)


def test_a_missing_scope_fails_with_oktas_words(on_okta) -> None:
    async def body(bench: Bench, org: Org) -> None:
        await owned(bench, "triage")
        found = await bench.apply()
        assert (found.state, found.stage) == ("FAILED", "reading")
        assert "E0000006" in found.reason and "scopes" in found.reason

    on_okta(body, scopes=["okta.users.manage"])


def test_a_wrong_key_fails_and_says_which_setting_to_check(on_okta, org) -> None:
    async def body(bench: Bench, org: Org) -> None:
        with pytest.raises(IdpError) as refusal:
            await bench.plan()
        assert not refusal.value.transient and "private_key" in refusal.value.text()
        assert "BEGIN" not in refusal.value.text()

    on_okta(body, kid="another")


def test_an_api_token_serves_as_well(on_okta, org) -> None:
    async def body(bench: Bench, org: Org) -> None:
        await owned(bench, "triage")
        await applied(bench)

    on_okta(body, ssws_token=org.control("POST", "/api-tokens", {})["token"])


def test_neither_the_environment_nor_an_okta_yaml_redirects_us(on_okta, monkeypatch, tmp_path) -> None:
    stray = tmp_path / "okta.yaml"
    stray.write_text(
        "okta:\n  client:\n    orgUrl: https://evil.okta.test\n    proxy: {host: evil.test, port: 1}\n"
    )
    monkeypatch.setattr("okta.config.config_setter._LOCAL_YAML_PATH", str(stray))
    monkeypatch.setenv("OKTA_CLIENT_ORGURL", "https://evil.okta.test")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")

    async def body(bench: Bench, org: Org) -> None:
        await owned(bench, "triage")
        await applied(bench)

    on_okta(body)


def test_no_log_holds_a_token_a_key_or_a_profile(on_okta, caplog) -> None:
    caplog.set_level("DEBUG")

    async def body(bench: Bench, org: Org) -> None:
        await owned(bench, "triage")
        await applied(bench)

    on_okta(body)
    for secret in ("Bearer ", "SSWS ", "PRIVATE KEY", "eyJ", "client_assertion", "the triage"):
        assert secret not in caplog.text
