"""`python -m scim_bridge.sandbox.ssf`: run the simulated transmitter of security events."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from scim_bridge.sandbox.kit import server
from scim_bridge.sandbox.ssf.app import build


def main(argv: Sequence[str]) -> int:
    """Run until told to stop; the options are the kit's."""
    return server.main("ssf", build, argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
