"""What a gateway asks, read from its JSON: one question, a batch of them, the entities of a search.

Members the standard does not know are ignored (AuthZEN 1.0, "JSON Serialization").
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scim_bridge.access.model import LONGEST, Question, texts
from scim_bridge.kernel.errors import BridgeError, Invalid

EXECUTE_ALL = "execute_all"
DENY_ON_FIRST_DENY = "deny_on_first_deny"
PERMIT_ON_FIRST_PERMIT = "permit_on_first_permit"
SEMANTICS = (EXECUTE_ALL, DENY_ON_FIRST_DENY, PERMIT_ON_FIRST_PERMIT)
ENTITIES = ("subject", "action", "resource")
DEFAULTS = (*ENTITIES, "context")
# What a search looks for has no id of its own yet, and none of its properties count.
SOUGHT = "?"


@dataclass(frozen=True, slots=True)
class Batch:
    """Questions in their order, and what stands in place of one that cannot be read."""

    questions: tuple[Question | BridgeError, ...]
    semantic: str


def read_question(body: Mapping[str, Any]) -> Question:
    """The question in a request's body; Invalid names the member that is missing or wrong."""
    subject, action, resource = (_entity(body, name) for name in ENTITIES)
    return _question(subject, action, resource, body)


def _question(
    subject: Mapping[str, Any],
    action: Mapping[str, Any],
    resource: Mapping[str, Any],
    body: Mapping[str, Any],
) -> Question:
    """What is said of the subject never replaces what the registry knows: it is a claim of the gateway's,
    which policies see under a name of its own, beside the context."""
    asked = texts(_properties(body, "context", "context"))
    for holder, name in ((subject, "subject"), (action, "action")):
        for key, value in texts(_properties(holder, "properties", f"{name}.properties")).items():
            asked[f"{name}.{key}"] = value
    return Question(
        _text(subject, "type", "subject.type"),
        _text(subject, "id", "subject.id"),
        _text(action, "name", "action.name"),
        _text(resource, "type", "resource.type"),
        _text(resource, "id", "resource.id"),
        texts(_properties(resource, "properties", "resource.properties")),
        asked,
    )


def read_batch(body: Mapping[str, Any], most: int) -> Batch | None:
    """The evaluations of a batch; None when there are none, so that the body is one question itself.

    What is wrong with one of them stands in its place; Invalid when the whole is wrong.
    """
    items = body.get("evaluations")
    if items is None or items == []:
        return None
    if not isinstance(items, list):
        raise _wrong("evaluations is not a list.", "Send a list of questions, or leave it out.")
    if len(items) > most:
        raise Invalid(
            "batch-too-large",
            f"{len(items)} evaluations are more than the {most} that are answered at once.",
            "Send them in several requests, or raise access.max_evaluations.",
        )
    defaults = {name: body[name] for name in DEFAULTS if name in body}
    return Batch(tuple(_item(item, defaults) for item in items), _semantic(body))


def _item(item: Any, defaults: Mapping[str, Any]) -> Question | BridgeError:
    """A whole member of an item replaces that of the defaults; there is no merging inside one."""
    if not isinstance(item, dict):
        return _wrong("The evaluation is not an object.", "Send an object, {} for the defaults alone.")
    try:
        return read_question({**defaults, **item})
    except Invalid as error:
        return error


def _semantic(body: Mapping[str, Any]) -> str:
    chosen = _properties(body, "options", "options").get("evaluations_semantic", EXECUTE_ALL)
    if chosen not in SEMANTICS:
        raise _wrong(
            "options.evaluations_semantic is not one of the three.", f"Send one of {', '.join(SEMANTICS)}."
        )
    return str(chosen)


def read_sought(body: Mapping[str, Any], sought: str) -> Question:
    """A search's question: `sought` (subject, action or resource) has no id in it, or SOUGHT for one.

    An id that was sent for it is ignored; an action that is sought may be left out altogether.
    """
    subject, action, resource = (
        {"name": SOUGHT} if name == sought == "action" else _entity(body, name) for name in ENTITIES
    )
    if sought == "subject":
        subject = {"type": subject.get("type"), "id": SOUGHT}
    if sought == "resource":
        resource = {"type": resource.get("type"), "id": SOUGHT}
    return _question(subject, action, resource, body)


def _wrong(message: str, fix: str) -> Invalid:
    return Invalid("question-invalid", message, fix)


def _entity(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = body.get(name)
    if not isinstance(found, dict):
        what = "is missing" if found is None else "is not an object"
        raise _wrong(f"{name} {what}.", "Send subject, action and resource as objects.")
    return found


def _properties(holder: Mapping[str, Any], name: str, path: str) -> Mapping[str, Any]:
    found = holder.get(name)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise _wrong(f"{path} is not an object.", "Leave it out, or send an object.")
    return found


def _text(holder: Mapping[str, Any], name: str, path: str) -> str:
    found = holder.get(name)
    if not isinstance(found, str) or not found:
        what = "is missing" if found is None else "is not a text, or empty"
        raise _wrong(f"{path} {what}.", "Send a text that is not empty.")
    if len(found) > LONGEST:
        raise _wrong(f"{path} is longer than {LONGEST} characters.", "Shorten it.")
    if not found.isprintable() and any(unicodedata.category(character) == "Cc" for character in found):
        raise _wrong(f"{path} holds a control character.", "Send printable text.")
    return found
