"""A manifest whose agents live on this platform, and settings for a bridge that is to work with it.

`--manifest FILE` plays every neighbour the agents of a manifest have: their runtimes, the systems that hold
their credentials, and the inbox of notices. Two files come of it in the sandbox's directory.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from scim_bridge.sandbox.kit.server import Extra, Sandbox

SETTING = "setting"


def declare(parser: argparse.ArgumentParser) -> None:
    """The option."""
    parser.add_argument(
        "--manifest",
        type=Path,
        help="play platform, secret stores and inbox of this manifest's agents (YAML)",
    )


def prepare(sandbox: Sandbox, options: argparse.Namespace) -> Mapping[str, str]:
    """Write both files; their paths. ValueError for a file that is no manifest."""
    if options.manifest is None:
        return {}
    manifest = _read(options.manifest)
    secret = _secret(sandbox)
    for agent in manifest["agents"]:
        if "runtime" in agent:
            agent["runtime"] = {**agent["runtime"], "url": f"{sandbox.base_url}/hooks/agents/{agent['slug']}"}
    target, settings = sandbox.data / "agents.yaml", sandbox.data / "bridge.toml"
    target.write_text(yaml.safe_dump(manifest, sort_keys=False, allow_unicode=True))
    _private(settings, settings_for(sandbox, systems(manifest), secret))
    return {"manifest_file": str(target), "settings_file": str(settings)}


def systems(manifest: Mapping[str, Any]) -> list[str]:
    """Every system that holds a credential of these agents."""
    held = (one for agent in manifest["agents"] for one in agent.get("credentials") or ())
    return sorted({str(one["system"]) for one in held if isinstance(one, dict) and one.get("system")})


def settings_for(sandbox: Sandbox, names: list[str], secret: str) -> str:
    """The settings file, TOML."""
    own, door = json.dumps(secret), json.dumps(f"{sandbox.base_url}/credentials/revoke")
    lines = [
        "# Settings of a bridge whose platform, secret stores and inbox are the platform sandbox.",
        "# SCIM_BRIDGE_SETTINGS names this file. For rehearsal on this machine only.",
        'allow_networks = ["127.0.0.0/8"]',
        f"ca_file = {json.dumps(str(sandbox.ca.ca_file))}",
        f"runtime_secret = {own}",
        f"notify_url = {json.dumps(f'{sandbox.base_url}/inbox')}",
        f"notify_secret = {own}",
    ]
    for name in names:
        lines += ["", f"[revokers.{json.dumps(name)}]", f"url = {door}", f"secret = {own}"]
    return "\n".join(lines) + "\n"


def _read(file: Path) -> dict[str, Any]:
    try:
        found = yaml.safe_load(file.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{file} is no YAML.") from error
    agents = found.get("agents") if isinstance(found, dict) else None
    if not isinstance(agents, list) or not all(isinstance(a, dict) and a.get("slug") for a in agents):
        raise ValueError(f"{file} is no manifest: it has no 'agents', each with a 'slug'.")
    return dict(found)


def _secret(sandbox: Sandbox) -> str:
    """The webhook secret both sides share; made once."""
    known = sandbox.store.get(SETTING, "secret")
    if known is None:
        known = {"secret": "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()}
        sandbox.store.put(SETTING, "secret", known)
    return str(known["secret"])


def _private(file: Path, text: str) -> None:
    fresh = file.with_name(f"{file.name}.new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as opened:
        opened.write(text)
    fresh.replace(file)


MANIFEST = Extra(declare, prepare)
