"""Errors that people read: what was wrong, what to do, a stable code, the right status."""

from __future__ import annotations


class BridgeError(Exception):
    """A refusal or failure with a stable code; `status` is the HTTP status it deserves."""

    status = 500

    def __init__(self, code: str, message: str, fix: str = "", *, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.fix = fix
        self.retry_after = retry_after

    def text(self) -> str:
        """One line for a terminal: message, then what to do."""
        return f"{self.message} {self.fix}".strip()

    def problem(self) -> dict[str, object]:
        """The body of an RFC 9457 problem+json answer."""
        body: dict[str, object] = {
            "type": f"urn:scim-bridge:error:{self.code}",
            "title": self.message,
            "status": self.status,
            "code": self.code,
        }
        if self.fix:
            body["detail"] = self.fix
        return body


class Invalid(BridgeError):
    """The input is not what was asked for; `field` names the part of it that is wrong, where a form has one for it."""

    status = 400

    def __init__(
        self, code: str, message: str, fix: str = "", *, retry_after: int | None = None, field: str = ""
    ) -> None:
        super().__init__(code, message, fix, retry_after=retry_after)
        self.field = field


class BadFile(Invalid):
    """A file that was given holds something else than it should."""


class Unauthenticated(BridgeError):
    """The caller did not prove who they are."""

    status = 401


class Forbidden(BridgeError):
    """The caller is known and may not do this."""

    status = 403


class NotFound(BridgeError):
    """The thing named does not exist, or not for this caller."""

    status = 404


class Conflict(BridgeError):
    """The change collides with something that exists."""

    status = 409


class Stale(BridgeError):
    """The caller's version is not the current one (RFC 9110 section 13.1.1)."""

    status = 412


class Refused(BridgeError):
    """The request is well formed and a rule says no."""

    status = 422


class StoreUnavailable(BridgeError):
    """The database cannot be reached now; nothing was changed, try again."""

    status = 503

    def __init__(self, message: str = "The database cannot be reached.", *, retry_after: int = 5) -> None:
        super().__init__(
            "store-unavailable", message, "Nothing was changed. Try again shortly.", retry_after=retry_after
        )


class TooLong(BridgeError):
    """A read took more time than it was given; whoever asked may ask for less."""

    status = 503

    def __init__(self) -> None:
        super().__init__("too-long", "This takes too long to answer.", "Ask for less at once.", retry_after=5)


class UniqueViolation(BridgeError):
    """A unique value is taken; `constraint` names the table and columns or the index."""

    status = 409

    def __init__(self, constraint: str) -> None:
        super().__init__("unique", f"A unique value is already in use ({constraint}).")
        self.constraint = constraint


class Moved(StoreUnavailable):
    """What a transaction read was changed by somebody else before it could write: it is run again."""

    def __init__(self) -> None:
        super().__init__("Others changed the same thing at the same time, again and again.", retry_after=1)


class ConfigurationError(BridgeError):
    """The settings are wrong; the process must not start (exit code 78, EX_CONFIG)."""

    def __init__(self, key: str, message: str, fix: str) -> None:
        super().__init__("configuration", f"{key}: {message}", fix)
        self.key = key
