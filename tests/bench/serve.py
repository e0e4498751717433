"""Serves an ASGI application on the same server, with the same options, as `scim-bridge serve`.

python -m tests.bench.serve module:name port
"""

from __future__ import annotations

import asyncio
import importlib
import sys

import uvicorn

from scim_bridge.cli.serve import OPTIONS, loop_factory


def main(target: str, port: int) -> None:
    """Serve until told to stop."""
    module, _, name = target.partition(":")
    app = getattr(importlib.import_module(module), name)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, lifespan="off", **OPTIONS))
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(server.serve())


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
