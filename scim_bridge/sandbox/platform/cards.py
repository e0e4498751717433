"""A2A 1.0 agent cards of the agents on this platform (a2a.proto, message AgentCard)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import orjson

MAX_AGE = 60


def card(agent: Mapping[str, Any], base_url: str) -> dict[str, Any]:
    """The card of an agent; what its description leaves out has a plain default."""
    slug = str(agent["slug"])
    name = str(agent.get("name") or slug.replace("-", " ").title())
    description = str(agent.get("description") or f"{name}, an agent of the sandbox platform.")
    skills = agent.get("skills") or [
        {"id": f"{slug}-main", "name": name, "description": description, "tags": ["sandbox"]}
    ]
    return {
        "name": name,
        "description": description,
        "version": str(agent.get("version") or "1.0.0"),
        "supportedInterfaces": [
            {"url": f"{base_url}/agents/{slug}/a2a", "protocolBinding": "JSONRPC", "protocolVersion": "1.0"}
        ],
        "provider": {
            "organization": str(agent.get("organization") or "Sandbox Platform"),
            "url": base_url,
        },
        "capabilities": {"streaming": False, "pushNotifications": False, "extendedAgentCard": False},
        "securitySchemes": {"bearer": {"httpAuthSecurityScheme": {"scheme": "Bearer"}}},
        "securityRequirements": [{"schemes": {"bearer": {"list": []}}}],
        "defaultInputModes": ["text/plain"],
        "defaultOutputModes": ["text/plain"],
        "skills": list(skills),
    }


def packed(card_body: Mapping[str, Any]) -> tuple[bytes, str]:
    """The bytes of a card and their strong entity tag (RFC 9110 section 8.8.3)."""
    body = orjson.dumps(card_body)
    return body, f'"{hashlib.sha256(body).hexdigest()[:32]}"'
