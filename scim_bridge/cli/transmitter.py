"""`scim-bridge transmitter`: streams of security events that receivers keep here, and the keys that sign them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from scim_bridge.cli.files import read
from scim_bridge.cli.output import DatabaseUrl, Format, Output, show
from scim_bridge.cli.reason import reason_option
from scim_bridge.cli.session import actor, with_bridge
from scim_bridge.kernel.clock import iso
from scim_bridge.kernel.errors import Refused
from scim_bridge.kernel.work import Work
from scim_bridge.registry.connections import connection
from scim_bridge.registry.event_types import PUSH_METHOD
from scim_bridge.watch import ssf_streams as kept
from scim_bridge.watch.ssf_keys import key_rows, rotate, signing
from scim_bridge.watch.ssf_model import (
    DISABLED,
    ENABLED,
    FORMS,
    ISS_SUB,
    PAUSED,
    Stream,
    configuration,
    read_asked,
)

app = typer.Typer(no_args_is_help=True, help="Security events (SSF) that receivers get from here.")
streams = typer.Typer(no_args_is_help=True, help="Receivers' streams.")
keys = typer.Typer(no_args_is_help=True, help="The keys that sign security events.")
app.add_typer(streams, name="streams")
app.add_typer(keys, name="keys")

StreamId = Annotated[str, typer.Argument(help="the stream's id")]
Reason = Annotated[str, reason_option("told to the receiver; audited")]


async def _described(bridge: Any, found: Stream) -> dict[str, Any]:
    reads = bridge.ctx.store.reads
    row = await reads.one("SELECT name FROM sb_connection WHERE id = ?", found.owner)
    said = configuration(found, bridge.ctx.public_url, bridge.settings.transmitter.verify_seconds)
    return {
        "id": found.id,
        "owner": row["name"] if row is not None else "installation",
        "method": found.method,
        "endpoint": said["delivery"]["endpoint_url"].partition("?")[0],
        "status": found.status,
        "reason": found.reason or None,
        "format": found.form,
        "audience": ", ".join(found.audiences),
        "events": list(found.told),
        **await kept.waiting(reads, found.id),
        "delivered": found.delivered,
        "delivered_at": None if found.delivered_at is None else iso(found.delivered_at),
        "description": found.description or None,
    }


@streams.command("list")
def list_(database_url: DatabaseUrl = None, output: Output = Format.TABLE) -> None:
    """List the streams: how each stands, how many events wait and how many were refused."""

    async def body(bridge: Any) -> list[dict[str, Any]]:
        return [await _described(bridge, one) for one in await kept.streams(bridge.ctx.store.reads)]

    show(
        with_bridge(database_url, body),
        output,
        empty="No streams. A receiver makes one, or: scim-bridge transmitter streams create",
        brief=("id", "owner", "method", "status", "queued", "refused", "delivered"),
    )


@streams.command("show")
def show_(stream_id: StreamId, database_url: DatabaseUrl = None, output: Output = Format.TABLE) -> None:
    """Show one stream, with the events its receiver refused last."""

    async def body(bridge: Any) -> dict[str, Any]:
        reads = bridge.ctx.store.reads
        found = await kept.stream(reads, stream_id)
        rows = await reads.all(
            "SELECT jti, event, err, description FROM sb_tx_set WHERE stream_id = ? AND state = 'refused'"
            " ORDER BY position DESC LIMIT 10",
            found.id,
        )
        refusals = [f"{row['event']}: {row['err']} {row['description']}".strip() for row in rows]
        return {**await _described(bridge, found), "refusals": refusals}

    show(with_bridge(database_url, body), output)


@streams.command()
def create(
    to: Annotated[str, typer.Option("--to", help="the receiver's address, to push to")],
    audience: Annotated[str, typer.Option("--audience", help="what the receiver is called in aud")],
    header_file: Annotated[
        Path | None, typer.Option("--header-file", help="a file with the Authorization header it wants")
    ] = None,
    event: Annotated[
        list[str] | None, typer.Option("--event", help="an event type; again for more (default all but full)")
    ] = None,
    form: Annotated[
        str, typer.Option("--format", help=f"how agents are named: {', '.join(FORMS)}")
    ] = ISS_SUB,
    connection_name: Annotated[
        str | None, typer.Option("--connection", help="whose receiver it is: its scope counts")
    ] = None,
    description: Annotated[str, typer.Option("--description")] = "",
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Push to a receiver that makes no stream itself (Okta's security events API: --format okta)."""
    header = read(header_file).decode("ascii", "replace").strip() if header_file is not None else None
    asked = read_asked(
        {
            "delivery": {"method": PUSH_METHOD, "endpoint_url": to, "authorization_header": header},
            "events_requested": event,
            "description": description,
            "format": form,
        }
    )

    async def body(bridge: Any) -> dict[str, Any]:
        if not bridge.settings.transmitter.enabled:
            raise Refused(
                "transmitter-off",
                "The transmitter is off.",
                "Set transmitter.enabled and restart the server.",
            )

        async def make(work: Work) -> Stream:
            owner = "" if connection_name is None else (await connection(work.tx, connection_name)).id
            subjects = bridge.settings.transmitter.default_subjects
            return await kept.create(work, bridge.ctx, asked, owner, subjects, (audience,))

        return await _described(bridge, await bridge.ctx.store.transact(actor(), make))

    show(with_bridge(database_url, body), output)


def _set(database_url: str | None, stream_id: str, status: str, reason: str) -> dict[str, Any]:
    async def body(bridge: Any) -> dict[str, Any]:
        found = await kept.stream(bridge.ctx.store.reads, stream_id)

        async def change(work: Work) -> Stream:
            return await kept.set_status(
                work, bridge.ctx.public_url, found, status, reason, by_receiver=False
            )

        after = await bridge.ctx.store.transact(actor(), change)
        return {"id": after.id, "status": after.status, "reason": after.reason or None}

    return with_bridge(database_url, body)


@streams.command()
def pause(
    stream_id: StreamId, reason: Reason = "", database_url: DatabaseUrl = None, output: Output = Format.TABLE
) -> None:
    """Send nothing for now; what happens meanwhile is kept and told in order when it goes on."""
    show(_set(database_url, stream_id, PAUSED, reason), output)


@streams.command()
def resume(stream_id: StreamId, database_url: DatabaseUrl = None, output: Output = Format.TABLE) -> None:
    """Go on, beginning with what waits."""
    show(_set(database_url, stream_id, ENABLED, ""), output)


@streams.command()
def disable(
    stream_id: StreamId, reason: Reason = "", database_url: DatabaseUrl = None, output: Output = Format.TABLE
) -> None:
    """Send nothing, and forget what waits; what happens until it is resumed is never told."""
    show(_set(database_url, stream_id, DISABLED, reason), output)


@streams.command()
def verify(
    stream_id: StreamId,
    state: Annotated[
        str | None, typer.Option("--state", help="told back by the receiver's own checks")
    ] = None,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Send a verification event; `streams show` says when it was delivered. The server must be running."""

    async def body(bridge: Any) -> dict[str, Any]:
        found = await kept.stream(bridge.ctx.store.reads, stream_id)
        await bridge.ctx.store.transact(
            actor(), lambda work: kept.verify(work, bridge.ctx.public_url, found, state)
        )
        return {"id": found.id, "verification": "on its way"}

    show(with_bridge(database_url, body), output)


@streams.command()
def delete(stream_id: StreamId, database_url: DatabaseUrl = None, output: Output = Format.TABLE) -> None:
    """End a stream, with all that waits for it."""

    async def body(bridge: Any) -> Stream:
        found = await kept.stream(bridge.ctx.store.reads, stream_id)
        await bridge.ctx.store.transact(actor(), lambda work: kept.delete(work, found))
        return replace(found, status="deleted")

    gone: Stream = with_bridge(database_url, body)
    show({"id": gone.id, "status": gone.status}, output)


@keys.command("list")
def list_keys(database_url: DatabaseUrl = None, output: Output = Format.TABLE) -> None:
    """List the keys: which one signs, which are published before or after."""

    async def body(bridge: Any) -> list[dict[str, Any]]:
        found = await key_rows(bridge.ctx.store.reads)
        now = signing(found, bridge.ctx.store.clock.now())
        return [
            {
                "kid": key.kid,
                "signs": now is not None and key.kid == now.kid,
                "created": key.created,
                "retired": None if key.retired is None else iso(key.retired),
            }
            for key in found
        ]

    show(with_bridge(database_url, body), output, empty="No keys. The first stream makes one.")


@keys.command("rotate")
def rotate_(database_url: DatabaseUrl = None, output: Output = Format.TABLE) -> None:
    """Make a new key. It signs once it was published for a quarter of an hour; the old one stays published."""

    async def body(bridge: Any) -> str:
        return await bridge.ctx.store.transact(actor(), lambda work: rotate(work, bridge.ctx.master))  # type: ignore[no-any-return]

    show({"kid": with_bridge(database_url, body), "signs_in": "15 minutes"}, output)
