"""SCIM has its version in the address; any other than v2 is refused by its name (RFC 7644 section 3.13)."""

from __future__ import annotations

from typing import Any

from scim_bridge.scim.errors import INVALID_VERS, ScimError
from scim_bridge.scim.exchange import refusal, send_answer


async def other_version(scope: Any, _receive: Any, send: Any) -> None:
    """Answer every request below /scim that is not for v2: 400 invalidVers."""
    asked = str(scope["path"]).removeprefix(scope.get("root_path", "")).strip("/").split("/")[0]
    message = f"{asked[:40]!r} is no version of SCIM that is spoken here."
    await send_answer(send, refusal(ScimError(INVALID_VERS, message, "Use /scim/v2.")))
