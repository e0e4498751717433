"""Credentials of applications and blueprints: passwords, certificates, federated credentials, their last use.

Source: Graph resource pages passwordCredential, keyCredential, federatedIdentityCredential, addKey, and
"app management policies" (a tenant may forbid secrets or cap how long they live).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from scim_bridge.sandbox.entra import settings
from scim_bridge.sandbox.entra.graph import permissions as may
from scim_bridge.sandbox.entra.graph.call import DONE, Answer, Call
from scim_bridge.sandbox.entra.graph.errors import absent, bad, denied, invalid_value
from scim_bridge.sandbox.entra.graph.listing import Collection, page
from scim_bridge.sandbox.entra.graph.route import Ids, Operation
from scim_bridge.sandbox.entra.sts import errors as sts_errors
from scim_bridge.sandbox.entra.sts.credentials import (
    certificate_record,
    check_certificate_assertion,
    new_secret,
)
from scim_bridge.sandbox.entra.sts.federation import MOST, federated_record
from scim_bridge.sandbox.entra.tenant import APPLICATION, Object, Tenant, hidden, new_id, with_hidden
from scim_bridge.sandbox.kit.clock import SECOND, iso, parse_iso

BLUEPRINT = "#microsoft.graph.agentIdentityBlueprint"
TWO_YEARS = 2 * 365 * 86400 * SECOND
DAY = 86400 * SECOND
# An application object holds so many values in all its lists (Entra service limits); its credentials count.
MOST_CREDENTIALS = 1200
PROOF_AUDIENCE = "00000002-0000-0000-c000-000000000000"
USE = "credentialuse"
FEDERATED = Collection("federatedIdentityCredentials", "federatedIdentityCredential", {"name": False})
ACTIVITIES = Collection(
    "reports/appCredentialSignInActivities", "appCredentialSignInActivity", {"appId": False, "keyId": False}
)


def _permit(call: Call, value: Object) -> None:
    blueprint = value["@odata.type"] == BLUEPRINT
    call.needs(*(may.BLUEPRINT_CREDENTIALS if blueprint else may.APPLICATION_WRITE))


def _found(tenant: Tenant, call: Call, path: Ids) -> Object:
    # Imported here: applications imports this room for the list of what an application shows.
    from scim_bridge.sandbox.entra.graph.applications import found_application

    return found_application(tenant, call, path)


def _room(value: Object) -> None:
    count = sum(len(hidden(value, name, [])) for name in ("secrets", "certificates"))
    if count >= MOST_CREDENTIALS:
        raise bad(
            "The size of the object has exceeded its limit. Please reduce the number of values and retry.",
            "Directory_ObjectSizeLimitExceeded",
        )


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


def _instant(wish: Mapping[str, Any], name: str, otherwise: int) -> int:
    if wish.get(name) is None:
        return otherwise
    try:
        return parse_iso(str(wish[name]))
    except ValueError:
        raise invalid_value(name) from None


def _add_password(tenant: Tenant, call: Call, path: Ids) -> Answer:
    value = _found(tenant, call, path)
    _permit(call, value)
    wish = call.object().get("passwordCredential") or {}
    if not isinstance(wish, dict):
        raise invalid_value("passwordCredential")
    start = _instant(wish, "startDateTime", call.now)
    end = _instant(wish, "endDateTime", start + TWO_YEARS)
    if end <= start:
        raise invalid_value("endDateTime")
    _allowed(tenant, start, end)
    _room(value)
    text, record = new_secret(new_id(), str(wish.get("displayName") or ""), start, end)
    secrets = [*hidden(value, "secrets", []), record]
    tenant.put(APPLICATION, {**with_hidden(value, secrets=secrets), "passwordCredentials": public(secrets)})
    answer = {**_public(record), "secretText": text}
    return Answer(
        200, {"@odata.context": f"{call.root}/$metadata#microsoft.graph.passwordCredential", **answer}
    )


def _remove_password(tenant: Tenant, call: Call, path: Ids) -> Answer:
    value = _found(tenant, call, path)
    _permit(call, value)
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


def public_keys(certificates: Sequence[Object]) -> list[Object]:
    """Certificates as an application shows them; the key itself only comes with `$select`."""
    return [
        {
            "keyId": one["keyId"],
            "customKeyIdentifier": one.get("customKeyIdentifier") or one["x5t"],
            "displayName": one.get("displayName") or "",
            "startDateTime": one.get("startDateTime"),
            "endDateTime": one["endDateTime"],
            "type": "AsymmetricX509Cert",
            "usage": "Verify",
            "key": None,
        }
        for one in certificates
    ]


def with_keys(value: Object, wanted: object, now: int) -> Object:
    """An application with the key credentials that a PATCH names: known ones by keyId stay, others are new.

    What the list leaves out is gone, as Graph does it.
    """
    if not isinstance(wanted, list) or not all(isinstance(one, Mapping) for one in wanted):
        raise invalid_value("keyCredentials")
    known = {one["keyId"]: one for one in hidden(value, "certificates", [])}
    kept = []
    for one in wanted:
        if one.get("keyId") in known and not one.get("key"):
            kept.append(known[one["keyId"]])
        else:
            kept.append(_new_key(one, now))
    after = with_hidden(value, certificates=kept)
    _room(after)
    return {**after, "keyCredentials": public_keys(kept)}


def _new_key(wish: Mapping[str, Any], now: int) -> Object:
    if wish.get("type") != "AsymmetricX509Cert" or wish.get("usage") != "Verify":
        raise bad("The value for property 'type' or 'usage' of resource 'KeyCredential' is not supported.")
    try:
        raw = base64.b64decode(str(wish.get("key") or ""), validate=True)
        pem = x509.load_der_x509_certificate(raw).public_bytes(Encoding.PEM).decode()
        record = certificate_record(new_id(), pem)
    except (ValueError, binascii.Error):
        raise bad("New key credential should have a valid public certificate.") from None
    first = parse_iso(
        x509.load_pem_x509_certificate(pem.encode()).not_valid_before_utc.strftime("%Y-%m-%dT%H:%M:%SZ")
    )
    last = parse_iso(record["endDateTime"])
    start, end = _instant(wish, "startDateTime", first), _instant(wish, "endDateTime", last)
    # Never longer than the certificate itself, and never over already.
    if start < first or start >= end:
        raise bad("Key credential start date is invalid.")
    if end > last or end <= now:
        raise bad("Key credential end date is invalid.")
    return {
        **record,
        "displayName": str(wish.get("displayName") or ""),
        "startDateTime": iso(start)[:19] + "Z",
        "endDateTime": iso(end)[:19] + "Z",
    }


def _proved(tenant: Tenant, call: Call, value: Object) -> None:
    """addKey and removeKey: an application rolls its own keys, and proves that it has one of them."""
    proof = str(call.object().get("proof") or "")
    kept = [one for one in hidden(value, "certificates", []) if parse_iso(one["endDateTime"]) > call.now]
    try:
        check_certificate_assertion(str(value["id"]), kept, proof, [PROOF_AUDIENCE], call.now, claim="iss")
    except sts_errors.StsError:
        raise denied() from None


def _add_key(tenant: Tenant, call: Call, path: Ids) -> Answer:
    value = _found(tenant, call, path)
    _proved(tenant, call, value)
    wish = call.object().get("keyCredential")
    if not isinstance(wish, Mapping):
        raise invalid_value("keyCredential")
    made = _new_key(wish, call.now)
    _room(value)
    kept = [*hidden(value, "certificates", []), made]
    tenant.put(APPLICATION, {**with_hidden(value, certificates=kept), "keyCredentials": public_keys(kept)})
    return Answer(200, public_keys([made])[0])


def _remove_key(tenant: Tenant, call: Call, path: Ids) -> Answer:
    value = _found(tenant, call, path)
    _proved(tenant, call, value)
    kept = hidden(value, "certificates", [])
    left = [one for one in kept if one["keyId"] != call.object().get("keyId")]
    if len(left) == len(kept):
        raise bad("No key credential found with keyId.")
    tenant.put(APPLICATION, {**with_hidden(value, certificates=left), "keyCredentials": public_keys(left)})
    return DONE


def _shown_federated(record: Mapping[str, Any]) -> Object:
    names = ("id", "name", "issuer", "subject", "audiences", "description")
    return {name: record.get(name) for name in names}


def _of_application(value: Object) -> list[Object]:
    """The federated credentials; those of the control API get the names Graph would have asked for."""
    return [
        {
            **one,
            "id": one.get("id") or f"federated-{number}",
            "name": one.get("name") or f"federated-{number}",
        }
        for number, one in enumerate(hidden(value, "federated", []), start=1)
    ]


def _list_federated(tenant: Tenant, call: Call, path: Ids) -> Answer:
    value = _found(tenant, call, path)
    call.needs(*(may.BLUEPRINT_READ if value["@odata.type"] == BLUEPRINT else may.APPLICATION_READ))
    return page(call, FEDERATED, [_shown_federated(one) for one in _of_application(value)])


def _add_federated(tenant: Tenant, call: Call, path: Ids) -> Answer:
    value = _found(tenant, call, path)
    _permit(call, value)
    wish, kept = call.object(), _of_application(value)
    name = wish.get("name")
    if not isinstance(name, str) or not 3 <= len(name) <= 120:
        raise invalid_value("name")
    if any(one["name"] == name for one in kept):
        raise bad("FederatedIdentityCredential with name already exists.")
    try:
        record = federated_record(wish)
    except ValueError:
        raise invalid_value("federatedIdentityCredentials") from None
    if any((one["issuer"], one["subject"]) == (record["issuer"], record["subject"]) for one in kept):
        raise bad("FederatedIdentityCredential with issuer and subject already exists.")
    if len(kept) >= MOST:
        raise bad(f"The number of federated identity credentials exceeds the limit of {MOST}.")
    made = {**record, "id": new_id(), "name": name, "description": wish.get("description")}
    tenant.put(APPLICATION, with_hidden(value, federated=[*kept, made]))
    return Answer(201, _shown_federated(made))


def _delete_federated(tenant: Tenant, call: Call, path: Ids) -> Answer:
    value = _found(tenant, call, path)
    _permit(call, value)
    kept = _of_application(value)
    left = [one for one in kept if path["credential"] not in (one["id"], one["name"])]
    if len(left) == len(kept):
        raise absent(path["credential"])
    tenant.put(APPLICATION, with_hidden(value, federated=left))
    return DONE


def _list_activities(tenant: Tenant, call: Call, path: Ids) -> Answer:
    call.needs(*may.AUDIT_READ, "Directory.Read.All")
    if call.version != "beta":
        raise absent("appCredentialSignInActivities")
    found = [
        {
            "id": f"{value['appId']}.{key}",
            "appId": value["appId"],
            "keyId": key,
            "keyType": value["keyType"],
            "credentialOrigin": "application",
            "signInActivity": {"lastSignInDateTime": iso(value["at"])[:19] + "Z"},
        }
        for key, value in tenant.store.all(USE)
    ]
    return page(call, ACTIVITIES, found)


def operations() -> list[Operation]:
    """What can be done with the credentials of an application, by its id or through its type."""
    each = ("applications/{id}", "applications/{id}/microsoft.graph.agentIdentityBlueprint")
    return [
        Operation("GET", "reports/appCredentialSignInActivities", _list_activities),
        *(
            Operation(method, template + suffix, run)
            for template in each
            for method, suffix, run in (
                ("POST", "/addPassword", _add_password),
                ("POST", "/removePassword", _remove_password),
                ("POST", "/addKey", _add_key),
                ("POST", "/removeKey", _remove_key),
                ("GET", "/federatedIdentityCredentials", _list_federated),
                ("POST", "/federatedIdentityCredentials", _add_federated),
                ("DELETE", "/federatedIdentityCredentials/{credential}", _delete_federated),
            )
        ),
    ]
