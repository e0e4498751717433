"""Microsoft's tests of tokens: client credentials and workload identity federation.

Source: the test overview of Microsoft's SCIM validation template, tests 21 and 22, at least one of which its
gallery wants to pass. Without a client to test with they are skipped.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

from scim_bridge.conformance.expect import Check, filled_in, matches
from scim_bridge.conformance.model import OAuthClient
from scim_bridge.conformance.reply import Reply, shown
from scim_bridge.conformance.run import SCIM, Run
from scim_bridge.conformance.target import form
from scim_bridge.kernel.errors import Invalid
from scim_bridge.kernel.outbound_error import OutboundError

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
SHORTEST, LONGEST = 3600, 6 * 3600
NO_SECRET: Final = "no client was given: pass --token-url, --client-id and --client-secret"
NO_ASSERTION: Final = "no assertion was given: pass --token-url, --client-id and --client-assertion"


def fields_of(client: OAuthClient, *, federated: bool) -> dict[str, str]:
    """The form of a token request; the credentials are in it (RFC 6749 section 4.4, RFC 7523 section 2.2)."""
    made = {"grant_type": "client_credentials", "client_id": client.client_id}
    if federated:
        made |= {"client_assertion_type": ASSERTION_TYPE, "client_assertion": client.assertion}
    else:
        made["client_secret"] = client.secret
    return made | ({"scope": client.scope} if client.scope else {})


def _success(reply: Reply) -> str | None:
    return None if 200 <= reply.status < 300 else f"status {reply.status}"


def _lifetime(reply: Reply) -> str | None:
    found = reply.get("expires_in")
    right = isinstance(found, int) and not isinstance(found, bool) and SHORTEST <= found <= LONGEST
    return None if right else f"expires_in is {shown(found)}"


def _bearer(reply: Reply) -> str | None:
    found = reply.get("token_type")
    return (
        None if isinstance(found, str) and found.casefold() == "bearer" else f"token_type is {shown(found)}"
    )


ISSUED: Final[tuple[Check, ...]] = (
    matches("status 2xx", _success),
    filled_in("access_token"),
    matches("token_type is Bearer", _bearer),
    matches("the token lives 60 to 360 minutes (expires_in)", _lifetime),
)


async def secret(run: Run) -> None:
    """Test 21: a client secret."""
    if run.oauth is None or not run.oauth.secret:
        run.skip(NO_SECRET)
        return
    await _tried(run, run.oauth, federated=False)


async def federated(run: Run) -> None:
    """Test 22: an assertion signed by the tenant of the workload."""
    if run.oauth is None or not run.oauth.assertion:
        run.skip(NO_ASSERTION)
        return
    await _tried(run, run.oauth, federated=True)


async def fetched(client: OAuthClient, ca_file: Path | None) -> tuple[str, OAuthClient]:
    """A token for a whole run, where none was given, and the client with what it was answered.

    Raises Invalid when it gets none, OutboundError when the endpoint does not answer.
    """
    reply = await form(client.token_url, fields_of(client, federated=client.federated), ca_file)
    token = reply.get("access_token")
    if _success(reply) or not isinstance(token, str):
        raise Invalid(
            "token-refused",
            f"The token endpoint answered {reply.status}.",
            "Check the client and its secret.",
        )
    return token, replace(client, answered=reply)


async def _tried(run: Run, client: OAuthClient, *, federated: bool) -> None:
    """Get a token, then use it."""
    reply = client.answered if federated is client.federated else None
    try:
        reply = reply or await form(
            client.token_url, fields_of(client, federated=federated), run.target.ca_file
        )
    except OutboundError as error:
        run.expect("the token endpoint answers", False, error.message)
        return
    token = reply.get("access_token")
    if isinstance(token, str):
        run.target.keep_secret(token)
    run.note_exchange(
        f"POST {client.token_url}\n(form with {'an assertion' if federated else 'a client secret'})", reply
    )
    run.demand(reply, *ISSUED)
    used = await run.ask(
        "GET",
        "/Users",
        query={"startIndex": 1, "count": 1},
        headers={**SCIM, "authorization": f"Bearer {token}"},
    )
    run.hold(used, matches("status 2xx with that token", _success))
