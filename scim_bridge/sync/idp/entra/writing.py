"""One agent identity made exactly as wanted. A stop goes first, and nothing else can keep it from going."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import structlog

from scim_bridge.kernel.clock import SECOND, parse_iso
from scim_bridge.sync.idp.entra.attributes import ATTESTATION, ATTESTED_AT, STATEMENT, attribute_patch, key
from scim_bridge.sync.idp.entra.batches import Write, write_all
from scim_bridge.sync.idp.entra.calls import BETA, V1, Reply, full, held, listed_in
from scim_bridge.sync.idp.entra.calls import absent as gone
from scim_bridge.sync.idp.entra.graph import Graph, settled
from scim_bridge.sync.idp.entra.model import NAME, OBJECT, OWNERS, SPONSORS, TAG, marked, tags_after
from scim_bridge.sync.idp.entra.options import Options
from scim_bridge.sync.idp.entra.parts import Parts
from scim_bridge.sync.idp.entra.people import People
from scim_bridge.sync.idp.entra.preparing import Preparing
from scim_bridge.sync.idp.entra.reading import IDENTITIES, Reading, identity
from scim_bridge.sync.idp.entra.refusals import error_of, unknown_call
from scim_bridge.sync.idp.entra.relating import Relating
from scim_bridge.sync.idp.port import CREATE, ENABLED, Attributes, IdpError, ObjectChange
from scim_bridge.sync.sameness import absent, same

log = structlog.get_logger("scim_bridge.sync.entra")

CHANGE = "change the agent identity"


def _fresh(error: IdpError) -> bool:
    """A 404 or a settling 400 just after the create: not everybody sees the object yet."""
    return error.code == "entra-settling" or "Request_ResourceNotFound" in error.message


class Writing:
    """Writes agent identities."""

    def __init__(
        self,
        graph: Graph,
        options: Options,
        preparing: Preparing,
        reading: Reading,
        people: People,
        parts: Parts,
    ) -> None:
        self._graph = graph
        self._options = options
        self._preparing = preparing
        self._reading = reading
        self._people = people
        self._relating = Relating(graph, people)
        self._parts = parts

    async def write(self, change: ObjectChange) -> str:
        """Make one object as wanted; its id."""
        if change.action == CREATE or change.remote_id is None:
            return await self._create(change)
        await self._bring(change.remote_id, change)
        return change.remote_id

    async def _create(self, change: ObjectChange) -> str:
        wanted = change.wanted
        # The answer to an earlier create may have been lost: look for its mark first.
        before = await self._reading.found(change.agent_id)
        if before is not None:
            return await self._finish(str(before["id"]), change)
        if not wanted.get(SPONSORS):
            raise IdpError(
                "entra-sponsor",
                f"Entra takes no agent identity without a sponsor, and nobody of {change.slug} has an account there.",
                "Give the agent an owner, co-owner or sponsor who has one, or send the person to Entra.",
                transient=False,
            )
        made = await self._post(change)
        created = {ENABLED, NAME, TAG, SPONSORS, OWNERS}
        after = {k: v for k, v in wanted.items() if k not in created and not absent(v)}
        rest = replace(change, before={}, after=after)
        await settled(lambda: self._bring(made, rest), _fresh)
        return made

    async def _post(self, change: ObjectChange) -> str:
        wanted = change.wanted
        names = [*wanted[SPONSORS], *(wanted.get(OWNERS) or ())]
        ids = await self._people.ids(names)
        body = {
            # A mapping may leave the name to Entra, which takes no identity without one.
            "displayName": wanted.get(NAME) or change.slug,
            "accountEnabled": bool(wanted[ENABLED]),
            "tags": [wanted[TAG]],
            f"{SPONSORS}@odata.bind": self._links(wanted[SPONSORS], ids),
        }
        if wanted.get(OWNERS):
            body[f"{OWNERS}@odata.bind"] = self._links(wanted[OWNERS], ids)
        blueprint = await self._preparing.blueprint()
        while True:
            body["agentIdentityBlueprintId"] = blueprint.app_id
            what = "make the agent identity"
            reply = await self._graph.call(what, "POST", IDENTITIES, body, expect=full)
            if reply.ok:
                return str(held(what, reply, "id")["id"])
            blueprint = await self._preparing.another(blueprint)

    def _links(self, names: Sequence[str], ids: Mapping[str, str]) -> list[str]:
        return [f"{self._graph.base_url}/{V1}/users/{ids[name]}" for name in names]

    async def _finish(self, remote_id: str, change: ObjectChange) -> str:
        """Bring an object that an earlier attempt made to what is wanted.

        It is never switched on here: whoever switched it off since had a reason.
        """

        async def observed() -> Attributes:
            there = await self._reading.by_id(remote_id)
            if there is None:
                raise IdpError(
                    "entra-settling", "Entra does not find the agent identity yet.", transient=True
                )
            return there[0].attributes

        current = await settled(observed, _fresh)
        after = {
            name: value
            for name, value in change.wanted.items()
            if not same(name, current.get(name), value) and not (name == ENABLED and value)
        }
        before = {name: current.get(name) for name in after}
        await self._bring(remote_id, replace(change, before=before, after=after))
        return remote_id

    async def _bring(self, remote_id: str, change: ObjectChange) -> None:
        change = replace(change, remote_id=remote_id)
        after = change.after
        if after.get(ENABLED) is False:
            # Where it is to be deleted, an earlier attempt may have done that, and its answer was lost.
            expect = gone if OBJECT in after else None
            stop = {"accountEnabled": False}
            await self._graph.call(CHANGE, "PATCH", identity(remote_id), stop, expect=expect)
        await self._parts.stop(change)
        statement, attested = self._statement(change)
        facts = {name: value for name, value in after.items() if not (attested and name == statement)}
        writes = await self._writes(remote_id, change, facts)
        if writes:
            await self._write_all(writes)
        # An account, too, is switched on before its identity is: were one answer lost, all is tried again.
        await self._parts.bring(change)
        if OBJECT in after:
            # It is kept for thirty days, and can be restored: Deleted agent identities in the admin center.
            path = identity(remote_id)
            await self._graph.call("delete the agent identity", "DELETE", path, expect=gone)
            return
        if after.get(ENABLED) is True:
            await self._patch(identity(remote_id), {"accountEnabled": True})
        if attested:
            # The statement's id is written last: it says that this statement was told to Entra.
            since = str(change.wanted.get(key(self._options.attribute_set, ATTESTED_AT)) or "")
            await self._attest(remote_id, str(after[statement]), since)
            body = attribute_patch({statement: after[statement]}, self._options.attribute_set)
            await self._patch(f"/servicePrincipals/{remote_id}", body)

    def _statement(self, change: ObjectChange) -> tuple[str, bool]:
        """The attribute that holds a statement's id, and whether there is a valid one to tell of."""
        statement = key(self._options.attribute_set, STATEMENT)
        state = change.wanted.get(key(self._options.attribute_set, ATTESTATION))
        return statement, bool(change.after.get(statement)) and state == "valid"

    async def _writes(self, remote_id: str, change: ObjectChange, facts: Attributes) -> list[Write]:
        """Everything about the identity that can be said in one call: its people, its name and mark, its facts."""
        before, after = change.before, change.after
        writes: list[Write] = []
        for relation in (SPONSORS, OWNERS):
            if relation in after:
                old, new = before.get(relation) or (), after[relation] or ()
                writes += await self._relating.writes(remote_id, relation, old, new, len(writes))
        body: dict[str, Any] = {NAME: after[NAME]} if NAME in after else {}
        if TAG in after:
            body["tags"] = await self._tags(remote_id, change.agent_id)
        if body:
            writes.append(Write(CHANGE, "PATCH", identity(remote_id), body))
        if said := attribute_patch(facts, self._options.attribute_set):
            writes.append(Write(CHANGE, "PATCH", f"/servicePrincipals/{remote_id}", said))
        return writes

    async def _write_all(self, writes: list[Write]) -> None:
        try:
            await write_all(self._graph, writes)
        except IdpError as error:
            if error.code == "entra-settling":
                # Somebody who was known may be gone.
                self._people.forget()
            raise

    async def _tags(self, remote_id: str, agent_id: str) -> list[str]:
        what = "read its tags"
        reply = await self._graph.call(what, "GET", identity(remote_id), query={"$select": "id,tags"})
        found = listed_in(held(what, reply, "id"), "tags")
        if marked(found) not in ("", agent_id):
            raise IdpError(
                "entra-mark", "The agent identity carries the mark of another agent now.", transient=False
            )
        inherited = {tag for one in await self._preparing.family() for tag in one.tags}
        return tags_after(found, inherited, agent_id)

    async def _patch(self, path: str, body: Mapping[str, Any]) -> None:
        await self._graph.call(CHANGE, "PATCH", path, body)

    async def _attest(self, remote_id: str, statement: str, since: str) -> None:
        """Tell Entra that somebody answered for the agent: once for each statement, made at `since`.

        The action is in preview: v1.0, else beta, else it is left out, for Entra cannot be told there.
        """
        for version in (V1, BETA):
            if await self._attested_since(remote_id, since, version):
                return
            path = f"{identity(remote_id)}/attest"
            reply = await self._graph.call(
                "attest the agent identity", "POST", path, version=version, expect=_unknown
            )
            if reply.ok:
                return
        log.warning("entra.no_attest", action="entra.no_attest", identity=remote_id, statement=statement)

    async def _attested_since(self, remote_id: str, since: str, version: str) -> bool:
        """True when an earlier attempt, whose answer was lost, told Entra already."""
        path = f"/servicePrincipals/{remote_id}/lifecycle"
        reply = await self._graph.call(
            "read the lifecycle", "GET", path, version=version, expect=lambda reply: reply.status < 429
        )
        told = reply.body if reply.ok and isinstance(reply.body, Mapping) else {}
        last = told.get("lastAttestationDateTime")
        try:
            # Graph writes whole seconds.
            return parse_iso(str(last)) // SECOND >= parse_iso(since) // SECOND
        except ValueError:
            return False


def _unknown(reply: Reply) -> bool:
    return unknown_call(reply.status, *error_of(reply.body))
