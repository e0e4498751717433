"""`scim-bridge policy`: the access policies: show, check, explain a decision, test a table of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from scim_bridge.access.cases import Verdict, read_cases
from scim_bridge.access.cases import check as ask
from scim_bridge.access.check import problems
from scim_bridge.access.decide import decide
from scim_bridge.access.in_force import policies_now
from scim_bridge.access.model import SUBJECT_TYPE, Decision, Question
from scim_bridge.access.policies import load_policies, prepared
from scim_bridge.access.policy_file import PolicyText, packaged_sets, read_policies
from scim_bridge.access.versions import version as version_of
from scim_bridge.cli.files import read
from scim_bridge.cli.output import EXIT_ERROR, DatabaseUrl, Format, Output, fail, refuse, show
from scim_bridge.cli.pairs import pairs
from scim_bridge.cli.policy_change import activate, diff, simulate, versions
from scim_bridge.cli.session import settings, with_bridge
from scim_bridge.kernel.clock import SystemClock
from scim_bridge.kernel.errors import BridgeError
from scim_bridge.migrations import absent

app = typer.Typer(no_args_is_help=True, help="What agents may do, as one Cedar policy file and sets on top.")
for _verb in (diff, simulate, activate, versions):
    app.command()(_verb)

File = Annotated[Path | None, typer.Argument(help="default: the file of the setting `policies`")]
Sets = Annotated[
    list[str] | None, typer.Option("--set", help="a packaged set on top, instead of the setting access.sets")
]


def _text(file: Path | None, sets: list[str] | None = None) -> PolicyText:
    told = settings(None)
    return read_policies(
        file if file is not None else told.policies, told.access.sets if sets is None else sets
    )


def _refused(error: BridgeError, given: object = None) -> typer.Exit:
    """Wrong settings are 78; a file that was given on the command line is no setting."""
    code = refuse(error)
    return typer.Exit(EXIT_ERROR if given else code)


@app.command("show")
def show_(
    schema: Annotated[bool, typer.Option("--schema", help="the words policies may use instead")] = False,
    name: Annotated[str | None, typer.Option("--set", help="one packaged set instead")] = None,
    version: Annotated[int | None, typer.Option("--version", help="a version that was activated")] = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Print the policies in force, to read or to start a file of your own from."""
    try:
        if name is not None:
            text = read_policies("", [name])
            typer.echo(text.sets[0].policies, nl=False)
            return
        text = _in_force(database_url, version)
    except BridgeError as error:
        raise _refused(error) from error
    typer.echo(text.schema if schema else text.whole, nl=False)


def _in_force(database_url: str | None, version: int | None = None) -> PolicyText:
    """The text in force: what was activated in the database when there is one, else the files of the settings."""
    told = settings(database_url)
    if version is None and absent(told.database_url):
        return read_policies(told.policies, told.access.sets)

    async def body(bridge: Any) -> PolicyText:
        reads = bridge.ctx.store.reads
        if version is not None:
            found = (await version_of(reads, version)).text
            return found or read_policies(told.policies, told.access.sets)
        return (await policies_now(reads, told.policies, told.access.sets)).text

    return with_bridge(database_url, body)


@app.command()
def check(file: File = None, sets: Sets = None, output: Output = Format.TABLE) -> None:
    """Parse a policy file and check every word of it against the schema. Exit 1 when something is wrong."""
    try:
        text = _text(file, sets)
    except BridgeError as error:
        raise _refused(error, file or sets) from error
    found = [
        {
            "file": p.file or text.name,
            "line": p.line,
            "column": p.column or None,
            "policy": p.policy or None,
            "problem": p.message,
            "fix": p.fix,
        }
        for p in problems(text)
    ]
    if output is Format.TABLE:
        if found:
            show(found, output)
            fail(f"{len(found)} problem(s) in {text.title}.", "The bridge would not start with it.")
        else:
            typer.echo(f"{text.title}: sound.")
    else:
        names = [each.name for each in text.sets]
        show(
            {
                "ok": not found,
                "file": text.name,
                "schema": text.schema_name,
                "sets": names,
                "problems": found,
            },
            output,
        )
    if found:
        raise typer.Exit(EXIT_ERROR)


@app.command("sets")
def sets_(output: Output = Format.TABLE) -> None:
    """The packaged sets of policies to put on top of yours: in the setting access.sets, or with --set."""
    on = set(settings(None).access.sets)
    rows = [
        {
            "set": each.name,
            "on": each.name in on,
            "questions": len(read_cases(each.table)),
            "about": each.about,
        }
        for each in packaged_sets()
    ]
    show(rows, output)


@app.command()
def explain(
    agent: str,
    action: str,
    resource_type: str,
    resource_id: str,
    properties: Annotated[
        list[str] | None, typer.Option("--property", help="of the resource: key=value")
    ] = None,
    context: Annotated[list[str] | None, typer.Option("--context", help="of the question: key=value")] = None,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """What a gateway would hear now, why, and which policies determined it. Nothing is logged or counted."""

    async def body(bridge: Any) -> tuple[Decision, str]:
        told, store = bridge.settings, bridge.ctx.store
        policies = await policies_now(store.reads, told.policies, told.access.sets, told.access.calendar)
        question = Question(
            SUBJECT_TYPE, agent, action, resource_type, resource_id, pairs(properties), pairs(context)
        )
        decision = await decide(store.reads, policies, question, store.clock.now())
        version = "" if policies.version is None else f" (version {policies.version})"
        return decision, policies.text.title + version

    decision, name = with_bridge(database_url, body)
    show(_explained(decision, name, output), output)


def _explained(decision: Decision, name: str, output: Format) -> dict[str, Any]:
    facts = decision.facts
    told: dict[str, Any] = {
        "decision": decision.allowed,
        "reasons": [{"id": reason.id, "text": reason.text} for reason in decision.reasons],
        "policies": list(decision.policies),
        "agent": facts.slug if facts is not None else None,
        "groups": list(facts.groups) if facts is not None else [],
        "policy_file": name,
    }
    if output is Format.TABLE:
        told["decision"] = "allow" if decision.allowed else "deny"
        told["reasons"] = "\n".join(f"{reason.id}: {reason.text}" for reason in decision.reasons)
    return told


@app.command("test")
def test_(
    file: Annotated[
        Path | None, typer.Argument(help="YAML: what is true of agents, questions, expected answers")
    ] = None,
    policies: Annotated[Path | None, typer.Option("--policies", help="instead of the ones in force")] = None,
    sets: Sets = None,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Ask every question of a table; without one, those of the sets. Exit 1 and the differences when an answer
    is another one."""
    try:
        given = policies is not None or sets is not None
        text = _text(policies, sets) if given else _in_force(database_url)
        if file is not None:
            loaded = replace(prepared(text), calendar=settings(None).access.calendar)
            verdicts = ask(loaded, read_cases(read(file).decode()), SystemClock().now())
        else:
            # A set's table is about that set alone, on top of the packaged policies.
            names = {each.name for each in text.sets}
            chosen = [each for each in packaged_sets() if not names or each.name in names]
            now = SystemClock().now()
            verdicts = [
                verdict
                for each in chosen
                for verdict in ask(load_policies("", [each.name]), read_cases(each.table), now)
            ]
    except BridgeError as error:
        raise _refused(error, file or policies or sets) from error
    except UnicodeDecodeError as error:
        fail(f"{file} cannot be read ({error}).", "Save it as UTF-8.")
        raise typer.Exit(EXIT_ERROR) from error
    wrong = [_wrong(verdict) for verdict in verdicts if not verdict.ok]
    if output is not Format.TABLE:
        show({"ok": not wrong, "cases": len(verdicts), "differences": wrong}, output)
    elif wrong:
        show(wrong, output)
        fail(f"{len(wrong)} of {len(verdicts)} answers are not the expected ones.")
    else:
        typer.echo(f"{len(verdicts)} answers, all as expected.")
    if wrong:
        raise typer.Exit(EXIT_ERROR)


def _wrong(verdict: Verdict) -> dict[str, Any]:
    case = verdict.case
    return {
        "line": case.line,
        "agent": case.question.subject_id,
        "action": case.question.action,
        "resource": f"{case.question.resource_type}:{case.question.resource_id}",
        "expected": "allow" if case.expect else "deny",
        "because": case.because or None,
        "got": "allow" if verdict.allowed else "deny",
        "why": verdict.why,
    }
