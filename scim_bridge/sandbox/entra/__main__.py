"""`python -m scim_bridge.sandbox.entra`: run the simulated Entra tenant."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from scim_bridge.sandbox.entra.app import build
from scim_bridge.sandbox.kit import server


def main(argv: Sequence[str]) -> int:
    """Run until told to stop; the options are the kit's."""
    return server.main("entra", build, argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
