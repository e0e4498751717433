"""Promises of what a rehearsal clicks: a tenant that has whom it needs."""

from __future__ import annotations

import asyncio
from typing import Any

from scim_bridge.connecting.clicks import PEOPLE, provision


def test_an_entra_that_is_rehearsed_has_everybody_who_answers_for_agents_once() -> None:
    made: list[tuple[str, Any]] = []

    async def control(_method: str, path: str, body: Any) -> Any:
        made.append((path, body))
        return {}

    lena = (PEOPLE[1][0], "Lena Fischer")
    olga = ("olga@corp.test", "Olga Tester")
    said = asyncio.run(provision("entra", control, "https://b/scim/v2", "t", "ca.pem", (olga, lena)))
    told = dict(made)
    everybody = [PEOPLE[0][0], PEOPLE[1][0], olga[0]]
    assert [one["userPrincipalName"] for one in told["/directory"]["users"]] == everybody
    assert told["/scim/cycle"]["users"] == everybody and "brought 3 people" in said
