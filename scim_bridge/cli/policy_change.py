"""`scim-bridge policy diff|simulate|activate|versions`: other policies, seen before they are in force."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from scim_bridge.access import versions as kept
from scim_bridge.access.check import actions
from scim_bridge.access.in_force import policies_now
from scim_bridge.access.policies import Policies, prepared
from scim_bridge.access.policy_file import PolicyText, read_policies
from scim_bridge.access.simulate import Outcome, combinations, every_agent, known_resources, replay
from scim_bridge.app import Bridge
from scim_bridge.cli.duration import duration
from scim_bridge.cli.output import EXIT_PENDING, DatabaseUrl, Format, Output, busy, fail, say, show
from scim_bridge.cli.reason import reason_option
from scim_bridge.cli.session import actor, with_bridge
from scim_bridge.kernel.errors import Invalid
from scim_bridge.kernel.work import Work

New = Annotated[Path | None, typer.Argument(help="default: the file of the setting `policies`")]
Sets = Annotated[
    list[str] | None, typer.Option("--set", help="a packaged set on top, instead of the setting access.sets")
]
Since = Annotated[str, typer.Option("--since", help="how far back decisions are asked again: 12h, 7d, 4w")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=1_000_000, help="at most so many decisions")]
BRIEF = ("agent", "action", "resource", "before", "after", "why")
SHOWN = 200


@dataclass(frozen=True, slots=True)
class Change:
    """The policies in force, those that might be, and their text (None: the files of the settings)."""

    before: Policies
    after: Policies
    text: PolicyText | None


async def _change(
    bridge: Bridge, file: Path | None, sets: list[str] | None, version: int | None, files: bool
) -> Change:
    told, reads = bridge.settings, bridge.ctx.store.reads
    calendar = told.access.calendar
    before = await policies_now(reads, told.policies, told.access.sets, calendar)
    of_settings = read_policies(told.policies, told.access.sets)
    if files:
        return Change(before, replace(prepared(of_settings), calendar=calendar), None)
    if version is not None:
        text = (await kept.version(reads, version)).text
        return Change(before, replace(prepared(text or of_settings), calendar=calendar), text)
    text = read_policies(
        file if file is not None else told.policies, told.access.sets if sets is None else sets
    )
    return Change(before, replace(prepared(text), calendar=calendar), text)


async def _replayed(bridge: Bridge, change: Change, since: str, limit: int) -> Outcome:
    store = bridge.ctx.store
    now = store.clock.now()
    start = now - duration(since)
    return await replay(store.reads, change.before, change.after, since=start, until=now + 1, limit=limit)


def diff(
    file: New = None,
    sets: Sets = None,
    version: Annotated[int | None, typer.Option("--version", help="a version that was activated")] = None,
    agents: Annotated[int, typer.Option("--agents", min=1, max=20_000, help="at most so many")] = 500,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Which (agent, action, resource) would get another answer than by the policies in force. Exit 3 with any.

    Every agent, every action of the schema, and of each resource type those that were asked about.
    """

    async def body(bridge: Bridge) -> Outcome:
        change = await _change(bridge, file, sets, version, False)
        store = bridge.ctx.store
        kinds = change.before.types | change.after.types
        resources = await known_resources(store.reads, kinds)
        words = dict.fromkeys(
            name for text in (change.before.text, change.after.text) for name, _ in actions(text.schema)
        )
        asked = [(action, kind, identity) for kind, identity in resources for action in words]
        everybody = await every_agent(store.reads, limit=agents)
        return combinations(change.before, change.after, everybody, asked, store.clock.now())

    _told(with_bridge(database_url, body), "combinations", output)


def simulate(
    file: New = None,
    sets: Sets = None,
    version: Annotated[int | None, typer.Option("--version", help="a version that was activated")] = None,
    since: Since = "7d",
    limit: Limit = 20_000,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Which recent decisions would have been others. Nothing changes. Exit 3 with any."""

    async def body(bridge: Bridge) -> Outcome:
        return await _replayed(bridge, await _change(bridge, file, sets, version, False), since, limit)

    with busy("Asking recent decisions again"):
        found = with_bridge(database_url, body)
    _told(found, "decisions", output)


def _told(found: Outcome, what: str, output: Format) -> None:
    rows = [each.row() for each in found.differences]
    if output is Format.TABLE:
        if rows:
            show(rows[:SHOWN], output, brief=BRIEF)
        more = f" Shown: {SHOWN}; -o json has all." if len(rows) > SHOWN else ""
        say(_summary(found, what) + more)
    else:
        show({**found.summary(), "differences": rows}, output)
    if rows:
        raise typer.Exit(EXIT_PENDING)


def _summary(found: Outcome, what: str) -> str:
    told = found.summary()
    gone = f" ({found.gone} of agents that are gone)" if found.gone else ""
    return (
        f"{found.asked} {what} asked again{gone}: {told['newly_denied']} newly denied,"
        f" {told['newly_allowed']} newly allowed."
    )


def activate(
    reason: Annotated[str, reason_option()],
    file: New = None,
    sets: Sets = None,
    version: Annotated[int | None, typer.Option("--version", help="go back to this one")] = None,
    of_settings: Annotated[
        bool, typer.Option("--of-settings", help="put the files of the settings in force again")
    ] = False,
    accept: Annotated[
        bool, typer.Option("--accept", help="also when recent decisions would have been others")
    ] = False,
    since: Since = "7d",
    limit: Limit = 20_000,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Put policies in force in every replica within a second, after simulating them against recent decisions.

    Exit 3, and nothing happens, when answers would change and --accept is not given.
    """
    if sum((file is not None or sets is not None, version is not None, of_settings)) > 1:
        raise Invalid(
            "policy-which", "Several policies were named.", "Name a file, --version or --of-settings."
        )

    async def body(bridge: Bridge) -> tuple[Outcome, int | None]:
        change = await _change(bridge, file, sets, version, of_settings)
        found = await _replayed(bridge, change, since, limit)
        if found.differences and not accept:
            return found, None

        async def put(work: Work) -> int:
            chosen = None if change.text is None else change.after
            return await kept.activate(work, chosen, reason, found.summary(), former=change.before.version)

        return found, await bridge.ctx.store.transact(actor(), put)

    with busy("Asking recent decisions again"):
        found, number = with_bridge(database_url, body)
    if number is None:
        show([each.row() for each in found.differences][:SHOWN], output, brief=BRIEF)
        fail(f"{_summary(found, 'decisions')} Nothing was activated.", "Look at them; then add --accept.")
        raise typer.Exit(EXIT_PENDING)
    if output is Format.TABLE:
        say(f"Version {number} is in force. {_summary(found, 'decisions')}")
    else:
        show({"version": number, **found.summary()}, output)


def versions(database_url: DatabaseUrl = None, output: Output = Format.TABLE) -> None:
    """What was activated, the version in force first."""

    async def body(bridge: Bridge) -> list[dict[str, Any]]:
        return [
            {
                "version": each.version,
                "in_force": number == 0,
                "policies": each.name,
                "at": each.at,
                "by": each.by,
                "reason": each.reason,
                "newly_denied": each.simulated.get("newly_denied"),
                "newly_allowed": each.simulated.get("newly_allowed"),
                "digest": each.digest or None,
            }
            for number, each in enumerate(await kept.versions(bridge.ctx.store.reads))
        ]

    empty = "Nothing was activated: the files of the settings are in force."
    show(with_bridge(database_url, body), output, empty=empty, brief=("version", "policies", "by", "reason"))
