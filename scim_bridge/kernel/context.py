"""What the composition root hands to every room: the store, keys, the way out, the public address."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from scim_bridge.kernel.crypto import MasterKey
from scim_bridge.kernel.work import Store

if TYPE_CHECKING:
    from scim_bridge.kernel.outbound import Outbound


@dataclass(frozen=True, slots=True)
class Context:
    """The parts of one running process that rooms share.

    `public_url` has no trailing slash. `data_dir` is where an embedded installation keeps its files.
    """

    store: Store
    master: MasterKey
    outbound: Outbound
    public_url: str
    data_dir: Path
