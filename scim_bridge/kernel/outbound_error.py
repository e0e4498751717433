"""Why no usable answer came from another system."""

from __future__ import annotations

import ssl

import httpx2

from scim_bridge.kernel.errors import BridgeError


class OutboundError(BridgeError):
    """No usable answer came. `transient` says whether the same call may succeed later.

    Codes: outbound-url, outbound-http, outbound-address, outbound-dns, outbound-connect, outbound-tls,
    outbound-timeout, outbound-broken, outbound-too-large, outbound-encoding.
    """

    status = 502

    def __init__(self, code: str, message: str, *, transient: bool, fix: str = "") -> None:
        super().__init__(code, message, fix)
        self.transient = transient


def failure(error: httpx2.HTTPError, host: str) -> OutboundError:
    """What kept a host from answering, by the error of the HTTP client."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            reason = getattr(cause, "verify_message", "") or cause.reason or "handshake failed"
            return OutboundError(
                "outbound-tls",
                f"No trusted connection to {host}: {reason}.",
                transient=not isinstance(cause, ssl.SSLCertVerificationError),
                fix="Check the name and certificate; a private authority goes into ca_file.",
            )
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx2.ConnectError):
        return OutboundError("outbound-connect", f"{host} refused the connection.", transient=True)
    return OutboundError("outbound-broken", f"The connection to {host} broke.", transient=True)
