"""Manifests: three formats, one meaning; and every problem of a bad one, on its line."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from scim_bridge.inventory.manifest import Manifest
from scim_bridge.inventory.problems import ManifestProblems, Problem
from scim_bridge.inventory.read import parse, read_checked, read_manifest
from scim_bridge.kernel.clock import parse_iso
from tests.effort import calls

EXAMPLES = Path(__file__).parents[2] / "config" / "examples"

AGENT = """agents:
  - slug: a
    name: A
    purpose: P
    platform: p
    environment: dev
    riskTier: low
    owner: ann
"""


def problems_of(text: str | bytes, filename: str = "m.yaml") -> tuple[Problem, ...]:
    data = text.encode() if isinstance(text, str) else text
    with pytest.raises(ManifestProblems) as caught:
        read_checked(data, filename, known_people={"ann"})
    return caught.value.problems


def the_problem(text: str | bytes, filename: str = "m.yaml") -> Problem:
    (found,) = problems_of(text, filename)
    return found


def test_the_example_manifest_is_believable_and_whole() -> None:
    manifest = read_checked((EXAMPLES / "agents.yaml").read_bytes(), "agents.yaml")
    assert len(manifest.agents) >= 28
    assert len(manifest.people) >= 14
    assert 6 <= len(manifest.groups) <= 8
    assert len({agent.platform for agent in manifest.agents}) == 5
    assert {agent.risk_tier for agent in manifest.agents} == {"low", "medium", "high"}
    assert {agent.environment for agent in manifest.agents} == {"dev", "staging", "production"}
    assert any(agent.co_owners for agent in manifest.agents)
    assert any(not agent.co_owners for agent in manifest.agents)
    assert ("security-telemetry", "alert-triage") in manifest.memberships()


def test_the_other_examples_are_whole() -> None:
    people = [p.user_name for p in read_manifest((EXAMPLES / "agents.yaml").read_bytes(), "a.yaml").people]
    assert len(read_checked((EXAMPLES / "agents.json").read_bytes(), "agents.json").agents) == 2
    assert len(read_checked((EXAMPLES / "agents.csv").read_bytes(), "agents.csv", people).agents) == 3


def test_agents_of_people_who_are_not_there_say_how_people_come_in() -> None:
    with pytest.raises(ManifestProblems) as caught:
        read_checked((EXAMPLES / "agents.csv").read_bytes(), "agents.csv")
    assert len(caught.value.problems) == 6
    assert all("import of people before" in problem.fix for problem in caught.value.problems)


def test_all_problems_of_the_broken_example_are_listed_with_their_lines_at_once() -> None:
    found = problems_of((EXAMPLES / "broken.yaml").read_bytes(), "broken.yaml")
    places = {(problem.line, problem.where.rpartition(".")[2]) for problem in found}
    assert len(found) == 30
    assert places >= {
        (11, "email"),
        (13, "manager"),
        (14, "timezone"),
        (20, "userName"),
        (28, "members[1]"),
        (33, "slug"),
        (37, "environment"),
        (40, "coOwners[1]"),
        (47, "owner"),
        (55, "workloadId"),
        (56, "expires"),
        (58, "slug"),
        (64, "owner"),
        (65, "sponsors[0]"),
    }
    assert [problem.line for problem in found] == sorted(problem.line for problem in found)


def test_a_secret_in_a_manifest_is_refused_and_never_repeated() -> None:
    with pytest.raises(ManifestProblems) as caught:
        read_checked((EXAMPLES / "broken.yaml").read_bytes(), "broken.yaml")
    everything = caught.value.text() + str(caught.value.problem())
    assert "would hold a secret" in everything
    assert "not-a-real-secret" not in everything

    for key in ("secret", "password", "token", "value", "clientSecret", "api_key", "privateKey"):
        text = (
            AGENT + "    credentials:\n      - {label: l, system: s, kind: jwk, reference: r, K: hunter2}\n"
        )
        found = the_problem(text.replace("K:", f"{key}:"))
        assert "would hold a secret" in found.message and found.line == 10
        assert "hunter2" not in found.text("m.yaml")
    pasted = "    credentials:\n      - {label: l, system: s, kind: api_key, reference: ghp_hunter2}\n"
    assert the_problem(AGENT + pasted).message == "This looks like the secret itself."
    slipped = "    credentials:\n      - {label: l, system: s, kind: hunter2, reference: r}\n"
    assert "hunter2" not in the_problem(AGENT + slipped).text("m.yaml")


def test_the_same_manifest_in_yaml_and_json_means_the_same() -> None:
    data = (EXAMPLES / "agents.json").read_bytes()
    as_yaml = yaml.safe_dump(orjson.loads(data), allow_unicode=True).encode()
    assert read_manifest(data, "a.json") == read_manifest(as_yaml, "a.yml")


def test_csv_rows_become_agents_with_lists_split_and_lines_kept() -> None:
    rows = (
        "\ufeffslug,name,purpose,platform,environment,riskTier,owner,coOwners,expires,runtimeUrl\r\n"
        'a,A,"two\r\nlines, quoted",p,dev,low,ann,bob; cid,2027-03-31,\r\n'
        "\r\n"
        "b,B,P,p,dev,wrong,ann,,,https://x.example/h\r\n"
    )
    found = parse(rows.encode(), "a.csv")[1]
    assert [(p.line, p.where) for p in found] == [(5, "agents[1].riskTier")]
    manifest = read_manifest(rows.replace("wrong", "low").encode(), "a.csv")
    assert manifest.agents[0].co_owners == ("bob", "cid")
    assert manifest.agents[0].purpose == "two\nlines, quoted"
    assert manifest.agents[0].expires == parse_iso("2027-04-01T00:00:00Z")
    assert manifest.agents[1].runtime_url == "https://x.example/h"
    assert "groups" not in manifest.agents[0].given and "co_owners" in manifest.agents[1].given


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("slug;name;owner\na;b;c\n", 1, "separated by semicolons"),
        ("slug,risk_tier\na,b\n", 1, "'risk_tier', is not known"),
        ("slug,slug\na,b\n", 1, "there twice"),
        ("slug,name\na\n", 2, "1 fields; the header has 2"),
        ("slug,name\na,b,c\n", 2, "3 fields; the header has 2"),
        ('slug,name\na,"b\n', 2, "not CSV"),
        ("slug,credentials\na,b\n", 1, "cannot be given in CSV"),
    ],
)
def test_a_csv_that_is_put_together_wrongly_is_explained(text: str, line: int, message: str) -> None:
    found = problems_of(text, "a.csv")
    assert any(p.line == line and message in p.message for p in found), found


def test_unquoted_yaml_that_looks_like_a_number_a_date_or_a_country_stays_text() -> None:
    text = AGENT.replace("name: A", "name: NO").replace("purpose: P", "purpose: 2027-03-31")
    manifest = read_manifest((text + "    version: 1.10\n").encode(), "m.yaml")
    agent = manifest.agents[0]
    assert (agent.name, agent.purpose, agent.version) == ("NO", "2027-03-31", "1.10")
    assert agent.user_name == "a@agents.example"


def test_json_numbers_and_truth_values_are_not_text() -> None:
    text = orjson.dumps({"agents": [{"slug": 1, "name": True, "purpose": None}]}).decode()
    messages = {p.where: p.message for p in parse(text.encode(), "m.json")[1]}
    assert messages["agents[0].slug"] == "This is a number, not text."
    assert messages["agents[0].name"] == "This is true or false, not text."
    assert messages["agents[0].purpose"] == "'purpose' is empty."


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("agents:\n\t- slug: a\n", 2, 1, "tab"),
        ("agents:\n  - slug: 'a\n", 2, 11, "not YAML"),
        ("agents: []\n---\nagents: []\n", 2, 1, "second YAML document"),
        ("agents: !!python/object/apply:os.system ['true']\n", 1, 9, "tag"),
        ("agents: []\nagents: []\n", 2, 1, "given twice; the first is on line 1"),
        ("base: &b {a: 1}\n", 1, 1, "not known"),
        ("agents: *nowhere\n", 1, 9, "not defined"),
        ("agents: &me [*me]\n", 1, 14, "contains itself"),
        ("? [a]\n: b\n", 1, 3, "key is a list"),
        ("", 1, None, "empty"),
        ("- slug: a\n", 1, 1, "The file is a list"),
        ("just words\n", 1, 1, "This is text"),
        ("agents: {a: b}\n", 1, 9, "not a list"),
        ("agents: [1]\n", 1, 10, "This is text"),
        ("a: " + "[" * 40, 1, 19, "nested deeper"),
        ("agents: [\x01]\n", 1, None, "not allowed in YAML"),
    ],
)
def test_yaml_that_cannot_be_taken_says_where_and_why(
    text: str, line: int, column: int | None, message: str
) -> None:
    found = problems_of(text)
    assert any(p.line == line and p.column == column and message in p.message for p in found), found


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ('{"agents": [}\n', 1, 13, "value is expected"),
        ('{"agents": [],\n}', 1, 14, "comma stands before"),
        ('{"agents": []\n "x": 1}', 2, 2, "comma or '}'"),
        ("{'agents': []}", 1, 2, "key in double quotes"),
        ('{"agents": []} x', 1, 16, "follows the end"),
        ('{"agents": [NaN]}', 1, 13, "value is expected"),
        ('{"agents": "a\nb"}', 1, 14, "not closed"),
        ('// hi\n{"agents": []}', 1, 1, "no comments"),
        ('{"agents": [], "agents": []}', 1, 16, "given twice"),
        ('{"agents": ', 1, 12, "ends in the middle"),
        ("[" * 100_000, 1, 17, "nested deeper"),
        ('{"agents": [{"slug": "\\ud800"}]}', 1, 22, "U+D800"),
    ],
)
def test_json_that_cannot_be_taken_says_where_and_why(
    text: str, line: int, column: int, message: str
) -> None:
    found = problems_of(text, "m.json")
    assert any(p.line == line and p.column == column and message in p.message for p in found), found


def test_bytes_that_are_not_utf_8_and_files_that_are_too_large_are_refused() -> None:
    assert the_problem(b"agents:\n  - slug: \xff\n").line == 2
    assert "UTF-16" in the_problem("agents: []".encode("utf-16")).message
    assert "at most 20 MB" in the_problem(b"#" * (20 * 1024 * 1024 + 1)).message
    assert "not .yaml" in the_problem(b"agents: []", "agents.toml").message


def test_a_yaml_bomb_is_refused_quickly() -> None:
    levels = "\n".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 12))

    def refused() -> None:
        assert any("bomb" in problem.message for problem in problems_of(f"l0: &l0 [x]\n{levels}\n"))

    assert calls(refused) < 5_000_000


@pytest.mark.parametrize(
    ("addition", "message"),
    [
        ("    userName: a b\n", "no spaces"),
        ("    workloadId: https://corp.example/a\n", "starts with spiffe"),
        ("    workloadId: spiffe://corp.example:8080/a\n", "trust domain"),
        ("    workloadId: spiffe://corp.example/a/../b\n", "'.' or '..'"),
        ("    workloadId: spiffe://corp.example/a//b\n", "empty segment"),
        ("    workloadId: spiffe://corp.example/a%20b\n", "Path segments"),
        ("    workloadId: spiffe://corp.example\n", "names a path"),
        ("    expires: 2027-02-30\n", "not a date"),
        ("    expires: 2027-02-20T10:00:00\n", "not a date"),
        ("    expires: 9999-12-31\n", "not a date"),
        ("    expires: 0001-01-01T00:00:00+23:00\n", "not a date"),
        ("    runtime: {url: 'ftp://x.example'}\n", "https"),
        ("    runtime: {url: 'https://u:p@x.example/h'}\n", "user or password"),
        ("    runtime: {url: 'http://x.example/h'}\n", "this machine only"),
        ("    runtime: {url: 'https://[::1'}\n", "not a URL"),
        ("    runtimes: {url: 'https://x.example'}\n", "not known"),
        ('    model: "a\\u0000b"\n', "U+0000"),
        ('    model: "a\\u202eb"\n', "U+202E"),
        ('    model: "a\\nb"\n', "line break"),
        ("    model: '  '\n", "white space"),
        ("    tools: [a, a]\n", "twice"),
        ("    tools: [a, ]\n    resources: [~]\n", "empty"),
        ("    credentials: [{label: l, system: s, kind: jwk, reference: r, expires: soon}]\n", "not a date"),
    ],
)
def test_values_of_a_wrong_form_are_found_one_by_one(addition: str, message: str) -> None:
    found = the_problem(AGENT + addition)
    assert message in found.message
    assert found.line in (9, 10)


def test_forms_that_look_odd_and_are_right_are_taken() -> None:
    text = AGENT + (
        "    workloadId: spiffe://Corp.example/x\n".replace("Corp", "corp_1")
        + "    expires: 2027-03-31T18:00:00+01:00\n"
        + "    runtime: {url: 'http://127.0.0.1:8080/h'}\n"
        + "    userName: bot@localhost\n"
    )
    agent = read_checked(text.encode(), "m.yaml", {"ANN"}).agents[0]
    assert agent.expires == parse_iso("2027-03-31T17:00:00Z")
    assert agent.user_name == "bot@localhost"


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(["yaml", "json", "csv"]), st.text(max_size=200) | st.binary(max_size=200))
def test_no_bytes_whatever_make_the_reader_fail(ending: str, data: str | bytes) -> None:
    raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
    manifest, problems = parse(raw, f"x.{ending}")
    assert isinstance(manifest, Manifest)
    assert all(problem.line >= 1 for problem in problems)


_KEYS = "people groups agents slug name owner members credentials runtime url expires tools x"
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_KEYS.split(" ")), inner, max_size=4)
    ),
    max_leaves=20,
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(["people", "groups", "agents"]), _JSON, max_size=3))
def test_no_shape_whatever_makes_the_reader_fail(tree: dict[str, object]) -> None:
    for data, ending in ((orjson.dumps(tree), "json"), (yaml.safe_dump(tree).encode(), "yaml")):
        try:
            read_checked(data, f"x.{ending}")
        except ManifestProblems as problems:
            assert problems.problems
