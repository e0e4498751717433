"""`scim-bridge credentials policy`: how often credentials are rotated, how that is confirmed, where they go."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from scim_bridge.cli.duration import duration
from scim_bridge.cli.output import DatabaseUrl, Format, Output, done, show
from scim_bridge.cli.session import actor, with_bridge
from scim_bridge.credentials.policies import clear_policy, policies, set_policy
from scim_bridge.kernel.clock import SECOND
from scim_bridge.kernel.errors import Invalid, NotFound

app = typer.Typer(no_args_is_help=True, help="Rotation policies: for all, a connection, an agent, a client.")
Subject = Annotated[str, typer.Argument(help="all, connection:NAME, agent:SLUG or client:ID")]


@app.command("list")
def list_(database_url: DatabaseUrl = None, output: Output = Format.TABLE) -> None:
    """Every policy as it was set; the more particular one wins, name by name."""

    async def body(bridge: Any) -> list[dict[str, Any]]:
        known = await policies(bridge.ctx.store.reads)
        return [{"subject": subject, **layer} for subject, layer in known.layers.items()]

    rows = with_bridge(database_url, body)
    names = list(dict.fromkeys(name for row in rows for name in row))
    show([{name: row.get(name) for name in names} for row in rows], output, empty="No policies.")


@app.command("set")
def set_(
    subject: Subject,
    max_age_days: Annotated[int | None, typer.Option("--max-age-days", help="0: never by itself")] = None,
    overlap: Annotated[str | None, typer.Option("--overlap", help="both work so long: 1h, 2d")] = None,
    confirm: Annotated[str | None, typer.Option("--confirm", help="ack, health, store or time")] = None,
    within: Annotated[
        str | None, typer.Option("--within", help="the confirmation has to come in: 1h")
    ] = None,
    health_url: Annotated[str | None, typer.Option("--health-url")] = None,
    kind: Annotated[
        str | None, typer.Option("--kind", help="key, jwk, certificate, client_secret; '' keeps it")
    ] = None,
    lifetime_days: Annotated[
        int | None, typer.Option("--lifetime-days", help="the new one expires then")
    ] = None,
    store: Annotated[str | None, typer.Option("--store", help="a store of the settings")] = None,
    address: Annotated[
        list[str] | None, typer.Option("--address", help="name=value of the place, {slug} is filled in")
    ] = None,
    authority: Annotated[
        str | None,
        typer.Option("--authority", help="the store that signs certificates; '': they do themselves"),
    ] = None,
    key_in: Annotated[
        str | None, typer.Option("--key-in", help="store: a certificate's key is made there and stays there")
    ] = None,
    window: Annotated[str | None, typer.Option("--window", help="Mon-Fri 02:00-04:00 Europe/Berlin")] = None,
    signals: Annotated[
        str | None, typer.Option("--on", help="leak,anomaly,owner-changed: rotate at once then")
    ] = None,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Set what is named, leave the rest as it is."""
    given = {
        "max_age_days": max_age_days,
        "overlap_seconds": None if overlap is None else duration(overlap) // SECOND,
        "confirm": confirm,
        "confirm_seconds": None if within is None else duration(within) // SECOND,
        "health_url": health_url,
        "kind": kind,
        "lifetime_days": lifetime_days,
        "authority": authority,
        "key_in": key_in,
        "window": window,
        "signals": None if signals is None else [one.strip() for one in signals.split(",") if one.strip()],
    }
    content: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if address is not None:
        content["address"] = _pairs(address)

    async def body(bridge: Any) -> dict[str, Any]:
        if store is not None:
            content.update(store=store, store_kind=_kind(bridge, store))
        if authority:
            _signs(bridge, authority)
        return await bridge.ctx.store.transact(  # type: ignore[no-any-return]
            actor(), lambda work: set_policy(work, subject, content)
        )

    show({"subject": subject, **with_bridge(database_url, body)}, output)


def _kind(bridge: Any, store: str) -> str:
    for options in bridge.stores:
        if options.name == store:
            return str(options.kind)
    raise NotFound(
        "store-unknown", f"The settings name no store {store!r}.", "See `scim-bridge stores list`."
    )


def _signs(bridge: Any, store: str) -> None:
    if _kind(bridge, store) != "openbao" or not next(o for o in bridge.stores if o.name == store)["pki_role"]:
        raise Invalid(
            "policy-authority",
            f"The store {store!r} signs no certificates.",
            f"Set stores.{store}.pki_role, the role of a PKI engine; only OpenBao and Vault have one.",
        )


def _pairs(address: list[str]) -> dict[str, str]:
    found = {}
    for pair in address:
        name, separator, value = pair.partition("=")
        if not separator or not name:
            raise Invalid("policy-address", f"{pair!r} is no place.", "Write path=agents/{slug}.")
        found[name] = value
    return found


@app.command()
def clear(
    subject: Subject,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Take a policy away."""

    async def body(bridge: Any) -> None:
        await bridge.ctx.store.transact(actor(), lambda work: clear_policy(work, subject))

    with_bridge(database_url, body)
    done(f"No policy for {subject} any more.", {"subject": subject, "policy": None}, output)
