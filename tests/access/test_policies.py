"""The policy file: refused with line and fix when unsound, and never an allow by accident."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scim_bridge.access.cases import check as ask
from scim_bridge.access.cases import read_cases
from scim_bridge.access.check import problems
from scim_bridge.access.decide import judge
from scim_bridge.access.model import Facts, Question
from scim_bridge.access.policies import Policies, load_policies
from scim_bridge.access.policy_file import PolicyText, packaged
from scim_bridge.kernel.errors import ConfigurationError, Invalid
from scim_bridge.registry.model import Attestation, Hold, Owners, PersonRef

NOW = 1_795_000_000_000_000
TABLE = Path(__file__).parents[2] / "config" / "policies" / "access-tests.yaml"
OWNER = PersonRef("p1", "aiko@corp.test", "Aiko", "aiko@corp.test")
REVIEWER = Facts(
    "a1", "code-review", "k8s", "production", "medium", owners=Owners(OWNER), groups=("source-code",)
)
READ = Question("agent", "code-review", "read", "repository", "storefront")


def loaded(tmp_path: Path, policies: str, schema: str | None = None) -> Policies:
    file = tmp_path / "access.cedar"
    file.write_text(policies)
    if schema is not None:
        file.with_suffix(".cedarschema").write_text(schema)
    return load_policies(file)


def test_the_packaged_policies_are_sound_and_answer_as_their_table_says() -> None:
    assert problems(packaged()) == []
    verdicts = ask(load_policies(), read_cases(TABLE.read_text()), NOW)
    assert len(verdicts) >= 15
    assert [(v.case.line, v.why) for v in verdicts if not v.ok] == []


ALL = '@id("a") permit (principal, action, resource'


@pytest.mark.parametrize(
    ("policies", "line", "message", "fix"),
    [
        ('\n@id("a")\npermit (principal,\n  action == Action::"raed", resource);', 4, "raed", "'read'"),
        ('@id("a") permit (principal in Grup::"x", action, resource);', 1, "Grup", "'Group'"),
        (f'// c\n{ALL})\nwhen {{\n principal.risktier == "x" }};', 4, "risktier", "'riskTier'"),
        ('@id("a") permit (principal, action, resource is Repo);', 1, "Repo", ""),
        (f'{ALL});\n\n@id("b") permit (principal\n  action, resource);', 4, "token `action`", "'action'"),
        ('@id("a") permit (principal, action, resource);\npermit (principal,', 2, "unexpected end", "semicolon"),
        ('@id("a") permit (principal, action, resource) when { 1 + };', 1, "unexpected token `}`", "'}'"),
        (f'{ALL});\n@id("a") forbid (principal, action, resource);', 2, "@id", "its own"),
        ("\n\npermit (principal, action, resource);", 3, "no @id", "@id"),
        ('@id("a")\npermit (principal in ?principal, action, resource);', 1, "template", "group"),
        ('@id("a") permit (principal, action, resource) when { principal.owner.active };', 1, "owner", ""),
        ("", 1, "no policy", "deny-all"),
        ("// nothing;\n", 1, "no policy", "deny-all"),
        ('@id("a) permit (principal, action, resource);', 1, "Not a policy", ""),
        (f'{ALL})\nwhen {{ {"(" * 3000}true{")" * 3000} }};', 2, "nested too deep", "contains"),
        (f'{ALL})\nwhen {{ {" || ".join(["true"] * 5000)} }};', 2, "chain of conditions", "several"),
    ],
)  # fmt: skip
def test_an_unsound_file_refuses_to_start_and_names_line_and_fix(
    tmp_path: Path, policies: str, line: int, message: str, fix: str
) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        loaded(tmp_path, policies)
    assert f"access.cedar, line {line}: " in refusal.value.message
    assert message in refusal.value.message
    assert fix in refusal.value.fix


def test_a_file_that_cannot_be_read_refuses_to_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"none\.cedar cannot be read"):
        load_policies(tmp_path / "none.cedar")
    (tmp_path / "latin.cedar").write_bytes(b"// caf\xe9")
    with pytest.raises(ConfigurationError, match="not UTF-8"):
        load_policies(tmp_path / "latin.cedar")


def test_every_problem_is_listed_by_line() -> None:
    text = (
        '@id("a") permit (principal, action == Action::"raed", resource);\n'
        '@id("b") permit (principal in Grup::"x", action, resource);\n'
        "permit (principal, action, resource);\n"
    )
    found = problems(PolicyText("f", text, packaged().schema))
    assert [(problem.line, problem.policy) for problem in found] == [(1, "a"), (2, "b"), (3, "")]


def test_a_forbid_that_cannot_be_evaluated_denies_and_says_so(tmp_path: Path) -> None:
    """Cedar skips a policy that errors; skipping a forbid would let through what it forbids."""
    policies = loaded(
        tmp_path,
        '@id("all") permit (principal, action, resource);\n'
        '@id("stop") forbid (principal, action, resource) when { Person::"nobody".active };',
    )
    decision = policies.decide(REVIEWER, READ, NOW)
    assert decision.allowed is False
    assert [reason.id for reason in decision.reasons] == ["policy-error:stop"]
    assert "nobody" in decision.reasons[0].text and "the answer is no" in decision.reasons[0].text


def test_a_permit_that_cannot_be_evaluated_denies_too_and_other_forbids_still_count(tmp_path: Path) -> None:
    policies = loaded(
        tmp_path,
        '@id("all") permit (principal, action, resource);\n'
        '@id("odd") permit (principal, action, resource) when { Person::"nobody".active };\n'
        '@id("never") @reason("Never.") forbid (principal, action, resource);',
    )
    decision = policies.decide(REVIEWER, READ, NOW)
    assert decision.allowed is False
    assert [reason.id for reason in decision.reasons] == ["policy-error:odd", "never"]


def test_an_attribute_the_facts_do_not_have_denies(tmp_path: Path) -> None:
    """A schema of somebody's own that asks more of an agent than the bridge knows is refused at start."""
    schema = packaged().schema.replace("slug: String,", "slug: String, clearance: String,")
    with pytest.raises(ConfigurationError, match="clearance"):
        loaded(tmp_path, packaged().policies, schema)
    orphan = replace(REVIEWER, owners=Owners())
    policies = loaded(
        tmp_path,
        '@id("by-owner") permit (principal, action, resource) when { principal has owner && principal.owner.active };',
        packaged().schema,
    )
    assert policies.decide(REVIEWER, READ, NOW).allowed is True
    assert [r.id for r in policies.decide(orphan, READ, NOW).reasons] == ["no-grant"]


def test_a_schema_of_ones_own_brings_its_own_words(tmp_path: Path) -> None:
    schema = packaged().schema + (
        "\nentity Boiler = { id: String } tags String;\n"
        'action "vent" appliesTo { principal: [Agent], resource: [Boiler], context: Asked };\n'
    )
    policies = loaded(
        tmp_path,
        '@id("vent") permit (principal, action == Action::"vent", resource is Boiler)'
        ' when { resource.id like "hall-*" && context.asked.hasTag("hot") && context.asked.getTag("hot") == "true" };',
        schema,
    )
    vent = Question("agent", "a", "vent", "boiler", "hall-7", {}, {"hot": "true"})
    assert policies.decide(REVIEWER, vent, NOW).allowed is True
    assert policies.decide(REVIEWER, replace(vent, asked={}), NOW).allowed is False
    with pytest.raises(ConfigurationError, match=r"access\.cedarschema"):
        loaded(tmp_path, packaged().policies, schema + "entity Broken = { id: Strin };")
    with pytest.raises(ConfigurationError, match="Valve"):
        loaded(tmp_path, packaged().policies, schema + "entity Valve;")


def test_a_statement_past_its_date_is_none() -> None:
    policies = load_policies()
    attested = replace(
        REVIEWER,
        risk_tier="high",
        groups=("production-deploy",),
        attestation=Attestation("valid", "s1", "p1", NOW - 10, NOW + 10),
    )
    deploy = Question("agent", "a", "deploy", "deployment", "storefront")
    assert policies.decide(attested, deploy, NOW).allowed is True
    assert policies.decide(attested, deploy, NOW + 10).policies == ("high-risk-needs-attestation",)


words = st.sampled_from(["low", "medium", "high", "unknown"])
environments = st.sampled_from(["dev", "staging", "production", "unknown"])
groups = st.lists(
    st.sampled_from(["source-code", "production-deploy", "payments-write", "people-data", "x y", 'q"'])
)
people = st.none() | st.builds(
    PersonRef, st.sampled_from(["p1", "p2"]), st.just("u"), st.just("d"), st.just("e"), st.booleans()
)
attestations = st.builds(
    Attestation,
    st.sampled_from(["none", "valid", "refused", "lapsed"]),
    until=st.none() | st.integers(NOW - 5, NOW + 5),
)
agents = st.builds(
    Facts,
    st.just("a1"),
    st.just("a1"),
    st.text(max_size=3),
    environments,
    words,
    attestation=attestations,
    owners=st.builds(Owners, people),
    groups=st.builds(tuple, groups.map(lambda names: sorted(set(names)))),
)
questions = st.builds(
    Question,
    st.just("agent"),
    st.just("a1"),
    st.sampled_from(["read", "comment", "deploy", "refund", "call_tool", "fly"])
    | st.text(min_size=1, max_size=5),
    st.sampled_from(["repository", "deployment", "payment", "employee_record", "agent"])
    | st.text(min_size=1, max_size=5),
    st.text(min_size=1, max_size=5),
    st.dictionaries(
        st.sampled_from(["environment", "personal_data", ""]), st.sampled_from(["production", "x"])
    ),
)
holds = st.builds(
    Hold, st.just("h"), st.text(max_size=3), st.text(max_size=3), st.text(), st.text(), st.just(0), st.text()
)
PACKAGED = load_policies()


@given(agents, questions, st.lists(holds, min_size=1, max_size=3))
@settings(max_examples=150, deadline=None)
def test_adding_a_hold_never_turns_a_no_into_a_yes(
    facts: Facts, question: Question, more: list[Hold]
) -> None:
    before = judge(PACKAGED, question, [facts], NOW)
    after = judge(PACKAGED, question, [replace(facts, holds=tuple(more))], NOW)
    assert after.allowed is False
    assert len(after.reasons) >= len(more)
    assert before.reasons, "an answer without a reason"


@given(agents, questions)
@settings(max_examples=150, deadline=None)
def test_without_groups_nothing_is_allowed(facts: Facts, question: Question) -> None:
    assert judge(PACKAGED, question, [replace(facts, groups=())], NOW).allowed is False


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("questions: [", "not YAML"),
        ("agents: {}", "no list"),
        ("agents: []\nquestions: []\n", ""),
        ("agents: {a: {colour: red}}\nquestions: []", "colour"),
        ("agents: {a: {owner: maybe}}\nquestions: []", "maybe"),
        ("agents: {a: {groups: x}}\nquestions: []", "groups"),
        ("agents: {}\nquestions:\n  - {agent: b, action: read, resource: 't:x', expect: deny}", "Line 3: agent 'b'"),
        ("agents: {a: {}}\nquestions:\n  - {agent: a, action: read, resource: tx, expect: deny}", "Line 3: resource"),
        ("agents: {a: {}}\nquestions:\n  - {agent: a, action: read, resource: 't:x', expect: no}", "expect"),
        ("agents: {a: {}}\nquestions:\n  - {agent: a, resource: 't:x', expect: deny}", "Line 3: action"),
    ],
)  # fmt: skip
def test_a_table_that_is_wrong_is_refused_by_line(table: str, message: str) -> None:
    if not message:
        assert read_cases(table) == []
        return
    with pytest.raises(Invalid, match=message):
        read_cases(table)


def test_a_table_shows_what_differs() -> None:
    table = (
        "agents: {a: {groups: [source-code], riskTier: low, environment: production}}\n"
        "questions:\n"
        "  - {agent: a, action: read, resource: 'repository:x', expect: deny}\n"
        "  - {agent: a, action: write, resource: 'repository:x', expect: deny, because: nobody-answers}\n"
        "  - {agent: a, action: write, resource: 'repository:x', expect: deny, because: no-grant}\n"
    )
    verdicts = ask(PACKAGED, read_cases(table), NOW)
    assert [(v.case.line, v.ok) for v in verdicts] == [(3, False), (4, False), (5, True)]
    assert "Group source-code" in verdicts[0].why
