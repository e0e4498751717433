"""The exchange: who asks is proven, then an access token is given in one transaction with its audit row."""

from __future__ import annotations

from dataclasses import dataclass

from scim_bridge.audit.record import record
from scim_bridge.kernel.clock import iso
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.peppered import Anew, by_digest, digest_anew
from scim_bridge.kernel.work import Actor, Work
from scim_bridge.oauth.assertion import Assertion, check_signature, read_assertion, replay_key
from scim_bridge.oauth.clients import PREFIX, PURPOSE, find_client
from scim_bridge.oauth.keys import key_for
from scim_bridge.oauth.model import CLOCK_SKEW, Client, OAuthError, Trust, flaw, instant
from scim_bridge.oauth.proof import Asked
from scim_bridge.oauth.trusts import trusts
from scim_bridge.registry.access_tokens import issue_access_token
from scim_bridge.registry.tokens import well_formed

SECRET = "secret"
ASSERTION = "assertion"


@dataclass(frozen=True, slots=True)
class Proven:
    """A client that proved itself, by which of its secrets or trusts.

    `used` is what is remembered of an assertion that counts once, until `forget`.
    """

    client: Client
    method: str
    proof_id: str
    used: str | None = None
    forget: int = 0
    anew: Anew | None = None


@dataclass(frozen=True, slots=True)
class Issued:
    """An access token; `expires_in` in seconds."""

    token: str
    scopes: tuple[str, ...]
    expires_in: int


async def prove(ctx: Context, asked: Asked) -> Proven:
    """Who asks; OAuthError invalid_client for anybody else. Nothing is written and nobody called."""
    if asked.assertion is not None:
        return await _by_assertion(ctx, asked.client_id, read_assertion(asked.assertion))
    return await _by_secret(ctx, asked.client_id, asked.secret or "")


async def _by_secret(ctx: Context, client_id: str | None, secret: str) -> Proven:
    client = await find_client(ctx.store.reads, client_id or "")
    if client is None:
        raise _stranger("client-unknown")
    found = row = None
    if well_formed(secret, PREFIX):
        found = await by_digest(
            ctx.store.reads,
            ctx.master,
            PURPOSE,
            secret,
            "SELECT id, expires, revoked FROM sb_oauth_secret WHERE digest = ? AND client_id = ?",
            client.id,
        )
        row = None if found is None else found.row
    if found is None or row is None:
        raise _stranger("secret-wrong")
    if row["revoked"] is not None:
        raise _stranger("secret-deleted")
    if row["expires"] <= ctx.store.clock.now():
        raise _stranger("secret-expired")
    return Proven(client, SECRET, row["id"], anew=found.anew)


def _stranger(why: str) -> OAuthError:
    """One message for all, so that nobody learns which clients there are."""
    message = "The client is unknown, or its secret is wrong, expired or deleted."
    return OAuthError("invalid_client", message, "See scim-bridge clients list.", why=why)


async def _by_assertion(ctx: Context, client_id: str | None, assertion: Assertion) -> Proven:
    """RFC 7521 section 4.2: without a client_id in the form it is the subject's."""
    client = await find_client(ctx.store.reads, client_id or assertion.claim("sub"))
    if client is None:
        raise _foreign(assertion, "client-unknown")
    issuer = str(assertion.claims.get("iss"))
    candidates = [trust for trust in await trusts(ctx.store.reads, client.id) if issuer in trust.issuers]
    if not candidates:
        raise _foreign(assertion, "assertion-issuer")
    refusal: OAuthError | None = None
    for trust in candidates:
        check_signature(assertion, await key_for(ctx, trust.keys_url, assertion.kid))
        found = flaw(assertion.claims, trust, ctx.store.clock.now())
        if found is None:
            return _accepted(client, trust, assertion)
        refusal = OAuthError("invalid_client", found[1], why=found[0], seen=_seen(assertion))
    assert refusal is not None
    raise refusal


def _accepted(client: Client, trust: Trust, assertion: Assertion) -> Proven:
    if not trust.single_use:
        return Proven(client, ASSERTION, trust.id)
    expires = instant(assertion.claims.get("exp")) or 0
    return Proven(client, ASSERTION, trust.id, replay_key(assertion), expires + CLOCK_SKEW)


def _foreign(assertion: Assertion, why: str) -> OAuthError:
    message = "The client is unknown, or does not trust the issuer of the assertion."
    return OAuthError("invalid_client", message, why=why, seen=_seen(assertion))


def _seen(assertion: Assertion) -> dict[str, str]:
    return {name: assertion.claim(name) for name in ("iss", "sub", "aud", "tid")}


async def issue(ctx: Context, actor: Actor, proven: Proven, scopes: tuple[str, ...], minutes: int) -> Issued:
    """Give an access token; OAuthError when the proof was taken back or used meanwhile."""
    client = proven.client

    async def body(work: Work) -> str:
        await _spend(work, proven)
        token_id, token = await issue_access_token(
            work,
            ctx.master,
            connection_id=client.connection_id,
            client_id=client.id,
            proof_id=proven.proof_id,
            label=client.label,
            scopes=scopes,
            minutes=minutes,
        )
        detail = {
            "by": proven.method,
            proven.method: proven.proof_id,
            "scopes": list(scopes),
            "access": token_id,
            "minutes": minutes,
            "at": iso(work.now),
        }
        await record(
            work, "oauth.token_issued", "client", client.id, detail, connection_id=client.connection_id
        )
        return token

    return Issued(await ctx.store.transact(actor, body), scopes, minutes * 60)


async def _spend(work: Work, proven: Proven) -> None:
    """Mark the proof as used, in the order client, proof, assertion; refused when one is gone."""
    alive = await work.tx.run(
        "UPDATE sb_oauth_client SET last_used = ? WHERE id = ? AND deleted IS NULL",
        work.now,
        proven.client.id,
    )
    if proven.method == SECRET:
        alive &= await work.tx.run(
            "UPDATE sb_oauth_secret SET last_used = ? WHERE id = ? AND revoked IS NULL AND expires > ?",
            work.now,
            proven.proof_id,
            work.now,
        )
        if proven.anew is not None:
            await digest_anew(work, "sb_oauth_secret", proven.proof_id, proven.anew)
    else:
        alive &= await work.tx.run(
            "UPDATE sb_oauth_trust SET last_used = ? WHERE id = ? AND removed IS NULL",
            work.now,
            proven.proof_id,
        )
    if not alive:
        raise _stranger("proof-withdrawn")
    if proven.used is None:
        return
    fresh = await work.tx.run(
        "INSERT INTO sb_oauth_assertion (key, expires) VALUES (?, ?) ON CONFLICT (key) DO NOTHING",
        proven.used,
        proven.forget,
    )
    if not fresh:
        raise OAuthError(
            "invalid_client", "The assertion was used before.", "Send a new one.", why="assertion-replayed"
        )
