"""Tables of text become frozen values: unknown keys are refused with the nearest known one. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, get_args, get_origin, get_type_hints

from scim_bridge.kernel.errors import ConfigurationError


def build(kind: Any, values: Mapping[str, Any], path: str) -> Any:
    """The dataclass `kind` made of `values`; `path` is how its keys are spoken of in a ConfigurationError."""
    known = {f.name: f for f in fields(kind) if f.name != "origins"}
    hints = get_type_hints(kind)
    for key in values:
        if key not in known:
            close = difflib.get_close_matches(key, known, n=1)
            fix = f"Did you mean {path}{close[0]}?" if close else f"Known keys: {', '.join(sorted(known))}."
            raise ConfigurationError(f"{path}{key}", "is not a setting", fix)
    made = {name: _typed(hints[name], value, f"{path}{name}") for name, value in values.items()}
    missing = [f.name for f in known.values() if f.default is MISSING and f.default_factory is MISSING]
    for name in missing:
        if name not in made:
            raise ConfigurationError(f"{path}{name}", "is missing", "Set it.")
    return kind(**made)


def _typed(hint: Any, value: Any, path: str) -> Any:
    if is_dataclass(hint):
        if not isinstance(value, dict):
            raise ConfigurationError(path, "must be a table", f"Write [{path}] with keys below it.")
        return build(hint, value, f"{path}.")
    if hint is bool:
        if isinstance(value, bool):
            return value
        if str(value).lower() in ("true", "1", "yes", "false", "0", "no"):
            return str(value).lower() in ("true", "1", "yes")
        raise ConfigurationError(path, f"{value!r} is not true or false", "Write true or false.")
    if hint is int:
        try:
            return int(value)
        except (TypeError, ValueError) as error:
            raise ConfigurationError(
                path, f"{value!r} is not a whole number", "Write digits only."
            ) from error
    if hint is str:
        if not isinstance(value, str):
            raise ConfigurationError(path, "must be text", "Put it in quotes.")
        return value
    if hint == str | float:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ConfigurationError(path, "must be text or a number", "Put text in quotes.")
        return value
    if hint == tuple[str, ...]:
        items = value.split(",") if isinstance(value, str) else value
        if not isinstance(items, list | tuple):
            raise ConfigurationError(path, "must be a list", 'Write ["one", "another"].')
        return tuple(str(item).strip() for item in items if str(item).strip())
    if get_origin(hint) is tuple:
        return _tables(get_args(hint)[0], value, path)
    if not isinstance(value, dict):
        raise ConfigurationError(path, "must be a table", f"Write [{path}] with keys below it.")
    kinds = [kind for kind in get_args(hint) if is_dataclass(kind)]
    if kinds:
        return {name: _typed(kinds[0], item, f"{path}.{name}") for name, item in value.items()}
    return value


def _tables(kind: Any, value: Any, path: str) -> tuple[Any, ...]:
    """A list of tables; each is spoken of by its name, or else by its number."""
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise ConfigurationError(
            path, "must be a list of tables", f"Write [[{path}]] in the settings file, once for each."
        )
    return tuple(
        build(kind, item, f"{path}.{item.get('name') or number}.")
        for number, item in enumerate(value, start=1)
    )
