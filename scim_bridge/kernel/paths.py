"""Paths of this server that others are told."""

from __future__ import annotations

# Where an IdP finds SCIM, below public_url.
SCIM_PATH = "/scim/v2"
