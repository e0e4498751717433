"""Promises of what others write: long foreign names become certificates, and a health address may say anything."""

from __future__ import annotations

import orjson
import pytest

from scim_bridge.credentials.material import common_name
from tests.credentials.house import House
from tests.credentials.scenes import passes, rotate
from tests.credentials.test_store_garbage import Portal, portal

__all__ = ["portal"]


@pytest.mark.parametrize(("name", "cut"), [("漢" * 30, "漢" * 21), ("a" * 80, "a" * 64), ("", "agent")])
def test_a_name_of_any_length_and_script_fits_into_a_certificate(name: str, cut: str) -> None:
    assert common_name(name) == cut and len(cut.encode()) <= 64


def test_a_rotation_that_nothing_could_confirm_is_not_begun(at_okta) -> None:
    async def scene(house: House) -> None:
        agent = await house.agent("refund")
        house.okta_app(agent)
        await house.scan("okta")
        await house.policy()
        for confirm, words in (("health", "--health-url"), ("store", "kind file")):
            # Each layer can be, and together they cannot.
            layer = {"confirm": confirm, "store": None, "store_kind": None, "address": None}
            await house.policy("connection:okta", **layer)
            await house.policy(confirm=None)
            with pytest.raises(AssertionError, match=words):
                await rotate(house, agent, "refund")

    at_okta(scene)


def test_a_health_address_confirms_by_one_text_and_nothing_else_it_says_breaks_the_rotation(
    at_okta, portal: Portal
) -> None:
    async def scene(house: House) -> None:
        agent = await house.agent("refund")
        house.okta_app(agent)
        address = f"http://127.0.0.1:{portal.server_port}/health"
        await house.policy(confirm="health", health_url=address)
        await house.scan("okta")
        await rotate(house, agent, "refund")
        await house.work()
        for said in ([], {"credential": []}, {"credential": {}}, {"credential": None}, {"credential": 1}):
            portal.said = orjson.dumps(said)
            await passes(house, 181)
            row = await house.store.reads.one(
                "SELECT COUNT(*) AS n FROM sb_effect WHERE last_error IS NOT NULL"
            )
            assert (await house.rotation())["state"] == "confirming" and row["n"] == 0, said
        portal.said = orjson.dumps({"credential": (await house.rotation())["fresh_reference"]})
        await passes(house, 181)
        assert (await house.rotation())["state"] == "overlapping"

    at_okta(scene)
