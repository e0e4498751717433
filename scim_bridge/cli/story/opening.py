"""The first half: agents come in, both IdPs connect, send people and groups, and get the facts back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc.jwk import RSAKey

from scim_bridge.cli.story import people
from scim_bridge.cli.story.world import World, must
from scim_bridge.connecting.pages import ENTRA_ROLES, OKTA_SCOPES
from scim_bridge.inventory.manifest import Manifest
from scim_bridge.kernel.paths import SCIM_PATH


def import_agents(world: World, file: Path) -> str:
    """Manifest in: dry run first, then the import; a second import changes nothing."""
    dry = world.cli("agents", "import", str(file), "--dry-run", codes=(0, 3))
    done = world.cli("agents", "import", str(file), codes=(0,))
    again = world.cli("agents", "import", str(file), "--dry-run", codes=(0,))
    listed = world.cli("agents", "list")
    must(len(listed) >= 25, f"only {len(listed)} agents were imported")
    must(not again["changes"], f"a second import would change something: {again['changes'][:3]}")
    must(
        dry["created"] == done["created"], f"{done['created']} were created, {dry['created']} were announced"
    )
    platforms = {agent["platform"] for agent in listed}
    return f"{len(listed)} agents on {len(platforms)} platforms, {done['created']} people, groups and agents created"


def _token(world: World, name: str, *options: str) -> None:
    if world.notes.get(f"token:{name}") is None:
        world.notes.put(f"token:{name}", world.cli("tokens", "create", *options)["token"])


def connect(world: World) -> str:
    """A connection and a token for each IdP, with credentials for the way back."""
    known = {item["name"] for item in world.cli("connections", "list")}
    if "okta" not in known:
        file = _okta_secrets(world)
        _create(world, "okta", file, {"org_url": world.urls["okta"], "ca_file": world.ca_file})
    if "entra" not in known:
        file, settings = _entra_secrets(world)
        _create(world, "entra", file, settings)
    for name in ("okta", "entra"):
        _token(world, name, "--connection", name, "--label", f"{name.capitalize()}, over SCIM")
    _token(world, "access", "--scope", "access", "--label", "gateways, for decisions")
    _token(world, "admin", "--scope", "admin", "--label", "demo admin")
    configure(world)
    return "connections okta and entra, tokens for SCIM, decisions and the console"


def configure(world: World) -> None:
    """Give each sandbox our addresses; at every start, for ports may have moved."""
    for name, dialect in (
        ("okta", world.notes.get("dialect:okta")),
        ("entra", world.notes.get("dialect:entra")),
    ):
        point(world, name, dialect or {"okta": "okta-put", "entra": "entra"}[name])
    secret = world.notes.webhook_secret("hr")
    world.control(
        "hr",
        "POST",
        "/webhook/configure",
        {"url": f"{world.bridge_tls}/signals/hr/demo", "secret": secret, "ca_file": world.ca_file},
    )


def resume(world: World) -> None:
    """After a kill: the addresses of today, and what Okta could not send is sent again (its task list's button)."""
    configure(world)
    world.control("okta", "POST", "/scim/retry")


def point(world: World, name: str, dialect: str) -> None:
    """Tell a sandbox, and our connection, which dialect is spoken from now on."""
    world.notes.put(f"dialect:{name}", dialect)
    world.cli("connections", "configure", name, "--dialect", dialect)
    world.control(
        name,
        "POST",
        "/scim/configure",
        {
            "base_url": f"{world.bridge_tls}{SCIM_PATH}",
            "token": world.notes.get(f"token:{name}"),
            "dialect": dialect,
            "ca_file": world.ca_file,
        },
    )


def _create(world: World, name: str, secrets: Path, settings: dict[str, str]) -> None:
    pairs = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    world.cli("connections", "create", name, "--kind", name, "--secrets-file", str(secrets), *pairs)


def _private(file: Path, content: dict[str, Any]) -> Path:
    file.touch(mode=0o600)
    file.write_text(json.dumps(content))
    return file


def _okta_secrets(world: World) -> Path:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    jwk = RSAKey.import_key(pem).as_dict(private=False) | {"kid": "demo-key", "alg": "RS256", "use": "sig"}
    made = world.control(
        "okta",
        "POST",
        "/api-clients",
        {"client_id": "0oademobridge0000001", "jwk": jwk, "scopes": OKTA_SCOPES},
    )
    client = made.get("client_id", "0oademobridge0000001")
    content = {"client_id": client, "private_key": pem, "kid": "demo-key", "scopes": OKTA_SCOPES}
    return _private(world.notes.directory / "okta-secrets.json", content)


def _entra_secrets(world: World) -> tuple[Path, dict[str, str]]:
    made = world.control("entra", "POST", "/app-registrations", {"secret": True, "roles": ENTRA_ROLES})
    settings = {
        "tenant_id": made["tenant_id"],
        "authority": f"{world.urls['entra']}/{made['tenant_id']}",
        "graph_url": world.urls["entra"],
        "ca_file": world.ca_file,
    }
    content = {"client_id": made["client_id"], "client_secret": made["client_secret"]}
    return _private(world.notes.directory / "entra-secrets.json", content), settings


def okta_arrives(world: World, manifest: Manifest) -> str:
    """Okta tests, imports, sends people (PUT dialect), then agents and groups (PATCH dialect)."""
    world.control("okta", "POST", "/directory", people.okta_directory(manifest))
    world.control("okta", "POST", "/scim/test")
    world.control("okta", "POST", "/scim/import")
    calls = world.control("okta", "POST", "/scim/assign", {"logins": [p.user_name for p in manifest.people]})[
        "calls"
    ]
    point(world, "okta", "okta-patch")
    agents = people.user_names(manifest, people.members(people.OKTA_GROUPS))
    calls += world.control("okta", "POST", "/scim/assign", {"logins": agents})["calls"]
    calls += world.control("okta", "POST", "/scim/push-groups", {"names": list(people.OKTA_GROUPS)})["calls"]
    _groups_hold(world, manifest, "okta", people.OKTA_GROUPS)
    return _arrived(len(manifest.people), len(agents), len(people.OKTA_GROUPS), len(calls))


def entra_arrives(world: World, manifest: Manifest) -> str:
    """Entra tests, sends people (legacy dialect), then agents and groups (aadOptscim062020)."""
    directory = people.entra_directory(manifest)
    world.control("entra", "POST", "/directory", directory)
    world.control("entra", "POST", "/scim/test")
    humans = [u["userPrincipalName"] for u in directory["users"] if "employeeType" not in u]
    agents = [u["userPrincipalName"] for u in directory["users"] if "employeeType" in u]
    calls = world.control("entra", "POST", "/scim/cycle", {"users": humans, "groups": []})["calls"]
    point(world, "entra", "entra-062020")
    body = {"users": humans + agents, "groups": list(people.ENTRA_GROUPS)}
    calls += world.control("entra", "POST", "/scim/cycle", body)["calls"]
    _groups_hold(world, manifest, "entra", people.ENTRA_GROUPS)
    return _arrived(len(humans), len(agents), len(people.ENTRA_GROUPS), len(calls))


def _arrived(humans: int, agents: int, groups: int, calls: int) -> str:
    return f"{humans} people, {agents} agents in {groups} groups, {calls} SCIM calls"


def _groups_hold(world: World, manifest: Manifest, name: str, groups: dict[str, list[str]]) -> None:
    token = world.notes.get(f"token:{name}")
    ids = {a["slug"]: a["id"] for a in world.cli("agents", "list")}
    for group, slugs in groups.items():
        status, found = world.scim("GET", f'/Groups?filter=displayName eq "{group}"', token)
        must(status == 200 and found["totalResults"] == 1, f"group {group} is not there once: {found}")
        members = {member["value"] for member in found["Resources"][0].get("members", [])}
        missing = [slug for slug in slugs if ids[slug] not in members]
        must(not missing, f"{missing} are not members of {group}")


def sync_first(world: World) -> str:
    """Facts go back: a plan that shows what it will do, then exactly that."""
    parts = []
    for name in ("okta", "entra"):
        plan = world.cli("sync", "plan", name, codes=(0, 3))
        run = world.cli("sync", "apply", name)
        must(run["failed"] == 0 and run["state"] == "OK", f"sync of {name}: {run}")
        parts.append(f"{name} {plan['changes']} changes")
    return ", ".join(parts)


def attest(world: World) -> str:
    """An owner opens the signed link, looks at the facts, and confirms."""
    slug = people.ATTESTED
    done = [a for a in world.cli("agents", "list") if a["slug"] == slug and a["attestation"] == "valid"]
    if not done:
        link = world.cli("attest", "request", slug)["link"]
        url = world.bridge + "/" + link.split("/", 3)[3]
        status, page = world.open("GET", url)
        must(status == 200 and page["facts"], f"the link does not open: {status} {page}")
        body = {"verdict": "confirm", "comment": "Looks right.", "digest": page["digest"]}
        status, answer = world.open("POST", url, body)
        must(status == 200, f"the answer was refused: {status} {answer}")
        tampered = url[:-6] + ("A" if url[-6] != "A" else "B") + url[-5:]
        status, _ = world.open("GET", tampered)
        must(status >= 400, "a tampered link was accepted")
        status, _ = world.open("POST", url, body)
        must(status >= 400, "a used link was accepted again")
    world.wait(
        f"the attestation of {slug}",
        lambda: [a for a in world.cli("agents", "list") if a["slug"] == slug and a["attestation"] == "valid"],
    )
    return f"{slug} confirmed by its owner; tampered and used links refused"
