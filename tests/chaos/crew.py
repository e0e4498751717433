"""The bridge's processes: started, killed, started again, and how long each was away."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.schedule import Window
from tests.forked import Forked, process

START = 240.0
LOOK = 0.1
TRIES = 10

Process = Forked | subprocess.Popen[bytes]


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Member:
    """One process of the bridge. `cpu` is what its earlier lives have used, in seconds."""

    name: str
    role: str
    port: int
    process: Process
    lives: int = 1
    # How often it was started again because it had ended by itself, with the database away.
    tries: int = 0
    cpu: float = 0.0
    # What it answered last when it was asked whether it is ready.
    said: str = ""

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    def ready(self) -> bool:
        """True when it says so."""
        try:
            urllib.request.urlopen(f"{self.url}/readyz", timeout=6).close()
        except urllib.error.HTTPError as error:
            self.said = error.read().decode()
            return False
        except OSError as error:
            self.said = str(error)
            return False
        return True


def used(pid: int) -> float:
    """Seconds of processor time a process has used; 0 when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident(pid: int) -> int:
    """Bytes of memory a process holds; 0 when it is gone."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


@dataclass
class Crew:
    """Web replicas and workers on one database. Only what was started here is ever ended."""

    environment: Mapping[str, str]
    folder: Path
    # The socket of whoever forks processes; None: they are started.
    forking: Path | None = None
    members: dict[str, Member] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)
    windows: list[Window] = field(default_factory=list)

    def now(self) -> float:
        """Seconds since the start of the run."""
        return time.monotonic() - self.began

    async def start(self, web: int, workers: int) -> None:
        """Start everybody; returns when all are ready. With no workers the web replicas do both."""
        role = "web" if workers else "all"
        wanted = [(f"web-{n}", role) for n in range(1, web + 1)]
        wanted += [(f"worker-{n}", "worker") for n in range(1, workers + 1)]
        # The first one migrates, the others find it done.
        for name, its in wanted:
            port = free_port()
            self.members[name] = Member(name, its, port, self._spawn(name, its, port))
        await asyncio.gather(*(self.until_ready(name) for name in self.members))

    def _spawn(self, name: str, role: str, port: int) -> Process:
        with (self.folder / f"{name}.log").open("ab") as told:
            return process(
                self.forking,
                "scim_bridge",
                ["serve", "--port", str(port), "--role", role, "--exit-with-parent"],
                env={**os.environ, **self.environment},
                stdin=subprocess.PIPE,
                stdout=told,
                stderr=told,
            )

    async def until_ready(self, name: str) -> None:
        """Return when a member answers that it is ready; RuntimeError with its log when it does not.

        One that ended because the database was away just then is started again, as a service manager does.
        """
        member, end = self.members[name], time.monotonic() + START
        its = member.process
        while not await asyncio.to_thread(member.ready):
            if member.process is not its:
                return
            if its.poll() is not None and member.tries < TRIES:
                assert its.stdin is not None
                its.stdin.close()
                member.tries += 1
                its = member.process = self._spawn(name, member.role, member.port)
            elif its.poll() is not None or time.monotonic() > end:
                told = (self.folder / f"{name}.log").read_text()[-2000:]
                raise RuntimeError(f"{name} is not ready: {member.said} {told}")
            await asyncio.sleep(LOOK)

    async def kill(self, name: str, *, pause: float = 0.0) -> None:
        """kill -9, then start it again on the same port; returns when it is ready."""
        member, began = self.members[name], self.now()
        member.cpu += used(member.process.pid)
        self._end(member.process)
        await asyncio.sleep(pause)
        member.process = self._spawn(name, member.role, member.port)
        member.lives += 1
        await self.until_ready(name)
        if member.role != "worker":
            # A worker's end is no excuse for anybody who is answered by the others.
            self.windows.append(Window(began, self.now(), f"{name} killed"))

    @staticmethod
    def _end(its: Process) -> None:
        its.kill()
        its.wait()
        assert its.stdin is not None
        its.stdin.close()

    def stop(self) -> dict[str, int]:
        """End everybody as an operator would (SIGTERM); exit codes by name."""
        for member in self.members.values():
            member.process.terminate()
        codes = {}
        for member in self.members.values():
            member.cpu += used(member.process.pid)
            try:
                codes[member.name] = member.process.wait(30)
            except subprocess.TimeoutExpired:
                member.process.kill()
                codes[member.name] = member.process.wait()
            assert member.process.stdin is not None
            member.process.stdin.close()
        return codes

    def seconds_used(self) -> dict[str, float]:
        """Processor time by member, all its lives together."""
        return {m.name: m.cpu + used(m.process.pid) for m in self.members.values()}
