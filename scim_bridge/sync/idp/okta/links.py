"""The owner of an agent as Okta's linked object: one per agent, read by owner where many are wanted."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from scim_bridge.sync.idp.okta.errors import OktaRefusal
from scim_bridge.sync.idp.okta.session import Session
from scim_bridge.sync.idp.okta.vocabulary import LINK, LINK_BACK

AT_ONCE = 5


class Links:
    """Reads and sets who owns an agent user, by Okta ids."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def owner(self, user_id: str) -> str | None:
        """The owner's id, or None."""
        found = await self._linked(user_id, LINK)
        return found[0] if found else None

    async def owned(self, owner_id: str) -> set[str]:
        """The ids of everybody an owner is linked to, in one call."""
        return set(await self._linked(owner_id, LINK_BACK))

    async def _linked(self, user_id: str, name: str) -> list[str]:
        try:
            reply = await self._session.call(
                "read linked objects", self._session.client.list_linked_objects_for_user, user_id, name
            )
        except OktaRefusal as error:
            # Neither a user that is gone nor a definition that is not made yet links anybody.
            if error.absent:
                return []
            raise
        links = (item["_links"]["self"]["href"] for item in reply.content or ())
        return [str(link).rstrip("/").rsplit("/", 1)[-1] for link in links]

    async def set_owner(self, user_id: str, owner_id: str | None) -> None:
        """Link an agent to its owner, in one call also from another one; None takes the link away."""
        client = self._session.client
        if owner_id is not None:
            await self._session.call(
                "link the owner", client.assign_linked_object_value_for_primary, user_id, LINK, owner_id
            )
            return
        try:
            await self._session.call("unlink the owner", client.delete_linked_object_for_user, user_id, LINK)
        except OktaRefusal as error:
            if not error.absent:
                raise

    async def owners_of(
        self, users: Mapping[str, str | None], of_owner: dict[str, set[str]]
    ) -> dict[str, str | None]:
        """The owner of each user. The values say who it was by the profile, which saves calls.

        Who is linked to that owner costs one call per owner (`of_owner` keeps what the calls told, for
        the pages of one listing); only the others are read one by one.
        """
        gate = asyncio.Semaphore(AT_ONCE)

        async def owned(owner_id: str) -> tuple[str, set[str]]:
            async with gate:
                return owner_id, await self.owned(owner_id)

        async def owner(user_id: str) -> tuple[str, str | None]:
            async with gate:
                return user_id, await self.owner(user_id)

        guesses = sorted({guess for guess in users.values() if guess is not None} - of_owner.keys())
        of_owner |= dict(await gathered(owned(guess) for guess in guesses))
        found: dict[str, str | None] = {
            user_id: guess
            for user_id, guess in users.items()
            if guess is not None and user_id in of_owner[guess]
        }
        rest = [user_id for user_id in users if user_id not in found]
        return found | dict(await gathered(owner(user_id) for user_id in rest))


async def gathered(calls: Iterable[Any]) -> list[Any]:
    tasks = [asyncio.ensure_future(call) for call in calls]
    try:
        return list(await asyncio.gather(*tasks))
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
