"""The root of the command line: nouns, exit codes, no tracebacks."""

from __future__ import annotations

import errno
import os
import sys
from functools import cached_property
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from scim_bridge import __version__
from scim_bridge.cli import completion
from scim_bridge.cli.dry_run import offered, wanted
from scim_bridge.cli.output import EXIT_ERROR, EXIT_USAGE, fail, refuse

# Whatever the command line itself refuses; typer brings its own copy of click and does not export this.
USAGE: Any = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")
# What a shell sets to be told what could come next; named after the program.
COMPLETE = "_SCIM_BRIDGE_COMPLETE"
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
NOUNS = {
    "agents": "The inventory: import manifests and A2A cards, list, show.",
    "alerts": "What agents did that is odd: list, show, mute, resolve; whom it is told.",
    "attest": "Owner attestations: ask, verify.",
    "budgets": "How much agents may do: check, test, what is used, reset, release.",
    "bulk": "Many agents at once: preview, approve, show, cancel.",
    "campaigns": "Attestation campaigns: ask many owners, chase, reassign.",
    "audit": "The tamper-evident record of every change.",
    "clients": "OAuth clients of a connection: secrets, trusted assertions.",
    "config": "The effective settings and where each came from.",
    "conformance": "Prove a SCIM server before Okta or Entra is connected to it.",
    "connections": "The IdP tenants on the other side of the bridge.",
    "db": "The database: copy, back up, restore, status.",
    "decisions": "What gateways asked and were told: list, show, why.",
    "credentials": "What agents prove themselves with: scan, list, rotate, revoke.",
    "departures": "Owners who leave: simulate, list, hand over.",
    "doors": "Doors for news about people: list, show, test.",
    "effects": "Outward calls: waiting, dead, retry.",
    "grants": "Access for a time: memberships that end by themselves.",
    "groups": "What agents are given: list, show with members and policies.",
    "indexes": "Indexes over the attributes the settings declare: list, rebuild.",
    "keys": "Our own keys, secrets and tokens: list, rotate, retire.",
    "leaks": "Secrets that were found in public: list, report one by hand.",
    "mappings": "Which attribute of an agent goes where at an IdP.",
    "notices": "What people are told: list the templates, preview one.",
    "people": "Who answers for agents: list, show with their agents.",
    "policy": "Access policies: check, test, explain, compare, activate.",
    "recommendations": "Groups that agents do not need: review, list, apply, dismiss.",
    "receipts": "Signed proof of departures: show, verify.",
    "sessions": "Who is signed in at the console: list, revoke.",
    "stores": "Stores credentials are delivered to: list, test.",
    "streams": "Streams of security events (SSF) that an IdP sends: create, verify, status.",
    "sync": "Push facts to an IdP: plan, apply, status.",
    "throttles": "Agents that may act only so often for a while: list, place, release.",
    "tokens": "Bearer tokens: shown once, stored as a digest.",
    "transmitter": "Security events (SSF) that receivers get from here: streams, keys.",
    "views": "Saved searches of agents that everybody sees: list, save, delete.",
}
VERBS = {
    "serve": "Run the server, with its worker in the same process.",
    "connect": "Connect Okta or Entra step by step, or rehearse it with a sandbox.",
    "overview": "How agents, owners, alerts, departures and sync stand, at a glance.",
    "status": "How this installation stands: components, doors for news, what waits.",
    "doctor": "Find what is wrong with this installation, and what mends it.",
    "demo": "Play the main job against the sandbox IdPs, over the network.",
    "sandbox": "Run a simulated Okta, Entra, HR system, agent platform or SSF transmitter.",
}


class Noun(TyperGroup):
    """The commands of one noun, imported only when one of them is asked for."""

    @cached_property
    def _real(self) -> TyperGroup:
        return typer.main.get_group(import_module(f"scim_bridge.cli.{self.name}").app)

    def list_commands(self, ctx: Any) -> list[str]:
        """The verbs of this noun."""
        return self._real.list_commands(ctx)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of one verb."""
        found = self._real.get_command(ctx, cmd_name)
        return None if found is None else offered(self.name or "", cmd_name, found)


class Root(TyperGroup):
    """Every noun and verb by name. Loading all rooms for one command would cost it a second."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Nouns, then verbs."""
        return [*NOUNS, *VERBS]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A noun's group, or a verb as the help page shows it."""
        if cmd_name in NOUNS:
            return Noun(name=cmd_name, help=NOUNS[cmd_name], no_args_is_help=True)
        return TyperCommand(cmd_name, help=VERBS[cmd_name]) if cmd_name in VERBS else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that is about to run, with its options."""
        name, command, rest = super().resolve_command(ctx, args)
        return (name, verb(name), rest) if name in VERBS else (name, command, rest)


def verb(name: str) -> Any:
    """A verb that stands alone: such as `serve`."""
    app = typer.Typer(add_completion=False)
    function = getattr(import_module(f"scim_bridge.cli.{name}"), name)
    app.command(name)(function)
    return typer.main.get_command(app)


def version(wanted: bool) -> None:
    """Print the version and stop."""
    if wanted:
        typer.echo(f"scim-bridge {__version__}")
        raise typer.Exit


def build() -> Any:
    """The command tree."""
    app = typer.Typer(cls=Root, no_args_is_help=True, add_completion=True, pretty_exceptions_enable=False)

    @app.callback()
    def root(
        _version: Annotated[
            bool, typer.Option("--version", callback=version, is_eager=True, help="Print the version.")
        ] = False,
    ) -> None:
        """Manage AI agents in Okta and Microsoft Entra ID like people."""

    if COMPLETE in os.environ:
        # A shell asks what could come next: only then its ways of asking are loaded.
        from typer.completion import completion_init  # type: ignore[attr-defined]

        completion_init()
    return typer.main.get_command(app)


def run(arguments: list[str] | None = None) -> int:
    """Run the command line; the exit code. Whatever is wrong is told on one line, and never a traceback."""
    from scim_bridge.kernel.errors import BridgeError

    wanted.set(False)
    given = sys.argv[1:] if arguments is None else arguments
    if not all(map(_is_text, given)):
        # No database could be asked for it, and no name in one has it.
        fail("An argument is not UTF-8 text.", "Write it in UTF-8, without NUL.")
        return EXIT_USAGE
    if not completion.ASKED.isdisjoint(given):
        completion.mend()
    try:
        code = build().main(args=arguments, prog_name="scim-bridge", standalone_mode=False)
        # What cannot be written is found out here, not when the interpreter ends.
        sys.stdout.flush()
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 0
    except BridgeError as error:
        return refuse(error)
    except USAGE as error:
        return _misused(error)
    except OSError as error:
        return _unwritten(error)
    return code if isinstance(code, int) else 0


def _is_text(argument: str) -> bool:
    """False for bytes that are no UTF-8, which Python hands on as lone surrogates, and for NUL."""
    return "\0" not in argument and not any("\ud800" <= one <= "\udfff" for one in argument)


def _misused(error: Any) -> int:
    """An argument or option that cannot be: one line, and where to read on."""
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()
    else:
        at = f" See `{error.ctx.command_path} --help`." if getattr(error, "ctx", None) is not None else ""
        fail(error.format_message(), at.strip())
    return EXIT_USAGE


def _unwritten(error: OSError) -> int:
    """A full disk, or a file in the way."""
    if error.filename is None and error.errno not in NO_ROOM:
        raise error
    if error.filename is None:
        # Nothing that is still to be written would get through either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    fail(
        f"{error.filename or 'The output'} cannot be used ({error.strerror}).", "Check the path and the disk."
    )
    return EXIT_ERROR
