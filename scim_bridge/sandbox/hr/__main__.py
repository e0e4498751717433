"""`python -m scim_bridge.sandbox.hr`: run the simulated HR system."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from scim_bridge.sandbox.hr.app import build
from scim_bridge.sandbox.kit import server


def main(argv: Sequence[str]) -> int:
    """Run until told to stop; the options are the kit's."""
    return server.main("hr", build, argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
