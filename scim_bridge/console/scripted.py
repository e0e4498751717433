"""Pages that may run this program's own scripts: nothing inline, nothing from elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scim_bridge.console.door import Screen
from scim_bridge.kernel.pages import POLICY

STATIC = Path(__file__).parent / "static"
SCRIPTED = POLICY.replace("style-src 'self'", "script-src 'self'; style-src 'self'")
# A page that follows what goes on asks this program again, and nobody else.
FOLLOWING = SCRIPTED.replace("script-src 'self'", "script-src 'self'; connect-src 'self'")


class Scripted(Screen):
    """A page that may run the scripts of this program."""

    policy = SCRIPTED

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""

        async def allowing(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    (name, self.policy.encode() if name == b"content-security-policy" else value)
                    for name, value in message["headers"]
                ]
            await send(message)

        await super().__call__(scope, receive, allowing)


class Following(Scripted):
    """A page that may also ask this program again how something goes on."""

    policy = FOLLOWING
