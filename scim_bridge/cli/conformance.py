"""`scim-bridge conformance`: prove a SCIM server before an identity provider is connected to it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from scim_bridge.cli.output import EXIT_ERROR, console, fail, refuse
from scim_bridge.conformance.catalogue import planned
from scim_bridge.conformance.entra_oauth import fetched
from scim_bridge.conformance.model import OAuthClient, Report, Result, Step, Suite, Verdict
from scim_bridge.conformance.perform import perform
from scim_bridge.conformance.report import document, page, record, summary
from scim_bridge.conformance.target import Target
from scim_bridge.kernel.errors import BadFile, BridgeError, Invalid

app = typer.Typer(
    no_args_is_help=True, help="Prove a SCIM server, ours or any other, before Okta or Entra is connected."
)


class Shape(StrEnum):
    """How the report is written."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    HTML = "html"


BaseUrl = Annotated[str, typer.Option("--base-url", help="the SCIM base, such as https://host/scim/v2")]
Token = Annotated[
    str,
    typer.Option(
        "--token",
        envvar="SCIM_TOKEN",
        show_default=False,
        help="bearer token, or a whole Authorization value; others can see arguments, so rather set SCIM_TOKEN",
    ),
]
Output = Annotated[Shape, typer.Option("--output", "-o", help="table, json, html or jsonl (an event a step)")]
CaFile = Annotated[Path | None, typer.Option("--ca-file", help="a private authority to trust as well, PEM")]
Only = Annotated[
    list[str] | None,
    typer.Option(
        "--only", help="run these steps (an id, its beginning, a suite) and what they need; again for more"
    ),
]
Domain = Annotated[
    str,
    typer.Option("--email-domain", help="domain of the people made up, where the server takes only its own"),
]


@app.command()
def okta(
    base_url: BaseUrl,
    token: Token = "",
    output: Output = Shape.TABLE,
    ca_file: CaFile = None,
    only: Only = None,
    email_domain: Domain = "",
) -> None:
    """Okta's SPEC and CRUD suites, group push and entitlements, in both ways Okta speaks (PUT and PATCH)."""
    _prove("okta", Asked(base_url, token, output, ca_file, only or [], email_domain))


@app.command()
def entra(
    base_url: BaseUrl,
    token: Token = "",
    output: Output = Shape.TABLE,
    ca_file: CaFile = None,
    only: Only = None,
    email_domain: Domain = "",
    token_url: Annotated[str, typer.Option("--token-url", help="OAuth token endpoint, to test it")] = "",
    client_id: Annotated[str, typer.Option("--client-id", help="OAuth client to test with")] = "",
    client_secret: Annotated[
        str,
        typer.Option(
            "--client-secret",
            envvar="SCIM_CLIENT_SECRET",
            show_default=False,
            help="its secret; or SCIM_CLIENT_SECRET",
        ),
    ] = "",
    client_assertion: Annotated[
        Path | None, typer.Option("--client-assertion", help="file with a signed JWT of a workload identity")
    ] = None,
    scope: Annotated[str, typer.Option("--scope", help="scope to ask for")] = "",
) -> None:
    """Microsoft's 25 validation tests and its Postman collection; without --token one is fetched with the client."""
    client = _client(token_url, client_id, client_secret, client_assertion, scope)
    _prove("entra", Asked(base_url, token, output, ca_file, only or [], email_domain, client))


@app.command()
def rfc(
    base_url: BaseUrl,
    token: Token = "",
    output: Output = Shape.TABLE,
    ca_file: CaFile = None,
    only: Only = None,
    email_domain: Domain = "",
) -> None:
    """What RFC 7643 and 7644 demand, requirement by requirement, as far as it shows from outside."""
    _prove("rfc", Asked(base_url, token, output, ca_file, only or [], email_domain))


@dataclass(frozen=True)
class Asked:
    """What was asked for on the command line."""

    base_url: str
    token: str
    output: Shape
    ca_file: Path | None
    only: list[str]
    domain: str
    client: OAuthClient | None = None


def _client(url: str, client_id: str, secret: str, assertion: Path | None, scope: str) -> OAuthClient | None:
    if not url:
        if client_id or assertion is not None:
            raise Invalid("token-url-missing", "A client needs a token endpoint.", "Add --token-url.")
        return None
    if not client_id:
        raise Invalid("client-id-missing", "A token endpoint needs a client.", "Add --client-id.")
    try:
        text = assertion.read_text().strip() if assertion is not None else ""
    except (OSError, ValueError) as error:
        raise BadFile("assertion-file", f"{assertion} cannot be read.", "Give a file with a JWT.") from error
    return OAuthClient(url, client_id, secret, text, scope)


def _prove(vendor: str, asked: Asked) -> None:
    suites = planned(vendor, asked.only)
    telling = Telling(asked.output, sum(len(suite.steps) for suite in suites))
    try:
        with telling:
            report = asyncio.run(_performed(vendor, suites, asked, telling))
    except (KeyboardInterrupt, asyncio.CancelledError):
        fail("Stopped before the end.", telling.cleaned)
        raise typer.Exit(EXIT_ERROR) from None
    except OSError as error:
        fail(f"{asked.ca_file} cannot be used: {error.strerror or error}.", "Give certificates in PEM form.")
        raise typer.Exit(EXIT_ERROR) from error
    except BridgeError as error:
        raise typer.Exit(refuse(error)) from error
    _write(report, suites, asked.output)
    if not report.ok:
        raise typer.Exit(EXIT_ERROR)


async def _performed(vendor: str, suites: tuple[Suite, ...], asked: Asked, telling: Telling) -> Report:
    task = asyncio.current_task()
    assert task is not None
    # Ended by a service manager, it deletes what it created all the same.
    with contextlib.suppress(NotImplementedError):  # Windows
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    token, client = asked.token, asked.client
    if not token:
        if client is None:
            raise Invalid("token-missing", "A token is needed.", "Pass --token, or set SCIM_TOKEN.")
        token, client = await fetched(client, asked.ca_file)
    target = Target(asked.base_url, token, ca_file=asked.ca_file)
    try:
        return await perform(target, vendor, suites, telling, domain=asked.domain, oauth=client)
    finally:
        await target.aclose()


class Telling:
    """What is said while steps run: a bar on a terminal, events as JSON lines, else nothing."""

    def __init__(self, output: Shape, steps: int) -> None:
        self._events = output is Shape.JSONL
        self._bar: Progress | None = None
        if not self._events and sys.stderr.isatty():
            self._bar = Progress(
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("{task.description}"),
                console=Console(stderr=True),
                transient=True,
            )
        self._steps = steps
        self._task: Any = None
        self.cleaned = "Nothing was left behind."

    def __enter__(self) -> Telling:
        if self._bar is not None:
            self._bar.start()
            self._task = self._bar.add_task("", total=self._steps)
        if self._events:
            _event({"event": "started", "steps": self._steps})
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def began(self, step: Step) -> None:
        """A step begins."""
        if self._bar is not None:
            self._bar.update(self._task, description=escape(f"{step.id}  {step.title}"))

    def ended(self, result: Result) -> None:
        """A step, or the deletion at the end of a suite, is over."""
        cleanup = result.id.endswith(".cleanup")
        if cleanup and result.verdict is Verdict.FAIL:
            self.cleaned = f"Not everything could be deleted: {result.came}."
        if self._bar is not None and not cleanup:
            self._bar.advance(self._task)
        if self._events:
            _event({"event": "step", **record(result)})


def _event(event: dict[str, Any]) -> None:
    sys.stdout.write(orjson.dumps(event).decode() + "\n")
    sys.stdout.flush()


def _write(report: Report, suites: tuple[Suite, ...], output: Shape) -> None:
    if output is Shape.JSONL:
        _event({"event": "summary", **summary(report)})
    elif output is Shape.JSON:
        sys.stdout.write(orjson.dumps(document(report), option=orjson.OPT_INDENT_2).decode() + "\n")
    elif output is Shape.HTML:
        sys.stdout.write(page(report, suites))
    else:
        _table(report)


COLOURS = {Verdict.PASS: "green", Verdict.FAIL: "red", Verdict.SKIP: "yellow"}


def _table(report: Report) -> None:
    screen = console()
    table = Table(header_style="bold", box=None, pad_edge=False)
    for name in ("", "step", "what", "why"):
        table.add_column(name, overflow="fold")
    for result in report.results:
        colour = COLOURS[result.verdict]
        table.add_row(
            f"[{colour}]{result.verdict}[/]", escape(result.id), escape(result.title), escape(_why(result))
        )
    screen.print(table)
    _failures(screen, report.results)
    counts, single = report.counts(), report.assertions()
    words = f"{counts['pass']} passed, {counts['fail']} failed, {counts['skip']} skipped"
    tested = f"{single['pass']} expectations met, {single['fail']} not met, {single['skip']} left open"
    verdict = f"[{'green' if report.ok else 'red'}]{report.words}[/]"
    screen.print(f"\n{verdict}: {words} ({tested}) in {report.seconds:.1f} s. Run {report.run}.")


def _why(result: Result) -> str:
    return result.came.split("\n")[0] if result.verdict is Verdict.FAIL else result.why


def _failures(screen: Console, results: Sequence[Result]) -> None:
    for result in results:
        if result.verdict is not Verdict.FAIL:
            continue
        screen.print(f"\n[red bold]{escape(result.id)}[/]  {escape(result.title)}")
        for label, text in (
            ("source", result.source),
            ("request", result.request),
            ("expected", result.expectation),
            ("came", result.came),
        ):
            screen.print(f"  [dim]{label:9}[/]{escape(text)}", soft_wrap=True)
