"""SCIM has its version in the address; any other than v2 is refused by its name (RFC 7644 section 3.13)."""

from __future__ import annotations

from typing import Any

from scim_bridge.kernel.errors import BridgeError, NotFound
from scim_bridge.scim.errors import INVALID_VERS, ScimError
from scim_bridge.scim.exchange import refusal, send_answer

OURS = "v2"


async def other_version(scope: Any, _receive: Any, send: Any) -> None:
    """Answer every request below /scim that is not for v2: 400 invalidVers, or 404 where no version stands."""
    below = str(scope["path"]).removeprefix(scope.get("root_path", ""))
    await send_answer(send, refusal(_refused(below)), bare=scope["method"] == "HEAD")


def _refused(below: str) -> BridgeError:
    asked = below.strip("/").split("/")[0]
    if asked in ("", OURS):
        # No version at all, or ours behind more slashes than one.
        return NotFound("address-unknown", "There is nothing at this address.", "SCIM is at /scim/v2.")
    return ScimError(
        INVALID_VERS, f"{asked[:40]!r} is no version of SCIM that is spoken here.", "Use /scim/v2."
    )
