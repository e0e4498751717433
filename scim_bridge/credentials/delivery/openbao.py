"""OpenBao and Vault, KV version 2: each delivery is one version, written with check-and-set.

Source: openbao.org/api-docs/secret/kv/kv-v2. A place is {"path", "field"?, "reference_field"?}; other
fields at the same path stay. The store tells nobody's reading, so nothing is confirmed here.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from scim_bridge.credentials.delivery import openbao_keys as keys
from scim_bridge.credentials.delivery.failures import Overtaken, away, by_status, refused, unhurried
from scim_bridge.credentials.delivery.missing import library
from scim_bridge.credentials.delivery.places import entries, field_of, only_keys, path_of
from scim_bridge.credentials.model import Delivered, Fresh, Target
from scim_bridge.settings.stores import Options

T = TypeVar("T")

CANARY = "scim-bridge-canary"
RIGHTS = "Check the token and that its policy allows create, read and update there."
# What reading an answer raises that is none of OpenBao's.
UNREADABLE = (KeyError, TypeError, ValueError, AttributeError, InvalidSignature, UnsupportedAlgorithm)
# A token is renewed by signing in again before it ends.
EARLY = 30.0


class OpenBao:
    """One OpenBao or Vault server. Its client does its own HTTP, in threads, to the settings' address only."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._hvac = library("hvac", "vault", options.name)
        self._requests = library("requests", "vault", options.name)
        self._local = threading.local()
        self._lock = threading.Lock()
        self._token = ""
        self._until = 0.0

    async def deliver(self, target: Target, fresh: Fresh, idempotency: str) -> Delivered:
        """Write the next version, unless the newest says the same already."""
        path = self._place(target)
        wanted = entries(self._options, target, fresh)

        async def attempt() -> Delivered:
            version, data = await self._read(path)
            if all(data.get(name) == value for name, value in wanted.items()):
                return Delivered(str(version))
            return Delivered(str(await self._write(path, {**data, **wanted}, version)))

        return await unhurried(attempt)

    async def confirmed(self, target: Target, delivered: Delivered, since: int) -> bool | None:
        """None: who reads a secret is told in the server's audit log only."""
        return None

    async def withdraw(self, target: Target, delivered: Delivered) -> None:
        """Write the fields as they were before that version, unless somebody changed them since."""
        path, version = self._place(target), int(delivered.version)
        fields = [field_of(self._options, target, "field", "value")]
        fields += filter(None, [field_of(self._options, target, "reference_field", "")])

        async def attempt() -> None:
            newest, data = await self._read(path)
            _, ours = await self._read(path, version)
            if not ours or any(data.get(name) != ours.get(name) for name in fields):
                return
            before = await self._before(path, version, {name: ours.get(name) for name in fields})
            kept = {name: value for name, value in data.items() if name not in fields}
            kept |= {name: before[name] for name in fields if name in before}
            if kept:
                await self._write(path, kept, newest)
            elif newest == version:
                await self._call(
                    lambda client: client.secrets.kv.v2.delete_secret_versions(
                        path, [version], mount_point=self._options["mount"]
                    )
                )

        await unhurried(attempt)

    async def _before(self, path: str, version: int, ours: Mapping[str, Any]) -> dict[str, Any]:
        """The newest version before that one in which these fields say something else; empty when there is none.

        A delivery that was repeated after a neighbour's write is more versions than one.
        """
        for earlier in range(version - 1, 0, -1):
            _, data = await self._read(path, earlier)
            if any(data.get(name) != value for name, value in ours.items()):
                return data
        return {}

    async def probe(self) -> None:
        """Write a canary, read it back, and remove every trace of it."""
        prefix = self._options["prefix"]
        path = f"{prefix}/{CANARY}" if prefix else CANARY
        version, _ = await self._read(path)
        await self._write(path, {"canary": "scim-bridge"}, version)
        _, data = await self._read(path)
        await self._call(
            lambda client: client.secrets.kv.v2.delete_metadata_and_all_versions(
                path, mount_point=self._options["mount"]
            )
        )
        if data.get("canary") != "scim-bridge":
            raise refused(self._options.name, "did not give back what was written", "Check the mount.")

    async def certificate(self, request: str, name: str, days: int) -> str:
        """The certificate of a request, signed by the role of its PKI engine."""
        return await self._call(
            lambda client: keys.sign_request(client, self._options, request, name, days), keys.PKI_RIGHTS
        )

    async def with_key(self, key: str, use: Callable[[RSAPrivateKey], T]) -> T:
        """Use a key of its transit engine; it is made there when there is none of that name."""
        return await self._call(
            lambda client: keys.with_stored_key(client, self._options, key, use), keys.TRANSIT_RIGHTS
        )

    async def drop_key(self, key: str) -> None:
        """Destroy a key of its transit engine."""
        absent = self._hvac.exceptions.InvalidPath
        await self._call(
            lambda client: keys.drop_stored_key(client, self._options, key, absent), keys.TRANSIT_RIGHTS
        )

    async def revoke_certificate(self, serial: str) -> None:
        """Put a certificate of its PKI engine on the list of the revoked."""
        unknown = self._hvac.exceptions.InvalidRequest
        await self._call(
            lambda client: keys.revoke_signed(client, self._options, serial, unknown), keys.REVOKE_RIGHTS
        )

    async def close(self) -> None:
        """Nothing is kept open."""

    def _place(self, target: Target) -> str:
        only_keys(self._options, target, "path", "field", "reference_field")
        return path_of(self._options, target, "path")

    async def _read(self, path: str, version: int | None = None) -> tuple[int, dict[str, Any]]:
        """(version, fields) of the newest or one version; version 0 when there is none, no fields when deleted."""

        def read(client: Any) -> tuple[int, dict[str, Any]]:
            try:
                answer = client.secrets.kv.v2.read_secret_version(
                    path,
                    version=version,
                    mount_point=self._options["mount"],
                    raise_on_deleted_version=False,
                )
            except self._hvac.exceptions.InvalidPath:
                return 0, {}
            found = answer["data"]
            return int(found["metadata"]["version"]), dict(found["data"] or {})

        return await self._call(read)

    async def _write(self, path: str, data: Mapping[str, Any], after: int) -> int:
        """Write the version after that one; Overtaken when there is a newer one."""

        def write(client: Any) -> int:
            try:
                answer = client.secrets.kv.v2.create_or_update_secret(
                    path, dict(data), cas=after, mount_point=self._options["mount"]
                )
            except self._hvac.exceptions.InvalidRequest as error:
                if any("check-and-set" in str(reason) for reason in error.errors or ()):
                    raise Overtaken(self._options.name) from None
                raise
            return int(answer["data"]["version"])

        return await self._call(write)

    async def _call(self, use: Callable[[Any], T], rights: str = RIGHTS) -> T:
        return await asyncio.to_thread(self._use, use, rights)

    def _use(self, use: Callable[[Any], T], rights: str) -> T:
        """Call with a token; once more with a fresh one when it is not taken any more."""
        exceptions, name = self._hvac.exceptions, self._options.name
        network = self._requests.exceptions
        try:
            try:
                return use(self._client(again=False))
            except exceptions.Forbidden:
                # Tokens end, and are revoked, before their time.
                return use(self._client(again=True))
        except network.SSLError:
            raise refused(name, "shows no certificate that is trusted", "Set its ca_file.") from None
        except network.RequestException:
            raise away(name, "does not answer") from None
        except exceptions.VaultError as error:
            raise by_status(name, _status(exceptions, error), rights) from None
        except UNREADABLE as error:
            # A proxy's page, or something else where OpenBao should be.
            raise away(name, f"answered something else than OpenBao does ({type(error).__name__})") from None

    def _client(self, *, again: bool) -> Any:
        """This thread's client, signed in. A session of requests is not for several threads."""
        client = getattr(self._local, "client", None)
        if client is None:
            client = self._local.client = self._new_client()
        with self._lock:
            if again or not self._token or time.monotonic() > self._until:
                self._token, self._until = self._signed_in(client)
            client.token = self._token
        return client

    def _new_client(self) -> Any:
        session = self._requests.Session()
        # No proxy and no password file of the environment: addresses come from the settings alone.
        session.trust_env = False
        session.verify = self._options["ca_file"] or True
        return self._hvac.Client(
            url=self._options["address"],
            token="",
            timeout=self._options.timeout,
            allow_redirects=False,
            session=session,
            namespace=self._options["namespace"] or None,
            strict_http=True,
        )

    def _signed_in(self, client: Any) -> tuple[str, float]:
        """(a token, until when to use it by the monotonic clock)."""
        options, auth = self._options, self._options["auth"]
        client.token = None
        if auth == "token":
            path = options["token_path"]
            # A file is read again now and then: an agent beside us may renew it.
            return (
                (_text(options, path), time.monotonic() + EARLY) if path else (options["token"], float("inf"))
            )
        if auth == "approle":
            answer = client.auth.approle.login(
                options["role_id"],
                options["secret_id"],
                use_token=False,
                mount_point=options["auth_mount"] or "approle",
            )
        else:
            answer = client.auth.kubernetes.login(
                options["role"],
                _text(options, options["jwt_path"]),
                use_token=False,
                mount_point=options["auth_mount"] or "kubernetes",
            )
        lasts = float(answer["auth"]["lease_duration"])
        until = time.monotonic() + max(lasts - EARLY, lasts / 2) if lasts else float("inf")
        return str(answer["auth"]["client_token"]), until


def _text(options: Options, path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError as error:
        raise refused(
            options.name, f"cannot be signed in to: {path} cannot be read ({error.strerror})", "Mount it."
        ) from None


def _status(exceptions: Any, error: Exception) -> int:
    """The HTTP status behind an exception of hvac; 500 for one it has no name for."""
    known = {
        "InvalidRequest": 400,
        "Unauthorized": 401,
        "Forbidden": 403,
        "InvalidPath": 404,
        "UnsupportedOperation": 405,
        "PreconditionFailed": 412,
        "RateLimitExceeded": 429,
        "BadGateway": 502,
        "VaultDown": 503,
    }
    return next(
        (status for name, status in known.items() if isinstance(error, getattr(exceptions, name))), 500
    )
