"""Passwords of applications and blueprints.

Source: Graph resource page passwordCredential, and "app management policies" (a tenant may forbid secrets or cap how
long they live).
"""

from __future__ import annotations

from collections.abc import Sequence

from scim_bridge.sandbox.entra import settings
from scim_bridge.sandbox.entra.graph.app_credential_rules import application_of, instant, permit, room
from scim_bridge.sandbox.entra.graph.call import DONE, Answer, Call
from scim_bridge.sandbox.entra.graph.errors import bad, invalid_value
from scim_bridge.sandbox.entra.graph.route import Ids
from scim_bridge.sandbox.entra.sts.credentials import new_secret
from scim_bridge.sandbox.entra.tenant import APPLICATION, Object, Tenant, hidden, new_id, with_hidden
from scim_bridge.sandbox.kit.clock import SECOND

TWO_YEARS = 2 * 365 * 86400 * SECOND
DAY = 86400 * SECOND


def _allowed(tenant: Tenant, start: int, end: int) -> None:
    """What the tenant's app management policy says of a new secret."""
    rules = settings.load(tenant.store)
    if not rules.passwords_allowed:
        raise bad(
            "Credential type not allowed as per assigned policy 'default'.",
            "CredentialTypeNotAllowedAsPerAppPolicy",
        )
    if rules.password_days and end - start > int(rules.password_days * DAY):
        raise bad(
            "Credential lifetime exceeds the max value allowed as per assigned policy 'default'.",
            "CredentialInvalidLifetimeAsPerAppPolicy",
        )


def add_password(tenant: Tenant, call: Call, path: Ids) -> Answer:
    """POST addPassword: the text is shown this once."""
    value = application_of(tenant, call, path)
    permit(call, value)
    wish = call.object().get("passwordCredential") or {}
    if not isinstance(wish, dict):
        raise invalid_value("passwordCredential")
    start = instant(wish, "startDateTime", call.now)
    end = instant(wish, "endDateTime", start + TWO_YEARS)
    if end <= start:
        raise invalid_value("endDateTime")
    _allowed(tenant, start, end)
    room(value)
    text, record = new_secret(new_id(), str(wish.get("displayName") or ""), start, end)
    secrets = [*hidden(value, "secrets", []), record]
    tenant.put(APPLICATION, {**with_hidden(value, secrets=secrets), "passwordCredentials": public(secrets)})
    answer = {**_public(record), "secretText": text}
    return Answer(
        200, {"@odata.context": f"{call.root}/$metadata#microsoft.graph.passwordCredential", **answer}
    )


def remove_password(tenant: Tenant, call: Call, path: Ids) -> Answer:
    """POST removePassword."""
    value = application_of(tenant, call, path)
    permit(call, value)
    key_id, secrets = call.object().get("keyId"), hidden(value, "secrets", [])
    left = [one for one in secrets if one["keyId"] != key_id]
    if len(left) == len(secrets):
        raise bad("No password credential found with keyId.")
    tenant.put(APPLICATION, {**with_hidden(value, secrets=left), "passwordCredentials": public(left)})
    return DONE


def public(secrets: Sequence[Object]) -> list[Object]:
    """Secrets as an application shows them: never a text, never a digest."""
    return [_public(one) for one in secrets]


def _public(record: Object) -> Object:
    return {**{name: item for name, item in record.items() if name != "digest"}, "secretText": None}
