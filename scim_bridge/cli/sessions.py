"""`scim-bridge sessions`: who is signed in at the console, and ending that."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from scim_bridge.cli.output import DatabaseUrl, Format, Output, done, show
from scim_bridge.cli.session import actor, with_bridge
from scim_bridge.kernel.clock import iso
from scim_bridge.kernel.errors import Invalid, NotFound
from scim_bridge.kernel.work import Work
from scim_bridge.registry import sessions as registry
from scim_bridge.registry.people_refs import find_person

app = typer.Typer(no_args_is_help=True, help="Who is signed in at the console: list, revoke.")


@app.command("list")
def list_(
    every: Annotated[bool, typer.Option("--all", help="also those that ended in the last 30 days")] = False,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """List sessions: who, with which roles, how they signed in, since when and until when."""

    async def body(bridge: Any) -> list[Any]:
        now = bridge.ctx.store.clock.now()
        found = await registry.sessions(bridge.ctx.store.reads, now, every=every)
        return [_listed(one, now) for one in found]

    show(with_bridge(database_url, body), output, empty="Nobody is signed in.")


def _listed(one: registry.Session, now: int) -> dict[str, Any]:
    state = one.ended_why or ("open" if one.ends() > now else "over")
    return {
        "id": one.id,
        "who": one.name,
        "roles": " ".join(one.roles),
        "by": one.method,
        "state": state,
        "signed_in": iso(one.created),
        "last_seen": iso(one.seen),
        "ends": iso(one.ended if one.ended is not None else one.ends()),
        "address": one.address,
    }


@app.command()
def revoke(
    session_id: Annotated[str | None, typer.Argument(help="the id `sessions list` shows")] = None,
    person: Annotated[str | None, typer.Option("--person", help="every session of this person")] = None,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """End a session at once, or every session of a person."""
    if (session_id is None) == (person is None):
        raise Invalid("session-which", "Say which session.", "Give an id, or --person NAME.")

    async def body(bridge: Any) -> int:
        async def end(work: Work) -> int:
            if session_id is not None:
                await registry.revoke_session(work, session_id)
                return 1
            found = await find_person(work.tx, str(person))
            if found is None:
                raise NotFound(
                    "person-unknown",
                    f"No person is known as {person!r}.",
                    "Use a userName or e-mail address.",
                )
            return await registry.revoke_sessions_of(work, found.id)

        return await bridge.ctx.store.transact(actor(), end)  # type: ignore[no-any-return]

    ended = with_bridge(database_url, body)
    done(f"Ended {ended} session{'' if ended == 1 else 's'}.", {"ended": ended}, output)
