"""`python -m scim_bridge.sandbox.okta --port P --data DIR`: run the simulated Okta org."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from scim_bridge.sandbox.kit import server
from scim_bridge.sandbox.okta.app import build


def main(argv: Sequence[str] | None = None) -> int:
    """Run until told to stop; the exit code."""
    return server.main("okta", build, sys.argv[1:] if argv is None else argv)


if __name__ == "__main__":
    sys.exit(main())
