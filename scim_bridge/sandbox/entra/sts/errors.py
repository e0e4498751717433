"""The token service's refusals, with Microsoft's AADSTS codes."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from scim_bridge.sandbox.kit.clock import iso


class StsError(Exception):
    """A token was refused. `code` is the AADSTS number, `error` the OAuth 2 error code."""

    def __init__(self, status: int, error: str, code: int, message: str) -> None:
        super().__init__(f"AADSTS{code}: {message}")
        self.status = status
        self.error = error
        self.code = code

    def body(self, now: int, authority: str) -> dict[str, Any]:
        """The answer as the token endpoint writes it."""
        trace, correlation = str(uuid4()), str(uuid4())
        stamp = iso(now)[:19].replace("T", " ") + "Z"
        return {
            "error": self.error,
            "error_description": f"{self} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {stamp}",
            "error_codes": [self.code],
            "timestamp": stamp,
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": f"{authority}/error?code={self.code}",
        }


def missing_parameter(name: str) -> StsError:
    """A required member of the form is not there."""
    return StsError(
        400, "invalid_request", 900144, f"The request body must contain the following parameter: '{name}'."
    )


def unknown_tenant(tenant: str) -> StsError:
    """The path names a tenant that is not here."""
    message = f"Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID."
    return StsError(400, "invalid_request", 90002, message)


def unknown_application(client_id: str, domain: str) -> StsError:
    """No such application in this tenant."""
    message = f"Application with identifier '{client_id}' was not found in the directory '{domain}'."
    return StsError(400, "unauthorized_client", 700016, message)


def disabled_application(client_id: str, name: str) -> StsError:
    """The application, or the agent identity, is disabled."""
    message = f"Application '{client_id}'({name}) is disabled."
    return StsError(400, "unauthorized_client", 7000112, message)


def no_credential() -> StsError:
    """Neither secret nor assertion was sent."""
    message = "The request body must contain the following parameter: 'client_assertion' or 'client_secret'."
    return StsError(401, "invalid_client", 7000218, message)


def wrong_secret(client_id: str) -> StsError:
    """The secret is none of the application's."""
    message = (
        "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, "
        f"not the client secret ID, for a secret added to app '{client_id}'."
    )
    return StsError(401, "invalid_client", 7000215, message)


def expired_secret(client_id: str) -> StsError:
    """The secret was right once."""
    message = f"The provided client secret keys for app '{client_id}' are expired."
    return StsError(401, "invalid_client", 7000222, message)


def bad_assertion(reason: str) -> StsError:
    """A client assertion that proves nothing."""
    message = f"The client assertion failed validation: {reason}"
    return StsError(401, "invalid_client", 700027, message)


def stale_assertion() -> StsError:
    """A client assertion before or after its time."""
    message = "Client assertion is not within its valid time range."
    return StsError(401, "invalid_client", 700024, message)


def no_federated_record(issuer: str, subject: str, code: int = 700213, part: str = "subject") -> StsError:
    """An assertion of somebody this application does not trust; `part` is what no record fits."""
    message = (
        f"No matching federated identity record found for presented assertion {part}. "
        f"Assertion issuer '{issuer}', subject '{subject}'."
    )
    return StsError(401, "invalid_client", code, message)


def bad_scope(scope: str) -> StsError:
    """Client credentials ask for `/.default` and nothing else."""
    message = (
        f"The provided value for scope {scope} is not valid. Client credential flows must have a scope value "
        "with /.default suffixed to the resource identifier (application ID URI)."
    )
    return StsError(400, "invalid_scope", 1002012, message)


def unknown_resource(resource: str, domain: str) -> StsError:
    """Nobody in the tenant has this resource name."""
    message = f"The resource principal named {resource} was not found in the tenant named {domain}."
    return StsError(400, "invalid_resource", 500011, message)


def unsupported_grant(grant: str) -> StsError:
    """A grant this tenant does not simulate or the real one does not know."""
    return StsError(
        400, "unsupported_grant_type", 70003, f"The app requested an unsupported grant type '{grant}'."
    )
