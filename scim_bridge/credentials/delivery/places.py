"""Where in a store: the parts of a target's address, checked, and what is written there. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping

from scim_bridge.credentials.delivery.failures import misplaced
from scim_bridge.credentials.model import Fresh, Target
from scim_bridge.settings.stores import Options

SEGMENT = re.compile(r"[A-Za-z0-9_@=+,.-]{1,255}")
FIELD = re.compile(r"[A-Za-z0-9_.-]{1,128}")


def version_of(idempotency: str) -> str:
    """A version's name for stores that give none: the same for the same delivery, and no digest of a value."""
    return hashlib.sha256(f"delivery\0{idempotency}".encode()).hexdigest()[:32]


def path_of(options: Options, target: Target, key: str) -> str:
    """A path below the store's prefix; DeliveryFailed for one that leaves it or cannot be one."""
    path = target.address.get(key, "")
    if not path:
        raise misplaced(options.name, f"no place is named ({key})", f"Give {key}=… with the credential.")
    parts = path.split("/")
    if len(path) > 512 or any(part in (".", "..") or not SEGMENT.fullmatch(part) for part in parts):
        raise misplaced(
            options.name,
            f"{path[:80]!r} is no {key}",
            "Use letters, digits and _ @ = + , . - between single /.",
        )
    prefix = options["prefix"]
    if prefix and path != prefix and not path.startswith(prefix.rstrip("/") + "/"):
        raise misplaced(options.name, f"{path[:80]!r} is not below {prefix!r}", "Choose another place.")
    return path


def field_of(options: Options, target: Target, key: str, default: str) -> str:
    """The name under which a value stands among others; DeliveryFailed for one that cannot be."""
    field = target.address.get(key, default)
    if field and not FIELD.fullmatch(field):
        raise misplaced(options.name, f"{field[:80]!r} is no {key}", "Use letters, digits, _, . and -.")
    return field


def entries(options: Options, target: Target, fresh: Fresh, default: str = "value") -> Mapping[str, str]:
    """What is written: the value under `field`, and its id at the IdP under `reference_field` when that is named."""
    made = {field_of(options, target, "field", default): fresh.value.reveal()}
    reference = field_of(options, target, "reference_field", "")
    return made | {reference: fresh.reference} if reference else made


def only_keys(options: Options, target: Target, *known: str) -> None:
    """DeliveryFailed for a part of an address this kind of store knows nothing of."""
    for key in target.address:
        if key not in known:
            raise misplaced(options.name, f"a place has no {key[:40]!r}", f"Known: {', '.join(known)}.")
