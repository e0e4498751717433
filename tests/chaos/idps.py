"""Okta's and Entra's provisioning as lanes of calls, in the exact shapes the conformance suites send."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Any

from scim_bridge.conformance import entra_traffic, okta_traffic
from scim_bridge.conformance.entra_traffic import FLAGGED, LEGACY, Entra
from scim_bridge.conformance.expect import equals, filled_in, status
from scim_bridge.conformance.okta_traffic import PATCH, Okta
from scim_bridge.conformance.reply import one
from scim_bridge.registry.model import AGENT_URN
from tests.chaos.site import Ground
from tests.chaos.wire import Wire, Wrong

Action = Callable[[], Awaitable[None]]
MOST = 400


class Lane:
    """One stream of calls for subjects of its own: whom it made, who is in its group, which agents it switched.

    `name` is okta-1, entra-2 …; it begins the name of everybody it makes.
    """

    def __init__(self, wire: Wire, ground: Ground, agents: list[str], seed: int) -> None:
        self.wire, self.ground, self.agents = wire, ground, agents
        self.kind = wire.name.split("-", 1)[0]
        self.group = f"{self.kind}-group"
        self.chance = random.Random(f"{seed}:{wire.name}")
        self.made: dict[str, str] = {}
        self._number = 0

    def new_name(self, what: str) -> str:
        """Somebody nobody has heard of."""
        self._number += 1
        return f"{self.wire.name}-{what}{self._number}@corp.test"

    def someone(self) -> str | None:
        """Somebody this lane made."""
        return self.chance.choice(sorted(self.made)) if self.made else None

    def other(self, kind: str, whom: str, default: Any) -> Any:
        """The opposite of what was written last."""
        last = self.wire.ledger.last(kind, whom)
        return not (default if last is None else last.value)

    async def step(self) -> None:
        """One thing an IdP does."""
        actions: list[tuple[int, Action]] = [
            (3 if len(self.made) < MOST else 0, self.provision),
            (1 if len(self.made) < MOST else 0, self.provision_agent),
            (6, self.describe),
            (6, self.switch),
            (4, self.assign),
            (1, self.remove),
        ]
        [action] = self.chance.choices([one for _, one in actions], [weight for weight, _ in actions])
        await action()

    async def provision(self) -> None:
        """A person comes."""
        await self._make(self.new_name("p"), {})

    async def provision_agent(self) -> None:
        """An agent comes, with its owner."""
        owner = self.ground.ids["owner-1@corp.test"]
        facts = {
            "purpose": "made under fire",
            "platform": "in-house",
            "riskTier": "low",
            "owner": {"value": owner},
        }
        login = self.new_name("a")
        await self._make(login, {"userType": "Agent", "displayName": login, AGENT_URN: facts})

    async def _make(self, login: str, more: dict[str, Any]) -> None:
        with self.wire.writing("user", login, True):
            identity = await self.found(login)
            if identity is None:
                try:
                    identity = await self.create(login, more)
                except Wrong:
                    if not self.wire.again:
                        raise
                    # The try whose answer was lost was carried out, as an IdP finds when it looks again.
                    identity = await self.found(login)
                    if identity is None:
                        raise
        self.made[login] = identity

    async def describe(self) -> None:
        """A profile changes."""
        login = self.someone()
        if login is None:
            return
        title = f"Title {self.wire.fresh()}"
        with self.wire.writing("title", login, title):
            await self.profile(self.made[login], login, title)

    async def switch(self) -> None:
        """An agent of the manifest is deactivated, or activated again."""
        if not self.agents:
            return
        slug = self.chance.choice(self.agents)
        held = self.other("held", f"{self.kind}/{slug}", default=False)
        with self.wire.writing("held", f"{self.kind}/{slug}", held):
            await self.active(self.ground.ids[slug], not held)

    async def assign(self) -> None:
        """Somebody comes into the group, or goes."""
        login = self.someone()
        if login is None:
            return
        inside = self.other("member", f"{self.group}/{login}", default=False)
        with self.wire.writing("member", f"{self.group}/{login}", inside):
            await self.membership(self.ground.ids[self.group], self.made[login], login, inside)

    async def remove(self) -> None:
        """Somebody is deleted (a person: their agents' departure has its own lane)."""
        people = [login for login in sorted(self.made) if login.startswith(f"{self.wire.name}-p")]
        if len(people) < 3:
            return
        login = self.chance.choice(people)
        group = f"{self.group}/{login}"
        # Who is deleted is in no group: that is acknowledged with it.
        with self.wire.writing("user", login, False, also=[("member", group, False)]):
            reply = await self.delete(one("/Users", self.made[login]))
            if not (reply.status == 404 and self.wire.again):
                self.wire.demand(reply, status(204))
        del self.made[login]

    async def found(self, login: str) -> str | None:
        """The id of somebody, None for nobody."""
        raise NotImplementedError

    async def create(self, login: str, more: dict[str, Any]) -> str:
        """POST; the id."""
        raise NotImplementedError

    async def profile(self, identity: str, login: str, title: str) -> None:
        """Give somebody another title."""
        raise NotImplementedError

    async def active(self, identity: str, active: bool) -> None:
        """Activate or deactivate."""
        raise NotImplementedError

    async def membership(self, group: str, identity: str, login: str, inside: bool) -> None:
        """Into the group or out of it."""
        raise NotImplementedError

    async def delete(self, path: str) -> Any:
        """DELETE; the answer."""
        return await self.wire.ask("DELETE", path)


class OktaLane(Lane):
    """Okta's catalog apps: profiles by PUT of what GET returned, activation and groups by PATCH."""

    @property
    def okta(self) -> Okta:
        """The suite's client."""
        return Okta(self.wire, PATCH)

    async def found(self, login: str) -> str | None:
        return await self.okta.look_up(login)

    async def create(self, login: str, more: dict[str, Any]) -> str:
        body = okta_traffic.person(login, "Given", "Family", f"00u-{login}") | more
        return await self.okta.create(body)

    async def profile(self, identity: str, login: str, title: str) -> None:
        await self.okta.merged(identity, title=title)

    async def active(self, identity: str, active: bool) -> None:
        await self.okta.set_active(identity, active)

    async def membership(self, group: str, identity: str, login: str, inside: bool) -> None:
        operation: dict[str, Any] = {"op": "remove", "path": f'members[value eq "{identity}"]'}
        if inside:
            operation = {"op": "add", "path": "members", "value": [{"value": identity, "display": login}]}
        await self.okta.patch_group(group, operation)

    async def delete(self, path: str) -> Any:
        return await self.okta.ask("DELETE", path)


class EntraLane(Lane):
    """Entra's provisioning service, every second lane with `aadOptscim062020`."""

    @property
    def entra(self) -> Entra:
        """The suite's client."""
        return Entra(self.wire, FLAGGED if self.wire.name.endswith("2") else LEGACY)

    async def found(self, login: str) -> str | None:
        for attribute, value in (("externalId", f"0a-{login}"), ("userName", login)):
            identity = await self.entra.match(attribute, value)
            if identity is not None:
                return identity
        return None

    async def create(self, login: str, more: dict[str, Any]) -> str:
        body = entra_traffic.person(login, f"0a-{login}") | more
        reply = await self.entra.ask("POST", "/Users", body)
        self.wire.demand(reply, status(201), filled_in("id"), equals("userName", login))
        return str(reply.get("id"))

    async def profile(self, identity: str, login: str, title: str) -> None:
        await self.entra.update(identity, {"title": title, "displayName": title})

    async def active(self, identity: str, active: bool) -> None:
        await self.entra.set_active(identity, active)

    async def membership(self, group: str, identity: str, login: str, inside: bool) -> None:
        change = self.entra.add_members if inside else self.entra.remove_members
        await change(group, [identity])
