"""The second half: an IdP stops and starts an agent, an owner leaves, and the proof is checked."""

from __future__ import annotations

from typing import Any

from scim_bridge.cli.story import people
from scim_bridge.cli.story.world import World, must
from scim_bridge.inventory.manifest import Manifest


def decision(world: World, slug: str) -> dict[str, Any]:
    """What a gateway hears when it asks whether this agent may act."""
    status, answer = world.api(
        "POST",
        "/access/v1/evaluation",
        world.notes.get("token:access"),
        {
            "subject": {"type": "agent", "id": slug},
            "action": {"name": "read"},
            "resource": {"type": "repository", "id": "storefront"},
            "context": {},
        },
    )
    must(status == 200, f"the decision answered {status}: {answer}")
    return dict(answer)


def agent(world: World, slug: str) -> dict[str, Any]:
    """One agent as the command line shows it."""
    return dict(world.cli("agents", "show", slug))


def held_by(world: World, slug: str, prefix: str) -> list[str]:
    """The reasons of an agent's open holds from sources that start with `prefix`."""
    return [hold["reason"] for hold in agent(world, slug)["holds"] if hold["source"].startswith(prefix)]


def stopped_and_started(world: World, manifest: Manifest) -> str:
    """Okta deactivates an agent: held within the request, denied at once; and only that is undone."""
    slug = people.SWITCHED
    login = people.user_names(manifest, [slug])[0]
    if world.notes.get("switched") is None:
        if world.notes.get("switching"):
            # An earlier start was killed between the two: from the beginning, as an admin would.
            world.control("okta", "POST", "/scim/reactivate", {"login": login})
        must(decision(world, slug)["decision"] is True, f"{slug} is denied before anything happened")
        world.notes.put("switching", True)
        world.control("okta", "POST", "/scim/deactivate", {"login": login})
        must(held_by(world, slug, "connection:"), f"{slug} is not held after Okta deactivated it")
        answer = decision(world, slug)
        must(answer["decision"] is False, f"{slug} may still act: {answer}")
        world.wait("the platform to stop it", lambda: _runtime(world, slug) == "stopped")
        world.notes.put("switched", True)
    world.control("okta", "POST", "/scim/reactivate", {"login": login})
    holds = agent(world, slug)["holds"]
    must(not holds, f"{slug} is still held: {holds}")
    must(decision(world, slug)["decision"] is True, f"{slug} is still denied")
    world.wait("the platform to start it again", lambda: _runtime(world, slug) == "running")
    return f"{slug} held, denied, stopped; then released, allowed, running"


def _runtime(world: World, slug: str) -> str:
    found = world.control("platform", "GET", "/agents")
    return str(next((a["state"] for a in found["agents"] if a["slug"] == slug), "running"))


def owner_leaves(world: World) -> str:
    """HR says an owner is gone: agents handed over or held, credentials revoked, both IdPs told."""
    case = _case(world)
    if case is None:
        body = {
            "email": people.LEAVER,
            "last_day": "2020-01-31",
            "time_zone": "Europe/Lisbon",
            "kind": "involuntary",
        }
        world.control("hr", "POST", "/leave", body)
        case = world.wait("the departure", lambda: _case(world))
    closed = world.wait("the receipt", lambda: _closed(world, case["id"]))
    owner = agent(world, people.HANDED_OVER)["owner"]
    must(owner and owner != people.LEAVER, f"{people.HANDED_OVER} was not handed over: {owner}")
    must(held_by(world, people.ORPHANED, "departure:"), f"{people.ORPHANED} is not held")
    must(decision(world, people.ORPHANED)["decision"] is False, f"{people.ORPHANED} may still act")
    left = [c["state"] for c in agent(world, people.ORPHANED)["credentials"] if c["state"] == "active"]
    must(not left, f"{people.ORPHANED} still has live credentials")
    world.wait("the platform to stop it", lambda: _runtime(world, people.ORPHANED) == "stopped")
    _idps_told(world)
    verified = world.cli("receipts", "verify", case["id"])
    must(verified["ok"] and verified["within_budget"], f"the receipt: {verified}")
    return f"{closed['steps']} steps in {closed['seconds']:.1f} s; receipt verifies, within five minutes"


def _case(world: World) -> dict[str, Any] | None:
    return next((c for c in world.cli("departures", "list") if c["person"] == people.LEAVER), None)


def _closed(world: World, case_id: str) -> dict[str, Any] | None:
    found = world.cli("departures", "show", case_id)
    return found if found["state"] == "closed" else None


def _idps_told(world: World) -> None:
    """Look at the IdPs, not at ourselves: the orphaned agent is stopped in both."""
    orphaned = agent(world, people.ORPHANED)
    login, name = orphaned["userName"], orphaned["displayName"]
    users = world.control("okta", "GET", "/objects/user")["objects"]
    states = [u["value"].get("status") for u in users if u["value"].get("profile", {}).get("login") == login]
    must(states and states[0] in ("SUSPENDED", "DEPROVISIONED"), f"Okta still has {login} as {states}")
    identities = world.control("entra", "GET", "/objects/servicePrincipal")["objects"]
    enabled = [i["value"].get("accountEnabled") for i in identities if i["value"].get("displayName") == name]
    must(enabled == [False], f"Entra still has {name} enabled: {enabled}")


def reactivation_refused(world: World, manifest: Manifest) -> str:
    """Okta activates the departed owner's agent: it stays held, and says why."""
    login = people.user_names(manifest, [people.ORPHANED])[0]
    world.control("okta", "POST", "/scim/reactivate", {"login": login})
    reasons = held_by(world, people.ORPHANED, "departure:")
    must(reasons, f"{people.ORPHANED} was let go by Okta")
    must(decision(world, people.ORPHANED)["decision"] is False, f"{people.ORPHANED} may act again")
    return f"still held: {reasons[0]}"


def _open_effects(world: World) -> list[Any]:
    """Effects that wait or are being done, asked over HTTP: a command for each look would cost a second."""
    token = world.notes.get("token:admin")
    found = []
    for state in ("handed", "pending"):
        status, answer = world.api("GET", f"/api/v1/effects?state={state}", token)
        must(status == 200, f"effects cannot be listed: {status} {answer}")
        found += answer["items"]
    return found


def sync_again(world: World) -> str:
    """Nothing is left to say: after the effects are done, both plans are empty."""
    for name in ("okta", "entra"):
        world.wait("effects to be done", lambda: not _open_effects(world))
        plan = world.cli("sync", "plan", name, codes=(0, 3))
        must(plan["changes"] == 0, f"{name} would still change {plan['changes']}: {plan.get('first')}")
    dead = world.cli("effects", "list", "--state", "dead")
    must(not dead, f"dead effects: {[(e['kind'], e['last_error']) for e in dead][:3]}")
    return "both plans empty, no effect waiting or dead"


def audit_holds(world: World) -> str:
    """The chain verifies; one flipped byte in a copy of it is found."""
    verdict = world.cli("audit", "verify")
    must(verdict["ok"], f"the audit does not verify: {verdict['findings'][:3]}")
    file = world.notes.directory / "audit.jsonl"
    broken = world.notes.directory / "audit-flipped.jsonl"
    world.cli("audit", "export", "--file", str(file))
    content = bytearray(file.read_bytes())
    place = content.index(b'"agent.held"') + 1
    content[place] ^= 1
    broken.write_bytes(bytes(content))
    found = world.cli("audit", "verify", "--file", str(broken), codes=(1,))
    must(not found["ok"] and found["findings"], "a flipped byte was not found")
    return f"{verdict['rows']} rows verify; flipped byte found at row {found['findings'][0]['seq']}"


def nothing_doubled(world: World) -> str:
    """The other side's journals: every outward call arrived, none acted twice."""
    state = world.control("platform", "GET", "/deliveries")
    must(state["acted_twice"] == 0, f"the platform acted twice on {state['acted_twice']} deliveries")
    users = world.control("okta", "GET", "/objects/user")["objects"]
    logins = [u["value"]["profile"]["login"] for u in users]
    must(len(logins) == len(set(logins)), "Okta has a user twice")
    identities = world.control("entra", "GET", "/objects/servicePrincipal")["objects"]
    names = [i["value"]["displayName"] for i in identities if i["value"].get("agentIdentityBlueprintId")]
    must(len(names) == len(set(names)), "Entra has an agent identity twice")
    return f"{state['acted']} runtime calls and notifications, {len(logins)} Okta users, {len(names)} Entra identities"
