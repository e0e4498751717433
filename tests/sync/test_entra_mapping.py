"""Promises of a mapping in Entra: custom security attributes of other sets, over Graph, as the tenant defines them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from scim_bridge.kernel.errors import Invalid
from scim_bridge.sandbox.entra.app import build
from scim_bridge.sandbox.entra.graph import attribute_rules as rules
from scim_bridge.sandbox.entra.graph.assigning import DEFINITIONS, SETS
from scim_bridge.sync.mapping import Row
from scim_bridge.sync.mapping_check import checked
from scim_bridge.sync.mapping_store import keep_mapping
from tests.conftest import TESTER
from tests.sandbox.servers import Running, running
from tests.sync.bench import Bench
from tests.sync.entra_tenant import Tenant, on_bench
from tests.sync.okta_bench import applied

SET = "Corp"


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running("entra", build, tmp_path_factory.mktemp("entra")) as made:
        yield made


@pytest.fixture
def tenant(sandbox: Running) -> Tenant:
    """A tenant in which somebody else defined a set of attributes."""
    made = Tenant.fresh(sandbox)
    store = sandbox.sandbox.store
    store.put(SETS, SET.lower(), rules.attribute_set({"id": SET, "description": "Somebody else's."}))
    for name, kind, several in (
        ("team", "String", False),
        ("tier", "Integer", False),
        ("critical", "Boolean", False),
        ("tools", "String", True),
    ):
        body = {"attributeSet": SET, "name": name, "type": kind, "isCollection": several}
        body |= {"isSearchable": True, "usePreDefinedValuesOnly": False, "status": "Available"}
        store.put(DEFINITIONS, f"{SET}_{name}".lower(), rules.definition(body))
    return made


def corp(tenant: Tenant) -> dict[str, Any]:
    """What the agent carries of the other set."""
    found = tenant.identity("Triage")["$"]["attributes"].get(SET, {})
    return {name: value for name, value in found.items() if "@odata" not in name}


def test_each_type_is_written_read_back_changed_and_cleared_in_its_own_set(
    tenant: Tenant, sqlite_url: str, clock: Any
) -> None:
    async def body(bench: Bench) -> None:
        maria = await bench.person("maria@corp.test")
        await bench.agent("triage", maria, tools=["mail", "calendar"])
        rows = [
            Row(f"{SET}_team", 'upper(platform) + " agents"'),
            Row(f"{SET}_tier", 'choose(riskTier, "high": "1", else: "9")'),
            Row(f"{SET}_critical", 'choose(riskTier, "high": "true", else: "false")'),
            Row(f"{SET}_tools", "tools"),
            Row("scimBridge_purpose", '"for " + slug'),
        ]
        await applied(bench)
        checked(rows, await bench.idp.targets())
        await bench.store.transact(TESTER, lambda work: keep_mapping(work, bench.connection, rows))
        await applied(bench)
        assert corp(tenant) == {
            "team": "IN-HOUSE agents",
            "tier": 1,
            "critical": True,
            "tools": ["calendar", "mail"],
        }
        assert tenant.facts("Triage")["purpose"] == "for triage"
        gone = [Row(row.target, "nothing") for row in rows[:1]]
        await bench.store.transact(TESTER, lambda work: keep_mapping(work, bench.connection, gone))
        await applied(bench)
        assert not any(corp(tenant).values()), "what only a removed row wrote goes with the row"
        assert tenant.facts("Triage")["purpose"] == "the triage"

    on_bench(sqlite_url, clock, tenant, body)


@pytest.mark.parametrize(
    "row, named",
    [
        (Row(f"{SET}_teem", "slug"), "Did you mean Corp_team?"),
        (Row(f"{SET}_tier", '"high"'), "no number"),
        (Row("tag", "slug"), "it is the mark"),
        (Row("owners", "owner.userName"), "by their accounts"),
        (Row("displayName", "nothing"), "lets no object be without it"),
    ],
)
def test_what_the_tenant_cannot_take_is_refused_by_name(
    tenant: Tenant, sqlite_url: str, clock: Any, row: Row, named: str
) -> None:
    async def body(bench: Bench) -> None:
        with pytest.raises(Invalid) as refused:
            checked([row], await bench.idp.targets())
        assert named in refused.value.text()

    on_bench(sqlite_url, clock, tenant, body)


@pytest.mark.parametrize("source", ["-", 'choose(riskTier, "none": "No")'])
def test_an_agent_whose_name_the_mapping_does_not_say_is_made_all_the_same(
    tenant: Tenant, sqlite_url: str, clock: Any, source: str
) -> None:
    async def body(bench: Bench) -> None:
        await bench.agent("triage", await bench.person("maria@corp.test"))
        rows = [Row("displayName", source)]
        await bench.store.transact(TESTER, lambda work: keep_mapping(work, bench.connection, rows))
        assert (await bench.apply()).state == "OK"
        assert [one["displayName"] for one in tenant.identities()] == ["triage"]
        assert (await bench.plan()).changes == 0

    on_bench(sqlite_url, clock, tenant, body)
