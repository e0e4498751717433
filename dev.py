#!/usr/bin/env python3
"""Set up and run scim-bridge from a clone, with nothing but Python 3.11+ and pip.

    python3 dev.py demo     the main job on embedded SQLite with the sandbox IdPs; --again starts over
    python3 dev.py test     everything CI runs
    python3 dev.py bench    speed, as ratios in one run
    python3 dev.py sbom     what it is made of (CycloneDX), from the lock: config/release/sbom.cdx.json
    python3 dev.py audit F  the locks against advisories in a folder (OSV), which you bring
    python3 dev.py setup    make .venv; afterwards .venv/bin/scim-bridge works

Only the standard library is used here: this file runs before anything is installed.
"""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
VENV = HERE / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")
SIGNALS = (signal.SIGINT, signal.SIGTERM)
QUICK = {
    "ruff check": ["-m", "ruff", "check", "."],
    "ruff format": ["-m", "ruff", "format", "--check", "--quiet", "."],
}
# From a clean clone these take a minute of one core: the tests need not wait for them.
SLOW = {
    "import directions": ["-c", "from importlinter.cli import lint_imports_command as run; run()"],
    "mypy --strict": ["-m", "mypy"],
}
# Without reordering, the files that take a minute start first (tests/conftest.py), not last. A third of
# their time is waiting for processes and disks: three workers keep two cores busy.
SPREAD = ["-n", "3", "--dist", "loadfile", "--no-loadscope-reorder"]


def stop(message: str) -> None:
    """End with a message that says what to do."""
    print(f"dev.py: {message}", file=sys.stderr)
    raise SystemExit(1)


def make_venv() -> None:
    """Create .venv with pip in it."""
    if (
        PYTHON.exists()
        and subprocess.run([str(PYTHON), "-c", "import pip"], capture_output=True).returncode == 0
    ):
        return
    print("Creating .venv ...", flush=True)
    made = subprocess.run(
        [sys.executable, "-m", "venv", "--clear", str(VENV)], capture_output=True, text=True
    )
    if made.returncode != 0:
        stop(
            "this Python cannot make a virtual environment (ensurepip is missing?).\n"
            "  On Debian or Ubuntu: apt-get install python3-venv, then run this again.\n"
            f"  {(made.stderr or made.stdout).strip()[-400:]}"
        )


def install(lock: str) -> None:
    """Install a hash-pinned lock, unless exactly this lock is installed already."""
    text = (HERE / lock).read_bytes() + (HERE / "pyproject.toml").read_bytes()
    digest = hashlib.sha256(text).hexdigest()
    stamp = VENV / f".installed-{lock}"
    if stamp.exists() and stamp.read_text() == digest:
        return
    print(f"Installing {lock} (hash-checked) ...", flush=True)
    pip = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-input"]
    commands = [
        [*pip, "--require-hashes", "--only-binary", ":all:", "-r", str(HERE / lock)],
        [str(PYTHON), str(HERE / "dev.py"), "link"],
    ]
    for command in commands:
        if call(command) != 0:
            stop(f"installing {lock} failed; the lines above say why. Is the package index reachable?")
    stamp.write_text(digest)


def link() -> None:
    """Put this clone on the virtual environment's path, with a scim-bridge command."""
    import sysconfig

    Path(sysconfig.get_paths()["purelib"], "scim_bridge_clone.pth").write_text(f"{HERE}\n")
    script = BIN / "scim-bridge"
    script.write_text(f'#!/bin/sh\nexec "{PYTHON}" -m scim_bridge "$@"\n')
    script.chmod(0o755)


def environment() -> dict[str, str]:
    """The environment of commands of the virtual environment."""
    found = {**os.environ, "PYTHONPATH": "", "PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}"}
    # Images for containers set it. The tests start hundreds of processes, the demo a dozen, and each would
    # compile the whole house again: three seconds of a core each time.
    found.pop("PYTHONDONTWRITEBYTECODE", None)
    return found


def call(command: list[str], **options: Any) -> int:
    """Run a command from this folder; its exit code. A signal to us goes to it, and we end when it has (128 + n)."""
    heard: list[int] = []
    child: list[subprocess.Popen[bytes]] = []

    def forward(number: int, _frame: object) -> None:
        heard.append(number)
        for process in child:
            process.send_signal(number)

    before = {number: signal.signal(number, forward) for number in SIGNALS}
    try:
        child.append(subprocess.Popen(command, cwd=HERE, **options))
        if heard:
            child[0].send_signal(heard[-1])
        code = child[0].wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if heard:
        raise SystemExit(128 + heard[0])
    return 128 - code if code < 0 else code


def run(*command: str) -> int:
    """Run a command of the virtual environment; its exit code."""
    return call([str(PYTHON), *command], env=environment())


def become(*command: str) -> int:
    """Go on as a command of the virtual environment: signals and exit code are its own, nobody stands between."""
    if os.name == "nt":
        return run(*command)
    sys.stdout.flush()
    os.chdir(HERE)
    os.execve(PYTHON, [str(PYTHON), *command], environment())


def test(arguments: list[str]) -> int:
    """Everything CI runs: lint, types, directions, and the tests with PostgreSQL in them."""
    make_venv()
    install("requirements-dev.lock")
    if arguments:
        return become("-m", "pytest", *arguments)
    for name, command in QUICK.items():
        print(f"== {name}", flush=True)
        if (code := run(*command)) != 0:
            print(f"{name} failed", file=sys.stderr)
            return code
    with beside(SLOW) as checks:
        print("== pytest", flush=True)
        codes = {"pytest": run("-m", "pytest", *SPREAD)}
        for name, check in checks.items():
            print(f"== {name}", flush=True)
            codes[name] = check.ended()
    for name, code in codes.items():
        if code != 0:
            print(f"{name} failed", file=sys.stderr)
    return next((code for code in codes.values() if code != 0), 0)


@contextmanager
def beside(checks: dict[str, list[str]]) -> Iterator[dict[str, Check]]:
    """Commands that run beside the block; none runs on after it."""
    with tempfile.TemporaryDirectory() as folder:
        started = {}
        try:
            for number, (name, command) in enumerate(checks.items()):
                started[name] = Check(command, Path(folder, str(number)))
            yield started
        finally:
            for check in started.values():
                check.process.kill()
                check.process.wait()


class Check:
    """A command of the virtual environment that runs, and what it says."""

    def __init__(self, command: list[str], said: Path) -> None:
        self._said = said
        with said.open("wb") as output:
            self.process = subprocess.Popen(
                [str(PYTHON), *command], cwd=HERE, env=environment(), stdout=output, stderr=subprocess.STDOUT
            )

    def ended(self) -> int:
        """Wait for its end and show what it said; its exit code."""
        code = self.process.wait()
        print(self._said.read_text(), end="", flush=True)
        return code


def main() -> int:
    """Do what the first argument says."""
    # An older Python must get this sentence, not a syntax error from what it imports.
    if sys.version_info < (3, 11):  # noqa: UP036
        stop(f"Python 3.11 or newer is needed; this is {sys.version.split()[0]}.")
    verb, arguments = (sys.argv[1], sys.argv[2:]) if len(sys.argv) > 1 else ("help", [])
    if verb == "link":
        link()
        return 0
    if verb == "test":
        return test(arguments)
    if verb in ("sbom", "audit"):
        make_venv()
        install("requirements-dev.lock")
        # The folder is the caller's, who may stand elsewhere.
        given = [str(Path(each).resolve()) for each in arguments]
        return become(str(HERE / "config" / "release" / "sbom.py"), verb, *given)
    if verb in ("demo", "setup", "bench"):
        make_venv()
        install("requirements.lock" if verb != "bench" else "requirements-dev.lock")
        if verb == "setup":
            print(f"Ready: {BIN / 'scim-bridge'}")
            return 0
        if verb == "bench":
            return become("-m", "tests.bench", *arguments)
        return become("-m", "scim_bridge", "demo", *arguments)
    print(__doc__)
    return 0 if verb in ("help", "-h", "--help") else 2


if __name__ == "__main__":
    sys.exit(main())
