"""Promises about notices: every template any room names exists, and no data whatever breaks one."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import scim_bridge
from scim_bridge.watch.notices import Template, one_line, read_templates, written

TEMPLATES = read_templates()
SOURCE = Path(scim_bridge.__file__).parent
TO = {"id": "p-1", "name": "Olga Tester", "email": "olga@corp.test"}


def named_by_rooms() -> set[str]:
    """The names rooms give to `notify` and `ask_within`: constants, or those of the function around a variable."""
    found: set[str] = set()
    for file in SOURCE.glob("*/*.py"):
        for function in ast.walk(ast.parse(file.read_text())):
            if isinstance(function, ast.AsyncFunctionDef):
                found |= named_in(function)
    return found


def named_in(function: ast.AsyncFunctionDef) -> set[str]:
    texts = {n.value for n in ast.walk(function) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
    found: set[str] = set()
    for call in ast.walk(function):
        if not isinstance(call, ast.Call):
            continue
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        place = {"notify": 1, "ask_within": 5}.get(name)
        if place is None or len(call.args) <= place:
            continue
        given = call.args[place]
        if isinstance(given, ast.Constant):
            found.add(str(given.value))
        else:
            found |= {text for text in texts if re.fullmatch(r"(agent|attestation|departure)-[a-z]+", text)}
    return found


def test_every_notice_a_room_sends_has_a_template() -> None:
    named = named_by_rooms()
    assert {"agent-held", "agent-resumed", "attestation-request", "attestation-lapsed"} <= named
    assert {"departure-stuck", "departure-security"} <= named
    assert not named - TEMPLATES.keys(), f"no template for {sorted(named - TEMPLATES.keys())}"


@pytest.mark.parametrize("name", sorted(TEMPLATES))
@given(
    data=st.dictionaries(
        st.sampled_from(
            ["agent", "reason", "holds", "agents", "count", "person", "link", "self", "to", "expires"]
        ),
        st.none()
        | st.text(max_size=30)
        | st.integers()
        | st.lists(st.text(max_size=9) | st.none(), max_size=3),
        max_size=8,
    )
)
@settings(deadline=None)
def test_no_data_breaks_a_template(name: str, data: dict) -> None:
    for to in (None, TO, {}):
        notice = written(TEMPLATES, name, to, data)
        assert notice.subject and "\n" not in notice.subject and "\r" not in notice.subject
        assert notice.text.endswith("\n")


def test_a_template_nobody_wrote_still_tells_the_facts() -> None:
    notice = written(TEMPLATES, "moon-landing", TO, {"agent": "triage", "reason": "because"})
    assert notice.subject == "Moon landing: triage" and "reason: because" in notice.text


@pytest.mark.parametrize(
    "text",
    [
        "{{ agent",
        "{% for %}",
        "{{ 1 / 0 }}",
        "{{ agent.nothing.at.all() }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ self._TemplateReference__context.environment }}",
    ],
)
def test_a_broken_or_curious_template_falls_back_to_the_facts(text: str) -> None:
    notice = written({"x": Template("s", text)}, "x", TO, {"agent": "triage"})
    assert "triage" in notice.text or notice.text.strip() == ""
    assert "class" not in notice.text and "Environment" not in notice.text


def test_nothing_in_a_name_reaches_the_header_as_a_second_line() -> None:
    notice = written(TEMPLATES, "agent-held", TO, {"agent": "x\r\nBcc: all@corp.test"})
    assert notice.subject == "x Bcc: all@corp.test may not act"


@given(st.text())
@settings(deadline=None)
def test_a_subject_is_one_line_of_bounded_length(text: str) -> None:
    line = one_line(text)
    assert len(line) <= 180 and line.splitlines() in ([], [line])


def test_a_departure_reads_like_a_letter() -> None:
    agents = [
        {"agent": "refund-assistant", "fate": "handed-over", "reason": "Carl is its co-owner."},
        {"agent": "triage", "fate": "held", "reason": "Nobody succeeds her."},
    ]
    data = {"case": "c-1", "person": "Olga", "effective": "18 Nov 2026", "count": 5, "agents": agents}
    notice = written(TEMPLATES, "departure-security", None, data)
    assert notice.subject == "Olga left: 5 AI agents handed over or stopped"
    assert "  - refund-assistant: handed over. Carl is its co-owner.\n" in notice.text
    assert "... and 3 more." in notice.text
