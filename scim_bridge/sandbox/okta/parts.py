"""The parts of the simulated Okta, put together once."""

from __future__ import annotations

from dataclasses import dataclass

from scim_bridge.sandbox.kit.server import Sandbox
from scim_bridge.sandbox.okta.ai_agents import AiAgents
from scim_bridge.sandbox.okta.api.gate import Gate
from scim_bridge.sandbox.okta.assignments import Assignments
from scim_bridge.sandbox.okta.client_credentials import ClientCredentials
from scim_bridge.sandbox.okta.directory import Directory
from scim_bridge.sandbox.okta.groups import Groups
from scim_bridge.sandbox.okta.lifecycle import Lifecycle
from scim_bridge.sandbox.okta.model.proofs import Proofs
from scim_bridge.sandbox.okta.oidc_apps import OidcApps
from scim_bridge.sandbox.okta.org import Org
from scim_bridge.sandbox.okta.owners import Owners
from scim_bridge.sandbox.okta.scim_side.tasks import Tasks
from scim_bridge.sandbox.okta.sign_in import SignIn


@dataclass(frozen=True, slots=True)
class Parts:
    """What routes and provisioning work with."""

    org: Org
    gate: Gate
    proofs: Proofs
    directory: Directory
    tasks: Tasks
    assignments: Assignments
    lifecycle: Lifecycle
    groups: Groups
    ai_agents: AiAgents
    owners: Owners
    client_credentials: ClientCredentials
    oidc_apps: OidcApps
    sign_in: SignIn


def assemble(sandbox: Sandbox) -> Parts:
    """The parts over an opened sandbox."""
    org = Org(sandbox)
    directory, tasks = Directory(org), Tasks(org)
    assignments = Assignments(org, tasks)
    lifecycle = Lifecycle(org, directory, assignments)
    proofs = Proofs(org.seconds)
    groups = Groups(org, directory, tasks)
    owners = Owners(org, directory, groups)
    client_credentials = ClientCredentials(org)
    oidc_apps = OidcApps(org, client_credentials)
    return Parts(
        org,
        Gate(org, proofs),
        proofs,
        directory,
        tasks,
        assignments,
        lifecycle,
        groups,
        AiAgents(org, owners),
        owners,
        client_credentials,
        oidc_apps,
        SignIn(org, groups, oidc_apps, client_credentials),
    )
