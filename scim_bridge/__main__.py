"""`python -m scim_bridge` and the `scim-bridge` command."""

from __future__ import annotations

import contextlib
import gc
import sys


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; the exit code."""
    # Most of what a start makes stays: looking through it again and again is a tenth of the time it takes.
    gc.set_threshold(20_000, 20, 20)
    # Keys and secrets are in memory: a crash must not write them to a file.
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    try:
        from scim_bridge.cli.run import run

        return run(arguments)
    except KeyboardInterrupt:
        # Ctrl-C while the program is still being loaded.
        return 130


if __name__ == "__main__":
    sys.exit(main())
