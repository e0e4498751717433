"""Promises of tokens: several live at once, rotated with overlap, refused at once, warned of before they end."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import generate_latest

from scim_bridge.kernel.clock import DAY, HOUR, ManualClock
from scim_bridge.kernel.errors import Conflict, Invalid, NotFound, Unauthenticated
from scim_bridge.kernel.telemetry import REGISTRY
from scim_bridge.kernel.work import Store, Work
from scim_bridge.registry.access_tokens import forget_expired, issue_access_token, revoke_access_tokens
from scim_bridge.registry.connections import create_connection
from scim_bridge.registry.expiry import (
    STAGES,
    TOKEN,
    Expiring,
    days_left,
    expiring_tokens,
    show_in_metrics,
    stage,
    standing,
    warn_of_tokens,
)
from scim_bridge.registry.rotation import Rotated, rotate_token
from scim_bridge.registry.tokens import (
    Grant,
    authenticate,
    create_token,
    mark_used,
    new_token,
    revoke_token,
    tokens,
    well_formed,
)
from tests.conftest import MASTER, TESTER


async def made(store: Store, *, days: int | None = None, scopes: tuple[str, ...] = ("read",)) -> str:
    """A token of the connection okta."""

    async def body(work: Work) -> str:
        row = await work.tx.one("SELECT id FROM sb_connection WHERE name = 'okta'")
        found = row["id"] if row is not None else (await create_connection(work, MASTER, "okta", "okta")).id
        return await create_token(
            work, MASTER, connection_id=found, scopes=scopes, label="Okta, 2026", days=days
        )

    return await store.transact(TESTER, body)


async def grant(store: Store, token: str) -> Grant:
    return await authenticate(store.reads, MASTER, token, store.clock.now())


async def rotated(store: Store, token: str, overlap: int = 7 * DAY, days: int | None = None) -> Rotated:
    token_id = (await grant(store, token)).token_id
    return await store.transact(
        TESTER, lambda work: rotate_token(work, MASTER, token_id, overlap=overlap, days=days)
    )


async def used(store: Store, token: str) -> None:
    found = await grant(store, token)
    await store.transact(TESTER, lambda work: mark_used(work, found))


async def told(store: Store) -> list[dict[str, Any]]:
    """The data of every notice written."""
    rows = await store.reads.all("SELECT payload FROM sb_effect WHERE kind = 'notify' ORDER BY created, id")
    found = [orjson.loads(row["payload"]) for row in rows]
    assert {notice["template"] for notice in found} <= {"secret-expiring"}
    return [notice["data"] for notice in found]


def test_a_rotated_token_and_its_successor_both_work_until_the_overlap_is_over(
    on_store: Any, clock: ManualClock
) -> None:
    async def body(store: Store) -> None:
        old = await made(store, days=90, scopes=("read", "users"))
        clock.advance(days=10)
        new = await rotated(store, old)
        before, after = await grant(store, old), await grant(store, new.token)
        assert (after.connection_id, after.scopes, after.label) == (
            before.connection_id,
            before.scopes,
            before.label,
        )
        assert new.expires == after.expires == clock.now() + 90 * DAY
        assert before.expires == new.old_expires == clock.now() + 7 * DAY
        clock.advance(days=7, seconds=-1)
        await grant(store, old)
        clock.advance(seconds=1)
        with pytest.raises(Unauthenticated):
            await grant(store, old)
        await grant(store, new.token)
        rows = await store.reads.all("SELECT action, subject_id, detail FROM sb_audit ORDER BY at, id")
        assert [row["action"] for row in rows[-2:]] == ["token.created", "token.rotated"]
        assert not [row for row in rows if old in row["detail"] or new.token in row["detail"]]

    on_store(body)


def test_rotation_prolongs_nothing_and_happens_once(on_store: Any, clock: ManualClock) -> None:
    async def body(store: Store) -> None:
        short = await made(store, days=3)
        first = await rotated(store, short)
        assert first.old_expires == clock.now() + 3 * DAY
        with pytest.raises(Conflict) as refused:
            await rotated(store, short)
        assert first.id in refused.value.fix
        everlasting = await rotated(store, await made(store), overlap=0)
        assert everlasting.expires is None
        assert (await rotated(store, everlasting.token, days=30)).expires == clock.now() + 30 * DAY
        for wrong in (-1, 91 * DAY):
            with pytest.raises(Invalid):
                await rotated(store, first.token, overlap=wrong)
        with pytest.raises(NotFound):
            await store.transact(TESTER, lambda work: rotate_token(work, MASTER, "nobody", overlap=0))
        await store.transact(TESTER, lambda work: revoke_token(work, first.id))
        with pytest.raises(NotFound):
            await store.transact(TESTER, lambda work: rotate_token(work, MASTER, first.id, overlap=0))

    on_store(body)


def test_of_two_rotations_at_once_one_wins(on_store: Any) -> None:
    async def body(store: Store) -> None:
        token = await made(store)
        done = await asyncio.gather(*(rotated(store, token) for _ in range(4)), return_exceptions=True)
        assert sorted(type(one).__name__ for one in done) == ["Conflict"] * 3 + ["Rotated"]
        assert len(await tokens(store.reads)) == 2

    on_store(body)


def test_a_revoked_token_is_refused_by_the_next_call(on_store: Any) -> None:
    async def body(store: Store) -> None:
        first, second = await made(store), await made(store)
        found = await grant(store, first)
        changed: list[tuple[str, str]] = []
        store.on_change(changed.extend)
        await store.transact(TESTER, lambda work: revoke_token(work, found.token_id))
        with pytest.raises(Unauthenticated):
            await grant(store, first)
        await grant(store, second)
        assert ("token", found.token_id) in changed

    on_store(body)


def test_access_tokens_are_not_listed_rotated_or_warned_of_and_are_forgotten(
    on_store: Any, clock: ManualClock
) -> None:
    async def body(store: Store) -> None:
        connection = (await grant(store, await made(store, days=1))).connection_id

        async def issue(work: Work) -> list[tuple[str, str]]:
            await create_token(work, MASTER, connection_id=None, scopes=("access",))
            return [
                await issue_access_token(
                    work,
                    MASTER,
                    connection_id=str(connection),
                    client_id="c1",
                    proof_id=proof,
                    label="",
                    scopes=("read",),
                    minutes=60,
                )
                for proof in ("p1", "p1", "p2")
            ]

        issued = await store.transact(TESTER, issue)
        assert len(await tokens(store.reads)) == 2
        assert len(await expiring_tokens(store.reads, clock.now())) == 1
        with pytest.raises(NotFound):
            await store.transact(TESTER, lambda work: rotate_token(work, MASTER, issued[0][0], overlap=0))

        async def revoke(work: Work) -> int:
            work.bookkeeping("test")
            return await revoke_access_tokens(work, "c1", "p1")

        assert await store.transact(TESTER, revoke) == 2
        for _, token in issued[:2]:
            with pytest.raises(Unauthenticated):
                await grant(store, token)
        assert (await grant(store, issued[2][1])).scopes == {"read"}
        clock.advance(seconds=HOUR / 1e6)
        with pytest.raises(Unauthenticated):
            await grant(store, issued[2][1])
        assert await forget_expired(store) == 0
        clock.advance(days=1, seconds=1)
        assert await forget_expired(store) == 3
        assert await forget_expired(store) == 0
        assert len(await tokens(store.reads)) == 2

    on_store(body)


def test_each_stage_is_told_once_however_many_replicas_look(on_store: Any, clock: ManualClock) -> None:
    async def body(store: Store) -> None:
        token = await made(store, days=365)
        found = []
        for day in range(366):
            if sum(await asyncio.gather(warn_of_tokens(store), warn_of_tokens(store))):
                found.append(365 - day)
            clock.advance(days=1)
        assert found == list(STAGES)
        notices = await told(store)
        assert [notice["days"] for notice in notices] == list(STAGES)
        assert {notice["connection"] for notice in notices} == {"okta"}
        assert {notice["label"] for notice in notices} == {"Okta, 2026"}
        assert token not in str(notices) and token[:8] not in str(notices)
        rows = await store.reads.all(
            "SELECT detail FROM sb_audit WHERE action = 'token.expiring' ORDER BY at"
        )
        assert [orjson.loads(row["detail"])["days"] for row in rows] == list(STAGES)

    on_store(body)


def test_a_worker_that_was_away_tells_the_latest_stage_only(on_store: Any, clock: ManualClock) -> None:
    async def body(store: Store) -> None:
        await made(store, days=100)
        clock.advance(days=95)
        assert await warn_of_tokens(store) == 1
        assert [notice["days"] for notice in await told(store)] == [5]
        assert await warn_of_tokens(store) == 0

    on_store(body)


def test_a_rotated_token_is_warned_of_only_when_somebody_still_uses_it(
    on_store: Any, clock: ManualClock
) -> None:
    async def body(store: Store) -> None:
        quiet, busy = await made(store, days=365), await made(store, days=365)
        await used(store, quiet)
        clock.advance(days=1)
        for token in (quiet, busy):
            await rotated(store, token, overlap=7 * DAY)
        clock.advance(days=5)
        await used(store, busy)
        assert await warn_of_tokens(store) == 0
        clock.advance(days=1)
        assert await warn_of_tokens(store) == 1
        (notice,) = await told(store)
        assert notice["id"] == (await grant(store, busy)).token_id
        assert notice["rotated"] is True

    on_store(body)


def test_metrics_show_what_expires_and_never_a_secret(on_store: Any, clock: ManualClock) -> None:
    async def body(store: Store) -> None:
        token = await made(store, days=10)
        await made(store)

        async def shown() -> list[str]:
            show_in_metrics(await expiring_tokens(store.reads, clock.now()), clock.now())
            text = generate_latest(REGISTRY).decode()
            return [
                line for line in text.splitlines() if line.startswith("scim_bridge_token_expires_seconds{")
            ]

        (line,) = await shown()
        assert 'connection="okta"' in line and 'label="Okta, 2026"' in line and token not in line
        assert float(line.rpartition(" ")[2]) == 10 * 86_400
        clock.advance(days=12)
        (line,) = await shown()
        assert float(line.rpartition(" ")[2]) == -2 * 86_400
        clock.advance(days=6)
        assert await shown() == []

    on_store(body)


@given(st.integers(0, 800 * DAY), st.integers(1, 400 * DAY), st.one_of(st.none(), st.sampled_from(STAGES)))
def test_a_warning_is_due_inside_its_stage_and_never_twice(now: int, life: int, warned: int | None) -> None:
    secret = Expiring(TOKEN, "t", None, "", "", 0, life, None, False, warned)
    due = stage(secret, now)
    if due is None:
        return
    assert 0 < life - now <= due * DAY < life
    assert warned is None or warned > due
    assert standing(life, None, False, now) == "expiring"
    told_of = Expiring(TOKEN, "t", None, "", "", 0, life, None, False, due)
    assert stage(told_of, now) is None


def test_a_list_says_what_a_token_is_today() -> None:
    now = 1000 * DAY
    assert standing(None, None, False, now) == "live"
    assert standing(now + 31 * DAY, None, False, now) == "live"
    assert standing(now + 30 * DAY, None, False, now) == "expiring"
    assert standing(now + DAY, None, True, now) == "rotated"
    assert standing(now, None, True, now) == "expired"
    assert standing(now + DAY, now, False, now) == "revoked"
    assert [days_left(left if left is None else now + left, now) for left in (None, 0, 1, DAY, -5)] == [
        None,
        0,
        1,
        1,
        0,
    ]


def test_a_mistyped_token_is_known_by_its_checksum() -> None:
    token = new_token()
    assert well_formed(token)
    for wrong in (
        token[:-1],
        token + "0",
        token.replace("sbr_", "sbs_"),
        token[:9] + "ü" + token[10:],
        "",
        "sbr_",
    ):
        assert not well_formed(wrong)
    flipped = token[:20] + ("0" if token[20] != "0" else "1") + token[21:]
    assert not well_formed(flipped)
    assert not well_formed(token, "sbs_")
