"""A Kubernetes API for Secrets, as strict as the real one about what it takes: over HTTP, in memory.

After kubernetes.io/docs/reference/using-api and the answers of kube-apiserver: 401, 404, 409 with a
resourceVersion that is not the newest, 415 for an unknown patch type, 422 for what validation refuses.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}")
NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
ANNOTATION = re.compile(r"([a-z0-9]([a-z0-9.-]*[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
PATCHES = ("application/merge-patch+json", "application/json-patch+json", "application/apply-patch+yaml")


@dataclass
class Cluster:
    """What is there, and every call that came."""

    url: str = ""
    token: str = "service account token"
    secrets: dict[str, dict[str, Any]] = field(default_factory=dict)
    calls: list[tuple[str, str, int]] = field(default_factory=list)
    # Called before a PATCH is taken: somebody else comes in between.
    between: list[Any] = field(default_factory=list)
    version: int = 100

    def value(self, name: str, key: str) -> str | None:
        """The decoded value of a key; None when it is not there."""
        found = self.secrets.get(name, {}).get("data", {}).get(key)
        return None if found is None else base64.b64decode(found).decode()

    def touch(self, name: str) -> None:
        """Somebody else changes a label."""
        self.version += 1
        self.secrets[name]["metadata"]["resourceVersion"] = str(self.version)


class Refusal(Exception):
    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code, self.reason = code, reason


def merged(into: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    made = dict(into) if isinstance(into, dict) else {}
    for key, value in patch.items():
        if value is None:
            made.pop(key, None)
        else:
            made[key] = merged(made.get(key), value)
    return made


def validated(secret: dict[str, Any]) -> dict[str, Any]:
    for key, value in (secret.get("data") or {}).items():
        if not KEY.fullmatch(key):
            raise Refusal(422, "Invalid", f"data[{key}]: Invalid value")
        try:
            base64.b64decode(value, validate=True)
        except (binascii.Error, TypeError) as error:
            raise Refusal(400, "BadRequest", "illegal base64 data") from error
    for name in secret["metadata"].get("annotations") or {}:
        if not ANNOTATION.fullmatch(name):
            raise Refusal(422, "Invalid", f"metadata.annotations: Invalid value: {name}")
    return secret


class Api(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    cluster: Cluster

    def _answered(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        raw = self.rfile.read(length)
        try:
            code, body = self._handled(raw)
        except Refusal as refusal:
            code = refusal.code
            body = {"kind": "Status", "status": "Failure", "reason": refusal.reason, "message": str(refusal)}
        self.cluster.calls.append((self.command, self.path, code))
        content = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = _answered

    def _handled(self, raw: bytes) -> tuple[int, Any]:
        cluster = self.cluster
        if self.headers.get("authorization") != f"Bearer {cluster.token}":
            raise Refusal(401, "Unauthorized", "Unauthorized")
        found = re.fullmatch(r"/api/v1/namespaces/(agents|default)/secrets(?:/([^/]+))?", self.path)
        if found is None:
            raise Refusal(403, "Forbidden", "secrets is forbidden")
        name = found.group(2)
        if self.command == "POST" and name is None:
            return 201, self._created(json.loads(raw))
        if name not in cluster.secrets:
            raise Refusal(404, "NotFound", f'secrets "{name}" not found')
        if self.command == "GET":
            return 200, cluster.secrets[name]
        if self.command == "DELETE":
            del cluster.secrets[name]
            return 200, {"kind": "Status", "status": "Success"}
        if self.command != "PATCH":
            raise Refusal(405, "MethodNotAllowed", "the server does not allow this method")
        return 200, self._patched(name, raw)

    def _created(self, secret: dict[str, Any]) -> dict[str, Any]:
        if self.headers.get("content-type") != "application/json":
            raise Refusal(415, "UnsupportedMediaType", "the body of the request was in an unknown format")
        if secret.get("kind") != "Secret" or secret.get("apiVersion") != "v1":
            raise Refusal(400, "BadRequest", "the object provided is unrecognized")
        name = secret["metadata"]["name"]
        if not NAME.fullmatch(name):
            raise Refusal(422, "Invalid", "metadata.name: Invalid value")
        if name in self.cluster.secrets:
            raise Refusal(409, "AlreadyExists", f'secrets "{name}" already exists')
        self.cluster.secrets[name] = validated(secret)
        self.cluster.touch(name)
        return secret

    def _patched(self, name: str, raw: bytes) -> dict[str, Any]:
        if self.headers.get("content-type") not in PATCHES:
            raise Refusal(415, "UnsupportedMediaType", "the body of the request was in an unknown format")
        for other in self.cluster.between:
            other()
        patch, old = json.loads(raw), self.cluster.secrets[name]
        expected = patch.get("metadata", {}).get("resourceVersion")
        if expected is not None and expected != old["metadata"]["resourceVersion"]:
            raise Refusal(409, "Conflict", "the object has been modified")
        made = validated(merged(old, patch))
        if old.get("immutable") and made.get("data") != old.get("data"):
            raise Refusal(422, "Invalid", "data: Forbidden: field is immutable when `immutable` is set")
        self.cluster.secrets[name] = made
        self.cluster.touch(name)
        return made

    def log_message(self, *_args: object) -> None:
        return


@contextmanager
def cluster() -> Iterator[Cluster]:
    """A cluster on a free port of this machine until the block ends."""
    made = Cluster()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Api,), {"cluster": made}))
    server.daemon_threads = True
    made.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
