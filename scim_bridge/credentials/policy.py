"""How credentials are rotated: after which age, confirmed how, kept where, when. Pure.

A policy is layers of what somebody set: for all, for a connection, for an agent, for one client. Each layer
says only what it changes; the most particular one wins, name by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any
from urllib.parse import urlsplit

from scim_bridge.credentials.model import TARGETS, Target
from scim_bridge.credentials.windows import next_open, read_windows
from scim_bridge.kernel.clock import DAY, HOUR, SECOND
from scim_bridge.kernel.errors import Invalid
from scim_bridge.registry.keeper import PREFERRED

ACK, HEALTH, STORE, TIME = "ack", "health", "store", "time"
CONFIRMATIONS = (ACK, HEALTH, STORE, TIME)
LEAK, ANOMALY, OWNER_CHANGED = "leak", "anomaly", "owner-changed"
SIGNALS = (LEAK, ANOMALY, OWNER_CHANGED)
KEY = "key"
# The one kind of store that is asked whether its credential is in use, and answers.
WEBHOOK = "webhook"
LONGEST = 90 * 24 * 3600
# So long before it expires a credential is replaced, whatever its age.
BEFORE_EXPIRY = 3 * DAY
WEEK = 7 * DAY


@dataclass(frozen=True, slots=True)
class Policy:
    """One effective policy. Ages in days (0: never), spans in seconds.

    `kind` is the kind of the new credential: empty keeps the old one's, "key" takes the best key the client
    can have. `address` is a place in the store; {slug}, {agent}, {client} and {kind} are filled in.
    `authority` names the store that signs certificates (empty: they sign themselves); `key_in` says where their
    private keys are made: here (empty), or in the store they go to.
    """

    max_age_days: int = 0
    overlap_seconds: int = 3600
    confirm: str = ACK
    confirm_seconds: int = 3600
    health_url: str = ""
    kind: str = ""
    lifetime_days: int = 0
    store: str = ""
    store_kind: str = ""
    address: Mapping[str, str] = field(default_factory=dict)
    window: str = ""
    signals: tuple[str, ...] = (LEAK,)
    authority: str = ""
    key_in: str = ""

    @property
    def overlap(self) -> int:
        """Microseconds for which old and new both work after the confirmation."""
        return self.overlap_seconds * SECOND

    @property
    def patience(self) -> int:
        """Microseconds within which the consumer has to confirm."""
        return self.confirm_seconds * SECOND


NAMES = tuple(one.name for one in fields(Policy))


def layered(layers: Iterable[Mapping[str, Any]]) -> Policy:
    """The policy of layers, the most general first."""
    merged: dict[str, Any] = {}
    for layer in layers:
        merged |= layer
    if "signals" in merged:
        merged["signals"] = tuple(merged["signals"])
    return replace(Policy(), **merged)


def checked(content: Mapping[str, Any]) -> dict[str, Any]:
    """A layer that can be kept; Invalid names the first thing that is wrong in it."""
    policy = layered([content])
    for name in ("max_age_days", "lifetime_days"):
        if not 0 <= getattr(policy, name) <= 3660:
            raise _invalid(f"{name} must be between 0 and 3660 days", "Give a number of days; 0 is never.")
    for name in ("overlap_seconds", "confirm_seconds"):
        if not 0 <= getattr(policy, name) <= LONGEST:
            raise _invalid(f"{name} must be between 0 and 90 days", "Write for example 30m, 12h or 7d.")
    if policy.confirm not in CONFIRMATIONS:
        raise _invalid(f"{policy.confirm!r} is no confirmation", f"Use one of {', '.join(CONFIRMATIONS)}.")
    if policy.confirm == STORE and (why := unconfirmable(policy)):
        raise _invalid(why, "With `store` only a webhook's receiver can say that its version is in use.")
    if policy.kind not in ("", KEY, *PREFERRED):
        raise _invalid(f"{policy.kind!r} is no kind of credential", f"Use key or {', '.join(PREFERRED)}.")
    unknown = [name for name in policy.signals if name not in SIGNALS]
    if unknown:
        raise _invalid(f"{unknown[0]!r} is no signal", f"Use some of {', '.join(SIGNALS)}.")
    if policy.health_url and urlsplit(policy.health_url).scheme not in ("http", "https"):
        raise _invalid(f"{policy.health_url[:80]!r} is no address", "Write https://host/path.")
    if bool(policy.store) is not bool(policy.store_kind) or policy.store_kind not in ("", *TARGETS):
        raise _invalid("a store has a name and a kind", f"Kinds: {', '.join(TARGETS)}.")
    if policy.key_in not in ("", STORE):
        raise _invalid(f"{policy.key_in[:40]!r} is no place for a key", "Use store, or nothing: made here.")
    read_windows(policy.window)
    _filled(policy.address, dict.fromkeys(("slug", "agent", "client", "kind"), "x"))
    return dict(content)


def _invalid(message: str, fix: str) -> Invalid:
    return Invalid("credential-policy", f"The policy cannot be: {message}.", fix)


def _filled(address: Mapping[str, str], words: Mapping[str, str]) -> dict[str, str]:
    try:
        return {name: text.format_map(words) for name, text in address.items()}
    except (KeyError, ValueError, IndexError, AttributeError) as error:
        raise _invalid(
            "its address has a place holder that nothing fills", "Known: {slug}, {agent}, {client}, {kind}."
        ) from error


def target_of(policy: Policy, words: Mapping[str, str]) -> Target | None:
    """Where the new credential goes; None when the policy names no store."""
    if not policy.store:
        return None
    return Target(policy.store_kind, _filled(policy.address, words), policy.store)


def kind_of(policy: Policy, old: str, kinds: tuple[str, ...]) -> str:
    """The kind of the new credential among those the client can have; Invalid when there is none."""
    keys = [kind for kind in PREFERRED if kind in kinds and kind != "client_secret"]
    wanted = policy.kind or old
    if wanted in ("", KEY) and keys:
        wanted = keys[0]
    elif not wanted and kinds:
        wanted = kinds[0]
    if wanted not in kinds:
        raise Invalid(
            "credential-kind",
            f"This client cannot have a credential of kind {wanted or 'key'}.",
            f"It can have: {', '.join(kinds) or 'none'}. Set the kind in the policy.",
        )
    return wanted


def unconfirmable(policy: Policy) -> str:
    """Why nothing would ever be confirmed by this policy; empty when it can be."""
    if policy.confirm == HEALTH and not policy.health_url:
        return "it asks a health address and names none: set --health-url"
    if policy.confirm == STORE and policy.store_kind not in ("", WEBHOOK):
        return f"a store of kind {policy.store_kind} tells nobody who reads it: use ack, health or time"
    return ""


def next_rotation(policy: Policy, created: int, expires: int | None) -> int | None:
    """When a credential is replaced by itself: by age or before it expires, in a window; None for never.

    Where the next window comes too late for one that expires, it is the one before.
    """
    if not policy.max_age_days:
        return None
    due = created + policy.max_age_days * DAY
    if expires is not None:
        due = min(due, latest_rotation(policy, expires))
    due = max(due, created)
    windows = read_windows(policy.window)
    opens = next_open(windows, due)
    if expires is None or opens <= _end_of(policy, expires):
        return opens
    return min(due, next_open(windows, max(created, due - WEEK)))


def rotation_due(policy: Policy, created: int, expires: int | None, now: int) -> bool:
    """Whether a credential is to be replaced now: its time has come and a window is open.

    One that would not outlast the wait for the next window does not wait.
    """
    at = next_rotation(policy, created, expires)
    if at is None or at > now:
        return False
    opens = next_open(read_windows(policy.window), now)
    return opens <= now or (expires is not None and opens > _end_of(policy, expires))


def latest_rotation(policy: Policy, expires: int) -> int:
    """By when one that expires is to be replaced, with days to spare where nothing needs longer."""
    return min(expires - BEFORE_EXPIRY, _end_of(policy, expires))


def _end_of(policy: Policy, expires: int) -> int:
    """The last moment: confirmation and overlap still fit in while the old one works."""
    return expires - (policy.overlap + policy.patience + HOUR)
