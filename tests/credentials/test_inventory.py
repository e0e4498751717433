"""Promises of the inventory: everything that proves an agent is known, and no value of it ever is."""

from __future__ import annotations

import json

from scim_bridge.credentials.due import scan_due
from scim_bridge.credentials.view import listed
from scim_bridge.kernel.clock import HOUR
from scim_bridge.kernel.work import Work
from scim_bridge.registry.credentials import adopt, revoke_all, revoke_one
from tests.conftest import TESTER
from tests.credentials.house import TOKEN, House
from tests.credentials.scenes import passes, rotate


def test_a_scan_finds_secrets_keys_certificates_and_federated_credentials_with_their_ages(at_both) -> None:
    async def scene(house: House) -> None:
        agent = await house.agent("refund")
        okta, entra = house.okta_app(agent), house.entra_app(agent)
        federated = {"name": "github", "issuer": "https://token.actions.example", "subject": "repo:a/b"}
        federated["audiences"] = ["api://AzureADTokenExchange"]  # type: ignore[assignment]
        house.graph("POST", f"/v1.0/applications/{entra.id}/federatedIdentityCredentials", federated)
        assert entra.login(entra.secret)
        for name in ("okta", "entra"):
            assert (await house.scan(name)).strangers == 0
            assert (await house.scan(name)).new == 0, "a second scan finds nothing new"
        found = {one["kind"]: one for one in await house.credentials(agent)}
        lines = await listed(house.store.reads, house.clock.now(), agent="refund")
        assert sorted((line["system"], line["kind"]) for line in lines) == [
            ("entra", "client_secret"),
            ("entra", "federated"),
            ("okta", "client_secret"),
        ]
        used = {
            one["system"]: one["last_used"]
            for one in await house.credentials(agent)
            if one["kind"] != "federated"
        }
        assert used["entra"] is not None and used["okta"] is None, "only Entra tells"
        assert json.loads(found["federated"]["public"])["subject"] == "repo:a/b"
        entry = next(line for line in lines if line["system"] == "entra" and line["kind"] == "client_secret")
        assert entry["expires"] > house.clock.now() and entry["age_days"] == 0
        everything = json.dumps([dict(one) for one in await house.credentials()], default=str)
        for value in (okta.secret, entra.secret, entra.secret[:3] + '"'):
            assert value not in everything

    at_both(scene)


def test_what_belongs_to_nobody_is_off_or_appeared_is_a_stranger_until_somebody_adopts_it(at_okta) -> None:
    async def scene(house: House) -> None:
        agent = await house.agent("refund")
        app, _nobodys = house.okta_app(agent), house.okta_app("", "nobody's")
        await house.policy()
        assert (await house.scan("okta")).strangers == 1
        with house.org.sandbox.client(authorization=f"SSWS {TOKEN}") as client:
            made = client.post(f"/api/v1/apps/{app.id}/credentials/secrets", json={}).json()
            assert (await house.scan("okta")).strangers == 2
            client.post(f"/api/v1/apps/{app.id}/credentials/secrets/{made['id']}/lifecycle/deactivate")
        await house.scan("okta")
        strangers = await listed(house.store.reads, house.clock.now(), strangers=True)
        assert {one["stranger"] for one in strangers} == {
            "its client belongs to no agent",
            "it is switched off there",
        }
        told = await house.store.reads.all("SELECT payload FROM sb_effect WHERE kind = 'notify'")
        assert len(told) == 1 and made["id"] in told[0]["payload"]
        mine = next(one for one in strangers if one["agent"] == "refund")
        await house.store.transact(TESTER, lambda work: adopt(work, mine["id"]))
        await house.scan("okta")
        assert len(await listed(house.store.reads, house.clock.now(), strangers=True)) == 1

    at_okta(scene)


def test_a_blueprint_that_many_agents_share_is_nobodys_own_and_survives_the_revocation_of_one(
    at_entra,
) -> None:
    async def scene(house: House) -> None:
        first, second = await house.agent("one"), await house.agent("two")
        (maria,) = [u for u in house.tenant.objects("user") if u["userPrincipalName"].startswith("maria")]
        sponsor = [f"{house.tenant.running.url}/v1.0/users/{maria['id']}"]
        kind = {"@odata.type": "Microsoft.Graph.AgentIdentityBlueprint", "displayName": "fleet"}
        made = house.graph("POST", "/v1.0/applications", {**kind, "sponsors@odata.bind": sponsor}).json()
        principal = "/v1.0/servicePrincipals/microsoft.graph.agentIdentityBlueprintPrincipal"
        house.graph("POST", principal, {"appId": made["appId"]})
        house.graph("POST", f"/v1.0/applications/{made['id']}/addPassword", {"passwordCredential": {}})
        for agent in (first, second):
            body = {
                "displayName": agent,
                "agentIdentityBlueprintId": made["appId"],
                "tags": [f"scim-bridge:{agent}"],
                "sponsors@odata.bind": sponsor,
            }
            house.graph("POST", "/v1.0/servicePrincipals/microsoft.graph.agentIdentity", body)
        await house.scan("entra")
        (line,) = await listed(house.store.reads, house.clock.now())
        assert line["agent"] == "shared by 2" and line["stranger"] == ""
        await house.store.transact(TESTER, lambda work: _all(work, first))
        await house.work()
        (application,) = [a for a in house.tenant.objects("application") if a["id"] == made["id"]]
        assert len(application["passwordCredentials"]) == 1

    async def _all(work, agent):  # type: ignore[no-untyped-def]
        work.bookkeeping("nothing of its own")
        return await revoke_all(work, agent, "one", "a test")

    at_entra(scene)


def test_one_call_revokes_everything_at_both_idps_and_believes_it_when_it_is_read(at_both) -> None:
    async def scene(house: House) -> None:
        agent = await house.agent("refund")
        okta, entra = house.okta_app(agent), house.entra_app(agent)
        await house.scan("okta")
        await house.scan("entra")
        path = f"/api/v1/apps/{okta.id}/credentials/secrets/.*/lifecycle/deactivate"
        house.org.fault("POST", path, "status", status=503)
        effects = await house.store.transact(
            TESTER, lambda work: revoke_all(work, agent, "refund", "its owner left")
        )
        assert len(effects) == 2
        await house.work()
        house.clock.advance(seconds=60)
        await house.work()
        assert okta.login(okta.secret) == 401 and not entra.login(entra.secret)
        states = {
            one["system"]: one["state"] for one in await house.credentials(agent) if one["state"] != "void"
        }
        assert states == {"okta": "revoked", "entra": "revoked"}

    at_both(scene)


def test_what_was_revoked_and_is_alive_again_is_revoked_again_and_told(at_okta) -> None:
    async def scene(house: House) -> None:
        agent = await house.agent("refund")
        app = house.okta_app(agent)
        await house.scan("okta")
        (known,) = await house.credentials(agent)

        def back(work):  # type: ignore[no-untyped-def]
            work.bookkeeping("as if an administrator of Okta had brought it back")
            return work.tx.run("UPDATE sb_credential SET state = 'revoked' WHERE id = ?", known["id"])

        await house.store.transact(TESTER, back)
        assert (await house.scan("okta")).revived == 1
        await house.work()
        assert app.login(app.secret) == 401
        assert (await house.scan("okta")).revived == 0
        told = await house.store.reads.all("SELECT payload FROM sb_effect WHERE kind = 'notify'")
        assert any("credential.revived" in one["payload"] for one in told)

    at_okta(scene)


def test_scans_come_by_themselves_once_in_their_time_and_a_tenant_that_is_away_says_so(at_okta) -> None:
    async def scene(house: House) -> None:
        await house.agent("refund")
        assert await scan_due(house.ctx, house.idps.keeper, HOUR) == 1
        assert await scan_due(house.ctx, house.idps.keeper, HOUR) == 0
        house.clock.advance(seconds=3601)
        house.org.fault("GET", "/api/v1/apps", "status", status=403)
        assert await scan_due(house.ctx, house.idps.keeper, HOUR) == 0
        row = await house.store.reads.one("SELECT reason FROM sb_credential_scan")
        assert "Okta refused to list the OIDC apps" in row["reason"]

    at_okta(scene)


def test_one_credential_is_revoked_by_its_id_and_the_last_one_of_a_client_too(at_okta) -> None:
    async def scene(house: House) -> None:
        agent = await house.agent("refund")
        app = house.okta_app(agent)
        await house.scan("okta")
        (known,) = await house.credentials(agent)
        await house.store.transact(TESTER, lambda work: revoke_one(work, known["id"], "a test"))
        await house.work()
        assert app.login(app.secret) == 401
        states = [one["state"] for one in await house.credentials(agent)]
        assert sorted(states) == ["revoked", "void"]
        assert (await house.scan("okta")).new == 0, "the placeholder is known"

    at_okta(scene)


def test_what_a_bridge_made_that_is_not_on_record_here_is_shown_to_a_person_and_goes_on_working(
    at_entra,
) -> None:
    async def scene(house: House) -> None:
        agent = await house.agent("refund")
        app = house.entra_app(agent)
        await house.policy(confirm="time", confirm_seconds=60, overlap_seconds=60)
        await house.scan("entra")
        await rotate(house, agent, "refund")
        await house.work()
        await passes(house, 61, 2)
        fresh = (await house.rotation())["fresh_id"]

        async def put_back(work: Work) -> None:
            work.bookkeeping("a backup from before the rotation is put back")
            await work.tx.run("DELETE FROM sb_rotation")
            await work.tx.run("DELETE FROM sb_credential WHERE id = ?", fresh)

        await house.store.transact(TESTER, put_back)
        await house.scan("entra")
        await house.work()
        assert app.login(house.delivered("refund")), "the only one the agent has"
        (found,) = [
            one for one in await house.credentials(agent) if one["origin"] == "scan" and one["stranger"]
        ]
        assert "no record" in found["stranger"] and found["state"] == "active"

    at_entra(scene)
