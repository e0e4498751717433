"""`scim-bridge credentials`: the inventory, rotations, and revocation."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from scim_bridge.cli import credentials_policy
from scim_bridge.cli.output import DatabaseUrl, Format, Output, busy, done, show
from scim_bridge.cli.reason import reason_option
from scim_bridge.cli.session import actor, with_bridge
from scim_bridge.credentials import view
from scim_bridge.credentials.begin import rotate_agent, rotate_client, rotate_credential
from scim_bridge.credentials.clients import link
from scim_bridge.credentials.policy import ANOMALY, LEAK, OWNER_CHANGED
from scim_bridge.credentials.revoking import turn_round
from scim_bridge.credentials.rotation import DEMAND, confirm, settle
from scim_bridge.credentials.scan import scan as read_there
from scim_bridge.kernel.clock import DAY, parse_iso
from scim_bridge.kernel.database import Reader
from scim_bridge.kernel.errors import Invalid, NotFound
from scim_bridge.kernel.work import Work
from scim_bridge.registry.agent_facts import AgentFacts, find_agent
from scim_bridge.registry.connections import connection as there
from scim_bridge.registry.credentials import KINDS, adopt, register_credential, revoke_all, revoke_one

app = typer.Typer(no_args_is_help=True, help="What agents prove themselves with.")
app.add_typer(credentials_policy.app, name="policy")

Agent = Annotated[str | None, typer.Option("--agent", help="the agent's slug or id")]
Because = Annotated[str, reason_option("kept in the audit")]


async def _agent(reader: Reader, name: str) -> AgentFacts:
    found = await find_agent(reader, name)
    if found is None:
        raise NotFound("agent-unknown", f"There is no agent {name!r}.", "See `scim-bridge agents list`.")
    return found


# As in the console.
SOON = 30 * DAY


class State(StrEnum):
    """Where a credential is in its life."""

    ACTIVE = "active"
    INACTIVE = "inactive"
    VOID = "void"
    REVOKING = "revoking"
    REVOKED = "revoked"
    GONE = "gone"


class Cause(StrEnum):
    """Why a person has a rotation begun."""

    DEMAND = DEMAND
    LEAK = LEAK
    ANOMALY = ANOMALY
    OWNER_CHANGED = OWNER_CHANGED


@app.command("list")
def list_(
    agent: Agent = None,
    connection: Annotated[str | None, typer.Option("--connection")] = None,
    state: Annotated[State | None, typer.Option("--state", help="also what is revoked or gone")] = None,
    strangers: Annotated[bool, typer.Option("--strangers", help="only what somebody should look at")] = False,
    ending: Annotated[bool, typer.Option("--ending", help="only what ends within thirty days")] = False,
    bridge_issued: Annotated[
        bool, typer.Option("--bridge", help="what the bridge gave out: tokens, client secrets")
    ] = False,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """The inventory: whose, where, how old, when it expires, was last used, and is rotated next."""

    async def body(bridge: Any) -> list[dict[str, Any]]:
        store = bridge.ctx.store
        if bridge_issued:
            return await view.bridge_issued(store.reads, store.clock.now())
        if connection is not None:
            await there(store.reads, connection)
        slug = agent if agent is None else (await _agent(store.reads, agent)).slug
        return await view.listed(
            store.reads,
            store.clock.now(),
            agent=slug,
            connection=connection,
            state=None if state is None else state.value,
            strangers=strangers,
            ends_by=store.clock.now() + SOON if ending else None,
        )

    brief = ("agent", "kind", "system", "state", "age_days", "next_rotation", "stranger")
    show(
        with_bridge(database_url, body),
        output,
        empty="None ends within thirty days."
        if ending
        else "No credentials. Look for them: scim-bridge credentials scan --connection NAME",
        brief=brief,
    )


@app.command("show")
def show_(key: str, database_url: DatabaseUrl = None, output: Output = Format.TABLE) -> None:
    """One credential or one rotation, by its id."""

    async def body(bridge: Any) -> dict[str, Any]:
        return await view.shown(bridge.ctx.store.reads, bridge.ctx.store.clock.now(), key)

    show(with_bridge(database_url, body), output)


@app.command()
def scan(
    connection: Annotated[str, typer.Option("--connection")],
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Read which credentials agents have at an IdP. Values are never read."""

    async def body(bridge: Any) -> dict[str, Any]:
        found = await read_there(bridge.ctx, bridge.idps.keeper, connection, actor())
        return {
            "connection": found.connection,
            "clients": found.clients,
            "credentials": found.credentials,
            "new": found.new,
            "gone": found.gone,
            "strangers": found.strangers,
            "revoked_again": found.revived,
        }

    with busy(f"Reading the clients of {connection}"):
        seen = with_bridge(database_url, body)
    show(seen, output)


@app.command()
def register(
    agent: Annotated[str, typer.Option("--agent", help="the agent's slug or id")],
    system: Annotated[str, typer.Option("--system", help="who keeps it: vault, github, …")],
    reference: Annotated[str, typer.Option("--reference", help="how it is called there; never its value")],
    kind: Annotated[str, typer.Option("--kind", help=f"one of {', '.join(KINDS)}")] = "api_key",
    label: Annotated[str, typer.Option("--label")] = "",
    expires: Annotated[str | None, typer.Option("--expires", help="RFC 3339")] = None,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Enter a credential that no IdP keeps, so that it is shown, and revoked by its system's revoker."""

    async def body(bridge: Any) -> bool:
        if kind not in KINDS:
            raise Invalid("credential-kind", f"{kind!r} is no kind.", f"Use one of {', '.join(KINDS)}.")
        try:
            until = None if expires is None else parse_iso(expires)
        except ValueError as error:
            raise Invalid("credential-expiry", f"{expires!r} is no instant.", "Write RFC 3339.") from error

        async def enter(work: Work) -> bool:
            found = await _agent(work.tx, agent)
            made = await register_credential(
                work,
                found.resource.id,
                label=label or reference,
                kind=kind,
                system=system,
                reference=reference,
                expires=until,
            )
            if not made:
                work.bookkeeping("known before")
            return made

        return await bridge.ctx.store.transact(actor(), enter)  # type: ignore[no-any-return]

    made = with_bridge(database_url, body)
    text = "Registered." if made else "Known already."
    done(text, {"agent": agent, "system": system, "reference": reference, "new": made}, output)


@app.command("link")
def link_(
    agent: Annotated[str, typer.Option("--agent", help="the agent's slug or id")],
    connection: Annotated[str, typer.Option("--connection")],
    client: Annotated[str, typer.Option("--client", help="the app's or application's id there")],
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Say that an app at an IdP is an agent's, where the app carries no mark of it."""

    async def body(bridge: Any) -> str:
        there, keeper = await bridge.idps.keeper(connection)
        remote = await keeper.client("", client)
        if remote is None:
            raise NotFound("client-unknown", f"{connection} has no client {client!r}.", "Check the id there.")

        async def tie(work: Work) -> None:
            found = await _agent(work.tx, agent)
            await link(work, there, remote, found.resource.id)

        await bridge.ctx.store.transact(actor(), tie)
        await read_there(bridge.ctx, bridge.idps.keeper, connection, actor())
        return str(remote.name)

    name = with_bridge(database_url, body)
    done(f"{name} is {agent}'s.", {"connection": connection, "client": client, "agent": agent}, output)


@app.command("adopt")
def adopt_(
    credential: str,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Say that a stranger is right: it is not shown as one any more."""

    async def body(bridge: Any) -> None:
        await bridge.ctx.store.transact(actor(), lambda work: adopt(work, credential))

    with_bridge(database_url, body)
    done(f"Adopted {credential}.", {"credential": credential, "stranger": False}, output)


@app.command()
def rotate(
    credential: Annotated[str | None, typer.Argument(help="the credential to replace")] = None,
    agent: Agent = None,
    connection: Annotated[str | None, typer.Option("--connection", help="with --client")] = None,
    client: Annotated[str | None, typer.Option("--client", help="one client at a connection")] = None,
    cause: Annotated[
        Cause, typer.Option("--cause", help="demand, leak, anomaly or owner-changed")
    ] = Cause.DEMAND,
    reason: Because = "asked for",
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Begin a rotation: of one credential, of a client, or of every client of an agent."""

    async def body(bridge: Any) -> list[str]:
        async def begin(work: Work) -> list[str]:
            if credential is not None:
                return [await rotate_credential(work, credential, cause.value, reason)]
            if connection is not None and client is not None:
                return [await rotate_client(work, connection, client, cause.value, reason)]
            if agent is None:
                raise Invalid(
                    "rotation-subject",
                    "Say what to rotate.",
                    "Give a credential, --agent, or --connection and --client.",
                )
            found = await _agent(work.tx, agent)
            begun, refused = await rotate_agent(work, found.resource.id, found.slug, cause.value, reason)
            if not begun:
                raise NotFound(
                    "rotation-nothing",
                    f"{agent} has no client whose credential can be rotated.",
                    " ".join(refused) or "Scan its connection first.",
                )
            return begun

        return await bridge.ctx.store.transact(actor(), begin)  # type: ignore[no-any-return]

    show([{"rotation": one} for one in with_bridge(database_url, body)], output)


@app.command("rotations")
def rotations_(
    every: Annotated[bool, typer.Option("--all", help="also those that ended")] = False,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Rotations under way: how far each is, and what is left."""

    async def body(bridge: Any) -> list[dict[str, Any]]:
        return await view.rotations(bridge.ctx.store.reads, every=every)

    show(with_bridge(database_url, body), output, empty="No rotations.")


@app.command()
def ack(
    rotation: str,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Confirm by hand that the consumer uses the new credential."""

    async def body(bridge: Any) -> None:
        who = actor()
        await bridge.ctx.store.transact(who, lambda work: confirm(work, rotation, f"cli {who.name}"))

    with_bridge(database_url, body)
    done(f"Confirmed {rotation}.", {"rotation": rotation, "confirmed": True}, output)


@app.command("settle")
def settle_(
    rotation: str,
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Let a stuck rotation try again what it was stuck at."""

    async def body(bridge: Any) -> str:
        return await bridge.ctx.store.transact(actor(), lambda work: settle(work, rotation))  # type: ignore[no-any-return]

    state = with_bridge(database_url, body)
    done(f"{rotation} goes on: {state}.", {"rotation": rotation, "state": state}, output)


@app.command()
def revoke(
    credential: Annotated[str | None, typer.Argument(help="one credential")] = None,
    agent: Agent = None,
    reason: Because = "revoked by an administrator",
    database_url: DatabaseUrl = None,
    output: Output = Format.TABLE,
) -> None:
    """Revoke one credential, or with --agent every one of an agent; tried until the IdP confirms it."""

    async def body(bridge: Any) -> int:
        async def end(work: Work) -> int:
            if credential is not None and agent is None:
                await revoke_one(work, credential, reason)
                return 1
            if agent is None or credential is not None:
                raise Invalid("revoke-subject", "Say what to revoke.", "Give a credential, or --agent.")
            found = await _agent(work.tx, agent)
            effects = await revoke_all(work, found.resource.id, found.slug, reason)
            # Also where nothing is there yet: what is being made would be a credential a moment later.
            await turn_round(work, found.resource.id)
            return len(effects)

        return await bridge.ctx.store.transact(actor(), end)  # type: ignore[no-any-return]

    count = with_bridge(database_url, body)
    text = f"{count} credential{'s are' if count != 1 else ' is'} being revoked."
    done(text, {"revoking": count}, output)
