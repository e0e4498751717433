"""Promises of our own server as a SCIM target: one bridge tells another what it knows of its agents."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from scim_bridge.registry.model import AGENT_URN
from tests.conformance.servers import bridge, listening
from tests.sync.bench import Bench
from tests.sync.okta_bench import applied, owned, redescribe
from tests.sync.scim_peer import ENTERPRISE, Door, Peer, on_peer


@pytest.mark.parametrize("dialect", ["strict", "generic"])
def test_another_bridge_keeps_the_facts_of_our_agents_as_well(
    sqlite_url: str, sqlite_template: Path, tmp_path: Path, clock, dialect: str
) -> None:
    shutil.copy(sqlite_template, tmp_path / "other.db")
    tokens: dict[str, str] = {}
    with listening(bridge(f"sqlite:///{tmp_path / 'other.db'}", tokens)) as url:
        peer = Peer(f"{url}/scim/v2", Door(None), tokens[dialect])

        async def body(bench: Bench) -> None:
            (maria,) = peer.people("maria@corp.test", name={"givenName": "Maria", "familyName": "Silva"})
            agent_id = await owned(bench, "triage", model="m-1", workloadId="spiffe://corp.test/triage")
            await applied(bench)
            user = peer.user("triage@agents.test")
            assert user["externalId"] == agent_id and user["active"] is True
            assert user[ENTERPRISE]["manager"]["value"] == maria
            facts = {
                k: user[AGENT_URN][k] for k in ("purpose", "platform", "model", "riskTier", "workloadId")
            }
            assert facts == {
                "purpose": "the triage",
                "platform": "in-house",
                "model": "m-1",
                "riskTier": "high",
                "workloadId": "spiffe://corp.test/triage",
            }
            await redescribe(bench, agent_id, purpose="sorts mail", model=None)
            await applied(bench)
            extension = peer.user("triage@agents.test")[AGENT_URN]
            assert extension["purpose"] == "sorts mail" and "model" not in extension
            await bench.hold(agent_id, "watch:1")
            await bench.perform()
            user = peer.user("triage@agents.test")
            assert user["active"] is False and len(user[AGENT_URN]["holds"]) == 1

        on_peer(sqlite_url, clock, peer, body)
