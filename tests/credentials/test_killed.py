"""Promises of a rotation that is killed: whatever was written, it ends with one credential that works.

Here after each call that writes, at both IdPs and at the store; `python -m tests.credentials.faults` kills a
real process at every point.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from scim_bridge.kernel.clock import ManualClock
from scim_bridge.kernel.work import Store
from scim_bridge.sandbox.kit.store import Store as SandboxStore
from tests.conftest import run_with_store
from tests.credentials import house
from tests.credentials.house import Fatal, FatalStore, House, Killed, OktaApp, Points
from tests.credentials.scenes import ended, prepared

MOST = 20


def snapshot(store: SandboxStore) -> list[tuple[str, str, dict]]:
    return [(kind, key, value) for kind in store.kinds() for key, value in store.all(kind)]


def put_back(store: SandboxStore, kept: list[tuple[str, str, dict]]) -> None:
    with store.transaction():
        for kind in list(store.kinds()):
            for key, _ in store.all(kind):
                store.delete(kind, key)
        for kind, key, value in kept:
            store.put(kind, key, value)


def lived(url: str, clock: ManualClock, folder: Path, points: Points) -> bool:
    """Work until nothing is due any more; False when it was killed on the way."""

    async def main(store: Store) -> bool:
        bridge = House(store, clock, folder, outbound=Fatal(points, writes=True))
        bridge.effects = bridge.engine(FatalStore(bridge.stores, points))
        try:
            for _ in range(4):
                await bridge.work()
                clock.advance(seconds=61)
            return True
        except Killed:
            return False
        finally:
            await bridge.close()

    return run_with_store(url, clock, main)


def die() -> None:
    raise Killed


@pytest.mark.parametrize("kind", ["okta", "entra"])
def test_killed_after_any_write_a_rotation_still_ends_with_one_credential_that_works(
    request, kind, sqlite_url, present, tmp_path
) -> None:
    if kind == "okta":
        org = request.getfixturevalue("the_org")
        org.emptied(house.TOKEN)
        parts, sandbox = {"org": org}, org.sandbox.sandbox
    else:
        running = request.getfixturevalue("the_tenant")
        parts, sandbox = {"tenant": house.fresh_tenant(running)}, running.sandbox
    app = prepared(sqlite_url, present, tmp_path / "store", kind, **parts)
    there, began = snapshot(sandbox.store), present.now()
    killed = 0
    for point in range(1, MOST):
        folder = tmp_path / f"store{point}"
        folder.mkdir(mode=0o700)
        database = tmp_path / f"{point}.db"
        shutil.copy(sqlite_url.removeprefix("sqlite:///"), database)
        put_back(sandbox.store, there)
        clock = ManualClock(began)
        if not lived(f"sqlite:///{database}", clock, folder, Points(point, die)):
            killed += 1
            assert lived(f"sqlite:///{database}", clock, folder, Points(0, die))
        else:
            assert killed >= 4, "there are that many writes"
            return
        state, sealed, states = run_with_store(f"sqlite:///{database}", clock, ended)
        assert (state, sealed, states) == ("done", None, ["active", "revoked"]), f"killed at {point}"
        value = (folder / "refund").read_text()
        assert app.login(value) in (200, True), f"killed at {point}: the new one does not work"
        assert app.login(app.secret) in (401, False)
        live = app.items() if isinstance(app, OktaApp) else app.shown()["passwordCredentials"]
        assert len(live) == 1, f"killed at {point}: something is left behind"
    raise AssertionError("it never lived to the end")
