"""Whether a connection leads to a sandbox that this bridge's own server plays."""

from __future__ import annotations

from pathlib import Path

from scim_bridge.registry.connections import Connection

FOLDER = "rehearsal"
OVER = "Its sandbox runs inside the server and ends with it."
BACK = "In the console: Settings → Connect → {name} → Rehearse again brings it back as it was."


def rehearsed(chosen: Connection, data_dir: Path) -> bool:
    """True when the authority that the connection trusts was made by a rehearsal below `data_dir`."""
    trusted = chosen.settings.get("ca_file")
    return isinstance(trusted, str) and Path(trusted).absolute().is_relative_to(data_dir.absolute() / FOLDER)
