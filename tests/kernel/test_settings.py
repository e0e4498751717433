"""Promises of the settings: layers in order, and one line that names the key when something is wrong."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import pytest

from scim_bridge.kernel.errors import ConfigurationError
from scim_bridge.settings.load import load_settings

GOOD = "whsec_" + base64.b64encode(os.urandom(32)).decode()
STRONG = "0123456789abcdef" * 4


def test_the_environment_wins_over_the_file_and_a_secret_file_over_nothing(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text('log_level = "debug"\npublic_url = "https://a.example"\n[scim]\npage_size = 50\n')
    secret = tmp_path / "secret"
    secret.write_text(STRONG + "\n")
    environment = {
        "SCIM_BRIDGE_PUBLIC_URL": "https://b.example",
        "SCIM_BRIDGE_SCIM__MAX_PAGE_SIZE": "300",
        "SCIM_BRIDGE_SECRET_KEY_FILE": str(secret),
        "SCIM_BRIDGE_HR__WORKDAY": GOOD,
    }
    made = load_settings(file, environment)
    assert (made.log_level, made.public_url, made.scim.page_size) == ("debug", "https://b.example", 50)
    assert made.scim.max_page_size == 300
    assert made.secret_key == STRONG and made.hr == {"workday": GOOD}
    assert made.origins["public_url"] == "environment" and made.origins["log_level"] == "file"


@pytest.mark.parametrize(
    ("environment", "key"),
    [
        ({"SCIM_BRIDGE_PUBLC_URL": "https://x.example"}, "publc_url"),
        ({"SCIM_BRIDGE_SECRET_KEY": "short"}, "secret_key"),
        ({"SCIM_BRIDGE_SECRET_KEY": "a" * 64}, "secret_key"),
        ({"SCIM_BRIDGE_DATABASE_URL": "postgresql://h/d"}, "secret_key"),
        ({"SCIM_BRIDGE_DATABASE_URL": "oracle://h/d"}, "database_url"),
        ({"SCIM_BRIDGE_PUBLIC_URL": "http://bridge.example"}, "public_url"),
        ({"SCIM_BRIDGE_NOTIFY_URL": "https://n.example"}, "notify_secret"),
        ({"SCIM_BRIDGE_RUNTIME_SECRET": "whsec_c2hvcnQ="}, "runtime_secret"),
        ({"SCIM_BRIDGE_HR__WORKDAY": "plain"}, "hr.workday"),
        ({"SCIM_BRIDGE_SCIM__PAGE_SIZE": "0"}, "scim.page_size"),
        ({"SCIM_BRIDGE_SCIM__PAGE_SIZE": "many"}, "scim.page_size"),
        ({"SCIM_BRIDGE_ATTESTATIONS__HOLD_ON_LAPSE": "perhaps"}, "attestations.hold_on_lapse"),
        ({"SCIM_BRIDGE_LOG_LEVEL": "loud"}, "log_level"),
        ({"SCIM_BRIDGE_ROLE": "gateway"}, "role"),
        ({"SCIM_BRIDGE_ROLE": "web", "SCIM_BRIDGE_DATABASE_URL": "sqlite:///x.db"}, "role"),
        ({"SCIM_BRIDGE_SCIM": "x"}, "scim"),
        ({"SCIM_BRIDGE_ALLOW_NETWORKS": "foo/bar"}, "allow_networks"),
        ({"SCIM_BRIDGE_ALLOW_NETWORKS": "10.0.0.0/8,10.0.0.0/33"}, "allow_networks"),
        ({"SCIM_BRIDGE_ALLOW_NETWORKS": "10.0.0"}, "allow_networks"),
        ({"SCIM_BRIDGE_ALLOW_NETWORKS": "vault.internal:82000"}, "allow_networks"),
        ({"SCIM_BRIDGE_ALLOW_NETWORKS": "https://vault.internal"}, "allow_networks"),
    ],
)
def test_a_wrong_setting_is_named_with_its_fix(environment: dict[str, str], key: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(None, environment)
    assert caught.value.key == key and caught.value.fix


def test_a_close_key_is_suggested() -> None:
    with pytest.raises(ConfigurationError, match="publc_url") as caught:
        load_settings(None, {"SCIM_BRIDGE_PUBLC_URL": "https://x.example"})
    assert "public_url" in caught.value.fix


def test_a_missing_or_broken_file_is_named(tmp_path: Path) -> None:
    for content in (None, "a = ["):
        file = tmp_path / "settings.toml"
        if content is not None:
            file.write_text(content)
        with pytest.raises(ConfigurationError, match=r"settings\.toml"):
            load_settings(file, {})


def test_networks_hosts_and_hosts_with_a_port_are_allowed_as_they_are_written() -> None:
    entries = "10.0.0.0/8, 127.0.0.1,::1, fd00::/8,vault.internal,hr_system:8443,10.0.0.7:8200,localhost"
    made = load_settings(None, {"SCIM_BRIDGE_ALLOW_NETWORKS": entries})
    assert made.allow_networks == tuple(entry.strip() for entry in entries.split(","))
