"""`--dry-run` for commands that write in one transaction: it runs to its end, is told, and is rolled back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from typing import Annotated, Any, TypeVar

import orjson
import typer

from scim_bridge.cli.output import Format
from scim_bridge.kernel.database import Tx
from scim_bridge.kernel.errors import Refused
from scim_bridge.kernel.work import Actor, Store, Work

T = TypeVar("T")
# Nothing of these goes out, or to a file, before or beside their one transaction. `noun group`: verbs below a group.
PLANNED: Mapping[str, tuple[str, ...]] = {
    "agents": ("hold", "resume"),
    "alerts": ("resolve", "mute", "unmute"),
    "attest": ("request", "rotate-key"),
    "budgets": ("reset", "release"),
    "bulk": ("cancel",),
    "campaigns": ("reassign", "cancel"),
    "clients": ("create", "add-secret", "rotate-secret", "delete-secret", "delete"),
    "clients trust": ("add", "remove"),
    "connections": ("create", "configure"),
    "credentials": ("register", "link", "adopt", "rotate", "ack", "settle", "revoke"),
    "credentials policy": ("set", "clear"),
    "departures": ("accept", "decline", "return", "keep", "hand-over", "open", "returned"),
    "departures brake": ("release", "reject"),
    "effects": ("retry", "drop"),
    "grants": ("add", "end", "keep"),
    "keys": ("rotate", "retire"),
    "leaks": ("report",),
    "mappings": ("set", "reset"),
    "policy": ("activate",),
    "receipts": ("rotate-key",),
    "recommendations": ("apply", "dismiss"),
    "sessions": ("revoke",),
    "sync": ("cancel", "settle", "adopt", "ignore", "retire"),
    "throttles": ("place", "release"),
    "tokens": ("create", "rotate", "revoke"),
    "transmitter keys": ("rotate",),
    "transmitter streams": ("create", "pause", "resume", "disable", "verify", "delete"),
    "views": ("save", "delete"),
}
# What writes and cannot be rehearsed that way, and what says beforehand what it would do.
UNPLANNED: Mapping[str, str] = {
    "alerts routes test": "sends a test; nothing here changes",
    "attest bundle": "writes a file, and in the audit that it did",
    "audit export": "writes a file, and in the audit that it did",
    "audit streams test": "sends a test; nothing here changes",
    "bulk approve": "does what `bulk plan` said, which `bulk show` repeats",
    "bulk plan": "says what would happen; nothing is done before `bulk approve`",
    "connect": "asks before each step that writes",
    "connections probe": "asks the IdP what it has; nothing there changes",
    "credentials scan": "reads at the IdP; what it finds is shown, and nothing there changes",
    "db copy": "writes into an empty database only, and into none with something in it",
    "db restore": "writes where no database is, and nowhere else",
    "departures drill": "is a rehearsal itself, with an owner who is nobody",
    "doors test": "sends a test; nothing here changes",
    "indexes rebuild": "makes anew what follows from the resources; `indexes list` says what is stale",
    "recommendations review": "its list is the plan; nothing is done before `recommendations apply`",
    "streams create": "begins at the transmitter, before anything is kept here",
    "streams remove": "begins at the transmitter, before anything is forgotten here",
    "streams status": "asks the transmitter, whose answer is what is kept",
    "streams verify": "asks the transmitter for a test event",
    "sync apply": "`sync plan` shows every change and its plan is applied as it was shown",
    "sync plan": "its plan is what would change; nothing is done before `sync apply`",
}
HELP = "say what would be written, and write nothing; exit 3 when it would change something"
_format: ContextVar[Format] = ContextVar("dry-run-format", default=Format.TABLE)
wanted: ContextVar[bool] = ContextVar("dry-run", default=False)


class Rehearsed(BaseException):
    """What a transaction would have written: audit rows and outward calls. Raised to roll it back."""

    def __init__(self, rows: list[dict[str, Any]], effects: int) -> None:
        super().__init__()
        self.rows = rows
        self.effects = effects


class DryStore(Store):
    """A store whose first transaction is rolled back when it is done, and told."""

    async def transact(
        self, actor: Actor, body: Callable[[Work], Awaitable[T]], *, about: str | None = None
    ) -> T:
        """Raises Rehearsed, or whatever the use case itself refuses."""

        async def run(tx: Tx) -> T:
            before = self.ids.new()
            work = Work(tx, self.clock.now(), self.ids, actor, self.indexes.declared)
            await body(work)
            found = await tx.all(
                "SELECT action, subject_kind, subject_id, detail FROM sb_audit"
                " WHERE id > ? AND at = ? AND actor_id = ? ORDER BY id",
                before,
                work.now,
                actor.id,
            )
            rows = [
                {
                    "would": row["action"],
                    "subject": f"{row['subject_kind']} {row['subject_id'] or ''}".strip(),
                    "detail": orjson.loads(row["detail"]),
                }
                for row in found
            ]
            raise Rehearsed(rows, work.effects)

        return await self.database.transact(run, about=about)


def offered(path: str, verb: str, command: Any) -> Any:
    """The command with the option --dry-run, where one transaction is all it does; a group with those below it."""
    for name, below in getattr(command, "commands", {}).items():
        offered(f"{path} {verb}", name, below)
    if verb in PLANNED.get(path, ()) and all(option.name != "dry_run" for option in command.params):
        command.params.append(_option())
    return command


def refuse_rehearsal(what: str, fix: str) -> None:
    """Refused where this once there is more to it than one transaction."""
    if wanted.get():
        raise Refused("dry-run", f"{what} cannot be rehearsed.", fix)


def _option() -> Any:
    """The option as typer makes it of a function that has it."""

    def has(
        dry_run: Annotated[
            bool, typer.Option("--dry-run", help=HELP, callback=_chosen, expose_value=False)
        ] = False,
    ) -> None:
        """Only its parameter is of use."""

    app = typer.Typer(add_completion=False)
    app.command()(has)
    return next(each for each in typer.main.get_command(app).params if each.name == "dry_run")


def _chosen(ctx: typer.Context, value: bool) -> bool:
    wanted.set(bool(value))
    _format.set(Format(ctx.params.get("output") or Format.TABLE))
    return value


def chosen_format() -> Format:
    """The format the command was asked for; a table where it has none."""
    return _format.get()
