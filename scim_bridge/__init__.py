"""scim-bridge: AI agents managed as identities in Okta and Microsoft Entra ID."""

from __future__ import annotations

__version__ = "0.1.0"
