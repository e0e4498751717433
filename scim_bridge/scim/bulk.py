"""Bulk: many operations in one request (RFC 7644 section 3.7), each with an outcome of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

import orjson

from scim_bridge.kernel.errors import BridgeError, Conflict, NotFound
from scim_bridge.scim import answering
from scim_bridge.scim.bulk_create import create_together
from scim_bridge.scim.bulk_refs import pruned, references, resolved
from scim_bridge.scim.create import create
from scim_bridge.scim.delete import delete
from scim_bridge.scim.door import Call
from scim_bridge.scim.endpoints import ENDPOINTS, Endpoint
from scim_bridge.scim.errors import invalid_syntax, invalid_value
from scim_bridge.scim.exchange import Answered, Asked, BodyTooLarge, refusal
from scim_bridge.scim.limits import MAX_BULK_OPERATIONS
from scim_bridge.scim.patch_resource import patch
from scim_bridge.scim.replace import put

REQUEST = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
# Creates in one transaction: enough to share its cost, few enough that others wait for milliseconds only.
TOGETHER = 100
RESPONSE = "urn:ietf:params:scim:api:messages:2.0:BulkResponse"
VERBS: dict[str, Callable[[Call], Awaitable[Answered]]] = {
    "POST": create,
    "PUT": put,
    "PATCH": patch,
    "DELETE": delete,
}


@dataclass(frozen=True, slots=True)
class Step:
    """One operation of a Bulk request, as sent."""

    method: str
    path: str
    bulk_id: str | None
    data: Any
    version: str | None

    @property
    def needs(self) -> set[str]:
        """The bulkIds that must be known before it can be done."""
        return references(self.path) | references(self.data)


async def bulk(call: Call) -> Answered:
    """Do the operations of a Bulk request: 200 with the outcome of each, in the order they were sent.

    An operation waits for those whose bulkId it names, wherever they stand. Where they wait for each other,
    one is created without the reference and completed at the end. With failOnErrors, the rest is left
    undone, and unanswered, after that many errors.
    """
    body = call.body()
    steps = _steps(body)
    most = _fail_on_errors(body)
    work = _Progress(call, steps, stops=most is not None)
    while work.waiting and (most is None or work.errors < most):
        await work.next()
    await work.complete()
    outcomes = [work.outcomes[number] for number in sorted(work.outcomes)]
    return Answered(200, orjson.dumps({"schemas": [RESPONSE], "Operations": outcomes}))


def _steps(body: dict[str, Any]) -> list[Step]:
    folded = {key.casefold(): value for key, value in body.items()}
    listed = folded.get("operations")
    if not isinstance(listed, list) or not all(isinstance(item, dict) for item in listed):
        raise invalid_syntax("Operations is not a list of objects.", "See RFC 7644 section 3.7.")
    if len(listed) > MAX_BULK_OPERATIONS:
        raise BodyTooLarge(
            "bulk-too-many",
            f"{len(listed)} operations are more than maxOperations, {MAX_BULK_OPERATIONS}.",
            "Send several requests.",
        )
    steps = [_step(item) for item in listed]
    names = [step.bulk_id for step in steps if step.bulk_id is not None]
    if len(set(names)) < len(names):
        raise invalid_value("A bulkId stands at more than one operation.", "Give each its own.")
    return steps


def _step(item: dict[str, Any]) -> Step:
    folded = {key.casefold(): value for key, value in item.items()}
    texts = {name: folded.get(name) for name in ("method", "path", "bulkid", "version")}
    wrong = next(
        (name for name, value in texts.items() if value is not None and not isinstance(value, str)), None
    )
    if wrong is not None:
        raise invalid_syntax(f"An operation's {wrong} is not a text.", "See RFC 7644 section 3.7.")
    return Step(
        str(texts["method"] or "").upper(),
        str(texts["path"] or ""),
        texts["bulkid"],
        folded.get("data"),
        texts["version"],
    )


def _fail_on_errors(body: dict[str, Any]) -> int | None:
    value = next((value for key, value in body.items() if key.casefold() == "failonerrors"), None)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise invalid_value("failOnErrors is not a number from 1.", "Leave it out to go on through errors.")
    return value


class _Progress:
    """A Bulk request half done: what is known, what waits, and what came of the rest."""

    def __init__(self, call: Call, steps: list[Step], *, stops: bool) -> None:
        self._call = call
        self._stops = stops
        self._steps = steps
        self.waiting = list(range(len(steps)))
        self.outcomes: dict[int, dict[str, Any]] = {}
        self.errors = 0
        self._ids: dict[str, str] = {}
        self._promised = {step.bulk_id for step in steps if step.method == "POST" and step.bulk_id}
        self._incomplete: list[int] = []
        # Operations before this one were tried together already.
        self._single = 0

    async def next(self) -> None:
        """Do the first operation that can be done; when all wait for each other, half of the first.

        Creates that follow one another and need nothing are done together.
        """
        if await self._creates():
            return
        for number in self.waiting:
            needed = self._steps[number].needs - self._ids.keys()
            if not needed or needed - self._promised:
                self.waiting.remove(number)
                await self._do(number, needed)
                return
        number = next((n for n in self.waiting if self._steps[n].method == "POST"), self.waiting[0])
        self.waiting.remove(number)
        self._incomplete.append(number)
        step = self._steps[number]
        unknown = step.needs - self._ids.keys()
        await self._run(number, replace(step, data=pruned(step.data, unknown)))

    async def _creates(self) -> int:
        """Create what the operations at the front create, as far as that can be done together; how many were."""
        if not self.waiting or self.waiting[0] < self._single:
            return 0
        front: dict[int, tuple[Endpoint, Any]] = {}
        for number in self.waiting[:TOGETHER]:
            created = self._plain_create(self._steps[number])
            if created is None:
                break
            front[number] = created
        if len(front) < 2:
            return 0
        made = await create_together(self._call, front, in_order=self._stops)
        # What was left out is done by itself, in its turn; behind it creates go together again.
        left = [number for number in front if number not in made]
        self._single = ((left[0] if self._stops else left[-1]) if left else max(front)) + 1
        for number, resource_id in made.items():
            self.waiting.remove(number)
            self._created(number, front[number][0], resource_id, b'W/"1"')
        return len(made)

    def _plain_create(self, step: Step) -> tuple[Endpoint, Any] | None:
        """Endpoint and data of an operation that creates a user or an agent and names no other operation."""
        if step.method != "POST" or not step.bulk_id or not isinstance(step.data, dict) or step.needs:
            return None
        try:
            endpoint, resource_id = _address(step.path)
            self._call.caller.need(endpoint.scope)
        except BridgeError:
            return None
        return None if resource_id else (endpoint, step.data)

    def _created(self, number: int, endpoint: Endpoint, resource_id: str, tag: bytes) -> None:
        step = self._steps[number]
        self._ids[str(step.bulk_id)] = resource_id
        self.outcomes[number] = {
            **_named(step),
            "location": answering.location(replace(self._call, endpoint=endpoint), resource_id),
            "status": "201",
            "version": tag.decode(),
        }

    async def _do(self, number: int, unknown: set[str]) -> None:
        if unknown:
            named = ", ".join(sorted(unknown))
            error = Conflict(
                "bulk-reference",
                f"No operation made what bulkId {named} names.",
                "Mend that operation first.",
            )
            self._failed(number, refusal(error))
            return
        await self._run(number, self._steps[number])

    async def _run(self, number: int, step: Step) -> None:
        try:
            answer = await self._answer(step)
        except BridgeError as error:
            if error.status >= 500:
                if not self.outcomes:
                    raise
                # Some of it is done and said so; the rest can be sent again.
                self._rest_failed(refusal(error))
            self._failed(number, refusal(error))
            return
        self._succeeded(number, step, answer)

    async def _answer(self, step: Step) -> Answered:
        endpoint, resource_id = _address(resolved(step.path, self._ids))
        verb = VERBS.get(step.method)
        if verb is None:
            raise invalid_syntax(f"{step.method[:20]!r} is no method of Bulk.", f"Use {', '.join(VERBS)}.")
        if (step.method == "POST") != (resource_id == ""):
            raise invalid_syntax(f"{step.method} does not go to {step.path[:200]!r}.", "Mend the path.")
        if step.method == "POST" and not step.bulk_id:
            raise invalid_syntax("A POST needs a bulkId.", "Give it one of your choice.")
        if step.method != "DELETE" and not isinstance(step.data, dict):
            raise invalid_syntax(f"A {step.method} needs data, an object.", "See RFC 7644 section 3.7.")
        self._call.caller.need(endpoint.scope)
        asked = Asked(
            step.method, (), {"attributes": "id"}, b"", step.version, None, resolved(step.data, self._ids)
        )
        return await verb(replace(self._call, asked=asked, endpoint=endpoint, resource_id=resource_id))

    def _succeeded(self, number: int, step: Step, answer: Answered) -> None:
        headers = dict(answer.headers)
        endpoint, resource_id = _address(resolved(step.path, self._ids))
        if step.method == "POST":
            resource_id = str(orjson.loads(answer.body)["id"])
            self._ids[str(step.bulk_id)] = resource_id
        outcome = {
            **_named(step),
            "location": answering.location(replace(self._call, endpoint=endpoint), resource_id),
            "status": str(answer.status),
        }
        if b"etag" in headers:
            outcome["version"] = headers[b"etag"].decode()
        self.outcomes[number] = outcome

    def _rest_failed(self, answer: Answered) -> None:
        waiting, self.waiting = self.waiting, []
        for number in waiting:
            self._failed(number, answer)

    def _failed(self, number: int, answer: Answered) -> None:
        step = self._steps[number]
        self.errors += 1
        if step.bulk_id is not None:
            self._promised.discard(step.bulk_id)
            self._ids.pop(step.bulk_id, None)
        outcome = {**_named(step), "status": str(answer.status), "response": orjson.loads(answer.body)}
        if step.method != "POST":
            path = resolved(step.path, self._ids).strip("/")
            outcome["location"] = f"{self._call.caller.base_url}/{path}"
        self.outcomes[number] = outcome

    async def complete(self) -> None:
        """Give what was created without a reference the reference; where that cannot be, take it back."""
        for number in self._incomplete:
            step = self._steps[number]
            made = self._ids.get(str(step.bulk_id))
            if made is None:
                continue
            path = f"{step.path.rstrip('/')}/{made}"
            try:
                answer = await self._answer(replace(step, method="PUT", path=path))
            except BridgeError as error:
                if error.status >= 500:
                    raise
                await self._answer(replace(step, method="DELETE", path=path, data=None))
                self._failed(number, refusal(_unresolved(error)))
                continue
            self.outcomes[number]["version"] = dict(answer.headers)[b"etag"].decode()


def _unresolved(error: BridgeError) -> BridgeError:
    return Conflict("bulk-circle", f"The circular reference could not be made: {error.message}", error.fix)


def _named(step: Step) -> dict[str, Any]:
    return {"method": step.method, **({"bulkId": step.bulk_id} if step.bulk_id is not None else {})}


def _address(path: str) -> tuple[Endpoint, str]:
    parts = [part for part in path.split("/") if part]
    endpoint = ENDPOINTS.get(parts[0]) if parts else None
    if endpoint is None or len(parts) > 2:
        raise NotFound(
            "address-unknown", f"There is nothing at {path[:200]!r}.", "Use /Users, /Groups or /Agents."
        )
    return endpoint, parts[1] if len(parts) == 2 else ""
