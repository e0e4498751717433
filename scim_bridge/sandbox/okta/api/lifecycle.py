"""/api/v1/users/{id}/lifecycle/…: activate, reactivate, suspend, unsuspend, deactivate."""

from __future__ import annotations

import secrets

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from scim_bridge.sandbox.okta.api.gate import Caller, answer, wants_async
from scim_bridge.sandbox.okta.errors import OktaError
from scim_bridge.sandbox.okta.model import statuses
from scim_bridge.sandbox.okta.parts import Parts


def routes(parts: Parts) -> list[BaseRoute]:
    """The routes of these calls."""

    async def change_lifecycle(request: Request, caller: Caller) -> Response:
        action = request.path_params["action"]
        if action not in statuses.ACTIONS:
            raise OktaError("E0000008")
        user = parts.directory.need(request.path_params["name"])
        with parts.org.store.transaction():
            done = parts.lifecycle.act(user, action, caller, later=wants_async(request))
        by_mail = request.query_params.get("sendEmail", "true" if action == "activate" else "false") == "true"
        if action in ("activate", "reactivate") and done["status"] == statuses.PROVISIONED and not by_mail:
            token = secrets.token_urlsafe(15)
            return answer({"activationUrl": f"{parts.org.url}/welcome/{token}", "activationToken": token})
        return answer({})

    return [parts.gate.route("/api/v1/users/{name}/lifecycle/{action}", "users", POST=change_lifecycle)]
