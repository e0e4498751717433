"""What scim2-tester has to be taught to check more than people and groups, and why each is right.

The checks themselves are untouched. It knows no attribute of type dateTime and not what form a text has to
have, makes up ids for references it may not set by `$ref`, and expects an answer to be word for word what
was sent, although read-only members are the server's to fill in and an add to a list appends (RFC 7644
section 3.5.2.1).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import BaseModel
from scim2_models import Extension, Mutability
from scim2_tester import filling, utils
from scim2_tester.checkers import patch_add, patch_remove, patch_replace

# Attributes that point to people, who must exist: agents are answered for by people we know. An application's
# agents must exist, too.
PEOPLE = ("owner", "owners", "coOwners", "sponsors")
# Attributes that are workload identifiers: no attribute of a schema can say that of its texts.
WORKLOADS = ("workloadId", "subject")

made = filling.generate_random_value


def value(context: Any, path: Any, **more: Any) -> Any:
    """A value for an attribute: an instant where one is needed, a person who is there where one is named."""
    binding = path.resolve()
    found = made(context, path, **more)
    if binding is None or found is None:
        return found
    if binding.target_type is datetime:
        return datetime(2027, 1, 31, 12, tzinfo=UTC)
    names = str(path).rpartition(":")[2].split(".")
    if names[-1] in WORKLOADS:
        return f"spiffe://corp.test/{found}"
    if names[0] in PEOPLE and names[-1] == "value":
        return _person(context)
    if names[0] == "agents" and names[-1] == "value":
        return _agent(context)
    if names[0] == "agents" and len(names) == 1:
        for item in found if isinstance(found, list) else [found]:
            item.value = _agent(context)
    if names[0] in PEOPLE and len(names) == 1:
        for item in found if isinstance(found, list) else [found]:
            item.value = _person(context)
    return found


def _person(context: Any) -> str:
    return str(context.resource_manager.create_and_register(context.client.get_resource_model("User")).id)


def _agent(context: Any) -> str:
    return str(context.resource_manager.create_and_register(context.client.get_resource_model("Agent")).id)


def _plain(found: Any) -> Any:
    if isinstance(found, BaseModel):
        return {key: item for key, item in found.model_dump().items() if item is not None}
    return [_plain(item) for item in found] if isinstance(found, list) else found


def agrees(sent: Any, there: Any) -> bool:
    """True when everything that was sent is there; more may be, filled in by the server or there before."""
    sent, there = _plain(sent), _plain(there)
    if isinstance(sent, dict):
        return isinstance(there, dict) and all(
            key == "schemas" or (key in there and agrees(item, there[key])) for key, item in sent.items()
        )
    if isinstance(sent, list):
        return isinstance(there, list) and all(any(agrees(item, other) for other in there) for item in sent)
    return bool(sent == there)


def unassigned(found: Any) -> bool:
    """True for nothing, and where there is nothing a client could take away.

    That is an extension with read-only attributes only, and `active`: everybody is on or off.
    """
    if isinstance(found, bool):
        return True
    if isinstance(found, Extension):
        writable = [
            name
            for name in type(found).model_fields
            if type(found).get_field_annotation(name, Mutability) != Mutability.read_only
            and name != "schemas"
        ]
        return all(getattr(found, name) is None for name in writable)
    return found is None or found == []


def forgetful(self: Any) -> None:
    """Clean up once: the tester deletes what it deleted before again after every check."""
    for resource in reversed(self.resources):
        self.context.client.delete(
            resource.__class__, resource.id, expected_status_codes=[204, 404], raise_scim_errors=False
        )
    self.resources.clear()


def teach(monkeypatch: pytest.MonkeyPatch) -> None:
    """Teach it all of that for the length of a test."""
    for module in (filling, patch_add, patch_replace):
        monkeypatch.setattr(module, "generate_random_value", value)
    for checker in (patch_add, patch_replace):
        monkeypatch.setattr(checker, "fields_equality", agrees)
    monkeypatch.setattr(patch_remove, "_is_unassigned", unassigned)
    monkeypatch.setattr(utils.ResourceManager, "cleanup", forgetful)
