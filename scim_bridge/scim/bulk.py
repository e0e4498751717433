"""Bulk: many operations in one request (RFC 7644 section 3.7), each with an outcome of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson

from scim_bridge.kernel.errors import BridgeError, Conflict
from scim_bridge.scim import answering
from scim_bridge.scim.bulk_create import create_together
from scim_bridge.scim.bulk_refs import pruned, references, resolved
from scim_bridge.scim.bulk_steps import Step, address, fail_on_errors, refuse_too_many, steps_of
from scim_bridge.scim.door import Call
from scim_bridge.scim.endpoints import Endpoint
from scim_bridge.scim.errors import invalid_syntax
from scim_bridge.scim.exchange import Answered, Asked, refusal
from scim_bridge.scim.verbs import VERBS, verbs

REQUEST = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
# Creates in one transaction: enough to share its cost, few enough that others wait for milliseconds only.
TOGETHER = 100
RESPONSE = "urn:ietf:params:scim:api:messages:2.0:BulkResponse"


async def bulk(call: Call) -> Answered:
    """Do the operations of a Bulk request: 200 with the outcome of each, in the order they were sent.

    An operation waits for those whose bulkId it names, wherever they stand. Where they wait for each other,
    one is created without the reference and completed as soon as it is known. With failOnErrors, the rest is left
    undone, and unanswered, after that many errors.
    """
    body = call.body(refuse_too_many)
    steps = steps_of(body)
    most = fail_on_errors(body)
    work = _Progress(call, steps, stops=most is not None)
    while work.waiting and (most is None or work.errors < most):
        await work.next()
    await work.complete()
    outcomes = [work.outcomes[number] for number in sorted(work.outcomes)]
    return Answered(200, orjson.dumps({"schemas": [RESPONSE], "Operations": outcomes}))


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
            step = self._steps[number]
            needed = step.needs - self._ids.keys()
            if needed - self._promised or not (needed or self._is_of_half(step)):
                self.waiting.remove(number)
                await self._do(number, needed)
                return await self._settle()
        number = next((n for n in self.waiting if self._steps[n].method == "POST"), self.waiting[0])
        self.waiting.remove(number)
        self._incomplete.append(number)
        step = self._steps[number]
        unknown = step.needs - self._ids.keys()
        await self._run(number, replace(step, data=pruned(step.data, unknown)))
        await self._settle()

    def _is_of_half(self, step: Step) -> bool:
        """True for a change to what is half created, which completing it would undo."""
        halves = {self._steps[number].bulk_id for number in self._incomplete}
        return not halves.isdisjoint(references(step.path))

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
            endpoint, resource_id = address(step.path)
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
            self._failed(number, refusal(_unmade(unknown)))
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
        endpoint, resource_id = address(resolved(step.path, self._ids))
        verb = verbs(endpoint).get(step.method)
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
        endpoint, resource_id = address(resolved(step.path, self._ids))
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
        """Take back what is half created and never was completed, since its reference was not made."""
        await self._settle(over=True)

    async def _settle(self, *, over: bool = False) -> None:
        """Complete what was created without a reference, once that is known; take it back when it cannot be."""
        for number in list(self._incomplete):
            step = self._steps[number]
            missing = step.needs - self._ids.keys()
            if missing and not (over or missing - self._promised):
                continue
            self._incomplete.remove(number)
            if str(step.bulk_id) in self._ids:
                await self._completed(number, step, missing)

    async def _completed(self, number: int, step: Step, missing: set[str]) -> None:
        path = f"{step.path.rstrip('/')}/{self._ids[str(step.bulk_id)]}"
        try:
            if missing:
                raise _unmade(missing)
            answer = await self._answer(replace(step, method="PUT", path=path))
        except BridgeError as error:
            if error.status >= 500:
                raise
            await self._answer(replace(step, method="DELETE", path=path, data=None))
            self._failed(number, refusal(error if missing else _unresolved(error)))
            return
        self.outcomes[number]["version"] = dict(answer.headers)[b"etag"].decode()


def _unmade(missing: set[str]) -> BridgeError:
    named = ", ".join(sorted(missing))
    return Conflict(
        "bulk-reference", f"No operation made what bulkId {named} names.", "Mend that operation first."
    )


def _unresolved(error: BridgeError) -> BridgeError:
    return Conflict("bulk-circle", f"The circular reference could not be made: {error.message}", error.fix)


def _named(step: Step) -> dict[str, Any]:
    return {"method": step.method, **({"bulkId": step.bulk_id} if step.bulk_id is not None else {})}
