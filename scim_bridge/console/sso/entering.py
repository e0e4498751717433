"""The way back from the IdP: the answer checked step by step, until somebody is certain or refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scim_bridge.console.sso.flow import Flow
from scim_bridge.console.sso.id_token import authenticated, proven
from scim_bridge.console.sso.provider import Provider, SignInRefused
from scim_bridge.console.sso.whom import person_meant, roles_of
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.crypto import equal
from scim_bridge.registry.model import PersonRef

LONGEST = 8192
# What the IdP says when people or its own admin did not let them through (Core 1.0 section 3.1.2.6).
WORDS = {
    "access_denied": "The IdP says that you may not use this application, or you cancelled.",
    "login_required": "The IdP wants you to sign in there first.",
    "consent_required": "The IdP wants an admin to consent to this application.",
    "temporarily_unavailable": "The IdP is away for a moment.",
}


@dataclass(frozen=True, slots=True)
class Entered:
    """Whom the IdP proved, what they are here, and how it knew."""

    person: PersonRef
    roles: tuple[str, ...]
    proof: Mapping[str, Any]
    authenticated: int | None
    nonce: str
    id_token: bytes
    then: str


async def entered(
    ctx: Context, provider: Provider, flow: Flow | None, answer: Mapping[str, str], redirect_uri: str
) -> Entered:
    """Whom an answer of the IdP proves; SignInRefused, or ProviderAway when it does not answer itself.

    The code is redeemed here, in the request and outside of every transaction (ADR 0009 says why).
    """
    if flow is None:
        raise SignInRefused(
            "lost", "This sign-in was not begun in this browser, or took more than ten minutes."
        )
    code = checked(flow, answer, provider.settings.issuer, (await provider.described()).says_issuer)
    token = await provider.redeem(code, flow.verifier, redirect_uri)
    claims = await proven(provider, token, flow, ctx.store.clock.now())
    person = await person_meant(ctx.store.reads, claims)
    roles = await roles_of(ctx.store.reads, provider.settings, claims, person)
    return Entered(
        person, roles, proof_of(claims), authenticated(claims), flow.nonce, token.encode(), flow.then
    )


def checked(flow: Flow, answer: Mapping[str, str], issuer: str, says_issuer: bool) -> str:
    """The code in an answer to this very sign-in; SignInRefused for every other answer. Pure."""
    if not equal(answer.get("state", ""), flow.state):
        raise SignInRefused("state", "This answer belongs to another sign-in.")
    said = answer.get("iss")
    # RFC 9207: an answer of another IdP must not have its code sent to this one.
    if flow.issuer != issuer or (said is None and says_issuer) or (said is not None and said != issuer):
        raise SignInRefused("mix-up", "This answer is of another IdP.")
    if "error" in answer:
        error = answer["error"] if answer["error"].isprintable() else ""
        raise SignInRefused("denied", WORDS.get(error, f"The IdP refused: {error[:60] or 'no reason'}."))
    code = answer.get("code", "")
    if not code or len(code) > LONGEST or not code.isascii() or not code.isprintable():
        raise SignInRefused("no-code", "The IdP sent no code.")
    return code


def proof_of(claims: Mapping[str, Any]) -> dict[str, Any]:
    """How the IdP knew them, as audit and statements keep it: issuer, subject, acr, amr, auth_time."""
    kept: dict[str, Any] = {"iss": claims["iss"], "sub": str(claims["sub"])[:200]}
    if isinstance(claims.get("acr"), str):
        kept["acr"] = claims["acr"][:200]
    methods = claims.get("amr")
    if isinstance(methods, list):
        kept["amr"] = [str(method)[:40] for method in methods[:10]]
    if authenticated(claims) is not None:
        kept["auth_time"] = int(claims["auth_time"])
    return kept
