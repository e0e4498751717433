"""Revocation: asking the system that holds a credential to make it worthless."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import orjson

from scim_bridge.credentials import discarding
from scim_bridge.credentials.certifying import Keys
from scim_bridge.credentials.model import Delivery
from scim_bridge.credentials.revoking import Revoker
from scim_bridge.credentials.steps import Steps
from scim_bridge.kernel.clock import iso
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.effects import Dead, Done, Effect, Handler, Outcome
from scim_bridge.kernel.webhook import deliver
from scim_bridge.kernel.work import Work
from scim_bridge.registry.credentials import confirm_revoked
from scim_bridge.registry.keeper import KeeperOf
from scim_bridge.registry.outward import CREDENTIAL_REVOKE
from scim_bridge.registry.own_secrets import live_secrets, revoker_name

EVENT = "credential.revoke"


def setting_name(system: str) -> str:
    """A system's name as settings write it: environment variables know neither case nor hyphens."""
    return system.casefold().replace("-", "_")


def message(effect: Effect) -> bytes:
    """The body of a revocation: which credential, of which agent, why; the same at every attempt."""
    said = effect.payload
    return orjson.dumps(
        {
            "type": EVENT,
            "timestamp": iso(effect.created),
            "data": {
                "agent": {"id": said["agent_id"], "slug": said["agent_slug"]},
                "credential": {
                    "id": said["credential_id"],
                    "kind": said["kind"],
                    "label": said["label"],
                    "reference": said["reference"],
                    "system": said["system"],
                },
                "reason": said["reason"],
            },
        }
    )


def handlers(
    ctx: Context,
    revokers: Mapping[str, Mapping[str, str]],
    keeper_of: KeeperOf | None = None,
    delivery: Delivery | None = None,
    keys: Keys | None = None,
) -> dict[str, Handler]:
    """Who performs credential.revoke, credential.rotate and credential.discard.

    `revokers` gives url and secret (whsec_…) by system.

    What an IdP keeps is revoked there, by `keeper_of`, unless its connection has no push side. `keys` signs
    certificates and keeps private keys, where a policy asks for that.

    The receiver gets the effect's id as webhook-id at every attempt and answers 2xx once the credential
    is revoked, also when it was before. A system without a revoker is a dead effect that names the setting.
    """
    known = {setting_name(system): (system, entry) for system, entry in revokers.items()}

    idp = Revoker(ctx, keeper_of) if keeper_of is not None else None

    async def revoke(effect: Effect) -> Outcome:
        if idp is not None:
            if effect.payload.get("every"):
                await idp.stop_rotations(str(effect.payload["agent_id"]))
            if effect.payload.get("connection_id"):
                return await idp.revoke(effect)
        system = str(effect.payload["system"])
        name, entry = known.get(setting_name(system), (system, {}))
        missing = [f"revokers.{name}.{key}" for key in ("url", "secret") if not entry.get(key)]
        if missing:
            return Dead(
                f"nobody can revoke credentials of {system}: {' and '.join(missing)}"
                f" {'is' if len(missing) == 1 else 'are'} not set."
                " Set it, then `scim-bridge effects retry`."
            )
        secrets = await live_secrets(
            ctx.store.reads,
            ctx.master,
            revoker_name(name),
            entry["secret"],
            ctx.store.clock.now(),
        )
        outcome = await deliver(
            ctx.outbound,
            entry["url"],
            " ".join(secrets),
            effect.id,
            ctx.store.clock.now(),
            message(effect),
            to=f"the revoker of {system}",
        )
        if not isinstance(outcome, Done):
            return outcome

        async def confirm(work: Work) -> None:
            await confirm_revoked(work, str(effect.payload["credential_id"]))

        return replace(outcome, commit=confirm)

    if keeper_of is None or delivery is None:
        return {CREDENTIAL_REVOKE: revoke}
    steps = Steps(ctx, keeper_of, delivery, keys).handlers()
    return {CREDENTIAL_REVOKE: revoke, **steps, **discarding.handlers(keys)}
