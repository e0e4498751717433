"""`scim-bridge policy`: the access policies: show, check, explain a decision, test a table of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from scim_bridge.access.cases import check as ask
from scim_bridge.access.cases import read_cases
from scim_bridge.access.check import problems
from scim_bridge.access.decide import decide
from scim_bridge.access.model import SUBJECT_TYPE, Decision, Question, texts
from scim_bridge.access.policies import load_policies
from scim_bridge.access.policy_file import PolicyText, read_policies
from scim_bridge.cli.files import read
from scim_bridge.cli.output import EXIT_ERROR, DatabaseUrl, Format, Output, fail, refuse, show
from scim_bridge.cli.session import settings, with_bridge
from scim_bridge.kernel.clock import SystemClock
from scim_bridge.kernel.errors import BridgeError, Invalid

app = typer.Typer(no_args_is_help=True, help="What agents may do, as one Cedar policy file.")

File = Annotated[Path | None, typer.Argument(help="default: the file of the setting `policies`")]


def _text(file: Path | None) -> PolicyText:
    return read_policies(file if file is not None else settings(None).policies)


def _refused(error: BridgeError, given: Path | None = None) -> typer.Exit:
    """Wrong settings are 78; a file that was given on the command line is no setting."""
    code = refuse(error)
    return typer.Exit(EXIT_ERROR if given is not None else code)


@app.command("show")
def show_(
    schema: Annotated[bool, typer.Option("--schema", help="the words policies may use instead")] = False,
) -> None:
    """Print the policies in force, to read or to start a file of your own from."""
    try:
        text = _text(None)
    except BridgeError as error:
        raise _refused(error) from error
    typer.echo(text.schema if schema else text.policies, nl=False)


@app.command()
def check(file: File = None, output: Output = Format.TABLE) -> None:
    """Parse a policy file and check every word of it against the schema. Exit 1 when something is wrong."""
    try:
        text = _text(file)
    except BridgeError as error:
        raise _refused(error, file) from error
    found = [
        {
            "file": p.file or text.name,
            "line": p.line,
            "policy": p.policy or None,
            "problem": p.message,
            "fix": p.fix,
        }
        for p in problems(text)
    ]
    if output is Format.TABLE:
        if found:
            show(found, output)
            fail(f"{len(found)} problem(s) in {text.name}.", "The bridge would not start with it.")
        else:
            typer.echo(f"{text.name}: sound.")
    else:
        show({"ok": not found, "file": text.name, "schema": text.schema_name, "problems": found}, output)
    if found:
        raise typer.Exit(EXIT_ERROR)


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
    """What a gateway would hear now, why, and which policies determined it. Nothing is logged."""

    async def body(bridge: Any) -> tuple[Decision, str]:
        policies = load_policies(bridge.settings.policies)
        store = bridge.ctx.store
        question = Question(
            SUBJECT_TYPE, agent, action, resource_type, resource_id, _pairs(properties), _pairs(context)
        )
        return await decide(store.reads, policies, question, store.clock.now()), policies.text.name

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


def _pairs(items: list[str] | None) -> dict[str, str]:
    pairs = {}
    for item in items or ():
        key, separator, value = item.partition("=")
        if not key or not separator:
            raise Invalid(
                "policy-pair", f"{item!r} is not key=value.", "Write --property environment=production."
            )
        pairs[key] = value
    return texts(pairs)


@app.command("test")
def test_(
    file: Annotated[Path, typer.Argument(help="YAML: what is true of agents, questions, expected answers")],
    policies: Annotated[Path | None, typer.Option("--policies", help="instead of the ones in force")] = None,
    output: Output = Format.TABLE,
) -> None:
    """Ask every question of a table. Exit 1 and the differences when an answer is another one."""
    try:
        loaded = load_policies(policies if policies is not None else settings(None).policies)
    except BridgeError as error:
        raise _refused(error, policies) from error
    try:
        cases = read_cases(read(file).decode())
    except BridgeError as error:
        raise _refused(error, file) from error
    except UnicodeDecodeError as error:
        fail(f"{file} cannot be read ({error}).", "Save it as UTF-8.")
        raise typer.Exit(EXIT_ERROR) from error
    verdicts = ask(loaded, cases, SystemClock().now())
    wrong = [
        {
            "line": v.case.line,
            "agent": v.case.question.subject_id,
            "action": v.case.question.action,
            "resource": f"{v.case.question.resource_type}:{v.case.question.resource_id}",
            "expected": "allow" if v.case.expect else "deny",
            "because": v.case.because or None,
            "got": "allow" if v.allowed else "deny",
            "why": v.why,
        }
        for v in verdicts
        if not v.ok
    ]
    if output is not Format.TABLE:
        show({"ok": not wrong, "cases": len(cases), "differences": wrong}, output)
    elif wrong:
        show(wrong, output)
        fail(f"{len(wrong)} of {len(cases)} answers are not the expected ones.")
    else:
        typer.echo(f"{len(cases)} answers, all as expected.")
    if wrong:
        raise typer.Exit(EXIT_ERROR)
