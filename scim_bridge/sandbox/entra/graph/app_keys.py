"""Certificates of applications and blueprints.

Source: Graph resource pages keyCredential and addKey.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from scim_bridge.sandbox.entra.graph.app_credential_rules import application_of, instant, room
from scim_bridge.sandbox.entra.graph.call import DONE, Answer, Call
from scim_bridge.sandbox.entra.graph.errors import bad, denied, invalid_value
from scim_bridge.sandbox.entra.graph.route import Ids
from scim_bridge.sandbox.entra.sts import errors as sts_errors
from scim_bridge.sandbox.entra.sts.credentials import certificate_record, check_certificate_assertion
from scim_bridge.sandbox.entra.tenant import APPLICATION, Object, Tenant, hidden, new_id, with_hidden
from scim_bridge.sandbox.kit.clock import iso, parse_iso

PROOF_AUDIENCE = "00000002-0000-0000-c000-000000000000"


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
    room(after)
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
    start, end = instant(wish, "startDateTime", first), instant(wish, "endDateTime", last)
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


def add_key(tenant: Tenant, call: Call, path: Ids) -> Answer:
    """POST addKey."""
    value = application_of(tenant, call, path)
    _proved(tenant, call, value)
    wish = call.object().get("keyCredential")
    if not isinstance(wish, Mapping):
        raise invalid_value("keyCredential")
    made = _new_key(wish, call.now)
    room(value)
    kept = [*hidden(value, "certificates", []), made]
    tenant.put(APPLICATION, {**with_hidden(value, certificates=kept), "keyCredentials": public_keys(kept)})
    return Answer(200, public_keys([made])[0])


def remove_key(tenant: Tenant, call: Call, path: Ids) -> Answer:
    """POST removeKey."""
    value = application_of(tenant, call, path)
    _proved(tenant, call, value)
    kept = hidden(value, "certificates", [])
    left = [one for one in kept if one["keyId"] != call.object().get("keyId")]
    if len(left) == len(kept):
        raise bad("No key credential found with keyId.")
    tenant.put(APPLICATION, {**with_hidden(value, certificates=left), "keyCredentials": public_keys(left)})
    return DONE
