"""What is wrong with a policy file, each thing with its line and its fix; nothing is asked here."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import cedarpy
import orjson

from scim_bridge.access.cedar import ACTION, AGENT, FACT_TYPES, entities_of, request_of, uid
from scim_bridge.access.model import Facts, Question
from scim_bridge.access.policy_file import PolicyText
from scim_bridge.access.source import (
    Problem,
    breaking_token,
    column_at,
    line_at,
    offset_of_name,
    statements,
    suggestion,
    too_deep,
)
from scim_bridge.access.words import Words, words_of
from scim_bridge.registry.model import Attestation, Owners, PersonRef

SCOPE_NOISE = "unable to find an applicable action"
_SOMEBODY = PersonRef("p", "p", "p", "p")
EVERYTHING = Facts(
    "a",
    "a",
    "a",
    "a",
    "a",
    attestation=Attestation("valid", at=0),
    owners=Owners(_SOMEBODY, (_SOMEBODY,), (_SOMEBODY,)),
    groups=("g",),
    ends={"g": 1},
    last_activity=0,
    rate=0,
)
SCHEMA_FIX = "See the words that exist: scim-bridge policy show --schema."


def problems(text: PolicyText) -> list[Problem]:
    """Everything wrong with a policy file, in the order of its lines."""
    schema = _schema_problems(text)
    if schema:
        return schema
    found = _own_problems(text)
    for each in text.sets:
        layer = PolicyText(f"policy set {each.name}", each.policies, text.schema, text.schema_name)
        found += [replace(problem, file=layer.name) for problem in _own_problems(layer)]
    return found or _shared_names(text)


def _own_problems(text: PolicyText) -> list[Problem]:
    found = _syntax_problems(text)
    if not found:
        found = _naming_problems(text) + _validation_problems(text)
    return sorted(found, key=lambda problem: problem.line)


def _shared_names(text: PolicyText) -> list[Problem]:
    """A policy of the file that has the @id of one of its sets."""
    taken = {note["id"]: each.name for each in text.sets for note in notes_of(each.policies).values()}
    written = statements(text.policies)
    return [
        Problem(
            line_at(text.policies, written[int(name.removeprefix("policy"))].start),
            f"The @id {note['id']!r} is one of the policy set {taken[note['id']]} too.",
            "Answers and the log name policies: give it another.",
            note["id"],
        )
        for name, note in notes_of(text.policies).items()
        if note["id"] in taken
    ]


def _schema_problems(text: PolicyText) -> list[Problem]:
    try:
        schema = cedarpy.Schema.from_str(text.schema)
    except ValueError as error:
        line = _schema_line(text.schema, str(error))
        return [Problem(line, f"Not a schema: {error}.", "Mend the schema.", file=text.schema_name)]
    found: dict[str, Problem] = {}
    words = words_of(text.schema)
    for kind, line in resource_types(text.schema):
        refusal = _refusal(kind, schema, words)
        if refusal:
            message = f"The bridge cannot use this schema: {refusal}."
            fix = f"Keep the first part of the packaged schema, and `entity {kind} = {{ id: String }} tags String;`."
            found.setdefault(message, Problem(line, message, fix, file=text.schema_name))
    return list(found.values()) or _context_problems(text, schema, words)


def _context_problems(text: PolicyText, schema: Any, words: Words) -> list[Problem]:
    """Actions whose context is not what a question brings."""
    kinds = [kind for kind, _ in resource_types(text.schema)]
    nothing = cedarpy.PolicySet.from_str("")
    found = []
    for action, line in actions(text.schema):
        for kind in kinds:
            request = request_of(EVERYTHING, Question("agent", "a", action, kind, "x"), 0, words)
            told = " ".join(cedarpy.is_authorized(request, nothing, "[]", schema).diagnostics.errors)
            if "parsing context" not in told:
                continue
            what = told.split("parsing context, ", 1)[-1]
            message = f"The bridge cannot use this schema: the context of action {action!r}: {what}."
            fix = "Give every action that applies to something the context of the packaged schema."
            found.append(Problem(line, message, fix, file=text.schema_name))
            break
    return found


def actions(schema: str) -> list[tuple[str, int]]:
    """(name, line) of every action of a schema text that applies to something: others only group them."""
    found = []
    for statement in statements(schema):
        if statement.tokens[0].text != "action" or not any(t.text == "appliesTo" for t in statement.tokens):
            continue
        for token in statement.tokens[1:]:
            if token.text in ("in", "appliesTo", ";"):
                break
            if token.text != ",":
                found.append((token.text.strip('"'), line_at(schema, token.start)))
    return found


def _refusal(kind: str, schema: Any, words: Words) -> str:
    """Why the schema does not take the entities of a question about this type, or an empty text."""
    entities = orjson.dumps(_sample(kind, words)).decode()
    try:
        cedarpy.Entities.from_json_str(entities, schema)
    except ValueError as error:
        # Only an evaluation tells which entity and attribute it was; entities are read before the request.
        request = {"principal": uid(AGENT, "a"), "action": uid(ACTION, "a"), "resource": uid(kind, "x")}
        told = cedarpy.is_authorized(request, cedarpy.PolicySet.from_str(""), entities, schema)
        details = [e.rsplit("]: ", 1)[-1] for e in told.diagnostics.errors if "entit" in e]
        return details[0] if details else str(error)
    return ""


def _schema_line(schema: str, message: str) -> int:
    for statement in statements(schema):
        for token in statement.tokens:
            if re.search(rf"(?<!\w){re.escape(token.text)}(?!\w)", message) and token.text.isidentifier():
                return line_at(schema, token.start)
    return 1


def resource_types(schema: str) -> list[tuple[str, int]]:
    """(entity type, line) of every type of a schema text that is not one of ours."""
    found = []
    for statement in statements(schema):
        if statement.tokens[0].text != "entity":
            continue
        for token in statement.tokens[1:]:
            if token.text in ("in", "=", "{", "tags", ";", "enum"):
                break
            if token.text != "," and token.text not in FACT_TYPES:
                found.append((token.text, line_at(schema, token.start)))
    return found


def _sample(kind: str, words: Words) -> list[dict[str, Any]]:
    """One of everything a question may carry, to see whether a schema of somebody's own takes it."""
    return entities_of(
        EVERYTHING, Question("agent", "a", "read", kind, "x", {"p": "v"}, {"a": "v"}), 0, words
    )


def _syntax_problems(text: PolicyText) -> list[Problem]:
    source = text.policies
    written = statements(source)
    if not written:
        fix = 'To deny everything on purpose, write: @id("deny-all") forbid (principal, action, resource);'
        return [Problem(1, "The file holds no policy.", fix)]
    found = []
    for statement in written:
        deep = too_deep(statement)
        if deep is not None:
            message = "The policy is nested too deep, or one chain of conditions is too long."
            fix = 'Write ["a", "b"].contains(…), or several policies.'
            found.append(_at(source, deep.start, message, fix))
            continue
        body = source[statement.start : statement.tokens[-1].end]
        try:
            parsed = cedarpy.PolicySet.from_str(body)
        except ValueError as error:
            token = breaking_token(source, statement, cedarpy.PolicySet.from_str)
            message = f"Not a policy: {error}."
            fix = "End it with a semicolon." if "end of input" in str(error) else f"Look at {token.text!r}."
            found.append(_at(source, token.start, message, fix))
            continue
        if len(parsed) == 0 or parsed.templates():
            message = "A template (?principal, ?resource) grants nothing by itself."
            found.append(_at(source, statement.start, message, "Name the group or resource."))
    return found


def _naming_problems(text: PolicyText) -> list[Problem]:
    written = statements(text.policies)
    found = []
    seen: dict[str, int] = {}
    for name, note in notes_of(text.policies).items():
        line = line_at(text.policies, written[int(name.removeprefix("policy"))].start)
        given = note.get("id", "")
        if not given:
            found.append(Problem(line, "The policy has no @id.", 'Write @id("a-short-name") before it.'))
        elif given in seen:
            message = f"The @id {given!r} is that of line {seen[given]} too."
            found.append(
                Problem(line, message, "Answers and the log name policies: give each its own.", given)
            )
        seen.setdefault(given, line)
    return found


def _validation_problems(text: PolicyText) -> list[Problem]:
    source = text.policies
    written = statements(source)
    errors = cedarpy.validate_policies(source, cedarpy.Schema.from_str(text.schema)).errors
    notes = notes_of(source)
    found = []
    for error in errors:
        others = [e for e in errors if e.policy_id == error.policy_id and SCOPE_NOISE not in e.error]
        if SCOPE_NOISE in error.error and others:
            continue
        message = error.error.split(", ", 1)[-1] if error.error.startswith("for policy") else error.error
        message = message[:1].upper() + message[1:] + "."
        statement = written[int(error.policy_id.removeprefix("policy"))]
        fix = suggestion(message, text.schema) or SCHEMA_FIX
        policy = notes[error.policy_id].get("id", "")
        found.append(_at(source, offset_of_name(statement, message), message, fix, policy))
    return found


def _at(source: str, offset: int, message: str, fix: str, policy: str = "") -> Problem:
    """A problem at a place of the text."""
    return Problem(line_at(source, offset), message, fix, policy, column=column_at(source, offset))


def notes_of(policies: str) -> dict[str, dict[str, str]]:
    """Annotations and effect by Cedar's own policy name (policy0 is the first of the file)."""
    parsed = orjson.loads(cedarpy.policies_to_json_str(policies))
    return {
        name: {
            **{k: v or "" for k, v in (policy.get("annotations") or {}).items()},
            "effect": policy["effect"],
        }
        for name, policy in parsed["staticPolicies"].items()
    }
