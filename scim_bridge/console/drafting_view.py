"""What the pages of policies that are not in force show: mistakes, differences of text and of answers. Pure."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from scim_bridge.access.drafts import Draft
from scim_bridge.access.simulate import Outcome
from scim_bridge.access.source import Problem
from scim_bridge.console.addresses import agent_url
from scim_bridge.console.boards import Box, Field
from scim_bridge.console.paging import first_of
from scim_bridge.console.session import PATH
from scim_bridge.console.tables import BAD, GOOD, WARN, Cell, Table
from scim_bridge.kernel.clock import DAY

HERE = f"{PATH}/access"
# What is asked again while somebody waits; the command line asks as many as one likes.
SINCE, ASKED = 7 * DAY, 2_000
SHOWN, MISTAKES, LINES = 100, 20, 2_000
CONTEXT = 2


def editor(url: str, text: str, label: str, seen: str = "") -> Box:
    """The field in which policies are written; `seen` is the mark of the draft it shows."""
    hint = "Cedar. Each policy needs an @id; the words it may use: `scim-bridge policy show --schema`."
    field = Field("policies", "Policies", text, "area", hint=hint)
    shown = (Field("seen", value=seen, kind="hidden"),) if seen else ()
    return Box("The policies", (), "", url, (("keep", label, "primary"),), (field, *shown), reason=False)


def wrong(wrong: Sequence[Problem]) -> Box:
    """What is wrong with them, each by its place."""

    def place(one: Problem) -> str:
        where = f"Line {one.line}" + (f", column {one.column}" if one.column else "")
        return f"{where} of {one.file}" if one.file else where

    lines = tuple(f"{place(one)}: {one.message} {one.fix}" for one in wrong[:MISTAKES])
    if len(wrong) > MISTAKES:
        lines += (f"The first {MISTAKES} are shown.",)
    many = "1 mistake" if len(wrong) == 1 else f"{len(wrong)} mistakes"
    return Box(f"{many}: it cannot be activated", lines, BAD)


def outcome(tried: Outcome) -> Box:
    """What the simulation found, in numbers."""
    told = tried.summary()
    gone = f" {tried.gone} were of agents that are gone." if tried.gone else ""
    asked = f"{tried.asked:,} decisions of the last seven days were asked again (the newest {ASKED:,} at most).{gone}"
    title = f"{told['newly_denied']:,} newly denied, {told['newly_allowed']:,} newly allowed"
    return Box(title, (asked, "Nothing was changed or counted."), WARN if tried.differences else GOOD)


def comparison(before: str, after: str) -> Box:
    """The lines that differ, old to new."""
    made = list(difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=CONTEXT))[2:]
    lines = tuple((line[0], _where(line) if line[0] == "@" else line[1:]) for line in made[:LINES])
    added, gone = (sum(line[0] == sign for line in made) for sign in "+-")
    title = f"Compared with what is in force: {added} lines more, {gone} less"
    rest = (f"The first {LINES:,} of {len(made):,} lines are shown.",) if len(made) > LINES else ()
    return Box(title if made else "The text is that in force", rest, "", compared=lines)


def _where(head: str) -> str:
    """Where a part of a comparison begins, in the newer text: its head is “@@ -88,2 +88,10 @@”."""
    return f"From line {head.split('+', 1)[-1].split(' ', 1)[0].split(',', 1)[0]}"


def differences(tried: Outcome) -> Table:
    """The answers that would change, and how many there are."""
    all_of_them = "scim-bridge policy simulate"
    _, rest = first_of(
        tried.differences,
        SHOWN,
        f"of {len(tried.differences):,} asked most often (all of them: {all_of_them})",
    )
    return Table(
        "Answers that would change, most often asked first",
        ("Agent", "Asked", "Was", "Would be", "Times", "Why"),
        tuple(
            (
                Cell(one.agent, url=agent_url(one.agent)),
                Cell(f"{one.action} {one.resource_type}:{one.resource_id}"),
                _answer(one.before.allowed),
                _answer(one.after.allowed),
                Cell(f"{one.times:,}"),
                Cell(" ".join(reason.text for reason in one.after.reasons)),
            )
            for one in tried.differences[:SHOWN]
        ),
        "None: every question gets the answer it got.",
        rest,
    )


def _answer(allowed: bool) -> Cell:
    return Cell("allowed" if allowed else "denied", tone=GOOD if allowed else BAD)


def drafts_table(found: Sequence[Draft]) -> Table:
    """Drafts, to go on with."""
    return Table(
        "Drafts, those changed last first",
        ("Draft", "By", "Changed", "Began from"),
        tuple(
            (
                Cell(one.id[-8:], url=f"{HERE}/drafts/{one.id}"),
                Cell(one.by),
                Cell(at=one.changed),
                Cell("the files of the settings" if one.base is None else f"version {one.base}"),
            )
            for one in found
        ),
        "None.",
    )
