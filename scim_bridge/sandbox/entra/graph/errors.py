"""Graph's refusals: status, code and message, and the error object they travel in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scim_bridge.sandbox.kit.clock import iso

BAD_REQUEST = "Request_BadRequest"
UNSUPPORTED_QUERY = "Request_UnsupportedQuery"


class GraphError(Exception):
    """A call is refused. `code` is Graph's, `status` the HTTP status, `headers` go with the answer."""

    def __init__(
        self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = dict(headers or {})

    def body(self, now: int, request_id: str, client_request_id: str) -> dict[str, Any]:
        """The error object: {"error": {code, message, innerError}}."""
        inner = {"date": iso(now)[:19], "request-id": request_id, "client-request-id": client_request_id}
        return {"error": {"code": self.code, "message": str(self), "innerError": inner}}


class NotSettled(GraphError):
    """A fresh object is not there yet for this call; one miss is counted for it."""

    def __init__(self, error: GraphError, object_id: str) -> None:
        super().__init__(error.status, error.code, str(error))
        self.object_id = object_id


def bad(message: str, code: str = BAD_REQUEST) -> GraphError:
    """400: the request cannot be followed."""
    return GraphError(400, code, message)


def malformed(message: str) -> GraphError:
    """400 from the front of Graph, before the directory is asked."""
    return GraphError(400, "BadRequest", message)


def unsupported(message: str) -> GraphError:
    """400: a query the directory does not serve."""
    return GraphError(400, UNSUPPORTED_QUERY, message)


def denied() -> GraphError:
    """403: the app role is missing."""
    return GraphError(
        403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation."
    )


def unauthenticated(message: str) -> GraphError:
    """401: no token, or one that is not accepted."""
    headers = {
        "WWW-Authenticate": 'Bearer realm="", client_id="00000003-0000-0000-c000-000000000000", '
        'authorization_uri="https://login.microsoftonline.com/common/oauth2/authorize"'
    }
    return GraphError(401, "InvalidAuthenticationToken", message, headers)


def absent(object_id: str) -> GraphError:
    """404: no such object, or not of the type the path says."""
    message = f"Resource '{object_id}' does not exist or one of its queried reference-property objects are not present."
    return GraphError(404, "Request_ResourceNotFound", message)


def unknown_segment(segment: str) -> GraphError:
    """400: no resource of that name."""
    return malformed(f"Resource not found for the segment '{segment}'.")


def read_only(name: str) -> GraphError:
    """400: a property the caller may not set."""
    return bad(f"Property '{name}' is read-only and cannot be set.")


def invalid_value(name: str) -> GraphError:
    """400: a property with a value of the wrong type or form."""
    return bad(f"Invalid value specified for property '{name}' of resource.")


def duplicate_reference(name: str) -> GraphError:
    """400: the reference is there already."""
    return bad(
        f"One or more added object references already exist for the following modified properties: '{name}'."
    )
