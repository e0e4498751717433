"""What the tests fork in place of starting it ends, says and sees what a started process would."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from tests.forked import Forked, process


def outcome(forking: Path | None, folder: Path, *arguments: str) -> tuple[int, str, str]:
    """Exit code and both outputs of a command."""
    with (folder / "out").open("w+b") as out, (folder / "err").open("w+b") as err:
        code = process(forking, "scim_bridge", arguments, stdout=out, stderr=err).wait(300)
        return code, (folder / "out").read_text(), (folder / "err").read_text()


def test_a_forked_command_sees_its_environment_and_folder_and_says_what_a_started_one_does(
    forking: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCIM_BRIDGE_DATABASE_URL", "sqlite:///here.db")
    monkeypatch.chdir(tmp_path)
    missing = outcome(forking, tmp_path, "connections", "list")
    assert missing[0] == 1 and "here.db" in missing[2]
    assert missing == outcome(None, tmp_path, "connections", "list")
    assert outcome(forking, tmp_path, "connections", "create", "okta", "--kind", "okta")[0] == 0
    assert (tmp_path / "here.db").exists()
    misused = outcome(forking, tmp_path, "no-such-noun")
    assert misused[0] == 2 and misused == outcome(None, tmp_path, "no-such-noun")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_forked_process_runs_until_its_input_ends_or_a_signal_ends_it(
    forking: Path, tmp_path: Path, number: signal.Signals
) -> None:
    with (tmp_path / "out").open("wb") as out:
        killed, left = (
            Forked(forking, "json.tool", stdin=subprocess.PIPE, stdout=out, stderr=out) for _ in range(2)
        )
    assert killed.stdin is not None and left.stdin is not None
    assert killed.poll() is None
    killed.send_signal(number)
    assert killed.wait(300) == -number
    killed.stdin.close()
    left.stdin.write(b"[1]")
    left.stdin.close()
    assert left.wait(300) == 0 and "1" in (tmp_path / "out").read_text()
