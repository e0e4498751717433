"""Promise: of certificates that go at the same moment none comes back, though Entra keeps them as one list."""

from __future__ import annotations

from typing import Any

from scim_bridge.kernel.work import Work
from scim_bridge.registry.credentials import revoke_all
from tests.conftest import TESTER
from tests.credentials.house import House
from tests.credentials.scenes import acknowledged, passes, rotate


def test_two_certificates_that_are_revoked_side_by_side_are_both_gone(at_entra) -> None:
    async def scene(house: House) -> None:
        agent = await house.agent("refund")
        app = house.entra_app(agent)
        await house.policy(kind="certificate", overlap_seconds=60)
        await house.scan("entra")
        (one,) = await rotate(house, agent, "refund")
        await house.work()
        await acknowledged(house, one)
        await passes(house, 61)
        (two,) = await rotate(house, agent, "refund")
        await house.work()
        await acknowledged(house, two)
        assert len(app.shown()["keyCredentials"]) == 2

        async def everything(work: Work) -> list[str]:
            return await revoke_all(work, agent, "refund", "a test")

        effects = await house.store.transact(TESTER, everything)
        other = House(house.store, house.clock, house.directory, tenant=house.tenant)
        _, keeper = await house.idps.keeper("entra")
        write = keeper._write_keys

        async def overtaken(*args: Any) -> None:
            # Between reading and writing another process revokes the other certificate.
            keeper._write_keys = write
            assert await other.effects.attempt(effects[1]) is None
            await write(*args)

        keeper._write_keys = overtaken
        wait = await house.effects.attempt(effects[0])
        await other.close()
        assert wait is not None, "it is tried again"
        await passes(house, 61)
        rows = await house.store.reads.all("SELECT state FROM sb_effect WHERE kind = 'credential.revoke'")
        assert {row["state"] for row in rows} == {"done"}
        assert app.shown()["keyCredentials"] == []

    at_entra(scene)
