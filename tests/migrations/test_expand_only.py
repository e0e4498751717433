"""A migration only adds: the release before goes on working on what it makes, or it begins an era that refuses it."""

from __future__ import annotations

import ast
import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import text

from scim_bridge.app import open_bridge
from scim_bridge.kernel.errors import ConfigurationError
from scim_bridge.migrations import head, opened, workable
from scim_bridge.migrations.presence import HERE, revisions
from scim_bridge.server import Server
from scim_bridge.settings.model import Settings

# Before it nothing was promised.
FIRST = "0030"
ADDING = {"create_table", "add_column", "create_index"}
KEY = "0123456789abcdef" * 4


def taking_away(source: str) -> Iterator[str]:
    """What in a migration the release before would notice."""
    tree = ast.parse(source)
    calls = [
        node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    ]
    operations = [call for call in calls if ast.unparse(call.func).startswith("op.")]
    made = {ast.unparse(call.args[0]) for call in operations if call.func.attr == "create_table"}
    for call in operations:
        name, words = call.func.attr, {word.arg: ast.unparse(word.value) for word in call.keywords}
        if name not in ADDING:
            yield f"line {call.lineno}: op.{name}"
        elif name == "add_column":
            column = ast.unparse(call.args[1])
            if "nullable=True" not in column and "server_default=" not in column:
                yield f"line {call.lineno}: a column without a value for rows of the release before"
        elif (
            name == "create_index" and words.get("unique") == "True" and ast.unparse(call.args[1]) not in made
        ):
            yield f"line {call.lineno}: an index that refuses what the release before may write"


def files() -> list[Path]:
    """The migrations that are bound to it."""
    return [file for file in sorted((HERE / "versions").glob("[0-9]*.py")) if file.name[:4] > FIRST]


def test_every_migration_only_adds_or_begins_an_era() -> None:
    assert files()
    eras = [revision[0] for revision in revisions()]
    for file in files():
        place = revisions().index(file.name[:4])
        begins = eras[place] != eras[place - 1]
        assert begins or list(taking_away(file.read_text())) == [], file.name


@pytest.mark.parametrize(
    "line",
    [
        'op.drop_column("sb_x", "a")',
        'op.alter_column("sb_x", "a", nullable=False)',
        'op.execute("UPDATE sb_x SET a = 1")',
        'op.add_column("sb_x", sa.Column("a", TEXT, nullable=False))',
        'op.create_index("i", "sb_x", ["a"], unique=True)',
        'op.batch_alter_table("sb_x")',
    ],
)
def test_what_takes_away_is_found(line: str) -> None:
    assert list(taking_away(line))


def moved_on(url: str, revision: str) -> None:
    """A newer release added a column and a table, and says so."""
    with opened(url) as connection:
        connection.execute(text("ALTER TABLE sb_resource ADD COLUMN of_tomorrow TEXT"))
        connection.execute(text("CREATE TABLE sb_of_tomorrow (id TEXT PRIMARY KEY)"))
        connection.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})
        connection.commit()


def test_this_release_starts_and_is_ready_on_what_the_next_one_of_its_era_made(database_url: str) -> None:
    newer = f"{int(head()) + 2:04}"
    moved_on(database_url, newer)

    async def main() -> None:
        bridge = await open_bridge(Settings(database_url=database_url, secret_key=KEY))
        transport = httpx2.ASGITransport(app=Server(bridge).app)
        try:
            async with httpx2.AsyncClient(transport=transport, base_url="http://bridge.test") as client:
                lines = {one["component"]: one for one in (await client.get("/readyz")).json()["components"]}
                assert lines["migrations"] == {
                    "component": "migrations",
                    "state": "ok",
                    "detail": f"schema {newer}, this version needs {head()}",
                }
                refused = await client.get("/scim/v2/Users")
                assert refused.status_code == 401
        finally:
            await bridge.close()

    asyncio.run(main())
    with opened(database_url) as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == newer


def test_what_a_later_era_made_is_refused_in_one_line(database_url: str) -> None:
    moved_on(database_url, "1000")
    with pytest.raises(ConfigurationError, match="newer version"):
        asyncio.run(open_bridge(Settings(database_url=database_url, secret_key=KEY)))


def test_only_a_number_of_this_era_counts_as_newer() -> None:
    assert workable(head()) and workable("0999")
    assert not any(workable(each) for each in ("0001", "1000", "", "abcd", "09999", None))
