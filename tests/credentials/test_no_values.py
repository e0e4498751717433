"""Promise: no value of a credential is in the database, a log, the audit, an error, or a crash."""

from __future__ import annotations

import json
import logging
import traceback
from pathlib import Path
from typing import Any

import structlog

from scim_bridge.credentials.begin import rotate_agent
from scim_bridge.credentials.model import DeliveryFailed
from scim_bridge.kernel.clock import SECOND
from scim_bridge.kernel.secret_text import SecretText
from scim_bridge.kernel.telemetry import configure_logging
from tests.conftest import TESTER
from tests.credentials.house import House


class Clumsy:
    """A store that crashes with the value in its hands, refuses once, then takes it."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.values: list[str] = []

    async def deliver(self, target: Any, fresh: Any, idempotency: str) -> Any:
        self.values.append(fresh.value.reveal())
        if len(self.values) % 3 == 1:
            raise RuntimeError(f"{fresh} {fresh.value} {fresh.value!r}")
        if len(self.values) % 3 == 2:
            raise DeliveryFailed("store-away", f"the store is away: {fresh.value}", transient=True)
        return await self.inner.deliver(target, fresh, idempotency)

    async def confirmed(self, *args: Any) -> Any:
        return await self.inner.confirmed(*args)

    async def withdraw(self, *args: Any) -> None:
        await self.inner.withdraw(*args)


def test_planted_values_are_found_nowhere(at_both, tmp_path: Path, capfd, caplog) -> None:
    values: set[str] = set()
    written: list[str] = []

    async def scene(house: House) -> None:
        configure_logging("debug", "json")
        logging.getLogger().setLevel(logging.DEBUG)
        clumsy = Clumsy(house.stores)
        house.effects = house.engine(clumsy)
        agent = await house.agent("refund")
        okta, entra = house.okta_app(agent), house.entra_app(agent)
        values.update((okta.secret, entra.secret))
        await house.policy("connection:okta", address={"path": "{slug}-okta"})
        await house.policy("connection:entra", address={"path": "{slug}-entra"}, kind="key")
        for name in ("okta", "entra"):
            await house.scan(name)

        async def begin(work: Any) -> Any:
            return await rotate_agent(work, agent, "refund", "demand", "a test")

        await house.store.transact(TESTER, begin)
        for _ in range(6):
            await house.work()
            rows = await everything(house)
            written.append(rows)
            house.clock.advance(seconds=700)
        for _ in range(2):
            house.clock.advance(seconds=7200)
            await house.work()
        written.append(await everything(house))
        assert '"undone"' in written[-1], "nobody confirmed it"
        for value in clumsy.values:
            values.add(value)
            if value.startswith("{"):
                values.add(json.loads(value)["d"])
            if value.startswith("-----"):
                values.update(value.splitlines()[1:4])
        assert len(values) > 5

    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    try:
        at_both(scene)
    finally:
        root.setLevel(level)
        root.handlers[:] = handlers
        structlog.reset_defaults()
    out, err = capfd.readouterr()
    said = "\n".join([out, err, caplog.text, *written])
    for file in tmp_path.glob("bridge.db*"):
        said += file.read_bytes().decode("latin-1")
    assert "effect.failed" in said, "the crash was logged"
    assert [value for value in values if value in said] == []


async def everything(house: House) -> str:
    """Every row of every table of ours, as text; bytes as they are."""
    if house.store.database.backend == "sqlite":
        names = await house.store.reads.all(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'sb_%'"
        )
    else:
        names = await house.store.reads.all(
            "SELECT table_name AS name FROM information_schema.tables WHERE table_name LIKE 'sb_%'"
        )
    found = []
    for name in names:
        rows = await house.store.reads.all(f"SELECT * FROM {name['name']}")
        found += [json.dumps(dict(row), default=lambda b: bytes(b).decode("latin-1")) for row in rows]
    return "\n".join(found)


def test_a_secret_text_shows_itself_to_nobody_that_does_not_ask() -> None:
    value = SecretText("planted-value-of-the-test")
    try:
        raise ValueError(f"{value} {value!r} {value:>40} {[value]} {value!s}")
    except ValueError:
        assert "planted" not in traceback.format_exc()
    for shows in (lambda: json.dumps(value), lambda: "".join([value]), lambda: value + "", lambda: SECOND):  # type: ignore[list-item, operator]
        try:
            assert "planted" not in str(shows())
        except TypeError:
            continue
    assert value == SecretText("planted-value-of-the-test") and value.reveal().startswith("planted")
