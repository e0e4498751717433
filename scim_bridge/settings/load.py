"""Settings: a TOML file, over it the environment (SCIM_BRIDGE_...), over it files (..._FILE).

Unknown keys and weak secrets refuse to start, with one line that names the key and the fix.
Nesting in the environment is two underscores: SCIM_BRIDGE_HR__WORKDAY=whsec_...
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scim_bridge.kernel.errors import ConfigurationError
from scim_bridge.settings.checks import check_settings
from scim_bridge.settings.model import Settings
from scim_bridge.settings.typed import build

PREFIX = "SCIM_BRIDGE_"


def load_settings(
    file: Path | None, environment: Mapping[str, str], overrides: Mapping[str, Any] | None = None
) -> Settings:
    """Read and check the settings; ConfigurationError names the first key that is wrong."""
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for origin, layer in (("file", _toml(file)), ("environment", _environment(environment))):
        _merge(values, layer, origin, origins, "")
    for key, value in (overrides or {}).items():
        values[key] = value
        origins[key] = "command line"
    made: Settings = build(Settings, values, "")
    object.__setattr__(made, "origins", origins)
    check_settings(made)
    return made


def _toml(file: Path | None) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        return tomllib.loads(file.read_text())
    except OSError as error:
        raise ConfigurationError(
            "settings file", f"{file} cannot be read", f"Check the path ({error.strerror})."
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(
            "settings file", f"{file} is not TOML ({error})", "Mend that line."
        ) from error


def _environment(environment: Mapping[str, str]) -> dict[str, Any]:
    layer: dict[str, Any] = {}
    for name in sorted(environment):
        if not name.startswith(PREFIX) or name == f"{PREFIX}SETTINGS":
            continue
        path = name.removeprefix(PREFIX).lower().split("__")
        value: str = environment[name]
        if path[-1].endswith("_file") and path[-1] != "ca_file":
            path[-1] = path[-1].removesuffix("_file")
            try:
                value = Path(value).read_text().strip()
            except OSError as error:
                raise ConfigurationError(
                    name, f"{value} cannot be read", f"Check the path ({error.strerror})."
                ) from error
        here = layer
        for part in path[:-1]:
            here = here.setdefault(part, {})
        here[path[-1]] = value
    return layer


def _merge(
    into: dict[str, Any], layer: Mapping[str, Any], origin: str, origins: dict[str, str], path: str
) -> None:
    for key, value in layer.items():
        if isinstance(value, dict):
            if not isinstance(into.get(key), dict):
                into[key] = {}
            _merge(into[key], value, origin, origins, f"{path}{key}.")
        else:
            into[key] = value
            origins[f"{path}{key}"] = origin


def settings_from_environment(overrides: Mapping[str, Any] | None = None) -> Settings:
    """The settings of this process: file named by SCIM_BRIDGE_SETTINGS, then the environment."""
    named = os.environ.get(f"{PREFIX}SETTINGS")
    return load_settings(Path(named) if named else None, os.environ, overrides)
