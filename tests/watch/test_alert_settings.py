"""Promises of the settings of alerts: what cannot be meant is named, and no secret is shown."""

from __future__ import annotations

import pytest

from scim_bridge.kernel.errors import ConfigurationError
from scim_bridge.settings import watch as watching
from scim_bridge.settings.watch import (
    ActivitySettings,
    AlertResponseSettings,
    AlertRouteSettings,
    AlertSettings,
    check_watching,
)
from scim_bridge.watch import baseline_model
from tests.watch.alerted import SECRET


def test_settings_and_rules_speak_of_the_same_kinds() -> None:
    assert (watching.KINDS, watching.SEVERITIES) == (baseline_model.KINDS, baseline_model.SEVERITIES)


@pytest.mark.parametrize(
    ("alerts", "key"),
    [
        (AlertSettings(learn_days=0), "alerts.learn_days"),
        (AlertSettings(routes=(AlertRouteSettings("a", "fax"),)), "alerts.routes.a.kind"),
        (AlertSettings(routes=(AlertRouteSettings("a", "webhook", "https://x.test"),)), "alerts.secrets.a"),
        (
            AlertSettings(routes=(AlertRouteSettings("a", "webhook"),), secrets={"a": SECRET}),
            "alerts.routes.a.url",
        ),
        (
            AlertSettings(routes=(AlertRouteSettings("a", "pagerduty"),), secrets={"a": "short"}),
            "alerts.secrets.a",
        ),
        (
            AlertSettings(routes=(AlertRouteSettings("a", "apprise"),), secrets={"a": "syslog://x"}),
            "alerts.secrets.a",
        ),
        (AlertSettings(responses=(AlertResponseSettings("shoot"),)), "alerts.responses.1.action"),
        (AlertSettings(responses=(AlertResponseSettings("hold", ("poem",)),)), "alerts.responses.1.kinds"),
        (
            AlertSettings(responses=(AlertResponseSettings("throttle", rate="0/s"),)),
            "alerts.responses.1.rate",
        ),
        (AlertSettings(responses=(AlertResponseSettings("throttle", burst=-1),)), "alerts.responses.1.burst"),
        (
            AlertSettings(responses=(AlertResponseSettings("throttle", minutes=0),)),
            "alerts.responses.1.minutes",
        ),
        (AlertSettings(secrets={"b": "x"}), "alerts.secrets.b"),
    ],
)
def test_settings_that_cannot_be_meant_are_named_and_no_secret_is_shown(
    alerts: AlertSettings, key: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        check_watching(ActivitySettings(), alerts)
    assert refused.value.key == key and SECRET not in refused.value.text()
