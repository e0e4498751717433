"""What is wrong with what the database tells: connections, doors, work that waits. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from scim_bridge.doctor.model import Door, Finding, Life, Place, Tenant, note, ok, wrong
from scim_bridge.registry.model import ENVIRONMENTS, RISK_TIERS

# `live` ones of `registry/expiry.py`, and those whose successor is made already.
USABLE = ("live", "expiring", "rotated")
SOON = 7
# A worker hands on within a second; a minute is not load any more.
OVERDUE = 60
FEW = 20
NAMED = 5


def of_life(life: Life, place: Place) -> Iterator[Finding]:
    """Every check of the database, in the order of the reference."""
    if not life.tenants:
        yield note(
            "connections", "No IdP is connected.", "scim-bridge connect okta (or entra); --sandbox rehearses."
        )
    for one in life.tenants:
        yield from tokens(one)
        yield credentials(one)
    for door in life.doors:
        yield heard(door)
    yield worker(life)
    yield effects(life)
    yield from owners(life, place)
    yield facts(life)
    yield policies(life)
    yield brakes(life)


def tokens(one: Tenant) -> Iterator[Finding]:
    """Whether the IdP can sign in, goes on being able to, and ever did."""
    check = "token"
    usable = [token for token in one.tokens if token.standing in USABLE and "users" in token.scopes]
    if not usable and not one.clients:
        ended = any(token.standing in ("expired", "revoked") for token in one.tokens)
        yield wrong(
            check,
            "Every token of it has expired or was revoked."
            if ended
            else "It has no token, so the IdP cannot sign in.",
            f"scim-bridge tokens create --connection {one.name}, and paste it into the IdP.",
            one.name,
        )
        return
    for token in usable:
        if token.days is not None and token.days <= SOON and token.standing != "rotated":
            yield wrong(
                check,
                f"The token {token.label or token.id} expires within {token.days} day(s).",
                f"scim-bridge tokens rotate {token.id} --days 90, and paste the new one into the IdP.",
                one.name,
            )
    if not one.heard:
        yield note(
            check,
            "The IdP has never called with it.",
            "In Okta: Test Connector Configuration; in Entra: Test connection. A 401 there means it was mistyped.",
            one.name,
        )
    for token in one.tokens:
        if token.standing in USABLE and token.old and not token.used and one.heard:
            yield note(
                check,
                f"The token {token.label or token.id} was never used.",
                f"If nobody needs it: scim-bridge tokens revoke {token.id}",
                one.name,
            )
    if one.heard:
        yield ok(check, "The IdP signs in.", one.name)


def credentials(one: Tenant) -> Finding:
    """Whether facts can be written back to the IdP."""
    check = "credentials"
    if not one.pushes or not one.address:
        lacks = "no address (org_url, tenant_id or base_url)" if one.pushes else "no API credentials"
        return note(
            check,
            f"It has {lacks}: nothing is written back to the IdP.",
            f"scim-bridge connections configure {one.name} --set … --secrets-file FILE",
            one.name,
        )
    if one.refused:
        first, why = one.refused[0]
        more = f" ({len(one.refused) - 1} more)" if len(one.refused) > 1 else ""
        sign_in = first == "sign-in"
        make = wrong if sign_in else note
        return make(
            check,
            f"{first} cannot be used: {why}{more}.",
            f"Grant it if it is wanted, then: scim-bridge connections probe {one.name}",
            one.name,
        )
    if not one.asked:
        return note(
            check,
            "What they may do was never asked.",
            f"scim-bridge connections probe {one.name}, or this command with --online.",
            one.name,
        )
    return ok(check, "They may do all that is used.", one.name)


def heard(door: Door) -> Finding:
    """Whether news of people comes in by this door."""
    check = "door"
    if door.trouble:
        return wrong(
            check, door.trouble, f"scim-bridge doors show {door.name}; then doors test {door.name}", door.name
        )
    if not door.heard:
        return note(
            check,
            "It is open, and nothing was ever heard.",
            f"scim-bridge doors test {door.name}; then compare address and secret at the sender.",
            door.name,
        )
    return ok(check, "It was heard.", door.name)


def worker(life: Life) -> Finding:
    """Whether somebody makes the outward calls."""
    check = "worker"
    if life.overdue is not None and life.overdue > OVERDUE:
        state = "though a server runs" if life.worker else "for no server runs on this database"
        return wrong(
            check,
            f"Outward calls have waited for {life.overdue} s, {state}.",
            "Look at its log and at /readyz, and restart it."
            if life.worker
            else "Start it: scim-bridge serve",
        )
    if not life.worker:
        return note(check, "No server runs on this database.", "Start it: scim-bridge serve")
    return ok(check, "A server runs.")


def effects(life: Life) -> Finding:
    """Whether outward calls were given up."""
    if not life.dead:
        return ok("effects", "No outward call was given up.")
    newest = (life.dead_words or "no reason was kept").rstrip(".")
    return wrong(
        "effects",
        f"{life.dead} outward call(s) were given up; the newest: {newest}.",
        "Mend the cause, then: scim-bridge effects list --state dead; scim-bridge effects retry ID",
    )


def owners(life: Life, place: Place) -> Iterator[Finding]:
    """Whether the people who answer for agents can be told anything."""
    check = "owners"
    if not life.agents:
        yield note(check, "There are no agents yet.", "scim-bridge agents import FILE")
        return
    if life.unowned:
        yield wrong(
            check,
            f"{life.unowned} of {life.agents} agents have no owner: nobody is asked, and no departure stops them.",
            "Name owners in the manifest and import it again.",
        )
    if life.unheard:
        yield wrong(
            check,
            f"{life.unheard} agents have owners of whom no e-mail address is known.",
            "Give people an e-mail in the manifest, or map it in the IdP's provisioning.",
        )
    if not place.notices:
        yield wrong(
            check,
            "Notices are only logged: neither notify_url nor notify_targets is set.",
            "Set one of them: docs/reference/settings.md",
        )
    elif not life.unowned and not life.unheard:
        yield ok(check, f"{life.agents} agents have owners who can be told.")


def facts(life: Life) -> Finding:
    """Whether rules that go by an agent's facts meet every agent."""
    if not life.odd:
        return ok("facts", "Facts that rules go by have a form that is taken.")
    named = "; ".join(f"{slug} ({', '.join(names)})" for slug, names in life.odd[:NAMED])
    count = len(life.odd)
    many = f"More than {life.odd_counted:,}" if count > life.odd_counted else f"{count:,}"
    more = "; …" if count > NAMED else ""
    return wrong(
        "facts",
        f"{many} agent(s) have facts in a form that is not taken any more, which no rule meets: {named}{more}.",
        "Write them anew in the manifest (or at the IdP) and import it: environment is one of"
        f" {', '.join(ENVIRONMENTS)}, riskTier one of {', '.join(RISK_TIERS)}, workloadId spiffe://domain/path.",
    )


def policies(life: Life) -> Finding:
    """Whether decisions are made, and not all of them no."""
    check = "policies"
    if life.policies:
        return wrong(check, life.policies, "scim-bridge policy check says where.")
    if life.permits == 0:
        return wrong(
            check,
            "No policy permits anything: every decision is no.",
            "Start from the packaged ones: scim-bridge policy show",
        )
    if life.denied >= FEW and not life.allowed:
        return wrong(
            check,
            f"The last {life.denied} decisions all said no.",
            "scim-bridge decisions list --denied; scim-bridge policy explain says why.",
        )
    return ok(check, "They load, and permit something.")


def brakes(life: Life) -> Finding:
    """Whether a person is waited for."""
    check = "brake"
    if life.brakes:
        return wrong(
            check,
            f"{life.brakes} brake(s) on departures wait for a person: those leavers' agents still stand.",
            "scim-bridge departures brake list; then brake release or reject",
        )
    if life.held_plans:
        return wrong(
            check,
            "The newest plan is held by the brake.",
            f"scim-bridge sync plan {life.held_plans[0]}; if it is meant: sync apply --release REASON",
            ", ".join(life.held_plans),
        )
    return ok(check, "Nothing waits for a person.")
