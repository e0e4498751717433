"""Promises about notices through apprise: each target once, a private link only where one person reads it."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from scim_bridge.kernel.effects import Dead, Done, Effect, Effects, Retry
from scim_bridge.kernel.work import Store, Work
from scim_bridge.registry import outward
from scim_bridge.watch import apprise_target
from scim_bridge.watch.effects import NOTIFY_TARGET, handlers
from tests.conftest import MASTER, TESTER, run_with_store
from tests.watch.receiver import receiver
from tests.watch.test_delivery import PERSON, Settings, _audited, context, notice_effect

LINK = "https://bridge.test/attest/abc"


def target(url: str, path: str) -> str:
    return f"json{url.removeprefix('http')}{path}"


@pytest.mark.parametrize("hooked", [True, False], ids=["beside a webhook", "alone"])
def test_a_notice_reaches_every_target_once_and_a_link_only_its_person(
    database_url, clock, hooked: bool
) -> None:
    with receiver() as inbox:
        chosen = Settings(
            notify_url=f"{inbox.url}/hook" if hooked else "",
            notify_targets={
                "chat": target(inbox.url, "/chat"),
                "mail": target(inbox.url, "/mail?-to={email}"),
            },
        )

        async def body(store: Store) -> None:
            ctx = context(store)

            async def setup(work: Work) -> None:
                private = outward.sealed_for(MASTER, PERSON, {"link": LINK})
                data = {"agent": "triage", "expires": "2026-12-01T00:00:00.000Z"}
                await outward.notify(work, "attestation-request", PERSON, data, private=private)
                work.bookkeeping("a notice of a test")

            await store.transact(TESTER, setup)
            engine = Effects(store, handlers(ctx, chosen), [_audited])
            for kind in ("notify", NOTIFY_TARGET, NOTIFY_TARGET):
                rows = await store.reads.all(
                    "SELECT id FROM sb_effect WHERE kind = ? AND state = 'pending' ORDER BY id", kind
                )
                assert await engine.attempt(rows[0]["id"]) is None
            left = await store.reads.all("SELECT state FROM sb_effect WHERE state <> 'done'")
            assert not left
            await ctx.outbound.aclose()

        run_with_store(database_url, clock, body)
        seen = {call.path.split("?")[0]: call for call in inbox.seen}
        assert len(inbox.seen) == len(seen) == (3 if hooked else 2)
        chat, mail = (orjson.loads(seen[path].body) for path in ("/chat", "/mail"))
        assert "triage" in chat["message"] and LINK not in chat["message"]
        assert LINK in mail["message"] and "to=olga%40corp.test" in seen["/mail"].path


def test_a_target_that_fails_is_tried_again_and_never_named_with_its_password(sqlite_url, clock) -> None:
    def perform(chosen: Settings, effect: Effect) -> Any:
        async def body(store: Store) -> Any:
            ctx = context(store)
            try:
                return await handlers(ctx, chosen)[NOTIFY_TARGET](effect)
            finally:
                await ctx.outbound.aclose()

        return run_with_store(sqlite_url, clock, body)

    def effect(**payload: Any) -> Effect:
        return notice_effect("agent-held", {"agent": "triage"}, target="chat", **payload)

    with receiver() as inbox:
        inbox.answers = [(500, {}), (200, {})]
        chosen = Settings(notify_targets={"chat": target(inbox.url, "/chat").replace("://", "://me:pass@")})
        failed = perform(chosen, effect())
        assert isinstance(failed, Retry) and "pass" not in failed.reason and "chat" in failed.reason
        assert isinstance(perform(chosen, effect()), Done)
    unknown = perform(Settings(notify_targets={"chat": "nonsense://x"}), effect())
    assert isinstance(unknown, Dead) and "nonsense" not in unknown.reason
    assert isinstance(perform(Settings(), effect()), Dead)
    nobody = perform(
        Settings(notify_targets={"chat": "mailtos://x?to={email}"}, security_contact=""), effect(to=None)
    )
    assert isinstance(nobody, Done) and nobody.result["delivered"] is False


def test_without_apprise_the_effect_says_what_to_install(sqlite_url, clock, monkeypatch) -> None:
    monkeypatch.setattr(apprise_target, "find_spec", lambda _name: None)

    async def body(store: Store) -> Any:
        ctx = context(store)
        chosen = Settings(notify_targets={"chat": "json://127.0.0.1:1"})
        outcome = await handlers(ctx, chosen)[NOTIFY_TARGET](notice_effect("agent-held", {}, target="chat"))
        await ctx.outbound.aclose()
        return outcome

    outcome = run_with_store(sqlite_url, clock, body)
    assert isinstance(outcome, Dead) and "scim-bridge[notify]" in outcome.reason
