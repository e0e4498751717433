"""The room's HTTP: consumers confirm that they use a new credential; programs read the inventory."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from scim_bridge.credentials.confirming import PATH, Confirming
from scim_bridge.credentials.model import Delivery
from scim_bridge.credentials.rotation import confirm, rotation
from scim_bridge.credentials.view import listed, told
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.errors import Forbidden, Refused
from scim_bridge.kernel.web import address_of, endpoint, json_response, read_body, request_id
from scim_bridge.kernel.work import Actor
from scim_bridge.registry.callers import api_caller

MAX_BYTES = 4096


def routes(ctx: Context, delivery: Delivery) -> list[BaseRoute]:
    """Where the room answers."""
    confirming = Confirming(ctx, delivery)

    async def caller_of(request: Request, rotation_id: str) -> Actor:
        signature = request.query_params.get("sig")
        if signature is None:
            return await api_caller(ctx, request, "access")
        if not confirming.genuine(rotation_id, signature):
            raise Forbidden("ack-signature", "This link is not genuine.", "Use the one that was delivered.")
        return Actor("agent", rotation_id, "the consumer", None, request_id(request), address_of(request))

    async def acknowledge(request: Request) -> Response:
        rotation_id = request.path_params["rotation"]
        actor = await caller_of(request, rotation_id)
        await read_body(request, MAX_BYTES)
        reference = request.query_params.get("reference")
        found = await rotation(ctx.store.reads, rotation_id)
        known = {found.row["fresh_reference"], found.public.get("kid"), found.public.get("thumbprint")}
        if reference is not None and reference not in known - {None}:
            raise Refused(
                "ack-reference",
                "The acknowledgement names another credential than the new one.",
                "Read the store again, then acknowledge what is there.",
            )
        by = f"{actor.kind} {actor.name}"
        after = await ctx.store.transact(actor, lambda work: confirm(work, rotation_id, by))
        return json_response({"rotation": after.id, "confirmed": True})

    async def show_rotation(request: Request) -> Response:
        rotation_id = request.path_params["rotation"]
        await caller_of(request, rotation_id)
        return json_response(told(await rotation(ctx.store.reads, rotation_id)))

    async def inventory(request: Request) -> Response:
        await api_caller(ctx, request, "admin")
        agent = request.query_params.get("agent")
        found = await listed(ctx.store.reads, ctx.store.clock.now(), agent=agent)
        return json_response({"credentials": found})

    return [
        Route("/credentials/v1/credentials", endpoint(inventory), methods=["GET"]),
        Route(f"{PATH}/{{rotation}}", endpoint(show_rotation), methods=["GET"]),
        Route(f"{PATH}/{{rotation}}/ack", endpoint(acknowledge), methods=["POST"]),
    ]
