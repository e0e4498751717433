"""Libraries only some installations need: asked for when a store of theirs is opened, and kept quiet."""

from __future__ import annotations

import logging
from importlib import import_module
from typing import Any

from scim_bridge.kernel.errors import ConfigurationError

# At DEBUG these write whole requests, with what is in them.
TALKATIVE = ("boto3", "botocore", "hvac", "requests", "s3transfer", "urllib3")


def library(name: str, extra: str, store: str) -> Any:
    """The module; ConfigurationError names the extra that installs it."""
    for logger in TALKATIVE:
        # Set on each, so that a root logger at DEBUG does not reach them.
        logging.getLogger(logger).setLevel(logging.ERROR)
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"stores.{store}", f"needs {name}, which is not installed", f"pip install scim-bridge[{extra}]"
        ) from error
