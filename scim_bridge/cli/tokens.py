"""`scim-bridge tokens`: bearer tokens for IdPs, gateways and admins."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from scim_bridge.cli.client_view import listed_token
from scim_bridge.cli.duration import duration
from scim_bridge.cli.output import DatabaseUrl, Format, Output, done, show
from scim_bridge.cli.session import actor, with_bridge
from scim_bridge.kernel.clock import iso
from scim_bridge.kernel.errors import Invalid
from scim_bridge.kernel.work import Work
from scim_bridge.registry import tokens as registry
from scim_bridge.registry.connections import connection
from scim_bridge.registry.rotation import Rotated, rotate_token

app = typer.Typer(no_args_is_help=True, help="Bearer tokens: shown once, stored as a digest.")


@app.command()
def create(
    connection_name: Annotated[
        str | None, typer.Option("--connection", help="for SCIM: the connection")
    ] = None,
    scope: Annotated[
        list[str] | None,
        typer.Option(
            "--scope",
            help="with a connection read, users, groups (default these), signals, ssf.read, ssf.manage;"
            " else access, activity, ssf.read, ssf.manage, viewer, operator, auditor, admin",
        ),
    ] = None,
    label: Annotated[str, typer.Option("--label")] = "",
    days: Annotated[int | None, typer.Option("--days", help="days until it expires (default: never)")] = None,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Create a token. It is printed once and cannot be shown again."""

    async def body(bridge: Any) -> str:
        async def make(work: Work) -> str:
            if connection_name is None and not scope:
                raise Invalid(
                    "token-scope", "Say what the token is for.", "Use --connection NAME, or --scope access."
                )
            found = await connection(work.tx, connection_name) if connection_name is not None else None
            return await registry.create_token(
                work,
                bridge.ctx.master,
                connection_id=found.id if found is not None else None,
                scopes=tuple(scope or registry.CONNECTION_SCOPES),
                label=label,
                days=days,
            )

        return await bridge.ctx.store.transact(actor(), make)  # type: ignore[no-any-return]

    show({"token": with_bridge(database_url, body)}, output)


@app.command("list")
def list_(database_url: DatabaseUrl = None, output: Output = Format.TABLE) -> None:
    """List tokens: who they are for, when they expire, when they were last used."""

    async def body(bridge: Any) -> list[Any]:
        now = bridge.ctx.store.clock.now()
        return [listed_token(row, now) for row in await registry.tokens(bridge.ctx.store.reads)]

    show(with_bridge(database_url, body), output, empty="No tokens. Create one: scim-bridge tokens create")


@app.command()
def rotate(
    token_id: str,
    overlap: Annotated[
        str, typer.Option("--overlap", help="how long the old one still works: 12h, 7d")
    ] = "7d",
    days: Annotated[
        int | None, typer.Option("--days", help="days until the new one expires (default: as the old one)")
    ] = None,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Make a token that grants the same and let the old one end after the overlap. Printed once."""

    async def body(bridge: Any) -> Rotated:
        span = duration(overlap)
        return await bridge.ctx.store.transact(  # type: ignore[no-any-return]
            actor(), lambda work: rotate_token(work, bridge.ctx.master, token_id, overlap=span, days=days)
        )

    made = with_bridge(database_url, body)
    ends = {"old_id": made.old_id, "old_expires": iso(made.old_expires)}
    show({"token": made.token, "id": made.id, "expires": made.expires} | ends, output)


@app.command()
def revoke(
    token_id: str,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Revoke a token at once (by the id `tokens list` shows)."""

    async def body(bridge: Any) -> None:
        await bridge.ctx.store.transact(actor(), lambda work: registry.revoke_token(work, token_id))

    with_bridge(database_url, body)
    done(f"Revoked {token_id}.", {"id": token_id, "state": "revoked"}, output)
