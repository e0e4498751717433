"""`--dry-run` for commands that write in one transaction: it runs to its end, is told, and is rolled back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Annotated, Any, TypeVar

import orjson
import typer

from scim_bridge.cli.output import Format
from scim_bridge.kernel.database import Tx
from scim_bridge.kernel.work import Actor, Store, Work

T = TypeVar("T")
# Nothing of these goes out, or to a file, before or beside their one transaction.
PLANNED = {
    "agents": ("hold", "resume"),
    "alerts": ("resolve", "mute", "unmute"),
    "clients": ("create", "add-secret", "rotate-secret", "delete-secret", "delete"),
    "connections": ("create", "configure"),
    "effects": ("retry", "drop"),
    "grants": ("add", "end", "keep"),
    "tokens": ("create", "rotate", "revoke"),
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


def offered(noun: str, verb: str, command: Any) -> Any:
    """The command with the option --dry-run, where one transaction is all it does."""
    if verb in PLANNED.get(noun, ()) and all(option.name != "dry_run" for option in command.params):
        command.params.append(_option())
    return command


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
