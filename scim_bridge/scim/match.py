"""Does a document fulfil a filter: by schema, so that case, dates and types compare as they should."""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Final, TypeAlias

from scim_bridge.scim.errors import ScimError, invalid_filter
from scim_bridge.scim.grammar import And, AttrPath, Compare, Element, Filter, Literal, Not, Or, Present
from scim_bridge.scim.instants import instant
from scim_bridge.scim.schema import (
    BINARY,
    BOOLEAN,
    COMPLEX,
    DATE_TIME,
    DECIMAL,
    INTEGER,
    Attribute,
    ResourceType,
    of,
)

Doc = dict[str, Any]
Test: TypeAlias = Callable[[Any], bool]
Read: TypeAlias = Callable[[Any], list[Any]]

_ORDER: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
}
_PART: Final[Mapping[str, Callable[[str, str], bool]]] = {
    "co": operator.contains,
    "sw": str.startswith,
    "ew": str.endswith,
}
_TRUTH: Final = {"true": True, "false": False}


class _Unknown(Exception):
    """The attribute is none of this resource type, which a query over several types allows."""


def evaluate(filter_: Filter, document: Doc, resource_type: str | ResourceType) -> bool:
    """True when the document fulfils the filter; ScimError invalidFilter when the filter makes no sense for it."""
    return predicate(filter_, resource_type)(document)


def predicate(
    filter_: Filter, resource_type: str | ResourceType, *, strict: bool = False, several: bool = False
) -> Test:
    """`evaluate`, compiled once for many documents. All refusals happen here, none when it is called.

    `strict` holds to the letter: no enterprise attributes without their URN, no "True" for a boolean.
    `several`: the query covers several types, so terms on attributes this one lacks are false
    instead of refused (RFC 7644 section 3.4.2.1).

    Unassigned (absent, null, empty) is not `pr`, `eq null`, and `ne` to every value. On multi-valued
    attributes any element decides, for `ne` as for the others.
    """
    return _Compiler(of(resource_type), strict=strict, several=several).test(filter_)


def element_predicate(filter_: Filter, attribute: Attribute, *, strict: bool = False) -> Test:
    """The test for one element of a multi-valued attribute: what stands in the brackets of a value path."""
    return _ElementCompiler(attribute, strict=strict).test(filter_)


def assigned(value: Any) -> bool:
    """True when a value is there in the sense of `pr` (RFC 7643 section 2.5, RFC 7644 table 3)."""
    if value is None or value == "":
        return False
    if isinstance(value, dict):
        return any(assigned(item) for item in value.values())
    if isinstance(value, list):
        return any(assigned(item) for item in value)
    return True


class _Logic(ABC):
    """Filters to tests; what a path reads is left to the kinds of compilers."""

    def __init__(self, *, strict: bool) -> None:
        self.strict = strict

    def test(self, filter_: Filter) -> Test:
        """The test a filter is."""
        match filter_:
            case And(terms):
                return _every([self.test(term) for term in terms])
            case Or(terms):
                return _some([self.test(term) for term in terms])
            case Not(inner):
                return _negated(self.test(inner))
        try:
            return self.term(filter_)
        except _Unknown:
            return lambda document: False

    @abstractmethod
    def term(self, filter_: Compare | Present | Element) -> Test:
        """The test of one term."""


class _Compiler(_Logic):
    """Tests on whole documents."""

    def __init__(self, resource: ResourceType, *, strict: bool, several: bool) -> None:
        super().__init__(strict=strict)
        self._resource = resource
        self._several = several

    def term(self, filter_: Compare | Present | Element) -> Test:
        path = filter_.path
        found = self._resource.find(path.urn, path.name, path.sub, tolerant=not self.strict)
        if found is None:
            if self._several:
                raise _Unknown
            raise invalid_filter(
                f"{self._resource.name} has no attribute {path}.", "See /Schemas for what there is."
            )
        urn, attribute, sub = found
        _refuse_hidden(attribute, path)
        _refuse_hidden(sub, path)
        whole = _reader(urn, attribute)
        if isinstance(filter_, Element):
            if not attribute.multi:
                raise invalid_filter(f"{path} is not multi-valued, so nothing can be chosen from it.")
            return _any_element(whole, element_predicate(filter_.filter, attribute, strict=self.strict))
        if isinstance(filter_, Present):
            return _present(whole if sub is None else _reader_below(whole, sub, marks=False))
        if sub is None and attribute.type == COMPLEX:
            sub = _significant(attribute, path)
        read = whole if sub is None else _reader_below(whole, sub, marks=sub.name == "primary")
        return _comparison(read, sub or attribute, filter_, self.strict)


class _ElementCompiler(_Logic):
    """Tests on one element of a multi-valued attribute."""

    def __init__(self, attribute: Attribute, *, strict: bool) -> None:
        super().__init__(strict=strict)
        self._attribute = attribute

    def term(self, filter_: Compare | Present | Element) -> Test:
        path = filter_.path
        if isinstance(filter_, Element):
            raise invalid_filter("Brackets stand inside brackets.")
        target = self._target(path)
        _refuse_hidden(target, path)
        marks = isinstance(filter_, Compare) and target.name == "primary"
        read: Read = _itself if target is self._attribute else partial(_below, target.name, marks)
        if isinstance(filter_, Present):
            return _present(read)
        return _comparison(read, target, filter_, self.strict)

    def _target(self, path: AttrPath) -> Attribute:
        if path.urn is None and path.sub is None:
            if self._attribute.type != COMPLEX:
                # Elements that are plain values are spoken of as `value`.
                if path.name.casefold() == "value":
                    return self._attribute
            elif (sub := self._attribute.sub(path.name)) is not None:
                return sub
        raise invalid_filter(f"{self._attribute.name} has no sub-attribute {path}.")


def _refuse_hidden(attribute: Attribute | None, path: AttrPath) -> None:
    if attribute is not None and attribute.hidden:
        raise invalid_filter(f"{path} cannot be asked for in a filter.")


def _significant(attribute: Attribute, path: AttrPath) -> Attribute:
    """What a comparison with a complex attribute compares: its `value` (RFC 7643 section 2.4)."""
    value = attribute.subs.get("value")
    if value is None:
        raise invalid_filter(f"{path} is complex and has no value.", f"Name a sub-attribute of {path}.")
    return value


def _reader(urn: str | None, attribute: Attribute) -> Read:
    """What a document holds under an attribute, as a list of values."""
    name = attribute.name

    def read(document: Any) -> list[Any]:
        holder = document if urn is None else document.get(urn)
        value = holder.get(name) if isinstance(holder, dict) else None
        if isinstance(value, list):
            return value
        return [] if value is None else [value]

    return read


def _reader_below(whole: Read, sub: Attribute, *, marks: bool) -> Read:
    name = sub.name

    def read(document: Any) -> list[Any]:
        return [value for element in whole(document) for value in _below(name, marks, element)]

    return read


def _itself(element: Any) -> list[Any]:
    return [element]


def _below(name: str, marks: bool, element: Any) -> list[Any]:
    """A sub-attribute of an element; `primary` is false unless it says otherwise (RFC 7643 section 2.4)."""
    value = element.get(name) if isinstance(element, dict) else None
    if isinstance(value, list):
        return value
    return [False if marks and value is None else value]


def _every(tests: list[Test]) -> Test:
    return lambda document: all(test(document) for test in tests)


def _some(tests: list[Test]) -> Test:
    return lambda document: any(test(document) for test in tests)


def _negated(test: Test) -> Test:
    return lambda document: not test(document)


def _present(read: Read) -> Test:
    return lambda document: any(assigned(value) for value in read(document))


def _any_element(whole: Read, test: Test) -> Test:
    return lambda document: any(test(element) for element in whole(document))


def _comparison(read: Read, attribute: Attribute, term: Compare, strict: bool) -> Test:
    """A comparison as a test; refused when operator and value do not fit the attribute's type."""
    if term.value is None:
        if term.op == "eq":
            return _negated(_present(read))
        if term.op == "ne":
            return _present(read)
        raise _misfit(term, "null can only be compared with eq and ne")
    holds = _value_test(attribute, term, strict)
    if term.op == "ne":
        return lambda document: _differs(read(document), holds)
    return lambda document: any(holds(value) for value in read(document))


def _differs(values: Iterable[Any], equal: Test) -> bool:
    """True when some value is another one, or there is none at all."""
    there = list(values)
    return not there or any(not equal(value) for value in there)


def _value_test(attribute: Attribute, term: Compare, strict: bool) -> Test:
    """The test of one value; for `ne` that of `eq`, which the caller turns round."""
    op = "eq" if term.op == "ne" else term.op
    kind = attribute.type
    if kind == BOOLEAN:
        return _boolean_test(term, op, strict)
    if kind in (INTEGER, DECIMAL):
        return _number_test(term, op)
    if kind == COMPLEX:
        raise _misfit(term, "it is complex")
    if not isinstance(term.value, str):
        raise _misfit(term, "it is compared with strings")
    if kind == DATE_TIME and op not in _PART:
        return _date_test(term, op, term.value)
    if kind == BINARY and op != "eq":
        raise _misfit(term, "binary values can only be compared with eq and ne")
    return _text_test(op, term.value, exact=attribute.case_exact or kind == DATE_TIME)


def _text_test(op: str, wanted: str, *, exact: bool) -> Test:
    if exact:
        if op == "eq":
            return lambda value: bool(value == wanted)
        compare = _PART.get(op) or _ORDER[op]
        return lambda value: isinstance(value, str) and compare(value, wanted)
    folded = wanted.casefold()
    if op == "eq":
        return lambda value: isinstance(value, str) and value.casefold() == folded
    compare = _PART.get(op) or _ORDER[op]
    return lambda value: isinstance(value, str) and compare(value.casefold(), folded)


def _boolean_test(term: Compare, op: str, strict: bool) -> Test:
    wanted = term.value
    if isinstance(wanted, str) and not strict:
        wanted = _TRUTH.get(wanted.casefold())
    if not isinstance(wanted, bool):
        raise _misfit(term, "it is true or false")
    if op != "eq":
        raise _misfit(term, "booleans can only be compared with eq and ne")
    return lambda value: value is wanted


def _number_test(term: Compare, op: str) -> Test:
    wanted: Literal = term.value
    if isinstance(wanted, bool) or not isinstance(wanted, int | float):
        raise _misfit(term, "it is a number")
    if op in _PART:
        raise _misfit(term, "numbers have no parts")
    compare = operator.eq if op == "eq" else _ORDER[op]
    return lambda value: (
        isinstance(value, int | float) and not isinstance(value, bool) and bool(compare(value, wanted))
    )


def _date_test(term: Compare, op: str, text: str) -> Test:
    wanted = instant(text)
    if wanted is None:
        raise _misfit(term, "it is a date with a time, such as 2026-11-24T10:00:00Z")
    compare = operator.eq if op == "eq" else _ORDER[op]

    def holds(value: Any) -> bool:
        there = instant(value) if isinstance(value, str) else None
        return there is not None and bool(compare(there, wanted))

    return holds


def _misfit(term: Compare, why: str) -> ScimError:
    return invalid_filter(f"{term.path} cannot be compared with '{term.op}' and this value: {why}.")
