"""What steers the transmitter: what happened to whom, and how it is to be told wrongly."""

from __future__ import annotations

import secrets
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from joserfc.jwk import RSAKey
from starlette.requests import Request

from scim_bridge.sandbox.kit.clock import SECOND
from scim_bridge.sandbox.kit.control import Refusal, read_object
from scim_bridge.sandbox.ssf.keys import fresh
from scim_bridge.sandbox.ssf.sets import EVENTS, FLAWS, SHAPES, claims, flawed, signed, uri_of
from scim_bridge.sandbox.ssf.streams import STATUSES, Wrong

if TYPE_CHECKING:
    from scim_bridge.sandbox.ssf.app import Transmitter


@cache
def _stranger() -> RSAKey:
    """A key the transmitter never publishes."""
    return fresh("nobody-knows-this-key")


def _existing(file: Any) -> str:
    if not isinstance(file, str) or not Path(file).is_file():
        raise Refusal("'ca_file' is a file with certificates to trust.")
    return file


class Steering:
    """The control API of one transmitter."""

    def __init__(self, there: Transmitter) -> None:
        self._there = there

    async def client(self, request: Request) -> Any:
        """The OAuth client a receiver uses. PUT {"ca_file"} has receivers behind that authority trusted."""
        if request.method == "PUT":
            file = (await read_object(request)).get("ca_file")
            self._there.ca_files.append(_existing(file))
        return {
            "clients": [
                {"client_id": key, "secret": value["client_secret"]}
                for key, value in self._there.store.all("client")
            ],
            "token_url": f"{self._there.issuer}/token",
        }

    async def happen(self, request: Request) -> Any:
        """Something happened: told to every stream. `at` in seconds; `flaw` tells it wrongly.

        {"event", "subject", "payload"?, "shape"?: ssf|okta, "at"?, "jti"?, "flaw"?}
        """
        body = await read_object(request)
        event, shape, flaw = body.get("event"), body.get("shape", "ssf"), body.get("flaw")
        if not isinstance(event, str) or (event not in EVENTS and ":" not in event):
            raise Refusal(f"'event' is a URI, or one of {', '.join(EVENTS)}.")
        if shape not in SHAPES or (flaw is not None and flaw not in FLAWS):
            raise Refusal(f"'shape' is one of {', '.join(SHAPES)}, 'flaw' one of {', '.join(FLAWS)}.")
        jti = body.get("jti") or secrets.token_hex(12)
        if not isinstance(body.get("subject", {}), dict | None):
            raise Refusal("'subject' is an object, or left out.")
        now = int(body.get("at") or self._there.store.clock.now() // SECOND)
        there, key, told = self._there, self._there.keys.current(), []
        for stream in there.streams.all():
            audience = there.streams.shown(stream)["aud"]
            said = claims(
                there.issuer,
                audience,
                jti,
                now,
                uri_of(event),
                body.get("payload") or {},
                body.get("subject"),
                shape,
            )
            compact = signed(said, key) if flaw is None else flawed(flaw, said, key, _stranger())
            told.append(there.delivery.add(stream, jti, compact)["state"])
        return {"ok": True, "jti": jti, "streams": told}

    async def sets(self, _request: Request) -> Any:
        """Every SET and what became of it."""
        shown = ("jti", "stream_id", "state", "attempts", "status", "err")
        return {"sets": [{name: one[name] for name in shown} for one in self._there.delivery.listing()]}

    async def loses(self, request: Request) -> Any:
        """{"on": true} loses every SET from now on, as if it were gone on its way, until {"on": false}."""
        if (await read_object(request)).get("on"):
            self._there.store.put("setting", "loses", {})
        else:
            self._there.store.delete("setting", "loses")
        return {"ok": True}

    async def again(self, request: Request) -> Any:
        """Deliver a SET once more, byte for byte."""
        found = self._there.delivery.again(str((await read_object(request)).get("jti", "")))
        if not found:
            raise Refusal("There is no SET with this 'jti'.")
        return {"ok": True, "sets": found}

    async def rotate(self, request: Request) -> Any:
        """Sign with a new key; {"withdraw": true} publishes the old ones no more."""
        made = self._there.keys.rotate(withdraw=bool((await read_object(request)).get("withdraw")))
        return {"ok": True, "kid": made.kid}

    async def streams(self, _request: Request) -> Any:
        """Every stream with its status."""
        there = self._there.streams
        return {"streams": [{**there.shown(one), "status": one["status"]} for one in there.all()]}

    async def status(self, request: Request) -> Any:
        """The transmitter itself pauses, disables or enables every stream, and says so (SSF 1.0 section 8.1.5)."""
        body = await read_object(request)
        there = self._there
        try:
            for stream in there.streams.all():
                told = {"status": body.get("status"), "reason": str(body.get("reason", ""))}
                changed = there.streams.set_status(stream, body)
                there.about(changed, "stream-updated", told)
        except Wrong as wrong:
            raise Refusal(f"{wrong} Known: {', '.join(STATUSES)}.") from None
        return {"ok": True}
