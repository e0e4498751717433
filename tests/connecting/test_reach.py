"""Promises of a rehearsal's way out: exactly the sandbox that was started may be called, and nothing else inside."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from scim_bridge.kernel.context import Context
from scim_bridge.kernel.errors import Refused
from scim_bridge.kernel.outbound import Outbound
from scim_bridge.kernel.work import Store, Work
from scim_bridge.registry.connections import create_connection
from scim_bridge.sync.idp.open import Idps
from scim_bridge.sync.idp.port import IdpError
from tests.conftest import MASTER, TESTER, run_with_store


def test_only_the_sandbox_that_was_started_may_be_called_though_it_is_inside(sqlite_url, clock) -> None:
    async def body(store: Store) -> None:
        async def made(work: Work) -> None:
            for name, port in (("ours", 9), ("other", 10)):
                await create_connection(
                    work,
                    MASTER,
                    name,
                    "generic",
                    settings={"base_url": f"https://127.0.0.1:{port}/scim"},
                    secrets={"token": "x"},
                )

        await store.transact(TESTER, made)
        idps = Idps(Context(store, MASTER, Outbound(), "http://127.0.0.1:8080", Path("/nonexistent")))

        async def told(name: str) -> str:
            _, idp = await idps.of(name)
            with pytest.raises(IdpError) as refused:
                await idp.missing()
                async for _ in idp.listing():
                    pass
            return refused.value.text()

        assert "internal address" in await told("ours")
        idps.reach("127.0.0.1:9")
        assert "refused the connection" in await told("ours")
        assert "internal address" in await told("other")
        await idps.close()

    run_with_store(sqlite_url, clock, body)


def test_a_sandbox_that_ended_with_its_server_is_told_as_that_and_not_as_a_missing_setting(
    sqlite_url, clock, tmp_path
) -> None:
    async def body(store: Store) -> None:
        async def made(work: Work) -> None:
            ca_file = str(tmp_path / "rehearsal" / "okta" / "ca" / "ca.pem")
            told = {"org_url": "https://127.0.0.1:9", "ca_file": ca_file}
            await create_connection(work, MASTER, "okta", "okta", settings=told, secrets={"ssws_token": "x"})

        await store.transact(TESTER, made)
        ctx = Context(store, MASTER, Outbound(), "http://127.0.0.1:8080", tmp_path)
        idps = Idps(ctx)
        with pytest.raises(Refused) as refused:
            await idps.of("okta")
        assert refused.value.code == "rehearsal-over" and "Rehearse again" in refused.value.text()
        elsewhere = Idps(replace(ctx, data_dir=tmp_path / "other"))
        with pytest.raises(Refused) as other:
            await elsewhere.of("okta")
        assert other.value.code == "okta-ca-file"

    run_with_store(sqlite_url, clock, body)
