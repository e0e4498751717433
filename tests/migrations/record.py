"""Record what a release leaves in a database: its rows, and the statements it works with.

    git archive RELEASE | tar -x -C /tmp/release
    python -m tests.migrations.record /tmp/release

The release itself plays its own story (`demo --once`) with its own code on a fresh SQLite file; every row of it is
kept in `recorded/REVISION.jsonl.gz`, beside the statements that stand whole in its source. Done once for a release,
when the next one adds a migration.
"""

from __future__ import annotations

import ast
import gzip
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RECORDED = HERE / "recorded"
NOTES = "story.json"
VERBS = ("SELECT ", "INSERT ", "UPDATE ", "DELETE ", "WITH ")


def played(checkout: Path, folder: Path) -> Path:
    """The database of the release's own story."""
    command = [
        sys.executable,
        "-m",
        "scim_bridge",
        "demo",
        "--once",
        "--output",
        "jsonl",
        "--data",
        str(folder),
    ]
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    subprocess.run(command, cwd=checkout, env=environment, check=True)
    return next(folder.glob("*.db"))


def rows(database: Path) -> Iterator[dict[str, Any]]:
    """Every row of ours; bytes as {"hex": …}."""
    connection = sqlite3.connect(database)
    connection.row_factory = sqlite3.Row
    tables = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'sb!_%' ESCAPE '!'"
    )
    for table in sorted(name for (name,) in tables):
        for row in connection.execute(f"SELECT * FROM {table}"):
            values = {
                name: {"hex": row[name].hex()} if isinstance(row[name], bytes) else row[name]
                for name in row.keys()  # noqa: SIM118
            }
            yield {"table": table, "row": values}
    connection.close()


def statements(package: Path) -> list[str]:
    """The statements that stand whole in the source: none that are put together while it runs."""
    found = set()
    for file in package.rglob("*.py"):
        if "migrations" in file.parts or "sandbox" in file.parts:
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                text = node.value.strip()
                if text.startswith(VERBS) and " sb_" in text:
                    found.add(text)
    return sorted(found)


def main(checkout: Path) -> None:
    """Play, and write the recording."""
    with tempfile.TemporaryDirectory() as folder:
        database = played(checkout, Path(folder, "story"))
        connection = sqlite3.connect(database)
        [(revision,)] = connection.execute("SELECT version_num FROM alembic_version").fetchall()
        connection.close()
        # The story's own key and tokens: nothing real was ever sealed with or opened by them.
        notes = json.loads(Path(folder, "story", NOTES).read_text())
        told = {
            name: value
            for name, value in notes.items()
            if name == "secret:master" or name.startswith("token:")
        }
        lines = [{"revision": revision, "notes": told}, *rows(database)]
    lines += [{"statement": text} for text in statements(checkout / "scim_bridge")]
    # Where it was played is nobody's business.
    raw = "\n".join(json.dumps(line, sort_keys=True) for line in lines).replace(folder, "") + "\n"
    file = RECORDED / f"{revision}.jsonl.gz"
    with file.open("wb") as out, gzip.GzipFile(fileobj=out, mode="wb", filename="", mtime=0) as packed:
        packed.write(raw.encode())
    print(f"{file}: {len(lines)} lines, {file.stat().st_size} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
