"""Why no token came, with Microsoft's AADSTS number and what to do about it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scim_bridge.sync.idp.port import IdpError

TRUST = "under the app registration: Certificates & secrets, Federated credentials"
# AADSTS numbers people meet, and what to do about them (Microsoft, "Microsoft Entra authentication error codes").
FIXES = {
    7000215: "The client secret is wrong: paste the secret's value, not its id.",
    7000222: "The client secret expired: make a new one and replace it (connections configure --secrets-file).",
    700016: "The app registration is not in this tenant: check client_id and tenant_id.",
    700027: "The certificate is not registered with the app, has expired, or its key is another one.",
    700024: "The assertion is over, or not valid yet: see that its file or address is kept fresh, and this"
    " machine's clock.",
    70021: f"Nothing there trusts this assertion: add issuer, subject and audience {TRUST}.",
    700211: f"Nothing there trusts this issuer: add it {TRUST}.",
    700212: f"The audience of the assertion is another one than stands {TRUST}.",
    700213: f"The subject of the assertion is another one than stands {TRUST}.",
    7000229: "The app has no service principal in this tenant: grant admin consent once.",
    7000112: "The app is disabled: enable its service principal.",
    90002: "The tenant does not exist: check tenant_id.",
    53003: "A Conditional Access policy for workload identities keeps the app out: let it in there.",
}
ASK = "Check the secrets of the connection."
# Microsoft, "handle errors of the managed identity endpoint": what passes there, 404 and 410 included.
PASSING = (404, 410, 429)


def token_refusal(answer: Mapping[str, Any] | None) -> IdpError:
    """The error of an OAuth answer without a token, in the shape msal gives back."""
    found = answer or {}
    numbers = [code for code in found.get("error_codes") or () if isinstance(code, int)]
    told = _first_line(found, "no token came")
    waits = found.get("error") in ("temporarily_unavailable", "server_error")
    fix = next((FIXES[code] for code in numbers if code in FIXES), ASK)
    message = f"Entra gave no token: {told}"
    return IdpError("entra-token", message, fix, transient=waits, refuses_us=not waits)


def identity_refusal(answer: Mapping[str, Any] | None, status: int) -> IdpError:
    """The error of a managed identity service that gave no token; `status` is what it answered with."""
    told = _first_line(answer or {}, f"status {status}")
    waits = status in PASSING or status >= 500
    return IdpError(
        "entra-identity",
        f"The managed identity of this machine gave no token: {told}",
        "Check that the machine has that identity, and managed_identity in the secrets.",
        transient=waits,
        refuses_us=not waits,
    )


def _first_line(found: Mapping[str, Any], otherwise: str) -> str:
    told = str(found.get("error_description") or found.get("error") or otherwise).splitlines()
    # Microsoft's support finds it by the trace id; what follows that is not said again.
    line = (told[0] if told else otherwise).partition(" Correlation ID:")[0].strip()
    return (line if line.endswith((".", "!", "?")) else f"{line}.") if len(line) <= 400 else f"{line[:400]}…"
