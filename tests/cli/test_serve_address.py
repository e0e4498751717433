"""Promises of where a server says it is: where it listens, unless somebody said how it is called."""

from __future__ import annotations

from scim_bridge.cli.serve import at
from scim_bridge.settings.load import load_settings


def test_links_of_a_server_on_another_port_lead_to_it() -> None:
    nobody_said = load_settings(None, {})
    assert at(nobody_said, "127.0.0.1", 9000).public_url == "http://127.0.0.1:9000"
    assert "public_url" not in at(nobody_said, "127.0.0.1", 9000).origins
    assert at(nobody_said, "0.0.0.0", 9000).public_url == nobody_said.public_url
    said = load_settings(None, {"SCIM_BRIDGE_PUBLIC_URL": "https://bridge.example.com"})
    assert at(said, "127.0.0.1", 9000).public_url == "https://bridge.example.com"
