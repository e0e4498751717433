"""`python -m scim_bridge` and the `scim-bridge` command."""

from __future__ import annotations

import sys


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; the exit code."""
    from scim_bridge.cli.run import run

    return run(arguments)


if __name__ == "__main__":
    sys.exit(main())
