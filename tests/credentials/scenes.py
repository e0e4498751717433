"""What tests of rotation do again and again: begin one, confirm it, let time pass, hold an agent, kill a worker."""

from __future__ import annotations

from pathlib import Path

from scim_bridge.credentials.begin import rotate_agent
from scim_bridge.credentials.rotation import confirm
from scim_bridge.kernel.clock import Clock
from scim_bridge.kernel.work import Store, Work
from scim_bridge.registry.credentials import revoke_all
from scim_bridge.registry.holds import place_hold
from tests.conftest import TESTER, run_with_store
from tests.credentials.house import EntraApp, House, OktaApp


async def rotate(house: House, agent_id: str, slug: str, cause: str = "demand") -> list[str]:
    """Begin a rotation at each client of an agent; their ids."""

    async def body(work: Work) -> list[str]:
        begun, refused = await rotate_agent(work, agent_id, slug, cause, "a test")
        assert not refused, refused
        return begun

    return await house.store.transact(TESTER, body)


async def acknowledged(house: House, *rotations: str) -> None:
    """Confirm rotations as their consumers would."""
    for one in rotations:
        await house.store.transact(TESTER, lambda work, r=one: confirm(work, r, "the test"))


async def passes(house: House, seconds: int, times: int = 1) -> None:
    """Let so much time pass, and everything be done that is due then; so many times."""
    for _ in range(times):
        house.clock.advance(seconds=seconds)
        await house.work()


async def stopped(house: House, agent: str) -> None:
    """Hold the agent refund and revoke everything it has."""

    async def stop(work: Work) -> None:
        await place_hold(work, agent, source="admin", code="admin", reason="a test", release="an admin")
        await revoke_all(work, agent, "refund", "a test")

    await house.store.transact(TESTER, stop)
    await house.work()


def prepared(
    url: str, clock: Clock, folder: Path, kind: str, *, seconds: int = 60, **parts: object
) -> OktaApp | EntraApp:
    """A bridge that has begun one rotation, with so many seconds to confirm and to overlap; the agent's app."""
    made: list[OktaApp | EntraApp] = []

    async def main(store: Store) -> None:
        bridge = House(store, clock, folder, **parts)  # type: ignore[arg-type]
        await bridge.connect()
        agent = await bridge.agent("refund")
        made.append(bridge.okta_app(agent) if kind == "okta" else bridge.entra_app(agent))
        await bridge.policy(confirm="time", confirm_seconds=seconds, overlap_seconds=seconds)
        await bridge.scan(kind)
        await rotate(bridge, agent, "refund")
        await bridge.close()

    folder.mkdir(mode=0o700)
    run_with_store(url, clock, main)  # type: ignore[arg-type]
    return made[0]


async def ended(store: Store) -> tuple[str, object, list[str]]:
    """How the only rotation ended, whether a value is still sealed, and the states of all credentials."""
    row = await store.reads.one("SELECT state, sealed, note FROM sb_rotation")
    states = await store.reads.all("SELECT state FROM sb_credential ORDER BY state")
    return row["state"], row["sealed"], [one["state"] for one in states]
