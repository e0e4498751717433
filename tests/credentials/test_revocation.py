"""Promises of revocation: asked with a signature until confirmed, never lost, never believed done early."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from scim_bridge.audit.record import effect_settled
from scim_bridge.credentials.effects import handlers
from scim_bridge.kernel.clock import SECOND, ManualClock
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.effects import Effects
from scim_bridge.kernel.outbound import Outbound
from scim_bridge.kernel.webhook import Untrusted, check
from scim_bridge.kernel.work import Store, Work
from scim_bridge.registry.agent_creation import create_agent
from scim_bridge.registry.credentials import credentials_of, register_credential, revoke_all
from tests.conftest import MASTER, TESTER, run_with_store
from tests.receiver import Receiver, receiving

SECRET = "whsec_" + base64.b64encode(b"the secret of the vault revoker").decode()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


def context(store: Store, *allowed: str) -> Context:
    return Context(store, MASTER, Outbound(allow=allowed), "http://bridge.test", Path())


async def stopped(store: Store, *systems: str) -> tuple[str, list[str]]:
    """An agent with a credential in each system, all marked for revocation; its id and the effects."""

    async def body(work: Work) -> tuple[str, list[str]]:
        made = await create_agent(work, {"userName": "refund@agents.test"}, origin="test")
        for system in systems:
            await register_credential(
                work,
                made.id,
                label=f"{system}-key",
                kind="api_key",
                system=system,
                reference=f"kv/{system}",
                expires=None,
            )
        return made.id, await revoke_all(work, made.id, "refund", "owner left")

    return await store.transact(TESTER, body)


async def state_of(store: Store, agent_id: str) -> list[str]:
    return [row["state"] for row in await credentials_of(store.reads, agent_id)]


def engine(ctx: Context, revokers: dict) -> Effects:
    return Effects(ctx.store, handlers(ctx, revokers), [effect_settled])


def test_a_credential_is_revoked_once_its_system_confirms_and_not_before(on_store, receiver, clock) -> None:
    receiver.answer = lambda _path, before: (204, {}) if before == 2 else (503, {"retry-after": "7"})

    async def body(store: Store) -> None:
        ctx = context(store, "127.0.0.1")
        effects = engine(ctx, {"vault": {"url": f"{receiver.url}/revoke", "secret": SECRET}})
        agent_id, (effect_id,) = await stopped(store, "vault")
        for _ in range(2):
            assert await effects.attempt(effect_id) == 7.0
            assert await state_of(store, agent_id) == ["revoking"]
            clock.advance(seconds=7)
        assert await effects.attempt(effect_id) is None
        assert await state_of(store, agent_id) == ["revoked"]
        assert await effects.attempt(effect_id) is None
        assert len(receiver.calls) == 3, "what is confirmed is not asked again"
        row = await store.reads.one("SELECT COUNT(*) AS n FROM sb_audit WHERE action = 'credential.revoked'")
        assert row["n"] == 1
        await ctx.outbound.aclose()

    on_store(body)
    _path, first, sent = receiver.calls[0]
    assert {headers["webhook-id"] for _, headers, _ in receiver.calls} == {first["webhook-id"]}
    assert {body for _, _, body in receiver.calls} == {sent}
    times = [int(headers["webhook-timestamp"]) for _, headers, _ in receiver.calls]
    assert times == [times[0], times[0] + 7, times[0] + 14], "each attempt is signed anew"
    for path, headers, content in receiver.calls:
        assert path == "/revoke"
        assert check(headers, content, [SECRET], int(headers["webhook-timestamp"]) * SECOND)
    with pytest.raises(Untrusted):
        check(first, sent.replace(b"vault", b"fault"), [SECRET], times[0] * SECOND)
    (told, *_) = receiver.bodies("/revoke")
    assert told["type"] == "credential.revoke"
    assert told["data"]["credential"] | {"id": ""} == {
        "id": "",
        "kind": "api_key",
        "label": "vault-key",
        "reference": "kv/vault",
        "system": "vault",
    }
    assert told["data"]["agent"]["slug"] == "refund"


def test_a_system_without_a_revoker_is_a_dead_effect_that_names_the_setting(sqlite_url, clock) -> None:
    async def body(store: Store) -> None:
        agent_id, effects = await stopped(store, "aws-secrets-manager", "okta", "vault")
        revokers = {"vault": {"url": "https://vault.example/hook"}, "okta": {"url": "", "secret": SECRET}}
        ctx = context(store)
        for effect in effects:
            assert await engine(ctx, revokers).attempt(effect) is None
        rows = await store.reads.all(
            "SELECT state, last_error, payload FROM sb_effect WHERE kind LIKE 'cred%'"
        )
        said = {row["last_error"] for row in rows}
        assert {row["state"] for row in rows} == {"dead"}
        for setting in (
            "revokers.aws-secrets-manager.url and revokers.aws-secrets-manager.secret",
            "revokers.okta.url",
            "revokers.vault.secret",
        ):
            verb = "are" if " and " in setting else "is"
            assert sum(f"{setting} {verb} not set" in reason for reason in said) == 1, said
        assert await state_of(store, agent_id) == ["revoking"] * 3, "nothing is believed to be revoked"

    run_with_store(sqlite_url, clock, body)


def test_settings_from_the_environment_find_systems_with_hyphens(sqlite_url, receiver) -> None:
    async def body(store: Store) -> None:
        ctx = context(store, "127.0.0.1")
        agent_id, (effect,) = await stopped(store, "Azure-Key-Vault")
        revokers = {"azure_key_vault": {"url": f"{receiver.url}/azure", "secret": SECRET}}
        assert await engine(ctx, revokers).attempt(effect) is None
        assert await state_of(store, agent_id) == ["revoked"]
        await ctx.outbound.aclose()

    run_with_store(sqlite_url, ManualClock(), body)
    assert len(receiver.bodies("/azure")) == 1


ANSWERS = {
    "done": (200, 202),
    "dead": (308, 400, 401, 404, 410),
    "pending": (408, 409, 425, 429, 500, 504),
}


@pytest.mark.parametrize(
    ("status", "outcome"), [(status, outcome) for outcome, many in ANSWERS.items() for status in many]
)
def test_what_may_pass_is_tried_again_and_what_will_not_is_shown_at_once(
    sqlite_url, receiver, status, outcome
) -> None:
    receiver.answer = lambda _path, _before: (status, {"location": "https://elsewhere.example/"})

    async def body(store: Store) -> None:
        ctx = context(store, "127.0.0.1")
        agent_id, (effect,) = await stopped(store, "vault")
        wait = await engine(ctx, {"vault": {"url": receiver.url, "secret": SECRET}}).attempt(effect)
        assert (wait is None) == (outcome != "pending")
        row = await store.reads.one("SELECT state, last_error FROM sb_effect WHERE id = ?", effect)
        assert row["state"] == outcome
        assert outcome == "done" or f"the revoker of vault answered {status}" in row["last_error"]
        assert await state_of(store, agent_id) == ["revoked" if outcome == "done" else "revoking"]
        await ctx.outbound.aclose()

    run_with_store(sqlite_url, ManualClock(), body)
    assert len(receiver.calls) == 1


def test_a_revoker_that_cannot_be_reached_is_tried_again_and_an_internal_one_must_be_allowed(
    sqlite_url,
) -> None:
    async def body(store: Store) -> None:
        _, (first, second) = await stopped(store, "vault", "okta")
        revokers = {
            "vault": {"url": "http://127.0.0.1:9/revoke", "secret": SECRET},
            "okta": {"url": "http://127.0.0.1:9/revoke", "secret": SECRET},
        }
        reached, guarded = context(store, "127.0.0.1"), context(store)
        assert await engine(reached, revokers).attempt(first) == 1.0
        assert await engine(guarded, revokers).attempt(second) is None
        row = await store.reads.one("SELECT state, last_error FROM sb_effect WHERE id = ?", second)
        assert row["state"] == "dead"
        assert "allow_networks" in row["last_error"]
        for ctx in (reached, guarded):
            await ctx.outbound.aclose()

    run_with_store(sqlite_url, ManualClock(), body)
