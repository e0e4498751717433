"""The tenant put together: token service, Graph, provisioning service, and what steers them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.routing import BaseRoute

from scim_bridge.sandbox.entra import machine, people, registrations, settings
from scim_bridge.sandbox.entra.graph import lifecycle
from scim_bridge.sandbox.entra.graph.routes import routes as graph_routes
from scim_bridge.sandbox.entra.graph.service import Graph
from scim_bridge.sandbox.entra.notices.control import routes as notice_control
from scim_bridge.sandbox.entra.notices.sending import Sender
from scim_bridge.sandbox.entra.scim.routes import routes as provisioning_routes
from scim_bridge.sandbox.entra.sts.routes import routes as token_routes
from scim_bridge.sandbox.entra.sts.service import TokenService
from scim_bridge.sandbox.entra.sts.sign_in import SignIn, register_sign_in
from scim_bridge.sandbox.entra.tenant import Tenant
from scim_bridge.sandbox.kit.control import Refusal, control_route, read_object
from scim_bridge.sandbox.kit.server import Sandbox
from scim_bridge.sandbox.kit.signing_key import signing_key


def build(sandbox: Sandbox) -> Sequence[BaseRoute]:
    """Every route of the simulated tenant."""
    tenant = Tenant(sandbox.store, sandbox.base_url)

    def seed() -> None:
        tenant.seed()
        lifecycle.seed(tenant)

    sandbox.seed_with(seed)
    key = signing_key(sandbox.data)
    signing_in = SignIn(tenant, key)
    sender = Sender(tenant, str(sandbox.ca.ca_file))
    sandbox.background.append(sender.forever)
    return [
        *_control(tenant),
        *notice_control(sender),
        *provisioning_routes(tenant),
        *graph_routes(Graph(tenant, key), sender),
        *token_routes(TokenService(tenant, key), signing_in),
        *machine.routes(tenant, key),
    ]


def _control(tenant: Tenant) -> list[BaseRoute]:
    async def register(request: Request) -> Any:
        return registrations.register(tenant, await read_object(request))

    async def register_for_people(request: Request) -> Any:
        return register_sign_in(tenant, await read_object(request))

    async def assign(request: Request) -> Any:
        return machine.assign(tenant, await read_object(request))

    async def fill(request: Request) -> Any:
        return people.fill(tenant, await read_object(request))

    async def change_settings(request: Request) -> Any:
        current = settings.load(tenant.store)
        if request.method == "POST":
            try:
                current = settings.changed(current, await read_object(request))
            except settings.BadSetting as error:
                raise Refusal(str(error)) from None
            settings.save(tenant.store, current)
        return {"settings": current.as_dict()}

    return [
        control_route("/app-registrations", register, ["POST"]),
        control_route("/sign-in-apps", register_for_people, ["POST"]),
        control_route("/managed-identities", assign, ["POST"]),
        control_route("/directory", fill, ["POST"]),
        control_route("/settings", change_settings, ["GET", "POST"]),
    ]
