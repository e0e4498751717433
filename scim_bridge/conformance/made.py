"""What a run created and has to delete again: known by address, or only by name when an answer was lost."""

from __future__ import annotations

from typing import Any, Final

from scim_bridge.conformance.reply import Reply, at, one

NAMING: Final = {"Users": "userName", "Groups": "displayName", "Agents": "agentUserName"}


class Made:
    """Addresses in the order they came into being, and names whose resources may exist."""

    def __init__(self) -> None:
        self._paths: dict[str, None] = {}
        self._names: dict[tuple[str, str], None] = {}

    def __len__(self) -> int:
        return len(self._paths) + len(self._names)

    def intend(self, path: str, body: Any) -> tuple[str, str] | None:
        """Told before a create is sent: from now on a resource of this name may exist."""
        endpoint = path.split("?", 1)[0].strip("/")
        name = at(body, NAMING[endpoint]) if endpoint in NAMING else None
        if not isinstance(name, str):
            return None
        self._names[endpoint, name] = None
        return endpoint, name

    def answered(self, path: str, intended: tuple[str, str] | None, reply: Reply) -> None:
        """Told when the create was answered: by an id it is known; a refusal made nothing."""
        identity = at(reply.body, "id")
        created = reply.status in (200, 201) and isinstance(identity, str) and identity != ""
        if created:
            self.note(one(f"/{path.split('?', 1)[0].strip('/')}", identity))
        if intended is not None and (created or 400 <= reply.status < 500):
            self._names.pop(intended, None)

    def note(self, path: str) -> None:
        """This resource exists through us."""
        self._paths[path] = None

    def gone(self, path: str) -> None:
        """This resource is deleted."""
        self._paths.pop(path, None)

    @property
    def unsure(self) -> list[tuple[str, str, str]]:
        """Endpoint, naming attribute and name of what may exist without our knowing its id."""
        return [(f"/{endpoint}", NAMING[endpoint], name) for endpoint, name in self._names]

    def settled(self, endpoint: str, name: str) -> None:
        """This name was looked up."""
        self._names.pop((endpoint.strip("/"), name), None)

    @property
    def paths(self) -> list[str]:
        """What is to be deleted, the newest first: groups go before their members."""
        return [*reversed(self._paths)]
