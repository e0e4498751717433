"""People in the tenant, by userPrincipalName or mail: fifteen to a read, remembered for a while."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from scim_bridge.kernel.clock import MINUTE
from scim_bridge.registry.model import PersonRef, fold
from scim_bridge.sync.idp.entra.calls import literal
from scim_bridge.sync.idp.entra.graph import Graph
from scim_bridge.sync.idp.entra.model import Account
from scim_bridge.sync.idp.port import IdpError

# Graph takes at most fifteen values in one `in`.
AT_ONCE = 15
REMEMBERED = 5 * MINUTE
SELECT = "id,userPrincipalName,mail"


class People:
    """Looks people up. Who was not found is asked for again at once: a person may just have been made."""

    def __init__(self, graph: Graph, now: Callable[[], int]) -> None:
        self._graph = graph
        self._now = now
        self._known: dict[str, tuple[int, Account]] = {}

    async def accounts(self, people: Iterable[PersonRef]) -> dict[str, Account]:
        """Accounts by person id: by userPrincipalName, else by the one account with that mail address."""
        asked = {person.id: person for person in people}
        by_name = await self._named([person.user_name for person in asked.values()])
        found = {p.id: by_name[fold(p.user_name)] for p in asked.values() if fold(p.user_name) in by_name}
        left = [p for p in asked.values() if p.id not in found and p.email]
        by_mail = await self._mailed([person.email for person in left])
        return found | {p.id: by_mail[fold(p.email)] for p in left if fold(p.email) in by_mail}

    async def ids(self, names: Iterable[str]) -> dict[str, str]:
        """Object ids by userPrincipalName; IdpError when one of them is gone."""
        wanted = list(dict.fromkeys(names))
        found = await self._named(wanted)
        for name in wanted:
            if fold(name) not in found:
                raise IdpError(
                    "entra-person",
                    f"{name} has no account in this tenant any more.",
                    "Make a new plan.",
                    transient=False,
                )
        return {name: found[fold(name)].id for name in wanted}

    def forget(self) -> None:
        """Ask again for everybody: somebody who was known is gone."""
        self._known.clear()

    async def _named(self, names: Sequence[str]) -> dict[str, Account]:
        now = self._now()
        keys = list(dict.fromkeys(fold(name) for name in names if name))
        found = {
            key: self._known[key][1]
            for key in keys
            if key in self._known and now - self._known[key][0] < REMEMBERED
        }
        for user in await self._users("userPrincipalName", [key for key in keys if key not in found]):
            account = Account(str(user["id"]), fold(str(user["userPrincipalName"])))
            self._known[account.name] = (now, account)
            found[account.name] = account
        return found

    async def _mailed(self, addresses: Sequence[str]) -> dict[str, Account]:
        found: dict[str, list[Account]] = {}
        for user in await self._users("mail", list(dict.fromkeys(fold(a) for a in addresses))):
            account = Account(str(user["id"]), fold(str(user["userPrincipalName"])))
            found.setdefault(fold(str(user.get("mail") or "")), []).append(account)
        # A shared address names nobody.
        return {address: accounts[0] for address, accounts in found.items() if len(accounts) == 1}

    async def _users(self, name: str, values: Sequence[str]) -> list[Mapping[str, Any]]:
        found: list[Mapping[str, Any]] = []
        for start in range(0, len(values), AT_ONCE):
            listed = ",".join(literal(value) for value in values[start : start + AT_ONCE])
            query = {"$select": SELECT, "$filter": f"{name} in ({listed})"}
            found += await self._graph.every("look people up", "/users", query)
        return [user for user in found if user.get("id") and user.get("userPrincipalName")]
