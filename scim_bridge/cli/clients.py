"""`scim-bridge clients`: OAuth clients of a connection, their secrets, and whose assertions they trust."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from scim_bridge.cli.client_view import listed, listed_trust, shown
from scim_bridge.cli.duration import duration
from scim_bridge.cli.output import DatabaseUrl, Format, Output, done, show
from scim_bridge.cli.session import actor, with_bridge
from scim_bridge.kernel.errors import NotFound
from scim_bridge.kernel.paths import SCIM_PATH
from scim_bridge.kernel.work import Work
from scim_bridge.oauth import clients as oauth
from scim_bridge.oauth import keys
from scim_bridge.oauth import trusts as trusting
from scim_bridge.registry.connections import connection
from scim_bridge.registry.tokens import CONNECTION_SCOPES

app = typer.Typer(no_args_is_help=True, help="OAuth clients: secrets and trusted assertions.")
trust = typer.Typer(no_args_is_help=True, help="Workload identity: whose assertions stand for a client.")
app.add_typer(trust, name="trust")

Years = Annotated[int, typer.Option("--years", min=1, max=3, help="years until the secret expires")]


@app.command()
def create(
    connection_name: Annotated[str, typer.Option("--connection", help="the connection it speaks for")],
    scope: Annotated[
        list[str] | None,
        typer.Option("--scope", help="read, users, groups (default these), ssf.read, ssf.manage"),
    ] = None,
    label: Annotated[str, typer.Option("--label")] = "",
    years: Years = 1,
    secret: Annotated[
        bool, typer.Option("--secret/--no-secret", help="--no-secret: for workload identity alone")
    ] = True,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Create a client. Its secret is printed once and cannot be shown again."""

    async def body(bridge: Any) -> dict[str, Any]:
        async def make(work: Work) -> dict[str, Any]:
            found = await connection(work.tx, connection_name)
            scopes = tuple(scope or CONNECTION_SCOPES)
            made = await oauth.create_client(work, found, label=label, scopes=scopes)
            answer: dict[str, Any] = {"client_id": made.id}
            if secret:
                first = await oauth.add_secret(work, bridge.ctx.master, made.id, years=years)
                answer |= {"client_secret": first.secret, "secret_id": first.id, "expires": first.expires}
            return answer | _addresses(bridge)

        return await bridge.ctx.store.transact(actor(), make)  # type: ignore[no-any-return]

    show(with_bridge(database_url, body), output)


def _addresses(bridge: Any) -> dict[str, str]:
    """What Entra's form asks for beside the client."""
    url = bridge.ctx.public_url
    return {"tenant_url": f"{url}{SCIM_PATH}", "token_endpoint": f"{url}/oauth/token"}


@app.command("list")
def list_(
    connection_name: Annotated[str | None, typer.Option("--connection", help="only of this one")] = None,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """List clients: of which connection, how many live secrets and trusts, when last used."""

    async def body(bridge: Any) -> list[dict[str, Any]]:
        reads = bridge.ctx.store.reads
        found = await connection(reads, connection_name) if connection_name is not None else None
        return await listed(reads, bridge.ctx.store.clock.now(), found.id if found is not None else None)

    show(with_bridge(database_url, body), output, empty="No clients. Create one: scim-bridge clients create")


@app.command("show")
def show_(client_id: str, database_url: DatabaseUrl = None, output: Output = Format.TABLE) -> None:
    """Show a client with its secrets (never their values) and trusts."""

    async def body(bridge: Any) -> dict[str, Any]:
        reads = bridge.ctx.store.reads
        found = await oauth.client(reads, client_id)
        return await shown(reads, found, bridge.ctx.store.clock.now(), output is Format.TABLE)

    show(with_bridge(database_url, body), output)


@app.command("add-secret")
def add_secret(
    client_id: str, years: Years = 1, database_url: DatabaseUrl = None, output: Output = Format.TABLE
) -> None:
    """Give a client one more secret; the others stay as they are. Printed once."""

    async def body(bridge: Any) -> oauth.NewSecret:
        return await bridge.ctx.store.transact(  # type: ignore[no-any-return]
            actor(), lambda work: oauth.add_secret(work, bridge.ctx.master, client_id, years=years)
        )

    show(_once(client_id, with_bridge(database_url, body)), output)


@app.command("rotate-secret")
def rotate_secret(
    client_id: str,
    years: Annotated[
        int | None,
        typer.Option("--years", min=1, max=3, help="years until it expires (default: as the newest one)"),
    ] = None,
    overlap: Annotated[str, typer.Option("--overlap", help="how long the others still work: 12h, 7d")] = "7d",
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Give a client a new secret and let all others end after the overlap. Printed once."""

    async def body(bridge: Any) -> oauth.NewSecret:
        span = duration(overlap)
        return await bridge.ctx.store.transact(  # type: ignore[no-any-return]
            actor(),
            lambda work: oauth.rotate_secret(work, bridge.ctx.master, client_id, years=years, overlap=span),
        )

    show(_once(client_id, with_bridge(database_url, body)), output)


def _once(client_id: str, made: oauth.NewSecret) -> dict[str, Any]:
    return {
        "client_id": client_id,
        "client_secret": made.secret,
        "secret_id": made.id,
        "expires": made.expires,
    }


@app.command("delete-secret")
def delete_secret(
    secret_id: str,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Delete a secret at once, and end the access tokens it was shown for (by the id `clients show` shows)."""

    async def body(bridge: Any) -> int:
        return await bridge.ctx.store.transact(  # type: ignore[no-any-return]
            actor(), lambda work: oauth.delete_secret(work, secret_id)
        )

    ended = with_bridge(database_url, body)
    told = {"secret_id": secret_id, "state": "deleted", "access_tokens_ended": ended}
    done(f"Deleted {secret_id}; {ended} access token(s) ended.", told, output)


@app.command()
def delete(
    client_id: str,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Delete a client with its secrets and trusts, and end its access tokens at once."""

    async def body(bridge: Any) -> int:
        return await bridge.ctx.store.transact(  # type: ignore[no-any-return]
            actor(), lambda work: oauth.delete_client(work, client_id)
        )

    ended = with_bridge(database_url, body)
    told = {"client_id": client_id, "state": "deleted", "access_tokens_ended": ended}
    done(f"Deleted {client_id}; {ended} access token(s) ended.", told, output)


@trust.command("add")
def trust_add(
    client_id: str,
    subject: Annotated[str, typer.Option("--subject", help="object id of the calling service principal")],
    audience: Annotated[str, typer.Option("--audience", help="as the issuer shows it: GUID or api://GUID")],
    tenant: Annotated[str | None, typer.Option("--tenant", help="Entra tenant id")] = None,
    issuer: Annotated[str | None, typer.Option("--issuer", help="default: Entra's for the tenant")] = None,
    keys_url: Annotated[str | None, typer.Option("--keys-url", help="jwks_uri; default: Entra's")] = None,
    reusable: Annotated[
        bool, typer.Option("--reusable", help="let one assertion count until it expires, not once")
    ] = False,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Let assertions of an issuer stand for a client, and fetch the issuer's keys."""

    async def body(bridge: Any) -> dict[str, Any]:
        ctx, hosts = bridge.ctx, bridge.settings.oauth.keys_hosts
        made = await ctx.store.transact(
            actor(),
            lambda work: trusting.add_trust(
                work,
                client_id,
                subject=subject,
                audience=audience,
                tenant=tenant,
                issuer=issuer,
                keys_url=keys_url,
                hosts=hosts,
                single_use=not reusable,
            ),
        )
        # A server would fetch them within two seconds; here the admin sees at once whether it works.
        await keys.refresh(ctx, hosts)
        return listed_trust(made, await keys.cached(ctx.store.reads, made.keys_url)) | _addresses(bridge)

    show(with_bridge(database_url, body), output)


@trust.command("list")
def trust_list(
    client_id: Annotated[str | None, typer.Argument(help="only of this client")] = None,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """List trusts: issuer, subject, audience, and the state of the issuer's keys."""

    async def body(bridge: Any) -> list[dict[str, Any]]:
        reads = bridge.ctx.store.reads
        if client_id is not None and await oauth.find_client(reads, client_id) is None:
            raise NotFound("client-unknown", f"There is no client {client_id!r}.", "See `clients list`.")
        found = await trusting.trusts(reads, client_id)
        return [listed_trust(each, await keys.cached(reads, each.keys_url)) for each in found]

    show(with_bridge(database_url, body), output, empty="No trusts. Add one: scim-bridge clients trust add")


@trust.command("remove")
def trust_remove(
    trust_id: str,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Stop trusting at once, and end the access tokens given for it."""

    async def body(bridge: Any) -> int:
        return await bridge.ctx.store.transact(  # type: ignore[no-any-return]
            actor(), lambda work: trusting.remove_trust(work, trust_id)
        )

    ended = with_bridge(database_url, body)
    told = {"trust_id": trust_id, "state": "removed", "access_tokens_ended": ended}
    done(f"Removed {trust_id}; {ended} access token(s) ended.", told, output)
