"""The few policies of a large set that can say anything about one question.

Cedar looks at every policy for every question, about a microsecond each. A policy whose scope does not
match the question neither grants, nor forbids, nor fails: leaving it out changes no answer, no reason and no
error. Which scopes match an action and a resource type is not judged here: Cedar itself is asked once for
each pair, with the principals left open. Principals and single resources are then looked up by name.

The same holds for what stands first in a policy's first `when`: `principal in Group::"x"` and
`resource.id == "y"` cannot fail, and nothing behind them is looked at when they are false.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import cedarpy
import orjson

from scim_bridge.access.actions import actions_in
from scim_bridge.access.cedar import GROUP

Json = Mapping[str, Any]
Key = tuple[str, str] | None
Pair = tuple[Key, Key]

PRINCIPAL = {"Var": "principal"}
RESOURCE_ID = {".": {"left": {"Var": "resource"}, "attr": "id"}}

# Slices kept at once; the least used goes first. One holds a few policies, about ten kilobytes.
KEPT = 4096


class Slices:
    """A policy set and its slices. Policies keep the names they have in the whole text (policy0, policy1, …)."""

    def __init__(self, policies: str, schema: str) -> None:
        self.whole = cedarpy.PolicySet.from_str(policies)
        self._policies: dict[str, Json] = orjson.loads(cedarpy.policies_to_json_str(policies))[
            "staticPolicies"
        ]
        self._pairs = {
            name: (_principal(policy), _resource(policy)) for name, policy in self._policies.items()
        }
        self._open = _parsed({name: _opened(policy) for name, policy in self._policies.items()})
        self._schema = cedarpy.Schema.from_str(schema)
        self._actions = frozenset(actions_in(schema))
        self._matching: dict[tuple[str, str, str], Mapping[Pair, Sequence[str]] | None] = {}
        self._kept: OrderedDict[tuple[Any, ...], Any] = OrderedDict()

    def of(self, request: Json, groups: Iterable[str]) -> Any:
        """The policies that can say anything about a request of a principal that is in no other groups.

        The whole set where the schema does not take the request: the refusal is the same for any.
        """
        principal, action, resource = request["principal"], request["action"]["id"], request["resource"]
        kinds = (principal["type"], action, resource["type"])
        if kinds not in self._matching:
            if action not in self._actions:
                return self.whole
            self._matching[kinds] = self._matched(request)
        matching = self._matching[kinds]
        if matching is None:
            return self.whole
        who: list[Key] = [None, (principal["type"], principal["id"]), *((GROUP, name) for name in groups)]
        what: tuple[Key, ...] = (None, (resource["type"], resource["id"]))
        pairs = tuple(pair for one in who for other in what if (pair := (one, other)) in matching)
        return self._slice((kinds, pairs), matching, pairs)

    def _slice(
        self, key: tuple[Any, ...], matching: Mapping[Pair, Sequence[str]], pairs: Iterable[Pair]
    ) -> Any:
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
            return found
        names = {name for pair in pairs for name in matching[pair]}
        found = self._kept[key] = _parsed({name: self._policies[name] for name in names})
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return found

    def _matched(self, request: Json) -> Mapping[Pair, Sequence[str]] | None:
        """Policies by whom and which resource they name, as far as the action and the types match at all.

        None where the schema does not take the request.
        """
        told = cedarpy.is_authorized(dict(request), self._open, "[]", self._schema)
        if told.decision == cedarpy.Decision.NoDecision:
            return None
        found: dict[Pair, list[str]] = {}
        for name in told.diagnostics.reasons:
            if _may_be(self._policies[name]["principal"], request["principal"]["type"]):
                found.setdefault(self._pairs[name], []).append(name)
        return found


def _parsed(policies: Mapping[str, Json]) -> Any:
    whole = {"staticPolicies": policies, "templates": {}, "templateLinks": []}
    return cedarpy.PolicySet.from_json_str(orjson.dumps(whole).decode())


def _opened(policy: Json) -> Json:
    """A permit with the policy's action and resource type, for whatever principal and resource of that type."""
    return {
        "effect": "permit",
        "principal": {"op": "All"},
        "action": policy["action"],
        "resource": _type_alone(policy["resource"]),
        "conditions": [],
    }


def _type_alone(scope: Json) -> Json:
    if scope["op"] == "is":
        return {"op": "is", "entity_type": scope["entity_type"]}
    if scope["op"] == "==":
        return {"op": "is", "entity_type": scope["entity"]["type"]}
    # Who is inside another entity cannot be told from types; such a policy is always looked at.
    return {"op": "All"}


def _may_be(scope: Json, kind: str) -> bool:
    """False when a principal of this type cannot match."""
    if scope["op"] == "is":
        return bool(scope["entity_type"] == kind)
    return bool(scope["op"] != "==" or scope["entity"]["type"] == kind)


def _principal(policy: Json) -> Key:
    """The one entity a principal must be, or be in, for the policy to say anything; None for any."""
    scope = policy["principal"]
    within = scope.get("entity") or (scope.get("in") or {}).get("entity")
    if within is not None:
        return within["type"], within["id"]
    for test in _first_tests(policy):
        named = _named_in(test)
        if named is not None:
            return named
    return None


def _resource(policy: Json) -> Key:
    """The one resource the policy speaks of; None for any, or for what is inside another."""
    scope = policy["resource"]
    if scope["op"] == "==":
        return scope["entity"]["type"], scope["entity"]["id"]
    if scope["op"] == "is" and "in" not in scope:
        for test in _first_tests(policy):
            identity = _named_id(test)
            if identity is not None:
                return scope["entity_type"], identity
    return None


def _first_tests(policy: Json) -> Iterator[Json]:
    """The tests that stand first in the first `when`, as long as none before them can fail."""
    conditions = policy["conditions"]
    if not conditions or conditions[0]["kind"] != "when":
        return
    for test in _conjuncts(conditions[0]["body"]):
        if _named_in(test) is None and _named_id(test) is None:
            return
        yield test


def _conjuncts(body: Json) -> Iterator[Json]:
    if set(body) == {"&&"}:
        yield from _conjuncts(body["&&"]["left"])
        yield from _conjuncts(body["&&"]["right"])
    else:
        yield body


def _named_in(test: Json) -> Key:
    """The entity of `principal in E`."""
    sides = test.get("in")
    if sides is None or sides["left"] != PRINCIPAL:
        return None
    value = sides["right"].get("Value")
    entity = value.get("__entity") if isinstance(value, dict) else None
    return (entity["type"], entity["id"]) if entity is not None else None


def _named_id(test: Json) -> str | None:
    """The text of `resource.id == "…"`: every resource has an id, so this cannot fail."""
    sides = test.get("==")
    if sides is None or sides["left"] != RESOURCE_ID:
        return None
    value = sides["right"].get("Value")
    return value if isinstance(value, str) else None
