"""What stores still keep of a credential that is gone: its private key, and the authority's word for its certificate.

Each is an effect of its own, decided where the credential's end is: a store that is away holds up no revocation,
and what a store refuses is shown among the dead effects, with the reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scim_bridge.credentials.certifying import Keys
from scim_bridge.credentials.model import DeliveryFailed
from scim_bridge.kernel.effects import Dead, Done, Effect, Handler, Outcome, Retry, lane
from scim_bridge.kernel.work import Work

CREDENTIAL_DISCARD = "credential.discard"


async def discard(work: Work, credential_id: str, public: Mapping[str, Any]) -> None:
    """Have taken away what stores keep of a credential, after the commit. `public` is what is known of it."""
    wanted = [
        {"store": public.get(store), name: public.get(known)}
        for store, name, known in (("stored_in", "key", "stored_key"), ("signed_by", "serial", "serial"))
        if public.get(store) and public.get(known)
    ]
    for payload in wanted:
        await work.effect(
            CREDENTIAL_DISCARD, payload, lane=lane("discard", credential_id), subject_id=credential_id
        )


def handlers(keys: Keys | None) -> dict[str, Handler]:
    """Who performs credential.discard."""

    async def perform(effect: Effect) -> Outcome:
        store, key, serial = (str(effect.payload.get(name) or "") for name in ("store", "key", "serial"))
        if keys is None:
            return Dead("no store signs certificates or keeps keys here")
        try:
            if key:
                await keys.drop_key(store, key)
            else:
                await keys.revoke_certificate(store, serial)
        except DeliveryFailed as error:
            if error.transient:
                return Retry(error.message)
            left = (
                f"The private key {key} is still in {store}"
                if key
                else f"Certificate {serial} is not revoked"
            )
            return Dead(f"{left}: {error.text()}")
        return Done({"outcome": "discarded"})

    return {CREDENTIAL_DISCARD: perform}
