"""JSON batching: up to 20 calls in one, each with its own answer. Source: Graph "json-batching".

Pure but for the `perform` it is given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from scim_bridge.sandbox.entra.graph.call import Answer
from scim_bridge.sandbox.entra.graph.errors import GraphError, malformed

MAX_STEPS = 20
METHODS = ("GET", "POST", "PATCH", "PUT", "DELETE")


@dataclass(frozen=True, slots=True)
class Step:
    """One call of a batch."""

    id: str
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any
    depends_on: tuple[str, ...]


def read_steps(body: object) -> list[Step]:
    """The steps of a batch; GraphError 400 for too many, doubled ids or a step that cannot be read."""
    requests = body.get("requests") if isinstance(body, Mapping) else None
    if not isinstance(requests, list) or not requests:
        raise malformed("Invalid batch payload format.")
    if len(requests) > MAX_STEPS:
        raise malformed(f"Number of batch request steps exceeds the maximum value of {MAX_STEPS}.")
    steps = [_step(one) for one in requests]
    seen: set[str] = set()
    for step in steps:
        if step.id in seen:
            raise malformed(f"Duplicate batch request id '{step.id}'.")
        if not set(step.depends_on) <= seen:
            raise malformed(
                f"Batch request id '{step.id}' depends on a request that does not come before it."
            )
        seen.add(step.id)
    return steps


def _step(source: object) -> Step:
    if not isinstance(source, Mapping) or not isinstance(source.get("id"), str):
        raise malformed("Invalid batch payload format: every request has an id.")
    method, url = str(source.get("method", "")).upper(), source.get("url")
    if method not in METHODS or not isinstance(url, str):
        raise malformed(f"Invalid batch payload format: request '{source['id']}' needs method and url.")
    headers = {str(k).lower(): str(v) for k, v in (source.get("headers") or {}).items()}
    if source.get("body") is not None and "content-type" not in headers:
        raise malformed(
            f"Invalid batch payload format: request '{source['id']}' has a body but no Content-Type header."
        )
    split = urlsplit(url)
    depends = source.get("dependsOn") or []
    if not isinstance(depends, list):
        raise malformed("Invalid batch payload format: 'dependsOn' is a list of ids.")
    return Step(
        source["id"],
        method,
        split.path,
        dict(parse_qsl(split.query, keep_blank_values=True)),
        headers,
        source.get("body"),
        tuple(str(one) for one in depends),
    )


def run(steps: list[Step], perform: Callable[[Step], Answer]) -> dict[str, Any]:
    """The answers of all steps; a step whose predecessor failed is not made (424)."""
    failed: set[str] = set()
    responses = []
    for step in steps:
        if failed.intersection(step.depends_on):
            error = GraphError(424, "FailedDependency", "A request this one depends on failed.")
            answer = Answer(424, {"error": {"code": error.code, "message": str(error)}})
        else:
            answer = perform(step)
        if answer.status >= 400:
            failed.add(step.id)
        responses.append(_response(step, answer))
    return {"responses": responses}


def _response(step: Step, answer: Answer) -> dict[str, Any]:
    shown: dict[str, Any] = {"id": step.id, "status": answer.status, "headers": dict(answer.headers)}
    if answer.body is not None:
        shown["headers"]["Content-Type"] = "application/json"
        shown["body"] = answer.body
    return shown
