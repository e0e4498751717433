"""Promises of what comes by itself: in its window, before it is too late, and not again and again in vain."""

from __future__ import annotations

from datetime import UTC, datetime

from scim_bridge.credentials.due import rotate_due
from scim_bridge.credentials.policy import Policy, next_rotation, rotation_due
from scim_bridge.credentials.windows import next_open, read_windows
from scim_bridge.kernel.clock import DAY, HOUR, MINUTE
from tests.credentials.house import TOKEN, House
from tests.credentials.scenes import passes
from tests.credentials.test_windows import at

NIGHT = Policy(max_age_days=30, window="Mon 02:00-04:00")
BORN = at("2026-11-01T12:00:00")


def test_a_rotation_that_was_held_up_past_its_window_waits_for_the_next() -> None:
    first = next_rotation(NIGHT, BORN, None)
    assert first == at("2026-12-07T02:00:00")
    assert rotation_due(NIGHT, BORN, None, at("2026-12-07T03:59:00"))
    assert not rotation_due(NIGHT, BORN, None, at("2026-12-07T10:00:00")), "the bridge was down at night"
    assert rotation_due(NIGHT, BORN, None, at("2026-12-14T02:00:00"))


def test_one_that_expires_is_replaced_in_a_window_that_comes_before_and_never_too_late() -> None:
    expires = at("2026-12-05T12:00:00")
    planned = next_rotation(NIGHT, BORN + 10 * DAY, expires)
    assert planned == at("2026-11-30T02:00:00"), "the Monday after is too late"
    assert rotation_due(NIGHT, BORN + 10 * DAY, expires, planned)
    assert rotation_due(NIGHT, BORN + 10 * DAY, expires, at("2026-12-01T12:00:00")), "or at once"
    young = next_rotation(NIGHT, expires - DAY, expires)
    assert young is not None and young < expires, "a window that never comes in its life is not waited for"


def test_a_window_in_the_hour_that_is_skipped_is_no_opening() -> None:
    windows = read_windows("Sun 02:30-03:00 Europe/Berlin")
    before = at("2027-03-28T00:59:00")
    opens = next_open(windows, before)
    assert opens == at("2027-04-04T00:30:00"), "on 28 March the clock goes from 02:00 to 03:00"
    assert next_open(windows, opens) == opens
    twice = read_windows("Sun 02:00-03:00 Europe/Berlin")
    autumn = datetime(2026, 10, 25, 0, 0, tzinfo=UTC)
    assert next_open(twice, at("2026-10-24T12:00:00")) == int(autumn.timestamp()) * 1_000_000
    inside = at("2026-10-25T01:30:00")
    assert next_open(twice, inside) == inside, "both hours called two are in it"


def test_what_cannot_be_rotated_is_tried_once_a_day_and_told_once_each_time(at_okta) -> None:
    async def scene(house: House) -> None:
        agent = await house.agent("refund")
        app = house.okta_app(agent)
        path = f"/api/v1/apps/{app.id}/credentials/secrets"
        with house.org.sandbox.client(authorization=f"SSWS {TOKEN}") as client:
            made = client.post(path, json={}).json()
        await house.policy(max_age_days=30, confirm="time", confirm_seconds=60, overlap_seconds=60)
        await house.scan("okta")
        house.clock.advance(days=31)

        async def told() -> int:
            row = await house.store.reads.one(
                "SELECT COUNT(*) AS n FROM sb_effect WHERE kind = 'notify' AND payload LIKE '%rotation-failed%'"
            )
            return int(row["n"])

        begun = 0
        for _ in range(24):
            begun += await rotate_due(house.ctx)
            await passes(house, 20)
        assert (begun, await told()) == (2, 2), "one for each of the two secrets"
        house.clock.advance(days=1)
        with house.org.sandbox.client(authorization=f"SSWS {TOKEN}") as client:
            assert client.post(f"{path}/{made['id']}/lifecycle/deactivate").status_code == 200
            assert client.delete(f"{path}/{made['id']}").status_code == 204
        await house.scan("okta")
        assert await rotate_due(house.ctx) == 1
        await house.work()
        await passes(house, 61, 3)
        assert (await house.rotation())["state"] == "done"

    at_okta(scene)


def test_a_consumer_that_never_confirms_is_not_given_one_after_another(at_okta) -> None:
    async def scene(house: House) -> None:
        agent = await house.agent("refund")
        house.okta_app(agent)
        await house.policy(max_age_days=30, confirm_seconds=60, overlap_seconds=60)
        await house.scan("okta")
        house.clock.advance(days=31)
        begun = 0
        for _ in range(20):
            begun += await rotate_due(house.ctx)
            await passes(house, HOUR // MINUTE)
        assert begun == 1 and (await house.rotation())["state"] == "undone"

    at_okta(scene)
