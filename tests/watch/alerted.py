"""An agent whose ways are known, and the settings of those who are told."""

from __future__ import annotations

from typing import Any

import orjson

from scim_bridge.settings.watch import AlertRouteSettings, AlertSettings
from tests.watch.activity import Sender

SECRET = "whsec_" + "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA=="
KEY = "r" * 32


async def trained(sender: Sender, days: int = 21) -> None:
    """Three weeks of one tickets/4711 read at ten each day; sent day by day."""
    for _ in range(days):
        sender.clock.advance(days=1)
        for _ in range(4):
            await sender.sent(sender.event(resource="tickets/4711"))
        await sender.looked()


async def told_effects(sender: Sender) -> list[dict[str, Any]]:
    rows = await sender.store.reads.all(
        "SELECT payload FROM sb_effect WHERE kind = 'alert' ORDER BY created, id"
    )
    return [orjson.loads(row["payload"]) for row in rows]


def settings(url: str = "http://127.0.0.1:1", **more: Any) -> AlertSettings:
    routes = (
        AlertRouteSettings("siem", "webhook", f"{url}/siem", "low"),
        AlertRouteSettings("pager", "pagerduty", f"{url}/pager", "medium"),
        AlertRouteSettings("chat", "apprise", "", "high"),
    )
    secrets = {"siem": SECRET, "pager": KEY, "chat": f"json{url.removeprefix('http')}/chat"}
    return AlertSettings(routes=routes, secrets=secrets, **more)
