"""People at the console: an app for it at the sandbox Okta or Entra, groups that are roles, and who is in them."""

from __future__ import annotations

import html
import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx2

from scim_bridge.cli.story.people import entra_directory, okta_directory
from scim_bridge.cli.story.world import World, must, trust
from scim_bridge.inventory.manifest import Manifest

OKTA, ENTRA = "okta", "entra"
LABELS = {OKTA: "sandbox Okta", ENTRA: "sandbox Entra"}
# The groups of the IdP, the role each is here, and who is in it.
GROUPS = {
    "AI admins": ("admin", "ingrid.solberg@harborpine.example"),
    "AI operators": ("operator", "daniel.okafor@harborpine.example"),
    "AI auditors": ("auditor", "helena.costa@harborpine.example"),
}
# Answers for agents, and is in none of the groups.
OWNER, OWN, ANOTHERS = "ruth.adler@harborpine.example", "alert-triage", "support-triage"
CALLBACK = "/console/sign-in/callback"


def prepare(world: World, cast: Manifest, kind: str, bridge: str) -> dict[str, str]:
    """Register the console at a sandbox IdP, once for each address; what the bridge's environment says of it then."""
    callback = f"{bridge}{CALLBACK}"
    place = [callback, world.urls[kind]]
    known = world.notes.get(f"sign-in:{kind}")
    if known is None or known["place"] != place:
        make = _at_okta if kind == OKTA else _at_entra
        known = {"place": place, **make(world, cast, callback)}
        world.notes.put(f"sign-in:{kind}", known)
    file = _settings(world.notes.directory.resolve() / f"sign-in-{kind}.toml", kind, known)
    return {"SCIM_BRIDGE_SETTINGS": str(file), "SCIM_BRIDGE_SIGN_IN__CLIENT_SECRET": known["client_secret"]}


def _settings(file: Path, kind: str, known: dict[str, Any]) -> Path:
    lines = [
        "[sign_in]",
        f'issuer = "{known["issuer"]}"',
        f'client_id = "{known["client_id"]}"',
        f'label = "{LABELS[kind]}"',
        f"scopes = {known['scopes']!r}".replace("'", '"'),
        "",
        "[sign_in.roles]",
        *(f'"{group}" = "{role}"' for group, role in known["roles"].items()),
    ]
    file.write_text("\n".join(lines) + "\n")
    return file


def _at_okta(world: World, cast: Manifest, callback: str) -> dict[str, Any]:
    """As docs/how-to/sign-in-okta.md says, steps 1 to 7."""
    people = _cast(okta_directory(cast)["users"], "login")
    groups = [{"name": name, "members": [login]} for name, (_, login) in GROUPS.items()]
    world.control(OKTA, "POST", "/directory", {"users": people, "groups": groups})
    app = {
        "label": "scim-bridge",
        "redirect_uris": [callback],
        "logout_uris": [callback.removesuffix("/callback")],
        "groups": ["Everyone"],
        "groups_claim": {"type": "STARTS_WITH", "value": "AI "},
    }
    made = world.control(OKTA, "POST", "/sign-in-apps", app)
    return {
        **_kept(made),
        "scopes": ["openid", "profile", "email", "groups"],
        "roles": {name: role for name, (role, _) in GROUPS.items()},
    }


def _at_entra(world: World, cast: Manifest, callback: str) -> dict[str, Any]:
    """As docs/how-to/sign-in-entra.md says, steps 1 to 8; groups come as object ids."""
    people = _cast(entra_directory(cast)["users"], "userPrincipalName")
    members = {**{name: login for name, (_, login) in GROUPS.items()}, "Agent owners": OWNER}
    groups = [{"displayName": name, "members": [login]} for name, login in members.items()]
    world.control(ENTRA, "POST", "/directory", {"users": people, "groups": groups})
    app = {
        "display_name": "scim-bridge console",
        "redirect_uris": [callback, callback.removesuffix("/callback")],
        "groups": list(members),
        "auth_time": True,
    }
    made = world.control(ENTRA, "POST", "/sign-in-apps", app)
    return {
        **_kept(made),
        "scopes": ["openid", "profile", "email"],
        "roles": {made["groups"][name]: role for name, (role, _) in GROUPS.items()},
    }


def _cast(people: list[dict[str, Any]], key: str) -> list[dict[str, Any]]:
    """Those who sign in, without their managers: the others are not there yet."""
    wanted = {OWNER, *(login for _, login in GROUPS.values())}
    chosen = [user for user in people if user[key] in wanted]
    return [{name: value for name, value in user.items() if name != "manager"} for user in chosen]


def _kept(made: dict[str, Any]) -> dict[str, Any]:
    return {name: made[name] for name in ("issuer", "client_id", "client_secret")}


def signs_in(world: World) -> str:
    """Three people with three roles, and an owner: each signs in at the IdP, and may what their role may."""
    kind = str(world.notes.get("sign-in"))
    for role, login in GROUPS.values():
        with Person(world, kind) as person:
            person.enters(login)
            status, me = person.api("/api/v1/me")
            must(status == 200 and role in me["roles"], f"{login} is {me} here, not {role}")
            status, _ = person.api("/api/v1/audit?limit=1")
            must((status == 200) is (role != "operator"), f"{role}: the audit answered {status}")
    with Person(world, kind) as owner:
        owner.enters(OWNER)
        must(owner.api(f"/api/v1/agents/{OWN}")[0] == 200, f"{OWNER} does not see {OWN}")
        must(owner.api(f"/api/v1/agents/{ANOTHERS}")[0] == 404, f"{OWNER} sees the agent of somebody else")
        must(owner.api("/api/v1/agents")[0] == 403, f"{OWNER} lists all agents")
    world.notes.put("signed-in", kind)
    return f"at {LABELS[kind]}: admin, operator and auditor by their groups, an owner by their agents alone"


class Person:
    """Somebody with a browser: the IdP's page of accounts, and the console's session."""

    def __init__(self, world: World, kind: str) -> None:
        self._world, self._kind = world, kind
        self._http = httpx2.Client(verify=trust(world.ca_file), timeout=60, trust_env=False)

    def __enter__(self) -> Person:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def enters(self, login: str) -> None:
        """From the console to the IdP, the link with one's name there, and back."""
        away = self._http.get(f"{self._world.bridge}/console/sign-in/begin?next=/console")
        must(away.status_code == 303, f"the console did not send {login} to the IdP: {away.status_code}")
        page = self._http.get(away.headers["location"])
        links = re.findall(r'<a href="([^"]+)">([^<]+)</a>', page.text)
        link = next((address for address, shown in links if html.unescape(shown) == login), None)
        must(link is not None, f"{LABELS[self._kind]} does not let {login} in: {page.status_code}")
        back = self._http.get(urljoin(str(page.url), html.unescape(str(link))))
        entered = self._http.get(back.headers["location"])
        must(
            entered.status_code == 303, f"{login} was not let in: {entered.status_code} {entered.text[-600:]}"
        )

    def api(self, path: str) -> tuple[int, Any]:
        """A read of the REST API with the session alone."""
        answer = self._http.get(f"{self._world.bridge}{path}", headers={"accept": "application/json"})
        return answer.status_code, answer.json()


def told(world: World) -> list[str]:
    """How somebody at the screen tries it: lines for the terminal."""
    kind = str(world.notes.get("sign-in"))
    other = ENTRA if kind == OKTA else OKTA
    data = os.path.relpath(world.notes.directory)
    who = [f"{login} ({role})" for role, login in GROUPS.values()]
    return [
        f"Or as a person   {world.bridge}/console/sign-in, then {LABELS[kind]}: {', '.join(who)}, {OWNER} (owner)",
        "                 (the sandbox signs its own certificate: the browser asks once whether that is meant)",
        f"At the other IdP scim-bridge demo --data {data} --sign-in {other}",
    ]
