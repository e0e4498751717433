"""msal's HTTP over the bridge's guarded way out.

msal is synchronous and knows only `requests`: it runs in a thread, and its requests go through here, so that
no proxy, trust store or host of the environment has a say.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from scim_bridge.kernel.outbound import Answer, Outbound

SECONDS = 15.0


class Heard:
    """An answer in the shape msal reads."""

    def __init__(self, answer: Answer) -> None:
        self.status_code = answer.status
        self.text = answer.body.decode("utf-8", "replace")
        self.headers = dict(answer.headers)


class Way:
    """msal's HTTP client; called from msal's thread. OutboundError when no answer came.

    `instead` is (address, the one that is called in its place). `status` is that of the last answer.
    """

    def __init__(
        self, outbound: Outbound, loop: asyncio.AbstractEventLoop, instead: tuple[str, str] = ("", "")
    ) -> None:
        self._outbound = outbound
        self._loop = loop
        self._instead = instead
        self.status = 0

    def get(
        self,
        url: str,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        **_more: Any,
    ) -> Heard:
        """GET for msal."""
        return self._send("GET", url, params, headers, None)

    def post(
        self,
        url: str,
        params: Mapping[str, str] | None = None,
        data: Mapping[str, str] | str | None = None,
        headers: Mapping[str, str] | None = None,
        **_more: Any,
    ) -> Heard:
        """POST of a form for msal."""
        form = data if isinstance(data, str) else urlencode(data or {})
        sent = {"content-type": "application/x-www-form-urlencoded", **(headers or {})}
        return self._send("POST", url, params, sent, form.encode())

    def _send(
        self,
        method: str,
        url: str,
        params: Mapping[str, str] | None,
        headers: Mapping[str, str] | None,
        body: bytes | None,
    ) -> Heard:
        before, after = self._instead
        if before and (url == before or url.startswith(f"{before}/")):
            url = after + url.removeprefix(before)
        target = f"{url}?{urlencode(params)}" if params else url
        sending = self._outbound.send(method, target, headers=headers, body=body, timeout=SECONDS)
        answer = asyncio.run_coroutine_threadsafe(sending, self._loop).result(SECONDS + 5)
        self.status = answer.status
        return Heard(answer)

    def close(self) -> None:
        """Nothing of its own to close."""
