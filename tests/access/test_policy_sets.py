"""Policy sets: each is sound, answers as its own table says, and only ever takes away."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from scim_bridge.access.cases import check as ask
from scim_bridge.access.cases import read_cases
from scim_bridge.access.check import problems
from scim_bridge.access.model import Facts, Question
from scim_bridge.access.policies import load_policies
from scim_bridge.access.policy_file import packaged, packaged_sets, read_policies
from scim_bridge.kernel.calendar import Calendar, read_calendar
from scim_bridge.kernel.clock import DAY, HOUR, parse_iso
from scim_bridge.kernel.errors import ConfigurationError, Invalid
from scim_bridge.registry.model import Owners, PersonRef

NOW = 1_795_000_000_000_000
NAMES = ["business-hours", "environment-boundary", "high-risk-writes", "least-privilege", "runaway"]
OWNER = PersonRef("p1", "aiko@corp.test", "Aiko", "aiko@corp.test")
HELPER = Facts("a1", "helper", "k8s", "production", "low", owners=Owners(OWNER), groups=("support-tools",))
UPDATE = Question("agent", "helper", "update", "ticket", "1")


def test_the_sets_that_are_packaged_say_what_they_are_for() -> None:
    found = packaged_sets()
    assert [each.name for each in found] == NAMES
    assert all(len(each.about) > 40 and "@id" not in each.about for each in found)


@pytest.mark.parametrize("name", NAMES)
def test_a_set_on_top_of_the_packaged_policies_answers_as_its_table_says(name: str) -> None:
    (chosen,) = read_policies("", [name]).sets
    cases = read_cases(chosen.table)
    verdicts = ask(load_policies("", [name]), cases, NOW)
    assert [(v.case.line, v.why) for v in verdicts if not v.ok] == []
    written = {line.split('"')[1] for line in chosen.policies.splitlines() if line.startswith("@id(")}
    assert written <= {case.because for case in cases}, "a policy no line of the table needs"
    without = [v for v in ask(load_policies(), cases, NOW) if not v.ok]
    assert without, "the table is the same without the set"


def test_a_set_never_turns_a_no_into_a_yes() -> None:
    everything = load_policies("", NAMES)
    for each in packaged_sets():
        for case, plain in zip(
            read_cases(each.table), ask(load_policies(), read_cases(each.table), NOW), strict=True
        ):
            (both,) = ask(everything, [case], NOW)
            assert plain.allowed or not both.allowed


def test_all_sets_together_are_sound_and_an_unknown_one_is_named_with_what_was_meant() -> None:
    assert problems(read_policies("", NAMES)) == []
    with pytest.raises(ConfigurationError, match="bussiness-hours") as refusal:
        load_policies("", ["bussiness-hours"])
    assert "business-hours" in refusal.value.fix


def test_a_set_that_needs_words_the_schema_lacks_refuses_to_start_and_names_set_and_line(
    tmp_path: Path,
) -> None:
    """A schema from before these words goes on working, as long as nobody asks for them."""
    file = tmp_path / "access.cedar"
    file.write_text(packaged().policies)
    old = packaged().schema
    for line in ("date: String", "weekday:", "hour:", "minuteOfDay:", "holiday:", "businessHours:", "rate?"):
        (found,) = [each for each in old.splitlines() if each.strip().startswith(line)]
        old = old.replace(found + "\n", "")
    old = old.replace("tags datetime;", ";").replace("  state: String,            // active", "  // active")
    file.with_suffix(".cedarschema").write_text(old)
    assert load_policies(file).decide(HELPER, UPDATE, NOW).allowed is True
    assert load_policies(file, ["environment-boundary"]).decide(HELPER, UPDATE, NOW).allowed is True
    with pytest.raises(ConfigurationError, match=r"policy set business-hours, line \d+: .*businessHours"):
        load_policies(file, ["business-hours"])


def test_a_context_that_only_some_actions_have_refuses_to_start(tmp_path: Path) -> None:
    file = tmp_path / "access.cedar"
    file.write_text(packaged().policies)
    schema = packaged().schema + (
        '\naction "vent" appliesTo { principal: [Agent], resource: [Ticket], context: { now: datetime } };\n'
    )
    file.with_suffix(".cedarschema").write_text(schema)
    with pytest.raises(ConfigurationError, match="context of action 'vent'"):
        load_policies(file)


def test_a_policy_with_the_id_of_a_set_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "access.cedar"
    file.write_text('\n@id("runaway-rate") permit (principal, action, resource);')
    with pytest.raises(ConfigurationError, match=r"line 2: .*runaway"):
        load_policies(file, ["runaway"])


def test_a_membership_that_has_an_end_grants_nothing_from_then_on() -> None:
    """At the decision, not when somebody cleans up."""
    policies = load_policies()
    lent = replace(HELPER, ends={"support-tools": NOW + HOUR})
    assert policies.decide(lent, UPDATE, NOW).allowed is True
    assert policies.decide(lent, UPDATE, NOW + HOUR - 1).allowed is True
    after = policies.decide(lent, UPDATE, NOW + HOUR)
    assert [reason.id for reason in after.reasons] == ["no-grant"]
    assert "Ended: support-tools on " in after.reasons[0].text


def test_policies_see_when_a_membership_ends_and_how_the_owner_is(tmp_path: Path) -> None:
    file = tmp_path / "access.cedar"
    file.write_text(
        '@id("all") permit (principal is Agent, action, resource) when { principal.owner.state == "active" };'
        '@id("last-hour") forbid (principal is Agent, action, resource) when {'
        ' principal.hasTag("support-tools") &&'
        ' principal.getTag("support-tools") < context.now.offset(duration("1h")) };'.replace(
            "principal.owner.state", "principal has owner && principal.owner.state"
        )
    )
    policies = load_policies(file)
    assert policies.decide(HELPER, UPDATE, NOW).allowed is True
    assert policies.decide(replace(HELPER, employment={"p1": "leave"}), UPDATE, NOW).allowed is False
    soon = replace(HELPER, ends={"support-tools": NOW + HOUR - 1_000})
    assert policies.decide(soon, UPDATE, NOW).policies == ("last-hour",)
    later = replace(HELPER, ends={"support-tools": NOW + 2 * HOUR})
    assert policies.decide(later, UPDATE, NOW).allowed is True


BERLIN = read_calendar("Europe/Berlin", "mon-fri 08:00-18:00; sat 22:00-02:00", ["12-25", "2026-12-31"], "")


@pytest.mark.parametrize(
    ("instant", "weekday", "minute", "holiday", "open_"),
    [
        ("2026-12-01T07:00:00Z", "tue", 480, False, True),
        ("2026-12-01T06:59:59Z", "tue", 479, False, False),
        ("2026-12-01T17:00:00Z", "tue", 1080, False, False),
        ("2026-07-01T06:00:00Z", "wed", 480, False, True),  # summer time
        ("2026-12-25T09:00:00Z", "fri", 600, True, False),
        ("2027-12-25T22:00:00Z", "sat", 1380, True, False),
        ("2026-12-31T09:00:00Z", "thu", 600, True, False),
        ("2026-12-05T21:30:00Z", "sat", 1350, False, True),
        ("2026-12-06T00:30:00Z", "sun", 90, False, True),  # Saturday's night shift
        ("2026-12-06T01:00:00Z", "sun", 120, False, False),
        ("2026-03-29T01:30:00Z", "sun", 210, False, False),  # the hour that does not exist is behind us
    ],
)
def test_a_calendar_tells_the_time_where_the_business_is(
    instant: str, weekday: str, minute: int, holiday: bool, open_: bool
) -> None:
    found = BERLIN.at(parse_iso(instant))
    assert (found.weekday, found.minute, found.holiday, found.business_hours) == (
        weekday,
        minute,
        holiday,
        open_,
    )
    assert found.hour == minute // 60


@pytest.mark.parametrize(
    ("zone", "hours", "holidays", "key"),
    [
        ("Europe/Atlantis", "mon-fri 09:00-17:00", (), "access.time_zone"),
        ("UTC", "mo-fr 9-5", (), "access.business_hours"),
        ("UTC", "mon-fri 09:00-25:00", (), "access.business_hours"),
        ("UTC", "mon-fri 09:75-17:00", (), "access.business_hours"),
        ("UTC", "", ("Christmas",), "access.holidays"),
        ("UTC", "", ("13-40",), "access.holidays"),
    ],
)
def test_a_calendar_that_cannot_be_meant_names_the_setting(
    zone: str, hours: str, holidays: tuple[str, ...], key: str
) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        read_calendar(zone, hours, holidays, "")
    assert refusal.value.message.startswith(f"{key}:") or key in str(refusal.value)


def test_holidays_come_from_a_file_too(tmp_path: Path) -> None:
    file = tmp_path / "holidays"
    file.write_text("# ours\n2026-11-18 Buß- und Bettag\n\n01-06\n")
    found = read_calendar("UTC", "", (), str(file))
    assert found.at(parse_iso("2026-11-18T00:00:00Z")).holiday is True
    assert found.at(parse_iso("2031-01-06T23:59:59Z")).holiday is True
    assert found.at(parse_iso("2026-11-19T00:00:00Z")).holiday is False
    file.write_text("soon\n")
    with pytest.raises(ConfigurationError, match="line 1"):
        read_calendar("UTC", "", (), str(file))
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_calendar("UTC", "", (), str(tmp_path / "none"))


def test_without_settings_business_hours_are_nine_to_five_utc() -> None:
    monday = parse_iso("2026-11-30T09:00:00Z")
    assert Calendar().at(monday).business_hours is True
    assert Calendar().at(monday + 5 * DAY).business_hours is False
    assert read_calendar("UTC", "mon-fri 09:00-17:00", (), "").spans == Calendar().spans


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("calendar: {zone: x}\nagents: {a: {}}\nquestions: []", "calendar"),
        ("calendar: {time_zone: x}\nagents: {a: {}}\nquestions: []", "no time zone"),
        ("agents: {a: {idleDays: -1}}\nquestions: []", "idleDays"),
        ("agents: {a: {until: {g: soon}}}\nquestions: []", "instant"),
        ("agents: {a: {}}\nquestions:\n  - {agent: a, action: r, resource: 't:x', at: x, expect: deny}", "3: at"),
    ],
)  # fmt: skip
def test_a_table_with_a_wrong_circumstance_is_refused(entry: str, message: str) -> None:
    with pytest.raises(Invalid, match=message):
        read_cases(entry)
