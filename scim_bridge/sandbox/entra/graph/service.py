"""One Graph call from bearer token to answer: who, how much, what, and in one transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import uuid4

import orjson
from joserfc.jwk import RSAKey

from scim_bridge.sandbox.entra import settings
from scim_bridge.sandbox.entra.graph import (
    answerable,
    app_credentials,
    applications,
    attributes,
    audits,
    batch,
    creation,
    delta,
    directory,
    domains,
    groups,
    lifecycle,
    principals,
    registry,
    settling,
    throttle,
    users,
)
from scim_bridge.sandbox.entra.graph.call import Answer, Call
from scim_bridge.sandbox.entra.graph.errors import (
    GraphError,
    NotSettled,
    malformed,
    unauthenticated,
)
from scim_bridge.sandbox.entra.graph.route import Routes, segments
from scim_bridge.sandbox.entra.notices import subscriptions
from scim_bridge.sandbox.entra.sts import tokens
from scim_bridge.sandbox.entra.tenant import Tenant

VERSIONS = ("v1.0", "beta")
_ROOMS = (
    principals,
    creation,
    applications,
    app_credentials,
    answerable,
    users,
    groups,
    attributes,
    lifecycle,
    directory,
    domains,
    delta,
    subscriptions,
    registry,
    audits,
)
_UNREADABLE = (
    "Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON "
    "format."
)


class Graph:
    """Microsoft Graph over one tenant."""

    def __init__(self, tenant: Tenant, key: RSAKey) -> None:
        self.tenant = tenant
        self._key = key
        self._routes = Routes(operation for room in _ROOMS for operation in room.operations())
        self._buckets: dict[tuple[str, str], throttle.Bucket] = {}

    def answer(
        self,
        method: str,
        version: str,
        path: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        raw: bytes,
    ) -> Answer:
        """The answer to one HTTP request; headers in lower case, `path` below the version."""
        request_id, now = str(uuid4()), self.tenant.now()
        client_id = headers.get("client-request-id", request_id)
        try:
            call = self._call(method, version, path, query, headers, raw, now)
            answer = self._batch(call) if call.path == ("$batch",) else self._metered(call)
        except GraphError as error:
            answer = Answer(error.status, error.body(now, request_id, client_id), error.headers)
        standing = {"request-id": request_id, "client-request-id": client_id}
        return replace(answer, headers={**standing, **answer.headers})

    def _call(
        self,
        method: str,
        version: str,
        path: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        raw: bytes,
        now: int,
    ) -> Call:
        if version not in VERSIONS:
            raise malformed(f"Invalid version: {version}.")
        scheme, _, token = headers.get("authorization", "").partition(" ")
        try:
            bearer = token.strip() if scheme.lower() == "bearer" else ""
            caller = tokens.read(self._key, self.tenant.id, bearer, now)
        except tokens.BadToken as error:
            raise unauthenticated(str(error)) from None
        root = f"{self.tenant.base_url}/{version}"
        return Call(method, version, segments(path), query, headers, _body(headers, raw), caller, now, root)

    def _batch(self, call: Call) -> Answer:
        if call.method != "POST":
            raise GraphError(405, "Request_BadRequest", "A batch is sent with POST.")
        steps = batch.read_steps(call.body)
        return Answer(200, batch.run(steps, lambda step: self._step(call, step)))

    def _step(self, outer: Call, step: batch.Step) -> Answer:
        headers = {**step.headers, "authorization": ""}
        call = replace(
            outer,
            method=step.method,
            path=segments(step.path),
            query=step.query,
            headers=headers,
            body=step.body,
        )
        request_id = str(uuid4())
        try:
            answer = self._metered(call)
        except GraphError as error:
            answer = Answer(error.status, error.body(call.now, request_id, request_id), error.headers)
        url = f"{outer.root}{step.path}"
        self.tenant.store.record(
            "in", "batch step", step.method, url, step.body, answer.status, answer.body, step.headers
        )
        return answer

    def _metered(self, call: Call) -> Answer:
        units = throttle.cost(call.method, call.path, call.query)
        share = self._charge(call, units)
        headers = {"x-ms-resource-unit": str(units)}
        if share > 0.8:
            headers["x-ms-throttle-limit-percentage"] = f"{share:.2f}"
        try:
            answer = self._run(call)
        except GraphError as error:
            error.headers = {**headers, **error.headers}
            raise
        return replace(answer, headers={**headers, **answer.headers})

    def _charge(self, call: Call, units: int) -> float:
        """Debit the caller's buckets, all or none; 429 when one is empty. The share used of the fuller one."""
        rules, own = settings.load(self.tenant.store), call.caller.app_id
        limits = [("units", float(units), float(rules.throttle_units), rules.throttle_seconds)]
        if call.method != "GET":
            limits.append(("writes", 1.0, float(rules.throttle_writes), rules.throttle_write_seconds))
        debited, wait = {}, 0
        for name, amount, capacity, seconds in limits:
            after, needed = throttle.take(self._buckets.get((own, name)), amount, capacity, seconds, call.now)
            debited[own, name], wait = after, max(wait, needed)
        if wait:
            raise _throttled(wait, own, self.tenant.id)
        self._buckets |= debited
        return max(throttle.used_share(debited[own, name], capacity) for name, _, capacity, _ in limits)

    def _run(self, call: Call) -> Answer:
        operation, ids = self._routes.find(call.method, call.path)
        try:
            with self.tenant.store.transaction():
                answer = operation.run(self.tenant, call, ids)
                audits.note(self.tenant, call, answer)
                return answer
        except NotSettled as error:
            settling.missed(self.tenant, error.object_id)
            raise


def _throttled(wait: int, app_id: str, tenant_id: str) -> GraphError:
    headers = {
        "Retry-After": str(wait),
        "x-ms-throttle-scope": f"Tenant_Application/ReadWrite/{app_id}/{tenant_id}",
        "x-ms-throttle-information": "ResourceUnitLimitExceeded",
        "x-ms-throttle-limit-percentage": "1.00",
    }
    return GraphError(
        429,
        "Request_ThrottledTemporarily",
        f"Your request is throttled temporarily. Please try after {wait} seconds.",
        headers,
    )


def _body(headers: Mapping[str, str], raw: bytes) -> Any:
    if not raw.strip():
        return None
    if "json" not in headers.get("content-type", ""):
        raise malformed(_UNREADABLE)
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise malformed(_UNREADABLE) from None
