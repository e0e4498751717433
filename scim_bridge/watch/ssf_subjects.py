"""Subjects of security events: how an agent or group is named, and which agent a receiver's name means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scim_bridge.kernel.errors import Invalid
from scim_bridge.registry.model import GROUP
from scim_bridge.watch.ssf_model import ACCOUNT, COMPLEX, EMAIL, ISS_SUB, OKTA_FORM, OPAQUE

LONGEST = 320


@dataclass(frozen=True, slots=True)
class About:
    """Whom an event is about, as far as names go. `external_id` is what the stream's connection calls it."""

    id: str
    kind: str
    name: str
    mail: str
    external_id: str | None
    version: int = 1


def named(about: About, form: str, issuer: str) -> dict[str, Any]:
    """The `sub_id` of an agent in a form of RFC 9493, or complex (SSF 1.0 section 3.2)."""
    if form == EMAIL:
        return {"format": "email", "email": about.mail}
    if form == OKTA_FORM:
        # Okta looks for a login, which is the userName; who is not found is passed over there.
        return {"format": "email", "email": about.name if "@" in about.name else about.mail}
    if form == OPAQUE:
        return {"format": "opaque", "id": about.id}
    if form == ACCOUNT:
        return {"format": "account", "uri": f"acct:{about.name if '@' in about.name else about.mail}"}
    simple = {"format": "iss_sub", "iss": issuer, "sub": about.id}
    if form == COMPLEX:
        tenant = {"format": "opaque", "id": issuer.split("://", 1)[-1]}
        return {"format": "complex", "user": simple, "application": simple, "tenant": tenant}
    assert form == ISS_SUB
    return simple


def scim_subject(about: About) -> dict[str, Any]:
    """The `sub_id` of a SCIM event: where the resource is, below the SCIM base (RFC 9967 section 2.1)."""
    path = "Groups" if about.kind == GROUP else "Users"
    made = {"format": "scim", "uri": f"/{path}/{about.id}", "id": about.id}
    return {**made, "externalId": about.external_id} if about.external_id else made


def names_in(raw: Any, issuer: str) -> tuple[str, str]:
    """("id", an agent's id) or ("name", its userName or address) that a receiver's subject gives; else Invalid.

    Of a complex subject the user or application counts: they name the same principal.
    """
    if not isinstance(raw, Mapping):
        raise _wrong("It is no object.")
    form = raw.get("format")
    if form == "complex":
        inner = raw.get("user", raw.get("application"))
        return names_in(inner, issuer) if not _is(inner, "complex") else _refuse("It is complex twice.")
    if form == "iss_sub":
        if raw.get("iss") != issuer:
            raise _wrong("Its iss is another issuer's.")
        return "id", _text(raw, "sub")
    if form == "opaque":
        return "id", _text(raw, "id")
    if form == "scim":
        return "id", _text(raw, "uri").rstrip("/").rpartition("/")[2]
    if form == "email":
        return "name", _text(raw, "email")
    if form == "account":
        return "name", _text(raw, "uri").removeprefix("acct:")
    raise _wrong("Its format is none that is known here.")


def _is(raw: Any, form: str) -> bool:
    return isinstance(raw, Mapping) and raw.get("format") == form


def _refuse(fix: str) -> tuple[str, str]:
    raise _wrong(fix)


def _text(raw: Mapping[str, Any], member: str) -> str:
    value = raw.get(member)
    if not isinstance(value, str) or not value or len(value) > LONGEST or not value.isprintable():
        raise _wrong(f"Its {member} is no short, printable text.")
    return value


def _wrong(fix: str) -> Invalid:
    return Invalid("subject", "The subject names no agent.", fix)
