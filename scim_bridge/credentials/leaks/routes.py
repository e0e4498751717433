"""POST /credentials/v1/leaks: findings of secret scanners, signed as GitHub does, or sent with an admin's token."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from scim_bridge.audit.record import record_refusal
from scim_bridge.credentials.leaks.github import (
    IDENTIFIER,
    MAX_BYTES,
    SIGNATURE,
    Forged,
    answer,
    check_signature,
    read_findings,
)
from scim_bridge.credentials.leaks.intake import Intake, Replayed, message_id
from scim_bridge.credentials.leaks.scanner_keys import key_for
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.errors import BridgeError, NotFound
from scim_bridge.kernel.throttle import Throttle, TooManyRequests
from scim_bridge.kernel.web import address_of, endpoint, json_response, read_body, request_id
from scim_bridge.kernel.work import Actor
from scim_bridge.registry.callers import api_caller

log = structlog.get_logger("scim_bridge.leaks")

PATH = "/credentials/v1/leaks"
SCANNER = "secret scanner"
REFUSALS_A_MINUTE = 60


class LeakSettings(Protocol):
    """The settings this door reads."""

    @property
    def keys_url(self) -> str:
        """Where the scanner publishes its keys; empty: nowhere."""

    @property
    def public_keys(self) -> Mapping[str, str]:
        """Keys (PEM) by their identifier, believed without being fetched."""


def routes(ctx: Context, settings: LeakSettings, intake: Intake) -> list[BaseRoute]:
    """The door."""
    return [Route(PATH, endpoint(Door(ctx, settings, intake).receive), methods=["POST"])]


class Door:
    """Takes findings: proves who sends them, acts on all of them at once, says which were real."""

    def __init__(self, ctx: Context, settings: LeakSettings, intake: Intake) -> None:
        self._ctx = ctx
        self._settings = settings
        self._intake = intake
        # Each refusal is an audit row: a flood of forgeries must not fill the disk.
        self._refusals = Throttle(ctx.store.clock, REFUSALS_A_MINUTE, 60)

    async def receive(self, request: Request) -> Response:
        """Answer 200 with a verdict for each finding; 401 for a forged message, 409 for one that came before."""
        kid, signature = request.headers.get(IDENTIFIER, ""), request.headers.get(SIGNATURE, "")
        if not kid and not signature and request.headers.get("authorization"):
            # Another scanner, run by somebody who is an admin here.
            actor = await api_caller(self._ctx, request, "admin")
            body = await read_body(request, MAX_BYTES)
            sender = message_id(b"admin", self._ctx.store.ids.new().encode())
        else:
            if not self._settings.keys_url and not self._settings.public_keys:
                raise NotFound("leaks-off", "No scanner's findings are taken here.", "Set leaks.keys_url.")
            body = await read_body(request, MAX_BYTES)
            actor = Actor("connection", "leaks", SCANNER, None, request_id(request), address_of(request))
            proof = await self._proven(request, kid, signature, body)
            sender = message_id(kid.encode(), proof, body)
        findings = read_findings(body)
        try:
            verdicts = await self._ctx.store.transact(
                actor, lambda work: self._intake.take(work, sender, actor.name, findings)
            )
        except Replayed as error:
            await self._refused(request, actor, error)
            raise
        log.info(
            "leaks.taken", action="leaks.taken", findings=len(findings), real=verdicts.count("true_positive")
        )
        return json_response([answer(each, said) for each, said in zip(findings, verdicts, strict=True)])

    async def _proven(self, request: Request, kid: str, signature: str, body: bytes) -> bytes:
        address = address_of(request) or "unknown"
        stranger = Actor("anonymous", address, "unproven scanner", None, request_id(request), address)
        try:
            if not kid or not signature:
                raise Forged(
                    "leak-unsigned", "The message is not signed.", f"Send {IDENTIFIER} and {SIGNATURE}."
                )
            pem = await key_for(self._ctx, self._settings.keys_url, self._settings.public_keys, kid)
            return check_signature(pem, signature, body)
        except Forged as error:
            await self._refused(request, stranger, error)
            raise

    async def _refused(self, request: Request, actor: Actor, error: BridgeError) -> None:
        address = address_of(request) or "unknown"
        wait = self._refusals.wait(address)
        if wait is not None:
            raise TooManyRequests(
                "leaks-flood", "Too many messages that are not genuine, or not new.", retry_after=wait
            ) from error
        self._refusals.count(address)
        detail = {"code": error.code, "reason": error.message}
        await record_refusal(self._ctx.store, actor, "leak.refused", "leak", None, detail)
        log.warning("leak.refused", action="leak.refused", reason=error.code)
