"""Okta's refusals: error codes, their statuses and summaries, and the error object around them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

CATALOGUE: dict[str, tuple[int, str]] = {
    "E0000001": (400, "Api validation failed: {0}"),
    "E0000003": (400, "The request body was not well-formed."),
    "E0000004": (401, "Authentication failed"),
    "E0000006": (403, "You do not have permission to perform the requested action"),
    "E0000007": (404, "Not found: Resource not found: {0}"),
    "E0000008": (404, "The requested path was not found"),
    "E0000009": (500, "Internal Server Error"),
    "E0000011": (401, "Invalid token provided"),
    "E0000015": (401, "You do not have permission to access the feature you are requesting"),
    "E0000016": (403, "Activation failed because the user is already active"),
    "E0000021": (
        415,
        "Bad request. Accept and/or Content-Type headers likely do not match supported values.",
    ),
    "E0000022": (405, "The endpoint does not support the provided HTTP method"),
    "E0000023": (403, "Operation failed because user profile is mastered under another system"),
    "E0000028": (400, "The request is missing a required parameter."),
    "E0000031": (400, "Invalid search criteria."),
    "E0000033": (400, "Bad request. Can't specify a search query and filter in the same request."),
    "E0000038": (403, "This operation is not allowed in the user's current status."),
    "E0000047": (429, "API call exceeded rate limit due to too many requests."),
    "E0000055": (409, "Duplicate group"),
    "E0000056": (403, "Delete application forbidden."),
    "E0000060": (501, "Unsupported operation."),
    "E0000062": (409, "The user is already assigned to the application."),
    "E0000112": (
        409,
        "Unable to update the user because they are still being activated. Try again in a few minutes.",
    ),
    "E0000127": (409, "Linked object definition is invalid"),
}


class OktaError(Exception):
    """A refusal. `causes` are sentences for people; `about` fills the summary's place holder."""

    def __init__(self, code: str, about: str = "", causes: Sequence[str] = ()) -> None:
        self.code = code
        self.status, summary = CATALOGUE[code]
        self.summary = summary.replace("{0}", about)
        self.causes = tuple(causes)
        super().__init__(f"{code} {self.summary} {'; '.join(causes)}")

    def body(self, error_id: str) -> dict[str, Any]:
        """The error object."""
        return {
            "errorCode": self.code,
            "errorSummary": self.summary,
            "errorLink": self.code,
            "errorId": error_id,
            "errorCauses": [{"errorSummary": cause} for cause in self.causes],
        }


def invalid(about: str, *causes: str) -> OktaError:
    """E0000001: a value that does not pass validation."""
    return OktaError("E0000001", about, causes)


def invalid_fields(causes: Sequence[str]) -> OktaError:
    """E0000001 about the field the first cause names ("login: …")."""
    return OktaError("E0000001", causes[0].split(":", 1)[0], causes)


def not_found(key: str, kind: str) -> OktaError:
    """E0000007: no such object."""
    return OktaError("E0000007", f"{key} ({kind})")
