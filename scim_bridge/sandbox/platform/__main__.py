"""`python -m scim_bridge.sandbox.platform`: run the simulated agent platform."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from scim_bridge.sandbox.kit import server
from scim_bridge.sandbox.platform.app import build
from scim_bridge.sandbox.platform.rehearsal import MANIFEST


def main(argv: Sequence[str]) -> int:
    """Run until told to stop; the options are the kit's, and --manifest."""
    return server.main("platform", build, argv, MANIFEST)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
