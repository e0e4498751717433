"""`scim-bridge streams`: security events that an IdP sends or keeps for us (SSF, CAEP, RISC)."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer

from scim_bridge.cli.connections import secrets_from
from scim_bridge.cli.output import EXIT_ERROR, DatabaseUrl, Format, Output, fail, say, show
from scim_bridge.cli.reason import reason_option
from scim_bridge.cli.session import actor, with_bridge
from scim_bridge.kernel.clock import iso
from scim_bridge.signals import set_up
from scim_bridge.signals.streams import POLL, PUSH, STATUSES, Stream, stream, streams

app = typer.Typer(no_args_is_help=True, help="Streams of security events (SSF) that an IdP sends.")

Connection = Annotated[str, typer.Argument(help="name of the connection")]


def described(found: Stream, url: str = "") -> dict[str, Any]:
    """A stream as printed: no secret is in it."""
    made = {
        "connection": found.connection,
        "issuer": found.issuer,
        "method": found.method,
        "audiences": found.audiences,
        "algorithm": found.algorithm,
        "by_email": found.by_email,
        "stream_id": found.stream_id or None,
        "status": found.status or None,
        "verified": None if found.verified is None else iso(found.verified),
        "keys": sorted(found.keys),
        "keys_trouble": found.keys_error or None,
    }
    return {**made, "endpoint": url} if url and found.method == PUSH else made


@app.command()
def create(
    connection: Connection,
    transmitter: Annotated[
        str | None,
        typer.Option("--transmitter", help="its address: finds the rest, and makes the stream there"),
    ] = None,
    poll: Annotated[
        bool, typer.Option("--poll", help="ask for events instead of having them pushed")
    ] = False,
    issuer: Annotated[str | None, typer.Option("--issuer", help="by hand: who signs the events")] = None,
    keys_url: Annotated[str | None, typer.Option("--keys-url", help="by hand: its jwks_uri")] = None,
    poll_url: Annotated[
        str | None, typer.Option("--poll-url", help="by hand, with --poll: where to ask")
    ] = None,
    audience: Annotated[
        list[str] | None, typer.Option("--audience", help="who we are to it; again for more")
    ] = None,
    subject_issuer: Annotated[
        list[str] | None,
        typer.Option("--subject-issuer", help="further issuers whose subjects are this connection's people"),
    ] = None,
    algorithm: Annotated[str, typer.Option("--algorithm", help="RS256, PS256, ES256 or Ed25519")] = "RS256",
    by_email: Annotated[
        bool,
        typer.Option(
            "--by-email", help="let an e-mail address alone say who is meant, when it is one person's"
        ),
    ] = False,
    without_header: Annotated[
        bool, typer.Option("--without-header", help="by hand: ask no Authorization header of a push")
    ] = False,
    token_url: Annotated[
        str | None, typer.Option("--token-url", help="where client_id and client_secret get an access token")
    ] = None,
    secrets_file: Annotated[
        Path | None,
        typer.Option("--secrets-file", help="JSON: bearer, or client_id, client_secret and scope"),
    ] = None,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Set up the stream of a connection, in place of an older one."""
    if (transmitter is None) == (issuer is None):
        raise typer.BadParameter("give --transmitter, or --issuer and --keys-url")
    endpoints = {"keys": keys_url, "poll": poll_url, "token": token_url}
    asked = Stream(
        connection_id="",
        connection=connection,
        issuer=issuer or "",
        audiences=tuple(audience or ()),
        method=POLL if poll else PUSH,
        endpoints={use: url for use, url in endpoints.items() if url},
        subject_issuers=tuple(subject_issuer or ()),
        algorithm=algorithm,
        by_email=by_email,
    )

    secrets = secrets_from(secrets_file)

    async def body(bridge: Any) -> tuple[set_up.SetUp, str]:
        if transmitter is not None:
            done = await set_up.by_transmitter(bridge.ctx, actor(), asked, transmitter, secrets)
        else:
            done = await set_up.by_hand(bridge.ctx, actor(), asked, secrets, open_to_all=without_header)
        return done, set_up.endpoint_url(bridge.ctx, done.stream.connection)

    done, url = with_bridge(database_url, body)
    more: dict[str, Any] = {"events": done.events} if done.events else {}
    if done.header:
        more["authorization_header"] = done.header
    if done.warning:
        more["warning"] = done.warning
    show({**described(done.stream, url), **more}, output)
    if done.header and output is Format.TABLE:
        say("\nThe header is shown this once: enter it at the transmitter.")


@app.command("list")
def list_(database_url: DatabaseUrl = None, output: Output = Format.TABLE) -> None:
    """List the streams."""

    async def body(bridge: Any) -> list[Stream]:
        return await streams(bridge.ctx.store.reads)

    found = with_bridge(database_url, body)
    show(
        [described(one) for one in found],
        output,
        empty="No streams. Add one: scim-bridge streams create",
        brief=("connection", "method", "status", "verified"),
    )


@app.command("show")
def show_(connection: Connection, database_url: DatabaseUrl = None, output: Output = Format.TABLE) -> None:
    """Show one stream."""

    async def body(bridge: Any) -> dict[str, Any]:
        found = await stream(bridge.ctx.store.reads, connection)
        return described(found, set_up.endpoint_url(bridge.ctx, found.connection))

    show(with_bridge(database_url, body), output)


@app.command()
def status(
    connection: Connection,
    set_: Annotated[str | None, typer.Option("--set", help="enabled, paused or disabled")] = None,
    reason: Annotated[str, reason_option("told to the transmitter")] = "",
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Ask the transmitter how the stream stands, or change it."""
    if set_ is not None and set_ not in STATUSES:
        raise typer.BadParameter(f"{set_!r} is no status; use one of {', '.join(STATUSES)}")
    change = None if set_ is None else {"status": set_, **({"reason": reason} if reason else {})}

    async def body(bridge: Any) -> Stream:
        return await set_up.ask_status(bridge.ctx, actor(), connection, change)

    found = with_bridge(database_url, body)
    show(
        {"connection": found.connection, "status": found.status, "reason": found.status_reason or None},
        output,
    )


@app.command()
def verify(
    connection: Connection,
    wait: Annotated[float, typer.Option("--wait", min=0, max=600, help="seconds to wait for it")] = 30.0,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Have the transmitter send a verification event, and wait until it is here. The server must be running."""
    found = with_bridge(database_url, lambda bridge: verified(bridge, connection, wait))
    came = arrived(found)
    show({"connection": found.connection, "verified": came, "at": found.verified if came else None}, output)
    if not came:
        fail(
            "The verification event did not arrive.",
            "See `scim-bridge doors list`, and that the server runs.",
        )
        raise typer.Exit(EXIT_ERROR)


def arrived(found: Stream) -> bool:
    """True when the verification asked for last has come."""
    return found.verified is not None and found.verified >= (found.verify_asked or 0)


async def verified(bridge: Any, connection: str, wait: float) -> Stream:
    """The stream after a verification was asked for, when it has arrived or the time is over."""
    found = await set_up.verify(bridge.ctx, actor(), connection)
    for _ in range(int(wait / 0.25)):
        if arrived(found):
            break
        await asyncio.sleep(0.25)
        found = await stream(bridge.ctx.store.reads, connection)
    return found


@app.command()
def remove(connection: Connection, database_url: DatabaseUrl = None, output: Output = Format.TABLE) -> None:
    """Remove a stream here and, when it was made from here, at its transmitter."""

    async def body(bridge: Any) -> tuple[Stream, str]:
        return await set_up.remove(bridge.ctx, actor(), connection)

    gone, trouble = with_bridge(database_url, body)
    there = trouble or ("removed" if gone.stream_id else "made by hand: remove it there")
    show({"connection": gone.connection, "removed": True, "transmitter": there}, output)
