"""One agent identity made exactly as wanted. A stop goes first, and nothing else can keep it from going."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import structlog

from scim_bridge.kernel.clock import SECOND, parse_iso
from scim_bridge.sync.idp.entra.attributes import ATTESTATION, ATTESTED_AT, STATEMENT, attribute_patch, key
from scim_bridge.sync.idp.entra.calls import BETA, V1, Reply
from scim_bridge.sync.idp.entra.graph import Graph, settled
from scim_bridge.sync.idp.entra.model import NAME, OWNERS, SPONSORS, TAG, marked, tags_after
from scim_bridge.sync.idp.entra.options import Options
from scim_bridge.sync.idp.entra.parts import Parts
from scim_bridge.sync.idp.entra.people import People
from scim_bridge.sync.idp.entra.preparing import Preparing
from scim_bridge.sync.idp.entra.reading import IDENTITIES, Reading, identity
from scim_bridge.sync.idp.entra.refusals import already_there, error_of, unknown_call
from scim_bridge.sync.idp.port import CREATE, ENABLED, Attributes, IdpError, ObjectChange
from scim_bridge.sync.model import absent, same

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
        blueprint = await self._preparing.blueprint()
        names = [*wanted[SPONSORS], *(wanted.get(OWNERS) or ())]
        ids = await self._people.ids(names)
        body = {
            "displayName": wanted[NAME],
            "agentIdentityBlueprintId": blueprint.app_id,
            "accountEnabled": bool(wanted[ENABLED]),
            "tags": [wanted[TAG]],
            f"{SPONSORS}@odata.bind": self._links(wanted[SPONSORS], ids),
        }
        if wanted.get(OWNERS):
            body[f"{OWNERS}@odata.bind"] = self._links(wanted[OWNERS], ids)
        reply = await self._graph.call("make the agent identity", "POST", IDENTITIES, body)
        return str(reply.body["id"])

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
        before, after = change.before, change.after
        if after.get(ENABLED) is False:
            await self._patch(identity(remote_id), {"accountEnabled": False})
        await self._parts.stop(change)
        for relation in (SPONSORS, OWNERS):
            if relation in after:
                await self._relate(remote_id, relation, before.get(relation) or (), after[relation] or ())
        # An account, too, is switched on before its identity is: were one answer lost, all is tried again.
        await self._parts.bring(change)
        await self._describe(remote_id, change.agent_id, after)
        await self._say(remote_id, after, change.wanted)

    async def _say(self, remote_id: str, after: Attributes, wanted: Attributes) -> None:
        """The facts about the agent, and that somebody answered for it."""
        statement = key(self._options.attribute_set, STATEMENT)
        attested = (
            bool(after.get(statement))
            and wanted.get(key(self._options.attribute_set, ATTESTATION)) == "valid"
        )
        facts = {name: value for name, value in after.items() if not (attested and name == statement)}
        await self._assign(remote_id, facts)
        if attested:
            # The statement's id is written last: it says that this statement was told to Entra.
            since = str(wanted.get(key(self._options.attribute_set, ATTESTED_AT)) or "")
            await self._attest(remote_id, str(after[statement]), since)
            await self._assign(remote_id, {statement: after[statement]})

    async def _describe(self, remote_id: str, agent_id: str, after: Attributes) -> None:
        body: dict[str, Any] = {}
        if NAME in after:
            body["displayName"] = after[NAME]
        if after.get(ENABLED) is True:
            body["accountEnabled"] = True
        if TAG in after:
            body["tags"] = await self._tags(remote_id, agent_id)
        if body:
            await self._patch(identity(remote_id), body)

    async def _tags(self, remote_id: str, agent_id: str) -> list[str]:
        reply = await self._graph.call(
            "read its tags", "GET", identity(remote_id), query={"$select": "id,tags"}
        )
        found = reply.body.get("tags") or []
        if marked(found) not in ("", agent_id):
            raise IdpError(
                "entra-mark", "The agent identity carries the mark of another agent now.", transient=False
            )
        return tags_after(found, (await self._preparing.blueprint()).tags, agent_id)

    async def _assign(self, remote_id: str, after: Attributes) -> None:
        body = attribute_patch(after, self._options.attribute_set)
        if body:
            await self._patch(f"/servicePrincipals/{remote_id}", body)

    async def _patch(self, path: str, body: Mapping[str, Any]) -> None:
        await self._graph.call(CHANGE, "PATCH", path, body)

    async def _relate(
        self, remote_id: str, relation: str, before: Sequence[str], after: Sequence[str]
    ) -> None:
        """Add who is new, then take away who is gone: an agent identity is never without a sponsor."""
        added = [name for name in after if name not in before]
        removed = [name for name in before if name not in after]
        place = f"{identity(remote_id)}/{relation}"
        for name, person in (await self._people.ids(added)).items():
            body = {"@odata.id": f"{self._graph.base_url}/{V1}/directoryObjects/{person}"}
            reply = await self._graph.call(
                f"add {name} to the {relation}",
                "POST",
                f"{place}/$ref",
                body,
                expect=lambda reply: (
                    reply.status == 404 or already_there(reply.status, error_of(reply.body)[1])
                ),
            )
            if reply.status == 404:
                self._people.forget()
                raise IdpError(
                    "entra-settling",
                    f"Entra does not find {name} or the agent identity now.",
                    transient=True,
                    retry_after=5,
                )
        if removed:
            await self._unrelate(place, relation, removed)

    async def _unrelate(self, place: str, relation: str, names: Sequence[str]) -> None:
        listed = await self._graph.every(f"list the {relation}", place)
        by_name = {str(one.get("userPrincipalName") or "").casefold(): str(one["id"]) for one in listed}
        for name in names:
            if name in by_name:
                await self._graph.call(
                    f"remove {name} from the {relation}",
                    "DELETE",
                    f"{place}/{by_name[name]}/$ref",
                    expect=lambda reply: reply.status == 404,
                )

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
        last = reply.body.get("lastAttestationDateTime") if reply.ok and reply.body else None
        try:
            # Graph writes whole seconds.
            return parse_iso(str(last)) // SECOND >= parse_iso(since) // SECOND
        except ValueError:
            return False


def _unknown(reply: Reply) -> bool:
    return unknown_call(reply.status, *error_of(reply.body))
