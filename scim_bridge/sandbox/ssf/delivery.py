"""Delivery: SETs pushed until they are taken (RFC 8935), or kept until they are acknowledged (RFC 8936)."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from typing import Any

import httpx2

from scim_bridge.sandbox.kit.clock import SECOND
from scim_bridge.sandbox.kit.edge import readable
from scim_bridge.sandbox.kit.store import Store
from scim_bridge.sandbox.ssf.streams import PUSH, Streams, Wrong

KIND = "set"
WAITS = (1, 2, 5, 10, 30)
TIMEOUT_SECONDS = 15.0


class Delivery:
    """The SETs of one store, and what becomes of them: waiting, taken, refused, dropped."""

    def __init__(self, store: Store, streams: Streams, ca_files: list[str]) -> None:
        self._store = store
        self._streams = streams
        self._ca_files = ca_files
        self._wake = asyncio.Event()

    def add(
        self, stream: Mapping[str, Any], jti: str, compact: str, *, control: bool = False
    ) -> dict[str, Any]:
        """Queue a SET. A disabled stream drops it; `control` ones (about the stream itself) go out anyway."""
        state = "dropped" if stream["status"] == "disabled" and not control else "waiting"
        if self._store.get("setting", "loses") is not None:
            state = "lost"
        made = {
            "jti": jti,
            "stream_id": stream["stream_id"],
            "set": compact,
            "state": state,
            "control": control,
            "attempts": 0,
            "due": self._store.clock.now(),
            "status": 0,
            "err": None,
        }
        self._store.put(KIND, f"{stream['stream_id']} {jti}", made)
        self._wake.set()
        return made

    def listing(self) -> list[dict[str, Any]]:
        """Every SET, oldest first."""
        return [value for _, value in self._store.all(KIND)]

    def again(self, jti: str) -> int:
        """Have SETs of this id delivered once more as they are; how many."""
        found = [one for one in self.listing() if one["jti"] == jti]
        for one in found:
            self._put({**one, "state": "waiting", "due": self._store.clock.now()})
        self._wake.set()
        return len(found)

    def _put(self, one: dict[str, Any]) -> None:
        self._store.put(KIND, f"{one['stream_id']} {one['jti']}", one)

    def _held(self, one: Mapping[str, Any]) -> bool:
        stream = self._store.get("stream", one["stream_id"])
        return stream is None or (stream["status"] == "paused" and not one["control"])

    def poll(self, stream: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
        """Answer a poll (RFC 8936 section 2.4): acknowledged and failed ones go, up to `maxEvents` others come."""
        most, acks, errs = body.get("maxEvents", 100), body.get("ack", []), body.get("setErrs", {})
        if isinstance(most, bool) or not isinstance(most, int) or most < 0:
            raise Wrong(400, "'maxEvents' is a whole number.")
        if not isinstance(acks, list) or not isinstance(errs, dict):
            raise Wrong(400, "'ack' is a list and 'setErrs' an object.")
        mine = [one for one in self.listing() if one["stream_id"] == stream["stream_id"]]
        for one in mine:
            if one["jti"] in acks:
                self._put({**one, "state": "taken"})
            elif one["jti"] in errs:
                self._put({**one, "state": "refused", "err": errs[one["jti"]]})
        gone = {*acks, *errs}
        waiting = [o for o in mine if o["state"] == "waiting" and o["jti"] not in gone and not self._held(o)]
        for one in waiting[:most]:
            self._put({**one, "attempts": one["attempts"] + 1})
        return {
            "sets": {one["jti"]: one["set"] for one in waiting[:most]},
            "moreAvailable": len(waiting) > most,
        }

    async def run(self) -> None:
        """Push for ever: what is due now, then sleep until something is due or new."""
        while True:
            self._wake.clear()
            await self.push_due()
            try:
                async with asyncio.timeout(0.5):
                    await self._wake.wait()
            except TimeoutError:
                pass

    async def push_due(self) -> None:
        """One attempt at every SET of a pushed stream that is due."""
        now = self._store.clock.now()
        for one in self.listing():
            if one["state"] != "waiting" or one["due"] > now or self._held(one):
                continue
            stream = self._store.get("stream", one["stream_id"])
            if stream is not None and stream["delivery"]["method"] == PUSH:
                await self._push(stream, one)

    async def _push(self, stream: Mapping[str, Any], one: dict[str, Any]) -> None:
        status, told = await self.send(stream, one["set"])
        attempts = one["attempts"] + 1
        wait = WAITS[min(attempts, len(WAITS)) - 1] * SECOND
        state = "taken" if status == 202 else "refused" if status == 400 else "waiting"
        self._put(
            {
                **one,
                "state": state,
                "attempts": attempts,
                "status": status,
                "err": told,
                "due": self._store.clock.now() + wait,
            }
        )

    async def send(self, stream: Mapping[str, Any], compact: str) -> tuple[int, Any]:
        """One push as given, journalled; its status (0: no answer) and what was answered."""
        url = str(stream["delivery"]["endpoint_url"])
        headers = {"content-type": "application/secevent+jwt", "accept": "application/json"}
        if stream["delivery"].get("authorization_header"):
            headers["authorization"] = str(stream["delivery"]["authorization_header"])
        status, answer = 0, None
        try:
            async with httpx2.AsyncClient(
                verify=self._trust(), trust_env=False, timeout=TIMEOUT_SECONDS
            ) as client:
                response = await client.post(url, content=compact.encode(), headers=headers)
            status = response.status_code
            answer = readable(response.content, response.headers.get("content-type", ""))
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as failure:
            answer = f"{type(failure).__name__}: {failure}"
        self._store.record("out", "push", "POST", url, compact, status, answer, headers)
        return status, answer

    def _trust(self) -> ssl.SSLContext:
        context = httpx2.create_ssl_context(verify=True, trust_env=False)
        for file in self._ca_files:
            context.load_verify_locations(cafile=file)
        return context
