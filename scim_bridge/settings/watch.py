"""How activity is kept and who is told of what is odd: the settings `[activity]` and `[alerts]`, and their checks."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from scim_bridge.kernel.errors import ConfigurationError
from scim_bridge.kernel.frequency import read_frequency
from scim_bridge.settings.audit import is_address

# The words of `watch/baseline_model.py`: settings are read by rooms beside that one, so they cannot import it.
KINDS = (
    *("rate", "new-resource", "new-action", "out-of-hours"),
    *("denials", "dormant", "concurrency", "undeclared-tool"),
)
SEVERITIES = ("low", "medium", "high")
ROUTE_KINDS = ("webhook", "pagerduty", "apprise")
ACTIONS = ("hold", "throttle", "ask")
PAGERDUTY = "https://events.pagerduty.com/v2/enqueue"
MOST_DAYS = 3650
ROUTING_KEY = 32
MOST_BURST = 1_000_000
# Thirty days: what is odd for longer is no case for slowing down.
MOST_MINUTES = 43_200


@dataclass(frozen=True, slots=True)
class ActivitySettings:
    """How many days single events and their sums by the hour are kept."""

    keep_days: int = 30
    sums_days: int = 90


@dataclass(frozen=True, slots=True)
class AlertRouteSettings:
    """One place that is told of alerts from a severity on. Its secret is `alerts.secrets.<name>`.

    webhook: signed with that secret (whsec_…). pagerduty: the secret is the routing key, `url` the events
    address. apprise: the secret is the target's whole address, for most of them hold a password.
    """

    name: str
    kind: str
    url: str = ""
    severity: str = "medium"
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AlertResponseSettings:
    """What happens by itself when an alert opens: `hold` the agent, `throttle` it, `ask` its owner to attest it.

    A throttle lets `rate` decisions through, `burst` of them at once (0: as many as the rate counts), for
    `minutes` or until somebody releases it.
    """

    action: str
    kinds: tuple[str, ...] = ()
    severity: str = "high"
    rate: str = "10/m"
    burst: int = 0
    minutes: int = 60


@dataclass(frozen=True, slots=True)
class AlertSettings:
    """When alerts begin and end, whom they reach, and what they do.

    `most_holds`: so many agents are held, and as many slowed down, within an hour, of the whole fleet.
    """

    learn_days: int = 14
    resolve_days: int = 7
    most_holds: int = 5
    routes: tuple[AlertRouteSettings, ...] = ()
    responses: tuple[AlertResponseSettings, ...] = ()
    secrets: dict[str, str] = field(default_factory=dict)


def check_watching(activity: ActivitySettings, alerts: AlertSettings) -> None:
    """ConfigurationError names the first setting that cannot be meant."""
    numbers = (
        ("activity.keep_days", activity.keep_days, 1),
        ("activity.sums_days", activity.sums_days, 1),
        ("alerts.learn_days", alerts.learn_days, 1),
        ("alerts.resolve_days", alerts.resolve_days, 1),
        ("alerts.most_holds", alerts.most_holds, 0),
    )
    for key, value, least in numbers:
        if not least <= value <= MOST_DAYS:
            raise ConfigurationError(
                key, f"must be from {least} to {MOST_DAYS}", "Remove it for the default."
            )
    names: set[str] = set()
    for route in alerts.routes:
        if not route.name or route.name in names:
            raise ConfigurationError(
                "alerts.routes.name",
                f"{route.name!r} is empty or taken",
                "Give each route a name of its own.",
            )
        names.add(route.name)
        _check_route(route, alerts.secrets.get(route.name, ""))
    for name in alerts.secrets:
        if name not in names:
            raise ConfigurationError(
                f"alerts.secrets.{name}", "belongs to no route", "Name it as the route it is for."
            )
    for number, response in enumerate(alerts.responses, start=1):
        path = f"alerts.responses.{number}"
        _among(f"{path}.action", response.action, ACTIONS)
        _check_choice(path, response.severity, response.kinds)
        if response.action == "throttle":
            _check_throttle(path, response)


def _check_throttle(path: str, response: AlertResponseSettings) -> None:
    try:
        read_frequency(response.rate)
    except ValueError as error:
        raise ConfigurationError(
            f"{path}.rate", f"{response.rate[:40]!r} is no rate", "Write 10/s, 100/m, 500/h or 2000/d."
        ) from error
    if not 0 <= response.burst <= MOST_BURST:
        raise ConfigurationError(
            f"{path}.burst", f"must be from 0 to {MOST_BURST}", "0: as many as the rate counts."
        )
    if not 1 <= response.minutes <= MOST_MINUTES:
        raise ConfigurationError(
            f"{path}.minutes", f"must be from 1 to {MOST_MINUTES}", "For longer, hold the agent."
        )


def _check_route(route: AlertRouteSettings, secret: str) -> None:
    path = f"alerts.routes.{route.name}"
    _among(f"{path}.kind", route.kind, ROUTE_KINDS)
    _check_choice(path, route.severity, route.kinds)
    if not secret:
        raise ConfigurationError(
            f"alerts.secrets.{route.name}",
            f"is missing for the route of kind {route.kind}",
            "A webhook needs its whsec_ secret, PagerDuty its routing key, apprise the target's address.",
        )
    if route.kind == "apprise":
        check_target(f"alerts.secrets.{route.name}", secret)
        return
    if route.kind == "pagerduty" and len(secret) != ROUTING_KEY:
        raise ConfigurationError(
            f"alerts.secrets.{route.name}",
            f"is no routing key ({ROUTING_KEY} characters)",
            "Copy the integration key of an Events API v2 integration.",
        )
    if (route.kind == "webhook" or route.url) and not is_address(route.url):
        raise ConfigurationError(
            f"{path}.url", f"{route.url!r} is not a web address", "Write https://host[:port]/path."
        )


def check_target(key: str, target: str) -> None:
    """ConfigurationError unless this looks like an address for apprise; its value is never shown."""
    scheme, separator, rest = target.partition("://")
    if not separator or not scheme.isalnum() or not rest:
        raise ConfigurationError(
            key,
            "is no apprise address",
            "Write one as its documentation says, such as slack://… or mailtos://…",
        )
    if scheme.casefold() in ("file", "syslog", "dbus", "gnome", "windows", "macosx", "glib", "qt", "kde"):
        raise ConfigurationError(
            key, f"{scheme}:// reaches this machine only", "Name a service that people read."
        )


def check_targets(targets: Mapping[str, Any]) -> None:
    """The same for each of `notify_targets`."""
    for name, target in targets.items():
        if not isinstance(target, str):
            raise ConfigurationError(f"notify_targets.{name}", "must be text", "Put it in quotes.")
        check_target(f"notify_targets.{name}", target)


def _check_choice(path: str, severity: str, kinds: Sequence[str]) -> None:
    _among(f"{path}.severity", severity, SEVERITIES)
    for kind in kinds:
        _among(f"{path}.kinds", kind, KINDS)


def _among(key: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        close = difflib.get_close_matches(value, known, n=1)
        fix = f"Did you mean {close[0]}?" if close else f"Use one of {', '.join(known)}."
        raise ConfigurationError(key, f"{value!r} is not known", fix)
