"""Promises of every command, held by walking the parser: none comes along that keeps them not, unless with a reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from scim_bridge.cli import output, sync
from scim_bridge.cli.dry_run import PLANNED, UNPLANNED
from scim_bridge.cli.output import Format
from scim_bridge.cli.run import NOUNS
from tests.cli.command import Command
from tests.cli.parser import groups, parser
from tests.docs.reference import EXITS

FORMATS = frozenset(each.value for each in Format)
# What has no rows to print, and why.
FORMLESS = {
    "departures policy show": "prints the policies as they are written, to be kept in a file",
    "policy show": "prints Cedar, to be kept in a file",
    "serve": "runs a server, which logs",
    "sandbox": "runs a server, which logs",
}
# What also prints a page to be sent to somebody, in place of columns.
PAGES = {"conformance okta", "conformance entra", "conformance rfc"}
LONG = {
    "audit export": "every row",
    "audit verify": "every row",
    "credentials scan": "a call for each client",
    "indexes rebuild": "every resource",
    "policy activate": "every recent decision",
    "policy simulate": "every recent decision",
    "recommendations review": "every decision of ninety days",
    "agents import": "as many as a file has lines",
    "campaigns open": "as many as there are agents",
    "conformance okta": "a step after the other",
    "db backup": "every row",
    "db copy": "every row",
    "db restore": "every row",
    "departures import": "as many as a file has lines",
    "keys rotate": "every sealed value",
    "sync apply": "as many as there are changes",
    "sync plan": "as many as the IdP lists",
}


def test_what_acts_can_be_rehearsed_or_says_why_not() -> None:
    acting = {name for name, each in parser().items() if each.acts and "--dry-run" not in each.flags}
    assert acting <= set(UNPLANNED), f"give them --dry-run: {sorted(acting - set(UNPLANNED))}"
    assert set(UNPLANNED) <= set(parser()), sorted(set(UNPLANNED) - set(parser()))
    stale = {name for name in UNPLANNED if "--dry-run" in parser()[name].flags}
    assert not stale, "they have it now"


def test_what_is_said_to_be_rehearsable_is() -> None:
    named = {f"{path} {verb}" for path, verbs in PLANNED.items() for verb in verbs}
    assert named <= set(parser())
    assert all("--dry-run" in parser()[name].flags for name in named)
    assert len(named) > 60


def test_what_a_command_says_is_printed_for_people_and_for_programs() -> None:
    reading = {name: each.formats for name, each in parser().items() if name not in FORMLESS}
    odd = {name for name, formats in reading.items() if formats != FORMATS}
    assert odd == PAGES, sorted(odd - PAGES)
    assert all({"table", "json", "jsonl"} <= reading[name] for name in PAGES)
    assert all(not parser()[name].formats for name in FORMLESS)


def test_every_command_says_what_it_does_and_what_its_options_are_for() -> None:
    assert not [name for name, each in parser().items() if len(each.help) < 10]


def test_every_exit_code_that_is_used_is_documented() -> None:
    known = {name: code for name, code in vars(output).items() if name.startswith("EXIT_")}
    known["EXIT_INTERRUPTED"] = sync.EXIT_INTERRUPTED
    assert set(known.values()) | {0} == {int(code) for code in EXITS}
    for name, each in parser().items():
        unknown = {used for used in each.used if used.startswith("EXIT_")} - {*known, "EXIT_STOPPED"}
        assert not unknown, (name, unknown)


def test_what_takes_long_shows_on_a_terminal_how_far_it_is() -> None:
    assert not [name for name in LONG if not {"Progress", "busy", "_progress"} & parser()[name].used]


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("", set(NOUNS)),
        ("clients ", {"create", "list", "trust"}),
        ("clients trust ", {"add", "list", "remove"}),
        ("agents list --", {"--held", "--output", "--database-url"}),
        ("clients trust add --dry", {"--dry-run"}),
        ("agents list --output ", set(FORMATS)),
    ],
)
def test_a_shell_is_told_what_could_come_next(
    command: Command, monkeypatch: pytest.MonkeyPatch, words: str, wanted: set[str]
) -> None:
    line = f"scim-bridge {words}"
    monkeypatch.setenv("_SCIM_BRIDGE_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(line.split(" ")) - 1))
    assert wanted <= set(command().out.split())


def test_a_group_below_a_noun_is_one_of_the_parser() -> None:
    assert {"clients trust", "transmitter streams", "departures brake"} <= groups()


def test_a_rehearsal_below_a_group_writes_nothing(command: Command) -> None:
    assert command("connections", "create", "okta", "--kind", "okta").code == 0
    before = command("audit", "list", "--output", "json").out
    done = command("credentials", "policy", "set", "all", "--max-age-days", "90", "-o", "json", "--dry-run")
    assert done.code == 3 and '"would"' in done.out, done
    refused = command("keys", "rotate", "master", "--dry-run")
    assert refused.code == 1 and "cannot be rehearsed" in refused.err
    assert command("keys", "rotate", "audit", "--dry-run").code == 3
    assert command("audit", "list", "--output", "json").out == before
    assert Path("scim-bridge.key").exists()
