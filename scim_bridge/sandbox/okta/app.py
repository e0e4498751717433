"""The simulated Okta as routes: management API, control, and the worker that provisions."""

from __future__ import annotations

from collections.abc import Sequence

import httpx2
from starlette.routing import BaseRoute

from scim_bridge.sandbox.kit.server import Sandbox
from scim_bridge.sandbox.okta import control
from scim_bridge.sandbox.okta.api import (
    ai_agents,
    app_token,
    apps,
    closed,
    event_hooks,
    groups,
    lifecycle,
    links,
    logs,
    oauth,
    owners,
    reviews,
    schemas,
    sign_in,
    user_types,
    users,
)
from scim_bridge.sandbox.okta.hooks import control as hook_control
from scim_bridge.sandbox.okta.hooks.sending import Sender
from scim_bridge.sandbox.okta.parts import assemble
from scim_bridge.sandbox.okta.scim_side import control as scim_control
from scim_bridge.sandbox.okta.scim_side.runner import Runner


def build(sandbox: Sandbox, transport: httpx2.AsyncBaseTransport | None = None) -> Sequence[BaseRoute]:
    """Every route of the org. `transport` replaces the network towards the app (tests in one process)."""
    parts = assemble(sandbox)
    runner = Runner(parts, transport)
    sender = Sender(parts.org, transport)
    sandbox.background += [runner.forever, sender.forever]
    rooms = (
        sign_in,
        oauth,
        app_token,
        users,
        lifecycle,
        links,
        user_types,
        schemas,
        groups,
        apps,
        logs,
        ai_agents,
        owners,
        reviews,
    )
    return [
        *control.routes(parts),
        *scim_control.routes(parts, runner),
        *hook_control.routes(parts, sender),
        *(route for room in rooms for route in room.routes(parts)),
        *event_hooks.routes(parts, sender),
        *closed.routes(parts),
    ]
