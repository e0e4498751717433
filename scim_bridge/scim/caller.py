"""Who calls: the token decides connection, scopes and dialect; nothing in a payload can (architecture, rule 6)."""

from __future__ import annotations

from typing import Any, NamedTuple

from scim_bridge.kernel.errors import Forbidden
from scim_bridge.kernel.work import Actor
from scim_bridge.registry.connections import Connection
from scim_bridge.registry.model import AGENT_URN
from scim_bridge.registry.scope import Scope
from scim_bridge.registry.tokens import Grant


class Caller(NamedTuple):
    """One authenticated IdP connection, in one request. `scope`: the agents it sees; `base_url`: of the front door.

    `mail_domain`: where people without an address get one in its answers; None where nobody asks for that.
    """

    connection: Connection
    grant: Grant
    scope: Scope
    base_url: str
    request_id: str
    address: str | None
    mail_domain: str | None = None

    @property
    def actor(self) -> Actor:
        """Whom the audit names."""
        found = self.connection
        return Actor("connection", found.id, found.name, found.id, self.request_id, self.address)

    @property
    def scope_text(self) -> str:
        """The scope as the connection's settings have it."""
        return str(self.connection.settings.get("scope") or "")

    @property
    def tolerant(self) -> bool:
        """False when the connection asked for the letter of the RFC."""
        return self.connection.dialect != "strict"

    @property
    def actor_hold(self) -> str:
        """The source under which this connection holds agents."""
        return self.connection.hold_source

    def need(self, scope: str) -> None:
        """Forbidden unless the token has this scope."""
        if scope not in self.grant.scopes:
            raise Forbidden(
                "scope-missing", f"This token lacks the scope {scope!r}.", "Create one that has it."
            )

    def sends_agents(self, doc: dict[str, Any]) -> bool:
        """True when this connection marks a user as an agent: by userType, extension or its own setting."""
        marker = self.connection.settings.get("agent_marker")
        if isinstance(marker, str) and "=" in marker:
            attribute, _, value = marker.partition("=")
            return str(doc.get(attribute, "")).casefold() == value.casefold()
        return str(doc.get("userType", "")).casefold() == "agent" or AGENT_URN in doc
