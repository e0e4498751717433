"""The provisioning job: test, cycle, on demand. One run at a time; a killed run goes on with the next."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import uuid4

from scim_bridge.sandbox.entra.people import group_of, user_of
from scim_bridge.sandbox.entra.scim import replies, target
from scim_bridge.sandbox.entra.scim.groups import Groups
from scim_bridge.sandbox.entra.scim.links import Links
from scim_bridge.sandbox.entra.scim.replies import Failed
from scim_bridge.sandbox.entra.scim.target import Run, Target, filter_query
from scim_bridge.sandbox.entra.scim.users import Users
from scim_bridge.sandbox.entra.tenant import DELETED, GROUP, USER, Object, Tenant, hidden
from scim_bridge.sandbox.kit.control import Refusal

ASSIGNMENT = "assignment"
ON_DEMAND_MEMBERS = 5

Report = dict[str, Any]


class Job:
    """The job of one tenant and one target."""

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant
        self.links = Links(tenant.store)
        self._one_at_a_time = asyncio.Lock()

    async def test(self) -> Report:
        """Test Connection: look up a user that cannot exist; anything but an empty list is a failure."""
        return await self._report(target.load(self._tenant.store), self._test)

    async def cycle(self, users: Sequence[str] | None, groups: Sequence[str] | None) -> Report:
        """One cycle with these users (userPrincipalNames) and groups (displayNames) assigned; None: everybody.

        Only what changed since it was last written is looked at; what failed is tried again. A user that is
        no longer assigned is disabled, a purged one deleted, a group that left the scope is deleted.
        """
        store = self._tenant.store
        chosen_users = [str(user_of(self._tenant, one)["id"]) for one in users or []]
        chosen_groups = [str(group_of(self._tenant, one)["id"]) for one in groups or []]
        self._assign("users", users, chosen_users)
        self._assign("groups", groups, chosen_groups)

        async def act(run: Run) -> None:
            if self.links.quarantined() is not None:
                await self._test(run)
                self.links.release()
            await self._users(run)
            await self._groups(run)

        return await self._report(target.load(store), act)

    async def user(self, user: Object) -> Report:
        """Provision one user of the scope as the next cycle would."""

        async def act(run: Run) -> None:
            await self._each(run, [user], self._assigned("users"))

        return await self._report(target.load(self._tenant.store), act)

    async def purged(self, user: Object) -> Report:
        """Tell the target that a user is gone for good."""

        async def act(run: Run) -> None:
            link = self.links.find(USER, str(user["id"]))
            if link is not None:
                await self._try(run, str(user["id"]), Users(self._tenant, self.links, run).remove(link), [])

        return await self._report(target.load(self._tenant.store), act)

    async def on_demand(self, user: str | None, group: str | None, members: Sequence[str]) -> Report:
        """Provision on demand: one user, or one group with up to five members; always in the legacy dialect."""
        if len(members) > ON_DEMAND_MEMBERS:
            raise Refusal(f"On demand takes at most {ON_DEMAND_MEMBERS} members.")
        people = [user_of(self._tenant, one) for one in ([user] if user else members)]
        chosen = group_of(self._tenant, group) if group else None

        async def act(run: Run) -> None:
            await self._test(run)
            everybody = {str(one["id"]) for one in people}
            await self._each(run, people, everybody)
            if chosen is not None:
                step = Groups(self.links, run).provision(chosen, only=everybody)
                await self._try(run, str(chosen["id"]), step, [])

        return await self._report(target.load(self._tenant.store).on_demand(), act)

    async def _test(self, run: Run) -> None:
        operation = "test connection"
        nobody = filter_query(f'userName eq "{uuid4()}"')
        reply = await run.call(operation, "GET", f"/Users?{nobody}")
        if replies.resources(operation, reply):
            raise Failed(operation, 200, "incompatible", "a user that cannot exist was found")

    async def _users(self, run: Run) -> None:
        assigned = self._assigned("users")
        live = {str(one["id"]): one for one in self._tenant.every(USER)}
        gone = {key: one for key, one in self._tenant.store.all(DELETED) if hidden(one, "kind") == USER}
        linked = {link.source_id: link for link in self.links.every(USER)}
        failing = {one["id"] for one in self.links.failures()}
        touched: list[Object] = []
        for source_id in dict.fromkeys([*live, *linked]):
            user = live.get(source_id) or gone.get(source_id)
            link = linked.get(source_id)
            if user is None:
                if link is not None:
                    await self._try(run, source_id, Users(self._tenant, self.links, run).remove(link), [])
            elif (link is None and source_id in assigned) or (
                link is not None
                and (
                    link.change != hidden(user, "change")
                    or link.managed != (source_id in assigned or source_id in gone)
                    or source_id in failing
                )
            ):
                touched.append(user)
        await self._each(run, touched, assigned)

    async def _each(self, run: Run, people: Sequence[Object], assigned: set[str]) -> None:
        users = Users(self._tenant, self.links, run)
        written = []
        for user in people:
            source_id = str(user["id"])
            done: list[Any] = []
            if await self._try(run, source_id, users.provision(user, assigned=source_id in assigned), done):
                written += [(user, link) for link in done if link is not None]
        for user, link in written:
            if link.managed and "deletedDateTime" not in user:
                await self._try(run, str(user["id"]), users.reference_manager(user, link), [])

    async def _groups(self, run: Run) -> None:
        assigned = self._assigned("groups")
        live = {str(one["id"]): one for one in self._tenant.every(GROUP)}
        linked = {link.source_id: link for link in self.links.every(GROUP)}
        failing = {one["id"] for one in self.links.failures()}
        groups = Groups(self.links, run)
        for source_id, link in linked.items():
            if source_id not in live or source_id not in assigned:
                await self._try(run, source_id, groups.remove(link), [])
        for source_id, group in live.items():
            known = self.links.find(GROUP, source_id)
            stale = known is None or known.change != hidden(group, "change") or source_id in failing
            if source_id in assigned and stale:
                await self._try(run, source_id, groups.provision(group), [])

    async def _try(self, run: Run, source_id: str, step: Awaitable[Any], done: list[Any]) -> bool:
        """One object: a failure is noted and the run goes on, unless it means quarantine."""
        try:
            done.append(await step)
        except Failed as error:
            self.links.failed(source_id, error, self._tenant.now())
            run.errors.append(str(error))
            if error.quarantines or replies.threshold_reached(len(run.errors), len(run.calls)):
                raise
            return False
        self.links.mended(source_id)
        return True

    async def _report(self, where: Target, act: Callable[[Run], Awaitable[None]]) -> Report:
        async with self._one_at_a_time, target.caller_for(self._tenant.store, where) as caller:
            run = Run(where, caller)
            try:
                await act(run)
            except Failed as error:
                if error.quarantines:
                    self.links.quarantine(str(error), self._tenant.now())
                if str(error) not in run.errors:
                    run.errors.append(str(error))
        report: Report = {"ok": not run.errors, "calls": run.calls}
        if run.errors:
            report["error"] = "; ".join(run.errors[:5])
        return report

    def _assign(self, name: str, given: Sequence[str] | None, ids: list[str]) -> None:
        self._tenant.store.put(ASSIGNMENT, name, {"everybody": given is None, "ids": ids})

    def _assigned(self, name: str) -> set[str]:
        kept = self._tenant.store.get(ASSIGNMENT, name) or {"everybody": True, "ids": []}
        if kept["everybody"]:
            return {str(one["id"]) for one in self._tenant.every(USER if name == "users" else GROUP)}
        return set(kept["ids"])
