"""App registrations of this tenant: an application, its service principal, its proof and its granted roles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scim_bridge.sandbox.entra.graph.app_keys import public_keys
from scim_bridge.sandbox.entra.graph.app_passwords import TWO_YEARS, public
from scim_bridge.sandbox.entra.graph.permissions import KNOWN
from scim_bridge.sandbox.entra.sts.credentials import certificate_record, new_secret
from scim_bridge.sandbox.entra.sts.federation import federated_record
from scim_bridge.sandbox.entra.tenant import APPLICATION, PRINCIPAL, Tenant, new_id, with_hidden
from scim_bridge.sandbox.kit.clock import SECOND
from scim_bridge.sandbox.kit.control import Refusal


def register(tenant: Tenant, wish: Mapping[str, Any]) -> dict[str, Any]:
    """Make an app registration with admin consent given.

    `roles`: Graph app roles; `secret` true: a client secret (valid `secret_seconds`, two years unless said);
    `certificate`: a PEM certificate that may sign assertions; `federated`: trusted issuers, each with issuer,
    subject, audiences and keys (see sts/federation.py); `display_name`. Answers tenant_id, client_id,
    client_secret (only here), object_id, service_principal_id. Refusal when something is wrong.
    """
    roles = wish.get("roles", [])
    if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
        raise Refusal("'roles' is a list of Microsoft Graph app roles.")
    unknown = sorted(set(roles) - KNOWN)
    if unknown:
        raise Refusal(f"This tenant does not know the app role {', '.join(unknown)}.")
    name = str(wish.get("display_name") or "scim-bridge")
    now, answer = tenant.now(), {"tenant_id": tenant.id}
    secrets, certificates = [], []
    if wish.get("secret"):
        seconds = wish.get("secret_seconds", TWO_YEARS // SECOND)
        if not isinstance(seconds, int | float):
            raise Refusal("'secret_seconds' is a number.")
        answer["client_secret"], record = new_secret(new_id(), name, now, now + int(seconds * SECOND))
        secrets.append(record)
    if wish.get("certificate"):
        try:
            certificates.append(certificate_record(new_id(), str(wish["certificate"])))
        except ValueError as error:
            raise Refusal(f"'certificate' is not usable: {error}.") from None
    try:
        federated = [federated_record(one) for one in wish.get("federated") or []]
    except ValueError as error:
        raise Refusal(f"'federated' is not usable: {error}.") from None
    application = {
        "@odata.type": "#microsoft.graph.application",
        "id": new_id(),
        "appId": new_id(),
        "displayName": name,
        "createdDateTime": tenant.now_text(),
        "signInAudience": "AzureADMyOrg",
        "tags": [],
        "appRoles": [],
        "passwordCredentials": public(secrets),
        "keyCredentials": public_keys(certificates),
    }
    principal = {
        "@odata.type": "#microsoft.graph.servicePrincipal",
        "id": new_id(),
        "appId": application["appId"],
        "displayName": name,
        "servicePrincipalType": "Application",
        "accountEnabled": True,
        "createdDateTime": tenant.now_text(),
        "tags": [],
        "appRoles": [],
    }
    with tenant.store.transaction():
        proofs = {"secrets": secrets, "certificates": certificates, "federated": federated}
        tenant.put(APPLICATION, with_hidden(application, roles=roles, **proofs))
        tenant.put(PRINCIPAL, principal)
    answer["client_id"] = str(application["appId"])
    answer["object_id"], answer["service_principal_id"] = str(application["id"]), str(principal["id"])
    return answer
