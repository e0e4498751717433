"""What the events of RISC 1.0, CAEP 1.0, SSF 1.0 and RFC 9967 mean here. Data.

A kind makes a signal that is acted on. None is noted: audited with the person, and nothing follows, for
the event says nothing about whether somebody is still there. Types that are not listed are passed over.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from scim_bridge.registry.event_types import CAEP, RISC, SCIM, SSF, STREAM_UPDATED, VERIFICATION
from scim_bridge.registry.signal import DELETED, LEFT, RETURNED
from scim_bridge.signals.secevent import Happening

# RISC had a verification event of its own before SSF; transmitters of that time still send it.
VERIFICATIONS = (VERIFICATION, f"{RISC}verification")


__all__ = ["MEANINGS", "REQUESTED", "STREAM_UPDATED", "VERIFICATION", "VERIFICATIONS", "Meaning"]


@dataclass(frozen=True, slots=True)
class Meaning:
    """What follows from an event (a kind of signal, or nothing), and how it is told to people."""

    kind: str | None
    words: str


MEANINGS: Mapping[str, Meaning] = {
    f"{RISC}account-disabled": Meaning(LEFT, "the account was disabled"),
    f"{RISC}account-purged": Meaning(DELETED, "the account was deleted for good"),
    f"{RISC}account-enabled": Meaning(RETURNED, "the account was enabled"),
    f"{RISC}identifier-changed": Meaning(None, "an address or phone number changed"),
    f"{RISC}identifier-recycled": Meaning(None, "an address went to somebody else"),
    f"{RISC}account-credential-change-required": Meaning(None, "a credential has to be changed"),
    f"{RISC}credential-compromise": Meaning(None, "a credential is in wrong hands"),
    f"{RISC}recovery-activated": Meaning(None, "account recovery was begun"),
    f"{RISC}recovery-information-changed": Meaning(None, "recovery information changed"),
    f"{RISC}sessions-revoked": Meaning(None, "all sessions were ended"),
    f"{CAEP}session-revoked": Meaning(None, "sessions were ended"),
    f"{CAEP}token-claims-change": Meaning(None, "claims changed"),
    f"{CAEP}credential-change": Meaning(None, "a credential changed"),
    f"{CAEP}assurance-level-change": Meaning(None, "the assurance level changed"),
    f"{CAEP}device-compliance-change": Meaning(None, "a device's compliance changed"),
    f"{CAEP}risk-level-change": Meaning(None, "the risk level changed"),
    f"{SCIM}prov:deactivate": Meaning(LEFT, "the user was deactivated"),
    f"{SCIM}prov:delete": Meaning(DELETED, "the user was deleted"),
    f"{SCIM}prov:activate": Meaning(RETURNED, "the user was activated"),
    f"{SCIM}prov:patch:notice": Meaning(None, "attributes changed"),
    f"{SCIM}prov:patch:full": Meaning(None, "attributes changed"),
    f"{SCIM}prov:put:notice": Meaning(None, "attributes changed"),
    f"{SCIM}prov:put:full": Meaning(None, "attributes changed"),
}
# What a stream asks for: those that are acted on, then those that are worth a note.
REQUESTED = tuple(
    uri
    for uri, meaning in sorted(MEANINGS.items(), key=lambda item: item[1].kind is None)
    if uri.startswith((RISC, CAEP))
)


def immediate(happening: Happening) -> bool:
    """True when an account was taken over: RISC 1.0 section 2.4, reason `hijacking`."""
    return happening.payload.get("reason") == "hijacking"


def in_order(happenings: Iterable[Happening]) -> list[Happening]:
    """Events of one SET with those that stop somebody last: what is said against somebody counts."""
    return sorted(happenings, key=lambda one: _kind(one.uri) in (LEFT, DELETED))


def _kind(uri: str) -> str | None:
    meaning = MEANINGS.get(uri)
    return None if meaning is None else meaning.kind


def short(uri: str) -> str:
    """The event's name without where it was defined: account-disabled, prov:delete."""
    for prefix in (RISC, CAEP, SSF, SCIM):
        if uri.startswith(prefix):
            return uri.removeprefix(prefix)
    return uri[:80]
