"""Where policies are read from: the packaged default, or the file a setting names, and packaged sets on top."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path

from scim_bridge.kernel.errors import ConfigurationError

PACKAGED = "the packaged default"


@dataclass(frozen=True, slots=True)
class PolicySet:
    """Packaged policies for one purpose, to be put on top of a policy file, with the table they are tested by."""

    name: str
    policies: str
    table: str

    @property
    def about(self) -> str:
        """What it is for: the comment it begins with, in one line."""
        lines = self.policies.split("\n\n", 1)[0].splitlines()
        return " ".join(line.removeprefix("//").strip() for line in lines)


@dataclass(frozen=True, slots=True)
class PolicyText:
    """The text of a policy file and of the schema it is checked against, with where they came from.

    `sets` lie on top: what is asked is `whole`.
    """

    name: str
    policies: str
    schema: str
    schema_name: str = PACKAGED
    sets: tuple[PolicySet, ...] = ()

    @property
    def whole(self) -> str:
        """The file with its sets as one text."""
        return "\n".join((self.policies, *(each.policies for each in self.sets)))

    @property
    def title(self) -> str:
        """Its name with those of its sets."""
        return " + ".join((self.name, *(each.name for each in self.sets)))


def packaged_sets() -> list[PolicySet]:
    """Every set that comes with the program, by name."""
    here = files("scim_bridge.access") / "sets"
    names = sorted(
        entry.name.removesuffix(".cedar") for entry in here.iterdir() if entry.name.endswith(".cedar")
    )
    return [
        PolicySet(name, (here / f"{name}.cedar").read_text(), (here / f"{name}.yaml").read_text())
        for name in names
    ]


def chosen_sets(names: Sequence[str]) -> tuple[PolicySet, ...]:
    """The sets with these names, each once; ConfigurationError for a name that is none."""
    known = {each.name: each for each in packaged_sets()} if names else {}
    for name in names:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            fix = f"Did you mean {close[0]}?" if close else f"Use some of {', '.join(known)}."
            raise ConfigurationError("access.sets", f"{name[:60]!r} is no policy set", fix)
    return tuple(known[name] for name in dict.fromkeys(names))


def packaged() -> PolicyText:
    """The policy file and schema that come with the program."""
    here = files("scim_bridge.access")
    return PolicyText(
        PACKAGED, (here / "default.cedar").read_text(), (here / "default.cedarschema").read_text()
    )


def read_policies(path: str | Path, sets: Sequence[str] = ()) -> PolicyText:
    """The texts a setting names: the packaged ones when it is empty. Beside `x.cedar`, `x.cedarschema`
    is the schema when it exists, else the packaged schema is."""
    return replace(_read(path), sets=chosen_sets(sets))


def _read(path: str | Path) -> PolicyText:
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
