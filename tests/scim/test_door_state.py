"""What `active` means: holds for agents, departures for people, all in the transaction of the request."""

from __future__ import annotations

from typing import Any

import pytest

from scim_bridge.kernel.work import Store, Work
from scim_bridge.registry.groups import add_members, create_group
from scim_bridge.registry.holds import place_hold, release_hold
from scim_bridge.registry.model import AGENT_URN, ENTERPRISE_URN, USER_URN
from scim_bridge.registry.signal import DELETED, LEFT
from tests.conftest import TESTER
from tests.scim.bridge import Bridge, Client

OFF = {"op": "replace", "path": "active", "value": False}
ON = {"op": "replace", "path": "active", "value": True}


async def person(client: Client, name: str, **more: Any) -> str:
    """A person of this connection."""
    made = await client.post("/Users", {"schemas": [USER_URN], "userName": f"{name}@corp.test", **more})
    assert made.status == 201, made.content
    return str(made["id"])


async def agent(client: Client, name: str, owner: str | None = None, **more: Any) -> str:
    """An agent of this connection."""
    extension: dict[str, Any] = {"purpose": "triage"}
    if owner is not None:
        extension["owner"] = {"value": owner}
    sent = {"schemas": [USER_URN, AGENT_URN], "userName": f"{name}@agents.test", "userType": "Agent", **more}
    made = await client.post("/Users", {**sent, AGENT_URN: extension})
    assert made.status == 201, made.content
    return str(made["id"])


async def holds(client: Client, agent_id: str) -> list[str]:
    """The sources of an agent's holds, as the door shows them."""
    found = (await client.get(f"/Users/{agent_id}")).body
    assert found["active"] is ("holds" not in found[AGENT_URN])
    return sorted(hold["source"].split(":")[0] for hold in found[AGENT_URN].get("holds", []))


def test_an_idp_cannot_undo_a_departure(door) -> None:
    async def body(bridge: Bridge) -> None:
        okta = await bridge.client("okta")
        owner = await person(okta, "maria")
        orphan = await agent(okta, "triage", owner)
        assert (await okta.patch(f"/Users/{owner}", OFF)).status == 200
        assert bridge.kinds == [LEFT]
        assert await holds(okta, orphan) == ["departure"]
        answer = await okta.patch(f"/Users/{orphan}", ON)
        assert (answer.status, answer["active"]) == (200, False)
        merged = {**answer.body, "active": True}
        assert (await okta.put(f"/Users/{orphan}", merged))["active"] is False
        assert await holds(okta, orphan) == ["departure"], "active: true releases nobody else's hold"
        assert (await okta.patch(f"/Users/{orphan}", OFF))["active"] is False
        assert await holds(okta, orphan) == ["connection", "departure"]
        assert (await okta.patch(f"/Users/{orphan}", ON))["active"] is False
        assert await holds(okta, orphan) == ["departure"]

    door(body)


def test_each_connection_holds_and_releases_for_itself(door) -> None:
    async def body(bridge: Bridge) -> None:
        okta, entra = await bridge.client("okta"), await bridge.client("entra")
        bot = await agent(okta, "triage")
        assert (await entra.patch(f"/Users/{bot}", OFF))["active"] is False
        assert (await okta.patch(f"/Users/{bot}", ON))["active"] is False, "Okta never held it"
        assert (await okta.patch(f"/Users/{bot}", OFF))["active"] is False
        assert (await entra.patch(f"/Users/{bot}", ON))["active"] is False
        assert (await okta.patch(f"/Users/{bot}", ON))["active"] is True

    door(body)


def test_active_that_is_not_said_stays_as_it_is(door) -> None:
    async def body(bridge: Bridge) -> None:
        okta = await bridge.client("okta")
        bot, maria = await agent(okta, "triage", active=False), await person(okta, "maria", active=False)
        for user in (bot, maria):
            read = (await okta.get(f"/Users/{user}")).body
            assert read.pop("active") is False
            assert (await okta.put(f"/Users/{user}", read))["active"] is False
            assert (await okta.patch(f"/Users/{user}", {"op": "add", "path": "title", "value": "x"}))[
                "active"
            ] is False
            assert (await okta.patch(f"/Users/{user}", {"op": "remove", "path": "active"}))["active"] is False
        assert bridge.signals == [], "somebody created inactive has not left"

    door(body)


def test_a_put_that_is_wrong_elsewhere_still_deactivates(door) -> None:
    async def body(bridge: Bridge) -> None:
        okta = await bridge.client("okta")
        owner = await person(okta, "maria")
        bot = await agent(okta, "triage")
        for user, wrong in ((owner, {"emails": [7]}), (bot, {AGENT_URN: {"owner": {"value": "stranger"}}})):
            read = (await okta.get(f"/Users/{user}")).body
            refused = await okta.put(f"/Users/{user}", {**read, **wrong})
            assert refused.status == 400
            done = await okta.put(f"/Users/{user}", {**read, **wrong, "active": False})
            assert (done.status, done["active"]) == (200, False)
        assert bridge.kinds == [LEFT]
        strict = await bridge.client("letter", "strict")
        ben = await person(strict, "ben")
        refused = await strict.put(f"/Users/{ben}", {"userName": "ben", "emails": [7], "active": False})
        assert refused.status == 400, "strict does all of a request or nothing"
        assert (await strict.get(f"/Users/{ben}"))["active"] is True

    door(body)


def test_what_an_agent_is_made_with_is_complete_for_an_idp(door) -> None:
    async def body(bridge: Bridge) -> None:
        okta = await bridge.client("okta")
        sent = {"schemas": [USER_URN], "userName": "deploy bot", "userType": "agent"}
        made = (await okta.post("/Users", sent)).body
        assert made["userType"] == "Agent"
        assert made["name"] == {"givenName": "deploy bot", "familyName": "Agent"}
        assert made["emails"] == [{"value": "deploy-bot@bots.corp.test", "type": "work", "primary": True}]
        assert (await okta.get(f"/Agents/{made['id']}")).status == 200
        row = await bridge.store.reads.one("SELECT slug, origin FROM sb_agent WHERE id = ?", made["id"])
        assert (row["slug"], row["origin"]) == ("deploy-bot", "connection:okta")

    door(body, agent_mail_domain="bots.corp.test")


def test_a_connection_may_mark_its_agents_in_its_own_way(door) -> None:
    async def body(bridge: Bridge) -> None:
        entra = await bridge.client("entra", agent_marker="title=Robot")
        bot = await person(entra, "bot", title="robot")
        assert (await entra.get(f"/Agents/{bot}")).status == 200
        human = await person(entra, "human", userType="Agent")
        assert (await entra.get(f"/Agents/{human}")).status == 404

    door(body)


def test_a_person_does_not_become_an_agent_later(door) -> None:
    async def body(bridge: Bridge) -> None:
        okta = await bridge.client("okta")
        maria = await person(okta, "maria")
        turned = await okta.patch(f"/Users/{maria}", {"op": "add", "path": "userType", "value": "Agent"})
        assert (turned.status, turned["scimType"]) == (400, "mutability")
        assert (
            await okta.patch(f"/Users/{maria}", {"op": "add", "path": "userType", "value": "Intern"})
        ).status == 200

    door(body)


def test_the_manager_of_an_agent_is_its_owner(door) -> None:
    async def body(bridge: Bridge) -> None:
        entra = await bridge.client("entra")
        first, second = await person(entra, "maria"), await person(entra, "ben")
        bot = await agent(entra, "triage", first)
        read = (await entra.get(f"/Users/{bot}")).body
        assert read[ENTERPRISE_URN]["manager"]["value"] == first
        operation = {"op": "Add", "path": "manager", "value": second}
        changed = (await entra.patch(f"/Users/{bot}", operation)).body
        assert changed[AGENT_URN]["owner"]["value"] == second
        assert changed[AGENT_URN]["owner"]["$ref"].endswith(f"/scim/v2/Users/{second}")
        detail = (await bridge.audit("agent.owners_changed"))[-1][1]
        assert (detail["before"], detail["after"]) == ({"owner": [first]}, {"owner": [second]})
        plain = {k: v for k, v in changed.items() if k not in (AGENT_URN, ENTERPRISE_URN)}
        kept = (await entra.put(f"/Users/{bot}", {**plain, ENTERPRISE_URN: {"department": "ops"}})).body
        assert kept[AGENT_URN]["owner"]["value"] == second, "naming no manager takes no owner away"
        cleared = {**plain, ENTERPRISE_URN: {"manager": None}}
        assert "owner" not in (await entra.put(f"/Users/{bot}", cleared)).body[AGENT_URN]

    door(body)


def test_deleting_a_person_raises_the_signal_while_there_is_still_somebody_to_act_on(door) -> None:
    async def body(bridge: Bridge) -> None:
        entra = await bridge.client("entra")
        owner = await person(entra, "maria")
        orphan = await agent(entra, "triage", owner)
        assert (await entra.delete(f"/Users/{owner}")).status == 204
        assert bridge.kinds == [DELETED]
        assert await holds(entra, orphan) == ["departure"]
        assert (await entra.delete(f"/Users/{owner}")).status == 404
        assert bridge.kinds == [DELETED]
        again = await person(entra, "maria")
        assert again == owner, "who is created again is the same person"
        assert await holds(entra, orphan) == ["departure"], "whose return restores nothing by itself"

    door(body)


def test_deleting_an_agent_ends_its_memberships_and_raises_their_groups_versions(door) -> None:
    async def body(bridge: Bridge) -> None:
        okta = await bridge.client("okta")
        bot = await agent(okta, "triage")
        group = await okta.post("/Groups", {"displayName": "Deployers", "members": [{"value": bot}]})
        assert (await okta.delete(f"/Users/{bot}")).status == 204
        after = await okta.get(f"/Groups/{group['id']}")
        assert "members" not in after.body
        assert after.headers["etag"] != group.headers["etag"]
        assert (await okta.get(f"/Users/{bot}")).status == 404
        assert (await okta.get("/Users"))["totalResults"] == 0

    door(body)


TRIGGER = "CREATE TRIGGER broken BEFORE INSERT ON sb_audit"
FUNCTION = "CREATE OR REPLACE FUNCTION broken() RETURNS trigger AS"
RAISE = "$$ BEGIN RAISE EXCEPTION 'no room for the audit'; END $$ LANGUAGE plpgsql"
SQLITE_RAISE = "BEGIN SELECT RAISE(ABORT, 'no room for the audit'); END"
BREAK = {
    "sqlite": [f"{TRIGGER} WHEN NEW.action = '{{action}}' {SQLITE_RAISE}"],
    "postgresql": [
        f"{FUNCTION} {RAISE}",
        f"{TRIGGER} FOR EACH ROW WHEN (NEW.action = '{{action}}') EXECUTE FUNCTION broken()",
    ],
}
MEND = {"sqlite": "DROP TRIGGER broken", "postgresql": "DROP TRIGGER broken ON sb_audit"}


async def _ddl(store: Store, *statements: str) -> None:
    async def body(work: Work) -> None:
        work.bookkeeping("a test")
        for statement in statements:
            await work.tx.run(statement)

    await store.transact(TESTER, body)


@pytest.mark.parametrize(
    ("action", "what"),
    [
        ("agent.created", "create"),
        ("agent.held", "deactivate"),
        ("signal.accepted", "leave"),
        ("group.members_added", "join"),
        ("person.deleted", "delete"),
    ],
)
def test_a_change_whose_audit_row_cannot_be_written_did_not_happen(door, action: str, what: str) -> None:
    async def body(bridge: Bridge) -> None:
        okta = await bridge.client("okta")
        owner = await person(okta, "maria")
        bot = await agent(okta, "triage", owner)
        group = (await okta.post("/Groups", {"displayName": "g"}))["id"]

        async def everything() -> list[Any]:
            found = []
            for table in (
                "resource",
                "agent",
                "person",
                "hold",
                "member",
                "effect",
                "audit",
                "signal",
                "counter",
            ):
                rows = await bridge.store.reads.all(f"SELECT * FROM sb_{table}")
                found.append(sorted(str(tuple(row)) for row in rows))
            return found

        before = await everything()
        await _ddl(bridge.store, *(text.format(action=action) for text in BREAK[bridge.store.reads.backend]))
        try:
            if what == "create":
                sent = {"schemas": [USER_URN], "userName": "b@agents.test", "userType": "Agent"}
                answer = await okta.post("/Users", sent)
            elif what == "join":
                answer = await okta.patch(
                    f"/Groups/{group}", {"op": "add", "path": "members", "value": [{"value": bot}]}
                )
            elif what == "delete":
                answer = await okta.delete(f"/Users/{owner}")
            else:
                answer = await okta.patch(f"/Users/{bot if what == 'deactivate' else owner}", OFF)
            assert answer.status == 500
            assert "no room" not in answer["detail"], "insides are not shown"
            assert answer.headers["x-request-id"] in answer["detail"]
            assert await everything() == before
        finally:
            await _ddl(bridge.store, MEND[bridge.store.reads.backend])

    door(body)


def test_connections_have_their_own_external_ids(door) -> None:
    async def body(bridge: Bridge) -> None:
        okta, entra = await bridge.client("okta"), await bridge.client("entra")
        maria = await person(okta, "maria", externalId="42")
        ben = await person(entra, "ben", externalId="42")
        assert maria != ben
        for client, own in ((okta, maria), (entra, ben)):
            found = await client.get('/Users?filter=externalId eq "42"')
            assert [user["id"] for user in found["Resources"]] == [own]
            other = ben if own == maria else maria
            assert "externalId" not in (await client.get(f"/Users/{other}")).body
        assert (
            await entra.patch(f"/Users/{maria}", {"op": "add", "path": "externalId", "value": "43"})
        ).status == 200
        assert (await okta.get(f"/Users/{maria}"))["externalId"] == "42"
        taken = await okta.patch(f"/Users/{ben}", {"op": "add", "path": "externalId", "value": "42"})
        assert (taken.status, taken["scimType"]) == (409, "uniqueness")
        assert (await okta.get('/Users?filter=externalId eq "43"'))["totalResults"] == 0

    door(body)


def test_holds_of_other_rooms_are_shown_and_stay(door) -> None:
    async def body(bridge: Bridge) -> None:
        okta = await bridge.client("okta")
        bot = await agent(okta, "triage")

        async def held(work: Work) -> None:
            await place_hold(work, bot, "attestation", "lapsed", "nobody confirmed it", "a new statement")
            group = await create_group(work, {"displayName": "x"}, origin="test")
            await add_members(work, group.id, [(bot, None)])

        await bridge.store.transact(TESTER, held)
        shown = (await okta.get(f"/Users/{bot}")).body
        assert shown["active"] is False
        assert shown[AGENT_URN]["holds"][0]["reason"] == "nobody confirmed it"
        assert shown["groups"][0]["display"] == "x"
        assert (await okta.patch(f"/Users/{bot}", ON))["active"] is False

        async def released(work: Work) -> None:
            await release_hold(work, bot, "attestation", "confirmed")

        await bridge.store.transact(TESTER, released)
        assert (await okta.get(f"/Users/{bot}"))["active"] is True

    door(body)


@pytest.mark.parametrize("way", ["create", "bulk", "patch", "manager", "put"])
def test_an_agent_that_is_given_to_somebody_who_left_is_held_with_the_answer(door, way: str) -> None:
    async def body(bridge: Bridge) -> None:
        okta = await bridge.client("okta")
        owner, other = await person(okta, "maria"), await person(okta, "ben")
        assert (await okta.patch(f"/Users/{owner}", OFF)).status == 200
        owned = {"owner": {"value": owner}}
        if way in ("create", "bulk"):
            sent = {"userName": "triage", "userType": "Agent", AGENT_URN: owned}
            if way == "bulk":
                operation = {"method": "POST", "path": "/Users", "bulkId": "a", "data": sent}
                urn = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
                done = await okta.post("/Bulk", {"schemas": [urn], "Operations": [operation]})
                answer = await okta.get("/Users/" + done["Operations"][0]["location"].rpartition("/")[2])
            else:
                answer = await okta.post("/Users", sent)
        else:
            path = f"/Users/{await agent(okta, 'triage', other)}"
            if way == "put":
                read = (await okta.get(path)).body
                answer = await okta.put(path, {**read, AGENT_URN: {**read[AGENT_URN], **owned}})
            else:
                at = f"{AGENT_URN}:owner" if way == "patch" else f"{ENTERPRISE_URN}:manager"
                answer = await okta.patch(path, {"op": "replace", "path": at, "value": {"value": owner}})
        assert answer.status in (200, 201) and answer["active"] is False, answer.content
        assert await holds(okta, answer["id"]) == ["departure"]
        read = await okta.get(f"/Users/{answer['id']}")
        assert read.headers["etag"] == answer.headers["etag"], "what was answered is what is"
        await okta.patch(f"/Users/{owner}", ON)
        rows = await bridge.store.reads.all("SELECT gone_by FROM sb_departure")
        assert [row["gone_by"] for row in rows] == ["[]"] * len(rows), "back by the word of who said gone"

    door(body)


def test_who_is_not_active_yet_may_be_named_and_has_not_left(door) -> None:
    async def body(bridge: Bridge) -> None:
        okta = await bridge.client("okta")
        maria = await person(okta, "maria", active=False)
        assert await holds(okta, await agent(okta, "triage", maria)) == []
        assert await bridge.count("sb_departure") == 0

    door(body)
