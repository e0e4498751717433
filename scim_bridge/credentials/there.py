"""Where a rotation takes place: its client at the IdP, and what is given there."""

from __future__ import annotations

from scim_bridge.credentials.rotation import Rotation
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.errors import NotFound, Refused
from scim_bridge.kernel.secret_text import SecretText
from scim_bridge.registry.keeper import CredentialKeeper, KeeperOf, Material, RemoteClient


class There:
    """Reaches what the steps of a rotation work on."""

    def __init__(self, ctx: Context, keeper_of: KeeperOf) -> None:
        self._ctx = ctx
        self._keeper_of = keeper_of

    async def keeper(self, of: Rotation) -> tuple[CredentialKeeper, RemoteClient]:
        """The keeper of its connection and its client there; NotFound when the client is gone."""
        _, keeper = await self._keeper_of(of.row["connection_id"])
        client = await keeper.client(of.row["client_kind"], of.row["remote_id"])
        if client is None:
            raise NotFound(
                "client-gone", f"{of.row['client_name']} is no longer there.", "Scan the connection."
            )
        return keeper, client

    def material(self, of: Rotation, generates: bool) -> Material:
        """What is given to the IdP, or looked for there; a value only where we make it (`generates` is False)."""
        kind, public = of.row["kind"], of.public
        value = None
        if not generates and kind == "client_secret":
            value = self.opened(of)
        return Material(kind, of.label, public.get("jwk") or public.get("certificate") or "", value)

    def opened(self, of: Rotation) -> SecretText:
        """The value that waits sealed in the rotation's row; Refused when it is not there any more."""
        if of.row["sealed"] is None:
            raise Refused("rotation-value", "The value of the new credential is not there any more.", "")
        return SecretText(self._ctx.master.unseal(of.place, bytes(of.row["sealed"])).decode())
