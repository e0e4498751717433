"""Kubernetes: one key of a Secret, changed by a merge patch that names the version it was read at.

Source: kubernetes.io/docs/reference/using-api, "Patch" and "Resource versions". A place is {"secret",
"namespace"?, "key"?, "reference_key"?}. The API keeps no earlier versions, so the value before stays under
"<key>.previous" (its id under "<reference_key>.previous") until the next delivery: to go back, and for pods
that read both.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson

from scim_bridge.credentials.delivery.failures import (
    Overtaken,
    away,
    by_status,
    misplaced,
    refused,
    unhurried,
)
from scim_bridge.credentials.delivery.places import only_keys, version_of
from scim_bridge.credentials.model import Delivered, DeliveryFailed, Fresh, Target
from scim_bridge.kernel.outbound import Answer, Outbound
from scim_bridge.kernel.outbound_error import OutboundError
from scim_bridge.settings.stores import LOCAL, Options

CANARY = "scim-bridge-canary"
RIGHTS = "Allow get, create and patch of secrets in that namespace (and delete, for `stores test`)."
MERGE = "application/merge-patch+json"
# RFC 1123 subdomain and label, and the keys of a Secret (kubernetes.io/docs/concepts/configuration/secret).
NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
NAMESPACE = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
# The name part of an annotation has room for 63; "delivered." takes ten.
KEY = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,50}[A-Za-z0-9])?")


class Kubernetes:
    """One cluster's API, through the guarded way out, with a service account's token."""

    def __init__(self, options: Options, outbound: Outbound) -> None:
        self._options = options
        parts = urlsplit(options["address"])
        port = parts.port or (443 if parts.scheme == "https" else 80)
        way = outbound.reaching([f"{parts.hostname}:{port}"])
        if options["ca_file"] and not (parts.hostname in LOCAL and parts.scheme == "http"):
            try:
                way = way.trusting(options["ca_file"])
            except OSError:
                raise refused(
                    options.name, f"cannot be trusted by {options['ca_file']}", "Mount the CA."
                ) from None
        self._outbound = way

    async def deliver(self, target: Target, fresh: Fresh, idempotency: str) -> Delivered:
        """Set the key, keep the value before it beside it; a Secret that is not there is created."""
        path, wanted = self._path(target), self._wanted(target, fresh)
        key, version = self._key(target), version_of(idempotency)

        async def attempt() -> Delivered:
            found = await self._read(path)
            if found is None:
                await self._create(path, {name: _coded(text) for name, text in wanted.items()}, key, version)
                return Delivered(version)
            if _mark(found, key) == version:
                return Delivered(version)
            before = found.get("data") or {}
            data: dict[str, str | None] = {name: _coded(text) for name, text in wanted.items()}
            data |= {_previous(name): before.get(name) for name in wanted}
            await self._patch(path, found, key, version, data)
            return Delivered(version)

        return await unhurried(attempt)

    async def confirmed(self, target: Target, delivered: Delivered, since: int) -> bool | None:
        """None: the API does not tell who reads a Secret."""
        return None

    async def withdraw(self, target: Target, delivered: Delivered) -> None:
        """Put the value before it back, unless somebody delivered another one since."""
        path, key = self._path(target), self._key(target)
        # A key whose id is another's proves nobody: both go back together.
        names = [key, *filter(None, [target.address.get("reference_key", "")])]

        async def attempt() -> None:
            found = await self._read(path)
            if found is None or _mark(found, key) != delivered.version:
                return
            kept = found.get("data") or {}
            data = {name: kept.get(_previous(name)) for name in names}
            await self._patch(path, found, key, None, data | dict.fromkeys(map(_previous, names)))

        await unhurried(attempt)

    async def probe(self) -> None:
        """Create a Secret, change it, and delete it."""
        target = Target("kubernetes", {"secret": self._options["prefix"] + CANARY}, self._options.name)
        path = self._path(target)
        if await self._read(path) is None:
            await self._create(path, {"canary": _coded("scim-bridge")}, "canary", "0")
        found = await self._read(path)
        try:
            if found is None:
                raise refused(self._options.name, "did not keep what was written", RIGHTS)
            await self._patch(path, found, "canary", "1", {"canary": _coded("again")})
        finally:
            self._taken(await self._send("DELETE", path))

    async def close(self) -> None:
        """Close the connections to it."""
        await self._outbound.aclose()

    def _path(self, target: Target) -> str:
        only_keys(self._options, target, "secret", "namespace", "key", "reference_key")
        name = target.address.get("secret", "")
        namespace = target.address.get("namespace") or self._options["namespace"]
        if not NAME.fullmatch(name):
            raise misplaced(self._options.name, f"{name[:80]!r} is no name of a Secret", "Give secret=name.")
        if not NAMESPACE.fullmatch(namespace):
            raise misplaced(self._options.name, f"{namespace[:80]!r} is no namespace", "Give namespace=name.")
        if not name.startswith(self._options["prefix"]):
            raise misplaced(
                self._options.name,
                f"{name!r} does not begin with {self._options['prefix']!r}",
                "Choose another.",
            )
        return f"/api/v1/namespaces/{namespace}/secrets/{name}"

    def _key(self, target: Target) -> str:
        key = target.address.get("key") or "value"
        if not KEY.fullmatch(key):
            raise misplaced(
                self._options.name, f"{key[:80]!r} is no key of a Secret", "Use letters, digits, _ . -"
            )
        return key

    def _wanted(self, target: Target, fresh: Fresh) -> Mapping[str, str]:
        made = {self._key(target): fresh.value.reveal()}
        reference = target.address.get("reference_key", "")
        taken = (*made, *map(_previous, made))
        if reference and (not KEY.fullmatch(reference) or reference in taken):
            raise misplaced(self._options.name, f"{reference[:80]!r} is no reference_key", "Use another key.")
        return made | {reference: fresh.reference} if reference else made

    async def _read(self, path: str) -> dict[str, Any] | None:
        answer = await self._send("GET", path)
        if answer.status == 404:
            return None
        self._taken(answer)
        return self._object(answer)

    async def _create(self, path: str, data: Mapping[str, str], key: str, version: str) -> None:
        folder, _, name = path.rpartition("/")
        metadata = {"name": name, "annotations": {_annotation(key): version}}
        body = {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": metadata, "data": data}
        self._taken(await self._send("POST", folder, body))

    async def _patch(
        self,
        path: str,
        found: Mapping[str, Any],
        key: str,
        version: str | None,
        data: Mapping[str, str | None],
    ) -> None:
        """Change the Secret as it was read; Overtaken when it was changed since (RFC 7386: null removes)."""
        metadata = {
            "resourceVersion": found["metadata"]["resourceVersion"],
            "annotations": {_annotation(key): version},
        }
        self._taken(await self._send("PATCH", path, {"metadata": metadata, "data": data}))

    def _taken(self, answer: Answer) -> None:
        if answer.status == 409:
            raise Overtaken(self._options.name)
        if not 200 <= answer.status < 300:
            raise by_status(self._options.name, answer.status, RIGHTS)

    def _object(self, answer: Answer) -> dict[str, Any]:
        try:
            found = orjson.loads(answer.body)
            found["metadata"]["resourceVersion"]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            raise away(self._options.name, "answered with something else than a Secret") from None
        return dict(found)

    async def _send(self, method: str, path: str, body: object = None) -> Answer:
        headers = {"authorization": f"Bearer {self._token()}", "accept": "application/json"}
        if body is not None:
            headers["content-type"] = MERGE if method == "PATCH" else "application/json"
        try:
            return await self._outbound.send(
                method,
                self._options["address"].rstrip("/") + path,
                headers=headers,
                body=None if body is None else orjson.dumps(body),
                timeout=self._options.timeout,
            )
        except OutboundError as error:
            raise DeliveryFailed(error.code, error.message, error.fix, transient=error.transient) from None

    def _token(self) -> str:
        """The token of now: the one in a pod's file is replaced about once an hour."""
        if self._options["token"]:
            return self._options["token"]
        try:
            return Path(self._options["token_path"]).read_text().strip()
        except OSError as error:
            raise refused(
                self._options.name,
                f"has no token ({self._options['token_path']}: {error.strerror})",
                "Mount it.",
            ) from None


def _coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _previous(key: str) -> str:
    return f"{key}.previous"


def _annotation(key: str) -> str:
    return f"scim-bridge/delivered.{key}"


def _mark(found: Mapping[str, Any], key: str) -> str | None:
    """Which delivery the key's value came with."""
    value = (found["metadata"].get("annotations") or {}).get(_annotation(key))
    return None if value is None else str(value)
