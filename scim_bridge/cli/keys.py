"""`scim-bridge keys`: every key, secret and token of our own under one noun, rotated while everything runs."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from scim_bridge.cli.dry_run import refuse_rehearsal
from scim_bridge.cli.duration import duration
from scim_bridge.cli.key_view import listed, named
from scim_bridge.cli.output import DatabaseUrl, Format, Output, say, show
from scim_bridge.cli.session import actor, with_bridge
from scim_bridge.kernel.clock import iso
from scim_bridge.kernel.errors import Invalid
from scim_bridge.kernel.secret_text import SecretText
from scim_bridge.kernel.work import Work
from scim_bridge.master_rotation import MasterRotation, Told

app = typer.Typer(no_args_is_help=True, help="Our own keys, secrets and tokens.")

NameArgument = Annotated[
    str, typer.Argument(help="as `keys list` shows it: master, audit, token:ID, hr.NAME …")
]
OVERLAP = "7d"
SSF = "ssf"


@app.command("list")
def list_(database_url: DatabaseUrl = None, output: Output = Format.TABLE) -> None:
    """List every key, secret and token of our own: since when, how it stands, what still needs the one before."""
    show(with_bridge(database_url, listed), output, brief=("name", "state", "created", "expires"))


@app.command()
def rotate(
    name: NameArgument,
    overlap: Annotated[
        str, typer.Option("--overlap", help="how long a token or secret before it still works: 12h, 7d")
    ] = OVERLAP,
    from_stdin: Annotated[
        bool, typer.Option("--from-stdin", help="of hr.NAME: read the new secret, which the vendor made")
    ] = False,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Rotate one. What is new and has to be given to somebody is printed once. Broken off, run it again."""
    given = SecretText(sys.stdin.readline().strip()) if from_stdin else None
    if given is not None and len(given.reveal()) < 16:
        raise typer.BadParameter("the secret on standard input is shorter than 16 characters")

    async def body(bridge: Any) -> dict[str, Any]:
        span = duration(overlap)
        return await _rotated(bridge, name, span, given)

    show(with_bridge(database_url, body), output)


@app.command()
def retire(
    name: NameArgument,
    now: Annotated[
        bool, typer.Option("--now", help="of master: end sessions and links that were sent, too")
    ] = False,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """End what came before: the overlap of a secret, an earlier master key, private halves that sign no more."""

    async def body(bridge: Any) -> dict[str, Any]:
        return await _retired(bridge, name, now=now)

    show(with_bridge(database_url, body), output)


async def _rotated(bridge: Any, name: str, overlap: int, given: SecretText | None) -> dict[str, Any]:
    # Imported here: one command rotates one kind.
    from scim_bridge.oauth import clients as oauth
    from scim_bridge.registry.own_secrets import rotate_own_secret
    from scim_bridge.registry.rotation import rotate_token
    from scim_bridge.registry.signing_keys import rotate_signing_key
    from scim_bridge.watch import ssf_keys

    ctx = bridge.ctx
    what = await named(bridge, name)
    if given is not None and what.kind != "webhook":
        raise Invalid("key-given", f"{name} is made here.", "Leave --from-stdin out.")
    if what.kind == "master":
        refuse_rehearsal("A rotation of the master key", "It can be broken off and run again at any point.")
        done = await MasterRotation(ctx, what.key_file).rotate(actor(), _progress())
        return {
            "name": "master",
            "before": done.before,
            "now": done.now,
            "sealed_anew": done.resealed,
            "unreadable": done.unreadable,
            "digests_to_come": done.digests_left,
        }
    if what.kind == "signing" and what.id == ssf_keys.PURPOSE:
        # Of another kind, and published for a while before it signs.
        made = await ctx.store.transact(actor(), lambda work: ssf_keys.rotate(work, ctx.master))
        return {"name": name, "now": made}
    if what.kind == "signing":
        old, new = await ctx.store.transact(
            actor(), lambda work: rotate_signing_key(work, ctx.master, what.id)
        )
        return {"name": name, "before": old, "now": new}
    if what.kind == "token":
        token = await ctx.store.transact(
            actor(), lambda work: rotate_token(work, ctx.master, what.id, overlap=overlap)
        )
        return {"name": f"token:{token.id}", "token": token.token, "before_until": iso(token.old_expires)}
    if what.kind == "client":
        secret = await ctx.store.transact(
            actor(), lambda work: oauth.rotate_secret(work, ctx.master, what.id, overlap=overlap)
        )
        until = iso(ctx.store.clock.now() + overlap)
        return {
            "name": name,
            "client_secret": secret.secret,
            "expires": iso(secret.expires),
            "before_until": until,
        }
    made = await ctx.store.transact(
        actor(),
        lambda work: rotate_own_secret(work, ctx.master, name, what.configured, overlap=overlap, given=given),
    )
    shown = "as given" if given is not None else made.secret.reveal()
    return {"name": name, "secret": shown, "before_until": iso(made.before_until)}


async def _retired(bridge: Any, name: str, *, now: bool) -> dict[str, Any]:
    from scim_bridge.oauth import clients as oauth
    from scim_bridge.registry.own_secrets import retire_own_secret
    from scim_bridge.registry.signing_keys import forget_signing_keys
    from scim_bridge.registry.tokens import revoke_token

    ctx = bridge.ctx
    what = await named(bridge, name)
    if what.kind == "master":
        refuse_rehearsal("Retiring master keys", "`keys list` says what still needs the one before.")
        gone = await MasterRotation(ctx, what.key_file).retire(actor(), now=now)
        if what.key_file is None:
            say("Take it out of secret_key_previous when each process is restarted next.")
        return {"name": "master", "retired": [kid[:8] for kid in gone]}
    if what.kind == "signing" and what.id == SSF:
        raise Invalid("key-published", "These keys end by themselves.", "See `transmitter keys list`.")
    if what.kind == "signing":
        kids = await ctx.store.transact(actor(), lambda work: forget_signing_keys(work, what.id))
        return {"name": name, "retired": kids}
    if what.kind == "token":
        await ctx.store.transact(actor(), lambda work: revoke_token(work, what.id))
        return {"name": name, "retired": [what.id]}
    if what.kind == "client":

        async def older(work: Work) -> list[str]:
            live = await oauth.live_secrets(work.tx, what.id, work.now)
            ended = [str(row["id"]) for row in live[:-1]]
            for secret_id in ended:
                await oauth.delete_secret(work, secret_id)
            if not ended:
                raise Invalid(
                    "key-alone", "The client has one live secret.", f"Rotate it: `keys rotate {name}`."
                )
            return ended

        return {"name": name, "retired": await ctx.store.transact(actor(), older)}
    ended = await ctx.store.transact(actor(), lambda work: retire_own_secret(work, name))
    return {"name": name, "retired": ended}


def _progress() -> Told:
    """A bar on a terminal; nothing elsewhere."""
    if not sys.stderr.isatty():
        return lambda _done, _of: None
    from rich.console import Console
    from rich.progress import Progress

    bar = Progress(console=Console(stderr=True), transient=True)
    task = bar.add_task("sealing anew", total=None)
    bar.start()

    def told(done: int, of: int) -> None:
        bar.update(task, completed=done, total=of)
        if done >= of:
            bar.stop()

    return told
