"""Promises of setting a stream up: by the connection's own authority, and never at another connection's cost."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from scim_bridge.kernel.errors import Conflict
from scim_bridge.kernel.outbound import Outbound
from scim_bridge.kernel.outbound_error import OutboundError
from scim_bridge.registry.connections import configure_connection, create_connection
from scim_bridge.registry.signal import LEFT
from scim_bridge.signals import set_up
from scim_bridge.signals.streams import POLL, PUSH, Stream
from tests.conftest import MASTER, TESTER
from tests.signals.ssf_stage import Stage


def test_the_authority_of_a_connection_is_trusted_in_everything_its_stream_asks(on_stage) -> None:
    async def test(stage: Stage) -> None:
        stranger = Outbound(allow=["127.0.0.0/8"])
        stage.ctx = replace(stage.ctx, outbound=stranger)
        with pytest.raises(OutboundError, match="No trusted connection"):
            await stage.connect(POLL)

        async def told(settings: dict[str, str]) -> None:
            await stage.store.transact(
                TESTER, lambda work: configure_connection(work, MASTER, "acme", settings=settings)
            )

        await told({"ca_file": stage.sandbox.ca_file})
        await stage.connect(POLL)
        assert (await stage.stream()).keys, "its keys were fetched"
        await stage.happen("account-disabled")
        assert await stage.poller().poll_due() == 1
        assert [signal.kind for signal in stage.seen] == [LEFT]
        assert (await set_up.ask_status(stage.ctx, TESTER, "acme")).status == "enabled"
        await told({"ca_file": "/nowhere/ca.pem"})
        stage.clock.advance(seconds=60)
        assert await stage.poller().poll_due() == 1
        assert "ca_file /nowhere/ca.pem" in (await stage.door()).trouble
        await told({"ca_file": stage.sandbox.ca_file})
        assert (await set_up.remove(stage.ctx, TESTER, "acme"))[1] == ""
        await stranger.aclose()

    on_stage(test)


@pytest.mark.parametrize("method", [PUSH, POLL])
def test_a_second_connection_takes_no_stream_over(on_stage, method: str) -> None:
    async def test(stage: Stage) -> None:
        await stage.connect(method)
        await stage.store.transact(TESTER, lambda work: create_connection(work, MASTER, "second", "generic"))
        before = await _there(stage)
        token = {"token": f"{stage.sandbox.url}/token"}
        for wanted in (PUSH, POLL):
            asked = Stream("", "second", "", (), wanted, token)
            with pytest.raises(Conflict, match="not this connection's"):
                await set_up.by_transmitter(stage.ctx, TESTER, asked, stage.sandbox.url, stage.client)
        assert await _there(stage) == before, "nothing was changed at the transmitter"
        if method == POLL:
            known = await stage.stream()
            asked = replace(known, connection="second", stream_id="")
            with pytest.raises(Conflict, match="of the connection acme"):
                await set_up.by_hand(stage.ctx, TESTER, asked, None)
        await stage.connect(method)

        async def lost(work) -> None:
            work.bookkeeping("the process died before it kept the stream")
            await work.tx.run("DELETE FROM sb_ssf_stream")

        await stage.store.transact(TESTER, lost)
        await stage.connect(method)
        assert [one["stream_id"] for one in await _there(stage)] == [one["stream_id"] for one in before]

    on_stage(test)


async def _there(stage: Stage) -> list[dict]:
    answer = await asyncio.to_thread(stage.sandbox.control.get, "/streams")
    return list(answer.json()["streams"])
