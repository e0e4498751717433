"""What Okta's and Entra's own pages ask for, in their words and order. The guides in docs/how-to say it at length."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

OKTA_SCOPES = [
    "okta.users.manage",
    "okta.userTypes.manage",
    "okta.schemas.manage",
    "okta.linkedObjects.manage",
    "okta.groups.manage",
    "okta.apps.manage",
    "okta.logs.read",
]
ENTRA_ROLES = [
    "AgentIdentity.ReadWrite.All",
    "AgentIdentity.Create.All",
    "AgentIdentity.EnableDisable.All",
    "AgentIdentityBlueprint.Create",
    "AgentIdentityBlueprint.ReadWrite.All",
    "AgentIdentityBlueprintPrincipal.Create",
    "AgentIdentityBlueprintPrincipal.ReadWrite.All",
    "CustomSecAttributeAssignment.ReadWrite.All",
    "CustomSecAttributeDefinition.ReadWrite.All",
    "Application.Read.All",
    "User.Read.All",
]


@dataclass(frozen=True, slots=True)
class Page:
    """One stretch of work in somebody else's console: steps in order, and fields with what to enter.

    Texts may hold {base_url}, {token}, {name} and {bridge}. `picked` are fields one ticks or picks: nothing is typed.
    """

    title: str
    steps: tuple[str, ...] = ()
    fields: tuple[tuple[str, str], ...] = ()
    after: tuple[str, ...] = ()
    picked: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Vendor:
    """The pages of one vendor. `setting` is what the way back needs beside the file with the credentials."""

    name: str
    provisioning: Page
    credentials: Page
    setting: str
    setting_words: str
    file: str
    then: tuple[str, ...]


ENTRA_PERMISSIONS = (
    "API permissions → Add a permission → Microsoft Graph → Application permissions:"
    f" {', '.join(ENTRA_ROLES)}. Then Grant admin consent."
)
OKTA = Vendor(
    "Okta",
    Page(
        "In Okta: provisioning",
        (
            "Admin Console → Applications → Applications → Create App Integration.",
            "Choose SAML 2.0 (or SWA) and give it a name, for example AI agents.",
            "On the app's page: General → App Settings → Edit → Provisioning: SCIM → Save.",
            "Provisioning → Integration → Edit, and enter (the token without Bearer: Okta adds it):",
        ),
        (
            ("SCIM connector base URL", "{base_url}"),
            ("Unique identifier field for users", "userName"),
            (
                "Supported provisioning actions",
                "Import New Users and Profile Updates, Push New Users, Push Profile Updates, Push Groups",
            ),
            ("Authentication Mode", "HTTP Header"),
            ("Authorization", "{token}"),
        ),
        (
            "Test Connector Configuration. It must be green; then Save.",
            "Provisioning → To App → Edit: Create Users, Update User Attributes, Deactivate Users; then Save.",
            "Import → Import Now brings the agents into Okta. Confirm the assignments.",
        ),
        frozenset({"Supported provisioning actions", "Authentication Mode"}),
    ),
    Page(
        "In Okta: a service app for the way back",
        (
            "Applications → Applications → Create App Integration → API Services. Give it a name; Save.",
            "General → Client Credentials → Edit → Public key / Private key → Add key → Generate new key.",
            "Copy the private key as PEM (it is shown once) → Done → Save. The KID stands in the list of keys.",
            f"Okta API Scopes → Grant: {', '.join(OKTA_SCOPES)}.",
            "Admin roles → Edit assignments: a role that may manage users and the org's schemas.",
        ),
    ),
    "org_url",
    "the org's address, such as https://acme.okta.com",
    '{"client_id": "0oa…", "kid": "…", "private_key": "-----BEGIN PRIVATE KEY-----\\n…", "scopes": ["okta.…", …]}',
    (
        "Push Groups → Find groups by name: the groups your access policies mention.",
        "Assign the people who own agents to the same app.",
        "News of people within seconds: step 6 of docs/how-to/okta.md.",
    ),
)
ENTRA = Vendor(
    "Entra",
    Page(
        "In Entra: provisioning",
        (
            "Entra admin center → Entra ID → Enterprise apps → New application → Create your own application.",
            "Choose: Integrate any other application you don't find in the gallery (Non-gallery).",
            "Provisioning → New configuration (or Get started), and enter:",
        ),
        (
            ("Select authentication method", "Bearer authentication"),
            ("Tenant URL", "{base_url}"),
            ("Secret token", "{token}"),
        ),
        (
            "Test connection: Entra looks up a user that cannot exist and wants an empty list. Then Create.",
            "Attribute mapping → Provision Microsoft Entra ID Users: add employeeType → userType.",
            "Users and groups → Add user/group: agents' accounts, the people who own agents, groups.",
            "Provisioning → Start provisioning (or Provision on demand for one user at once).",
        ),
        frozenset({"Select authentication method"}),
    ),
    Page(
        "In Entra: an app registration for the way back",
        (
            "App registrations → New registration, then Certificates & secrets → New client secret.",
            "Copy the secret's Value (not its Secret ID): it is shown once.",
            ENTRA_PERMISSIONS,
            "Copy Application (client) ID and Directory (tenant) ID from Overview.",
        ),
    ),
    "tenant_id",
    "the Directory (tenant) ID",
    '{"client_id": "…", "client_secret": "…"}',
    (
        "Let calls from Microsoft Graph reach {bridge}/signals/entra/{name}: news of people within seconds.",
        "User accounts, groups and app roles of agents: docs/how-to/entra.md.",
    ),
)
VENDORS: Mapping[str, Vendor] = {"okta": OKTA, "entra": ENTRA}


def filled(text: str, values: Mapping[str, str]) -> str:
    """A text of a page with its values; other braces stay."""
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value)
    return text
