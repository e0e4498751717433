"""People as subjects, and what an installation knows of resources."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from scim_bridge.access.catalogue import EMPTY, load_catalogue
from scim_bridge.access.model import Question
from scim_bridge.kernel.errors import ConfigurationError
from scim_bridge.kernel.work import Work
from scim_bridge.registry.connections import create_connection
from scim_bridge.registry.groups import add_members
from scim_bridge.registry.people import set_disputed, set_employed
from scim_bridge.registry.resources import by_name, set_external_id
from tests.access.authzen.pdp import Pdp, Person, with_pdp
from tests.access.authzen.test_certification import FIRST, FIXTURE, ask
from tests.access.gateway import OnStore
from tests.conftest import MASTER, TESTER


def test_people_are_known_by_id_name_and_what_their_idp_calls_them(on_store: OnStore, tmp_path: Path) -> None:
    """Nobody who left may do anything; news of that which waits for approval changes nothing yet."""
    people = [Person("alice", ("writer",), "00u-alice"), Person("bob", ("admin",), "00u-bob")]

    async def body(pdp: Pdp) -> None:
        store = pdp.store

        async def reason(name: str, kind: str = "user") -> str:
            answer = await pdp.ask(ask({"type": kind, "id": name}, "write", FIRST))
            if answer["decision"]:
                assert answer["context"]["person"]["slug"] == "alice"
                return "allowed"
            return str(answer["context"]["reasons"][0]["id"])

        alice, bob = [await by_name(store.reads, "user", name) for name in ("alice", "bob")]
        assert alice is not None and bob is not None
        for name in (alice.id, "alice", "ALICE", "00u-alice"):
            for kind in ("user", "Person", "identity"):
                assert await reason(name, kind) == "allowed", (name, kind)
        # External ids are compared letter by letter, and groups are nobody.
        group = await by_name(store.reads, "group", "writer")
        assert group is not None
        for name in ("00U-ALICE", "writer", group.id):
            assert await reason(name) == "subject-unknown"

        async def of_another_idp(work: Work) -> None:
            other = await create_connection(work, MASTER, "other", "entra")
            set_external_id(work, bob, other.id, None, "00u-alice")
            await add_members(work, group.id, [(bob.id, None)])

        await store.transact(TESTER, of_another_idp)
        assert await reason("00u-alice") == "subject-ambiguous"
        assert await reason("alice") == "allowed"

        await store.transact(TESTER, lambda work: set_employed(work, alice.id, False))
        assert await reason("alice") == "person-inactive"

        async def dispute(work: Work) -> None:
            work.bookkeeping("a test")
            await set_disputed(work, alice.id, 1)

        await store.transact(TESTER, dispute)
        assert await reason("alice") == "allowed"
        rows = await store.reads.all("SELECT agent_id, subject_type FROM sb_decision WHERE allowed = 0")
        assert all(row["agent_id"] is None for row in rows)

    with_pdp(on_store, tmp_path, replace(FIXTURE, people=people), body)


CATALOGUE = """
resources:
  - {type: dataset, id: customers, properties: {personal_data: true, owner: crm, rows: 5}}
  - {type: mcp_server, id: 7}
"""


def test_what_the_catalogue_says_of_a_resource_counts_whatever_the_gateway_says(tmp_path: Path) -> None:
    file = tmp_path / "resources.yaml"
    file.write_text(CATALOGUE)
    known = load_catalogue(str(file))
    said = Question("agent", "a", "read", "Dataset", "customers", {"personal_data": "false", "region": "eu"})
    assert known.completed(said).properties == {
        "personal_data": "true",
        "owner": "crm",
        "rows": "5",
        "region": "eu",
    }
    other = replace(said, resource_id="orders")
    assert known.completed(other) is other
    assert (known.ids("data-set"), known.ids("dataset"), known.ids("McpServer")) == ([], ["customers"], ["7"])
    assert load_catalogue("") is EMPTY


@pytest.mark.parametrize(
    "text",
    [
        "resources: {}",
        "- a",
        ": :",
        "resources: [7]",
        "resources: [{type: a}]",
        "resources: [{type: a, id: b, name: c}]",
        "resources: [{type: a, id: true}]",
        "resources: [{type: agent, id: x}]",
        "resources: [{type: a, id: b, properties: {c: [1]}}]",
        "resources: [{type: a, id: b, properties: [1]}]",
        "resources: [{type: a, id: b}, {type: A, id: b}]",
    ],
)
def test_a_catalogue_that_is_none_refuses_to_start(tmp_path: Path, text: str) -> None:
    file = tmp_path / "resources.yaml"
    file.write_text(text)
    with pytest.raises(ConfigurationError):
        load_catalogue(str(file))
    with pytest.raises(ConfigurationError):
        load_catalogue(str(tmp_path / "nowhere.yaml"))
