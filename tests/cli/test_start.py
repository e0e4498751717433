"""Promises of how soon something answers: what is not needed for the first answer is not loaded for it."""

from __future__ import annotations

import subprocess
import sys

# What takes a tenth of a second or more to load, or many megabytes.
HEAVY = (
    "sqlalchemy",
    "sqlmodel",
    "pydantic",
    "alembic",
    "dbos",
    "scim2_models",
    "okta",
    "msal",
    "psycopg",
    "asyncpg",
)
SEEN = f"print(*sorted(set({HEAVY!r}) & set(sys.modules)))"


def test_neither_a_command_nor_a_server_loads_what_its_first_answer_does_not_need() -> None:
    command = "from scim_bridge.cli import agents; agents.UNUSED = 1"
    server = "from scim_bridge.cli import serve; from scim_bridge import server; server.UNUSED = 1"
    code = f"import sys; {command}; {SEEN}; print('starlette' in sys.modules); {server}; {SEEN}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["", "False", ""]
