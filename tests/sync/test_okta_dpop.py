"""Tokens bound to a key (DPoP, RFC 9449), as soon as the org demands it of our service app."""

from __future__ import annotations

from tests.sync.bench import Bench
from tests.sync.okta_bench import applied, features, owned
from tests.sync.okta_org import Org


def test_where_the_org_demands_a_proof_tokens_are_bound_to_a_key_and_every_call_proves_it(on_okta) -> None:
    async def body(bench: Bench, org: Org) -> None:
        org.let_in(dpop=True)
        await owned(bench, "triage")
        await applied(bench)
        assert org.user("triage@agents.test")["status"] == "ACTIVE"
        tokens = [call["status"] for call in org.calls() if call["operation"] == "issue_token"]
        # Without a proof; with one but without the org's nonce; with both.
        assert tokens == [400, 400, 200]
        assert all(value["jkt"] for value in org.objects("accesstoken"))
        assert "DPoP" in (await features(bench))["sign-in"].reason
        for key, _ in org.sandbox.sandbox.store.all("accesstoken"):
            org.sandbox.sandbox.store.delete("accesstoken", key)
        await owned(bench, "review")
        await applied(bench)

    on_okta(body)


def test_a_bound_token_is_worth_nothing_without_its_key(on_okta) -> None:
    async def body(bench: Bench, org: Org) -> None:
        org.let_in(dpop=True)
        await bench.plan()
        token = bench.idp._session._oauth._access_token  # type: ignore[attr-defined]
        for scheme in ("Bearer", "DPoP"):
            with org.sandbox.client(authorization=f"{scheme} {token}") as thief:
                answer = thief.get("/api/v1/users?limit=1")
            assert answer.status_code == 401 and answer.json()["errorCode"] == "E0000011"

    on_okta(body)
