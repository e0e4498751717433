"""The real Okta SDK, over HTTPS, does with the sandbox what it does with Okta."""

from __future__ import annotations

from typing import Any

import okta.models as models
import pytest
from okta.client import Client
from okta.pagination import PaginationHelper

from tests.sandbox.okta.okta_client import ok, profile, refused, ssws, with_sdk
from tests.sandbox.servers import Running

AGENT_ID = {"title": "Agent id", "type": "string", "maxLength": 128, "required": False}
RISK = {
    "title": "Risk",
    "type": "string",
    "enum": ["low", "high"],
    "oneOf": [{"const": "low", "title": "Low"}, {"const": "high", "title": "High"}],
}
OWNER = {
    "primary": {"name": "agentOwner", "title": "Owner", "description": "answers for it", "type": "USER"},
    "associated": {"name": "ownedAgent", "title": "Agent", "description": "", "type": "USER"},
}


def new_user(login: str, *, password: bool = True, type_id: str | None = None, **more: Any) -> Any:
    body: dict[str, Any] = {"profile": profile(login, **more)}
    if password:
        body["credentials"] = {"password": {"value": "Sup3r-secret!"}}
    if type_id:
        body["type"] = {"id": type_id}
    return models.CreateUserRequest.from_dict(body)


async def agent_type(client: Client) -> tuple[str, str]:
    """A user type for agents with two properties: its id and its schema's."""
    made = await ok(
        client.create_user_type(models.UserType.from_dict({"name": "aiAgent", "displayName": "AI agent"}))
    )
    schema_id = made.links.var_schema.href.rsplit("/", 1)[1]
    custom = {"id": "#custom", "type": "object", "properties": {"agentId": AGENT_ID, "agentRisk": RISK}}
    change = models.UserSchema.from_dict({"definitions": {"custom": custom}})
    schema = await ok(client.update_user_profile(schema_id, change))
    assert set(schema.definitions.custom.properties) == {"agentId", "agentRisk"}
    return made.id, schema_id


def test_an_agent_is_a_user_of_its_own_type_with_its_own_properties(org: Running) -> None:
    async def body(client: Client) -> None:
        type_id, schema_id = await agent_type(client)
        assert [kind.name for kind in await ok(client.list_user_types())] == ["user", "aiAgent"]
        schema = await ok(client.get_user_schema(schema_id))
        assert schema.definitions.custom.properties["agentRisk"].enum[1].actual_instance == "high"
        assert schema.definitions.base.properties.login.max_length == 100
        request = new_user("bot@agents.test", type_id=type_id, agentId="a1", agentRisk="high")
        made = await ok(client.create_user(request, activate=True))
        assert (made.status, made.type.id) == ("ACTIVE", type_id)
        assert made.profile.additional_properties == {"agentId": "a1", "agentRisk": "high"}
        found = await ok(client.get_user("BOT@agents.test"))
        assert found.id == made.id
        wrong = new_user("bad@agents.test", type_id=type_id, agentRisk="medium")
        assert await refused(client.create_user(wrong)) == (400, "E0000001")
        assert await refused(client.create_user(new_user("c@agents.test", agentId="x"))) == (400, "E0000001")

    with_sdk(org, body)


def test_owners_are_linked_objects_with_one_primary_each(org: Running) -> None:
    async def body(client: Client) -> None:
        definition = models.LinkedObject.from_dict(OWNER)
        made = await ok(client.create_linked_object_definition(definition))
        assert (made.primary.name, made.associated.name) == ("agentOwner", "ownedAgent")
        assert await refused(client.create_linked_object_definition(definition)) == (409, "E0000127")
        bot, ada, eve = [
            (await ok(client.create_user(new_user(f"{n}@x.test")))).id for n in ("bot", "ada", "eve")
        ]
        for owner in (ada, eve):
            await ok(client.assign_linked_object_value_for_primary(bot, "agentOwner", owner))
        owners = await ok(client.list_linked_objects_for_user(bot, "agentOwner"))
        assert [link.links.var_self.href for link in owners] == [f"{org.url}/api/v1/users/{eve}"]
        agents = await ok(client.list_linked_objects_for_user(eve, "ownedAgent"))
        assert [link.links.var_self.href for link in agents] == [f"{org.url}/api/v1/users/{bot}"]
        assert await ok(client.list_linked_objects_for_user(ada, "ownedAgent")) == []
        for _ in range(2):
            await ok(client.delete_linked_object_for_user(bot, "agentOwner"))
        assert await ok(client.list_linked_objects_for_user(bot, "agentOwner")) == []
        assert await refused(client.list_linked_objects_for_user(bot, "nothing")) == (404, "E0000007")
        await ok(client.delete_linked_object_definition("ownedAgent"))
        assert await ok(client.list_linked_object_definitions()) == []

    with_sdk(org, body)


def test_listing_follows_the_next_link_to_the_end_and_hides_the_deactivated(org: Running) -> None:
    async def body(client: Client) -> None:
        ids = [(await ok(client.create_user(new_user(f"u{n}@x.test")))).id for n in range(5)]
        await ok(client.deactivate_user(ids[2]))
        found, after, pages = [], None, 0
        while True:
            users, answer, error = await client.list_users(limit=2, after=after)
            assert error is None
            found += [user.id for user in users]
            pages += 1
            after = PaginationHelper.extract_next_cursor(answer.headers)
            if after is None:
                break
        assert (found, pages) == ([key for key in ids if key != ids[2]], 2)
        gone = await ok(client.list_users(filter='status eq "DEPROVISIONED"'))
        assert [user.id for user in gone] == [ids[2]]
        everyone = await ok(client.list_users(search="id pr", sort_by="profile.login", sort_order="desc"))
        assert [user.id for user in everyone] == ids[::-1]
        assert [user.id for user in await ok(client.list_users(q="U3"))] == [ids[3]]
        by_login = await ok(client.list_users(search='profile.login eq "U1@X.test"'))
        assert [user.id for user in by_login] == [ids[1]]
        assert await refused(client.list_users(search='profile.login ne "x"')) == (400, "E0000031")
        assert await refused(client.list_users(search='profile.nothing eq "x"')) == (400, "E0000031")
        assert await refused(client.list_users(filter='profile.city eq "x"')) == (400, "E0000031")

    with_sdk(org, body)


def test_a_partial_update_keeps_the_rest_and_only_a_raw_null_clears(org: Running) -> None:
    async def body(client: Client) -> None:
        made = await ok(client.create_user(new_user("bot@x.test", title="Bot", city="Lisbon")))
        change = models.UpdateUserRequest.from_dict({"profile": {"title": "Robot", "city": None}})
        after = await ok(client.update_user(made.id, change))
        assert (after.profile.title, after.profile.city) == ("Robot", "Lisbon"), "the SDK drops null"
        executor = client.get_request_executor()
        cleared = {"profile": {"city": None}}
        request, error = await executor.create_request(
            "POST", f"/api/v1/users/{made.id}", cleared, keep_empty_params=True
        )
        assert error is None
        response, _, error = await executor.execute(request)
        assert (response.status, error) == (200, None)
        assert (await ok(client.get_user(made.id))).profile.city is None

    with_sdk(org, body)


def test_a_whole_update_forgets_what_is_not_sent_and_alone_changes_the_type(org: Running) -> None:
    async def body(client: Client) -> None:
        type_id, _ = await agent_type(client)
        made = await ok(client.create_user(new_user("bot@x.test", title="Bot")))
        move = models.UpdateUserRequest.from_dict({"type": {"id": type_id}, "profile": {"agentId": "a1"}})
        assert await refused(client.update_user(made.id, move)) == (400, "E0000001")
        assert await refused(client.replace_user(made.id, move)) == (400, "E0000001")
        whole = models.UpdateUserRequest.from_dict(
            {"type": {"id": type_id}, "profile": profile("bot@x.test", agentId="a1")}
        )
        after = await ok(client.replace_user(made.id, whole))
        assert (after.type.id, after.profile.title) == (type_id, None)
        assert after.profile.additional_properties == {"agentId": "a1"}
        assert await refused(client.delete_user_type(type_id)) == (400, "E0000001")

    with_sdk(org, body)


@pytest.mark.parametrize(
    ("password", "steps"),
    [
        (
            True,
            [
                ("activate", 403, "E0000016"),
                ("reactivate", 403, "E0000038"),
                ("unsuspend", 400, "E0000001"),
                ("suspend", "SUSPENDED", ""),
                ("suspend", 400, "E0000001"),
                ("activate", 403, "E0000038"),
                ("unsuspend", "ACTIVE", ""),
                ("deactivate", "DEPROVISIONED", ""),
                ("deactivate", 403, "E0000038"),
                ("suspend", 400, "E0000001"),
                ("activate", "PROVISIONED", ""),
            ],
        ),
        (
            False,
            [
                ("suspend", 400, "E0000001"),
                ("activate", 403, "E0000038"),
                ("reactivate", "PROVISIONED", ""),
                ("deactivate", "DEPROVISIONED", ""),
            ],
        ),
    ],
)
def test_lifecycle_calls_are_followed_only_in_the_status_they_are_for(
    org: Running, password: bool, steps: list[tuple[str, Any, str]]
) -> None:
    async def body(client: Client) -> None:
        user = await ok(client.create_user(new_user("bot@x.test", password=password), activate=True))
        for action, expected, code in steps:
            call = getattr(client, f"{action}_user")(user.id)
            if code:
                assert await refused(call) == (expected, code), action
            else:
                await ok(call)
                assert (await ok(client.get_user(user.id))).status == expected, action

    with_sdk(org, body)


def test_a_staged_user_is_activated_by_a_link_when_no_mail_is_sent(org: Running) -> None:
    async def body(client: Client) -> None:
        user = await ok(client.create_user(new_user("bot@x.test", password=False), activate=False))
        assert user.status == "STAGED"
        token = await ok(client.activate_user(user.id, send_email=False))
        assert token.activation_url.endswith(token.activation_token)
        federated = {
            "profile": profile("fed@x.test"),
            "credentials": {"provider": {"type": "FEDERATION", "name": "F"}},
        }
        request = models.CreateUserRequest.from_dict(federated)
        made = await ok(client.create_user(request, activate=True, provider=True))
        assert made.status == "ACTIVE"

    with_sdk(org, body)


def test_deleting_deactivates_first_and_a_deactivated_profile_cannot_change(org: Running) -> None:
    async def body(client: Client) -> None:
        user = await ok(client.create_user(new_user("bot@x.test")))
        await ok(client.delete_user(user.id))
        assert (await ok(client.get_user(user.id))).status == "DEPROVISIONED"
        change = models.UpdateUserRequest.from_dict({"profile": {"title": "x"}})
        assert await refused(client.update_user(user.id, change)) == (403, "E0000038")
        await ok(client.delete_user(user.id))
        assert await refused(client.get_user(user.id)) == (404, "E0000007")
        await ok(client.create_user(new_user("bot@x.test")))

    with_sdk(org, body)


def test_groups_members_and_owners(org: Running) -> None:
    async def body(client: Client) -> None:
        user = await ok(client.create_user(new_user("ada@x.test")))
        request = models.AddGroupRequest.from_dict({"profile": {"name": "Agents"}})
        group = await ok(client.add_group(request))
        assert await refused(client.add_group(request)) == (409, "E0000055")
        for _ in range(2):
            await ok(client.assign_user_to_group(group.id, user.id))
        assert [member.id for member in await ok(client.list_group_users(group.id))] == [user.id]
        names = [g.profile.actual_instance.name for g in await ok(client.list_user_groups(user.id))]
        assert names == ["Everyone", "Agents"]
        everyone = (await ok(client.list_groups(q="every")))[0]
        assert await refused(client.unassign_user_from_group(everyone.id, user.id)) == (501, "E0000060")
        owner = models.AssignGroupOwnerRequestBody.from_dict({"id": user.id, "type": "USER"})
        assert (await ok(client.assign_group_owner(group.id, owner))).display_name == "Ada Byron"
        assert [item.id for item in await ok(client.list_group_owners(group.id))] == [user.id]
        await ok(client.delete_group_owner(group.id, user.id))
        await ok(client.unassign_user_from_group(group.id, user.id))
        assert await ok(client.list_group_users(group.id)) == []
        found = await ok(client.list_groups(search='profile.name sw "ag"'))
        assert [item.id for item in found] == [group.id]
        await ok(client.delete_group(group.id))
        assert await refused(client.get_group(group.id)) == (404, "E0000007")

    with_sdk(org, body)


def test_the_system_log_tells_what_happened_and_can_be_polled(org: Running) -> None:
    async def body(client: Client) -> None:
        first, answer, _ = await client.list_log_events(limit=100)
        cursor = PaginationHelper.extract_next_cursor(answer.headers)
        user = await ok(client.create_user(new_user("bot@x.test")))
        await ok(client.suspend_user(user.id))
        events, answer, _ = await client.list_log_events(after=cursor)
        assert [event.event_type for event in events] == [
            "user.lifecycle.create",
            "user.lifecycle.activate",
            "user.lifecycle.suspend",
        ]
        subject = next(target for target in events[2].target if target.type == "User")
        assert (subject.id, subject.alternate_id) == (user.id, "bot@x.test")
        assert {event.uuid for event in first}.isdisjoint(event.uuid for event in events)
        cursor = PaginationHelper.extract_next_cursor(answer.headers)
        empty, answer, _ = await client.list_log_events(after=cursor)
        assert empty == []
        assert PaginationHelper.extract_next_cursor(answer.headers) == cursor
        only = await ok(client.list_log_events(filter='eventType eq "user.lifecycle.suspend"'))
        assert len(only) == 1
        for bad in ({"since": "2020-01-01T00:00:00Z"}, {"limit": 1001}, {"filter": 'published gt "x"'}):
            assert (await refused(client.list_log_events(**bad)))[0] == 400

    with_sdk(org, body)


def test_an_api_token_signs_in_too_and_a_wrong_one_does_not(org: Running) -> None:
    async def body(client: Client) -> Any:
        return await client.list_users()

    token = {"authorizationMode": "SSWS", "token": ssws(org)}
    assert with_sdk(org, body, **token)[0] == []
    error = with_sdk(org, body, **(token | {"token": "wrong"}))[-1]
    assert (error.status, error.error_code) == (401, "E0000011")


def test_a_call_over_the_limit_is_429_and_the_sdk_waits_for_the_reset(org: Running) -> None:
    org.control.put("/limits", json={"buckets": {"users": 2}})

    async def body(client: Client) -> tuple[int, str]:
        for left in (1, 0):
            _, answer, _ = await client.list_users()
            assert answer.headers["x-rate-limit-remaining"] == str(left)
        return await refused(client.list_users())

    assert with_sdk(org, body) == (429, "E0000047")
