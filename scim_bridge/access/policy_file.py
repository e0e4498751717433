"""Where policies are read from: the packaged default, or the file a setting names."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from scim_bridge.kernel.errors import ConfigurationError

PACKAGED = "the packaged default"


@dataclass(frozen=True, slots=True)
class PolicyText:
    """The text of a policy file and of the schema it is checked against, with where they came from."""

    name: str
    policies: str
    schema: str
    schema_name: str = PACKAGED


def packaged() -> PolicyText:
    """The policy file and schema that come with the program."""
    here = files("scim_bridge.access")
    return PolicyText(
        PACKAGED, (here / "default.cedar").read_text(), (here / "default.cedarschema").read_text()
    )


def read_policies(path: str | Path) -> PolicyText:
    """The texts a setting names: the packaged ones when it is empty. Beside `x.cedar`, `x.cedarschema`
    is the schema when it exists, else the packaged schema is."""
    if not str(path):
        return packaged()
    file = Path(path)
    beside = file.with_suffix(".cedarschema")
    try:
        own = beside.exists()
        schema = beside.read_text(encoding="utf-8") if own else packaged().schema
        return PolicyText(
            str(file), file.read_text(encoding="utf-8"), schema, str(beside) if own else PACKAGED
        )
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise ConfigurationError(
            "policies", f"{file} cannot be read ({reason})", "Check the path."
        ) from error
