"""The outward calls a change calls for, written as effects in the change's own transaction.

These constructors are the contract between rooms: who decides writes the effect, another room's
`effects.py` performs it after the commit. Kinds: runtime.hook, notify, idp.push, credential.revoke,
attestation.ran_out.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from scim_bridge.kernel.clock import iso
from scim_bridge.kernel.crypto import MasterKey, Tampered
from scim_bridge.kernel.effects import lane
from scim_bridge.kernel.work import ORDINARY, URGENT, Work
from scim_bridge.registry.model import PersonRef
from scim_bridge.registry.standing import Standing

RUNTIME_HOOK = "runtime.hook"
NOTIFY = "notify"
IDP_PUSH = "idp.push"
CREDENTIAL_REVOKE = "credential.revoke"
ATTESTATION_RAN_OUT = "attestation.ran_out"


async def tell_runtime(
    work: Work, agent_id: str, slug: str, event: str, reason: str, *, case_id: str | None = None
) -> str | None:
    """Tell the agent's platform to stop, resume or note something; None when it has no runtime hook.

    `event` is agent.stop, agent.resume or agent.owner_changed.
    """
    row = await work.tx.one("SELECT runtime_url FROM sb_agent WHERE id = ?", agent_id)
    url = None if row is None else row["runtime_url"]
    return await _call(work, url, agent_id, slug, event, reason, case_id)


async def call_runtime(
    work: Work, agent: Standing, event: str, reason: str, *, case_id: str | None = None
) -> str | None:
    """The same for an agent whose standing is known."""
    return await _call(work, agent.runtime_url, agent.resource.id, agent.slug, event, reason, case_id)


async def _call(
    work: Work, url: str | None, agent_id: str, slug: str, event: str, reason: str, case_id: str | None
) -> str | None:
    if url is None:
        return None
    payload = {
        "url": url,
        "event": event,
        "agent": {"id": agent_id, "slug": slug},
        "reason": reason,
        "at": iso(work.now),
    }
    return await work.effect(
        RUNTIME_HOOK, payload, lane=lane("runtime", agent_id), subject_id=agent_id, case_id=case_id
    )


async def notify(
    work: Work,
    template: str,
    to: PersonRef | None,
    data: Mapping[str, Any],
    *,
    subject_id: str | None = None,
    case_id: str | None = None,
    key: str | None = None,
    private: Mapping[str, str] | None = None,
) -> str:
    """Tell a person (or, with None, the security contact) something; rendered when it is sent.

    `private` are values only the recipient may see (a link), as `sealed_for` made them.
    """
    recipient = None if to is None else {"id": to.id, "name": to.display_name, "email": to.email}
    payload = {"template": template, "to": recipient, "data": dict(data), "at": iso(work.now)}
    if private:
        payload["private"] = dict(private)
    return await work.effect(
        NOTIFY,
        payload,
        lane=lane("notify", subject_id or template),
        subject_id=subject_id,
        case_id=case_id,
        key=key,
    )


def sealed_for(master: MasterKey, to: PersonRef, values: Mapping[str, str]) -> dict[str, str]:
    """Values for one recipient, sealed: who reads the table of effects learns nothing of them."""
    return {
        name: base64.b64encode(master.seal(f"notify:{to.id}:{name}", value.encode())).decode()
        for name, value in values.items()
    }


def opened_for(master: MasterKey, recipient_id: str, sealed: Mapping[str, str]) -> dict[str, str]:
    """The values `sealed_for` sealed for this recipient; Tampered when they are not."""
    try:
        return {
            name: master.unseal(f"notify:{recipient_id}:{name}", base64.b64decode(value)).decode()
            for name, value in sealed.items()
        }
    except ValueError as error:
        raise Tampered("sealed-value", "A sealed value of a notification cannot be read.") from error


def hush(work: Work) -> None:
    """Nothing this transaction changes is pushed to an IdP: what a drill does is not for the world."""
    work.memo["push sides"] = []


async def push_to_idps(
    work: Work, agent_id: str, reason: str, *, case_id: str | None = None, stop: bool = False
) -> list[str]:
    """Bring one agent's facts up to date at every IdP that has a push side; effect ids.

    Written once per agent and transaction instant and connection, however many reasons there are.
    A `stop` and what a departure decides overtake everything else that is written to an IdP.
    """
    if "push sides" not in work.memo:
        rows = await work.tx.all("SELECT id FROM sb_connection WHERE secrets IS NOT NULL ORDER BY name")
        work.memo["push sides"] = [row["id"] for row in rows]
    return [
        await push_to_idp(work, connection_id, agent_id, reason, case_id=case_id, stop=stop)
        for connection_id in work.memo["push sides"]
    ]


async def push_to_idp(
    work: Work,
    connection_id: str,
    agent_id: str,
    reason: str,
    *,
    case_id: str | None = None,
    stop: bool = False,
    again: bool = False,
) -> str:
    """The same at one IdP; the effect's id. `again`: also when one was written at this very instant."""
    urgent = stop or case_id is not None
    return await work.effect(
        IDP_PUSH,
        {"connection_id": connection_id, "agent_id": agent_id, "reason": reason},
        lane=stop_lane(connection_id, agent_id) if urgent else idp_lane(connection_id, agent_id),
        subject_id=agent_id,
        case_id=case_id,
        # A stop must not be taken for an ordinary push of the same instant that came before it.
        key=None if again else f"{connection_id}:{agent_id}:{work.now}:{case_id or ('stop' if stop else '')}",
        rank=URGENT if urgent else ORDINARY,
    )


async def attestation_ran_out(work: Work, agent_id: str) -> str:
    """Have somebody asked about an agent, and it held if so set: its statement ran out while it was deleted."""
    return await work.effect(
        ATTESTATION_RAN_OUT, {"agent_id": agent_id}, lane=lane("attestation", agent_id), subject_id=agent_id
    )


def idp_lane(connection_id: str, agent_id: str) -> str:
    """The lane of everything else written for an agent at a connection: in order, others beside it."""
    return lane(f"idp:{connection_id}", agent_id)


def stop_lane(connection_id: str, agent_id: str) -> str:
    """The lane of an agent's stops at a connection: no other agent's stop is in their way."""
    return f"stop:{connection_id}:{agent_id}"


async def revoke_credential(
    work: Work,
    credential: Mapping[str, Any],
    agent_slug: str,
    reason: str,
    *,
    case_id: str | None = None,
    every: bool = False,
) -> str:
    """Have one credential revoked where it lives, in parallel with the others, retried until confirmed.

    `every`: all of the agent's are; what is being made for it meanwhile is unmade, too.
    """
    payload = {
        "credential_id": credential["id"],
        "agent_id": credential["agent_id"],
        "agent_slug": agent_slug,
        "kind": credential["kind"],
        "system": credential["system"],
        "reference": credential["reference"],
        "label": credential["label"],
        "reason": reason,
    }
    if credential["connection_id"] is not None:
        payload |= {"connection_id": credential["connection_id"], "client_id": credential["client_id"]}
    if every:
        payload["every"] = True
    return await work.effect(
        CREDENTIAL_REVOKE,
        payload,
        lane=f"credential:{credential['id']}",
        subject_id=credential["agent_id"],
        case_id=case_id,
    )
