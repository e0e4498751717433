"""Opens the Okta adapter of a connection: its org, credentials and options, checked before anything is sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from scim_bridge.kernel.context import Context
from scim_bridge.kernel.errors import Refused
from scim_bridge.registry.connections import Connection
from scim_bridge.sync.facts import some_remote_id
from scim_bridge.sync.groups import managed_groups
from scim_bridge.sync.idp.okta.choosing import idp_of
from scim_bridge.sync.idp.okta.options import options_of
from scim_bridge.sync.idp.okta.private_key import check_private_key
from scim_bridge.sync.idp.okta.session import Credentials, Session
from scim_bridge.sync.idp.port import Idp
from scim_bridge.sync.idp.rate import reserve_of


def open_okta(connection: Connection, secrets: Mapping[str, Any], ctx: Context) -> Idp:
    """The org of a connection; Refused when a setting or secret is missing. Nothing is sent yet.

    Settings: org_url, ca_file (a private authority), and those of `options`. Secrets: client_id,
    private_key (PEM), kid and scopes of a service app, or ssws_token.
    """
    org_url = _org_url(connection)
    credentials = _credentials(connection, secrets)
    ca_file = connection.settings.get("ca_file")
    try:
        outbound = ctx.outbound.trusting(ca_file) if ca_file else ctx.outbound
    except OSError as error:
        raise Refused(
            "okta-ca-file", f"ca_file {ca_file} holds no certificates that can be read.", "Give a PEM file."
        ) from error
    reserve = reserve_of(connection.settings)
    session = Session(org_url, credentials, outbound, own=bool(ca_file), reserve=reserve)
    reads = ctx.store.reads
    options = options_of(connection.settings, lambda: managed_groups(reads, connection))
    return idp_of(session, options, lambda: some_remote_id(reads, connection.id))


def _org_url(connection: Connection) -> str:
    given = str(connection.settings.get("org_url") or "").rstrip("/")
    parts = urlsplit(given)
    fix = f"connections configure {connection.name} --set org_url=https://your-org.okta.com"
    if parts.scheme != "https" or not parts.hostname or parts.path or parts.query or parts.username:
        raise Refused(
            "okta-org-url", f"{connection.name} has no usable org_url ({given[:80]!r}).", f"Set it: {fix}"
        )
    if "-admin." in parts.hostname:
        raise Refused("okta-org-url", "org_url is that of the Admin Console.", f"Leave out -admin: {fix}")
    return given


def _credentials(connection: Connection, secrets: Mapping[str, Any]) -> Credentials:
    if secrets.get("ssws_token"):
        return Credentials(ssws_token=str(secrets["ssws_token"]))
    missing = [name for name in ("client_id", "private_key", "scopes") if not secrets.get(name)]
    if missing:
        raise Refused(
            "okta-secrets",
            f"The secrets of {connection.name} lack {', '.join(missing)}.",
            "Give client_id, private_key (PEM), kid and scopes, or ssws_token, with --secrets-file.",
        )
    check_private_key(connection.name, str(secrets["private_key"]))
    scopes = secrets["scopes"]
    return Credentials(
        client_id=str(secrets["client_id"]),
        # The SDK knows a JWK by its first character.
        private_key=str(secrets["private_key"]).strip(),
        kid=str(secrets.get("kid") or ""),
        scopes=tuple(scopes.split() if isinstance(scopes, str) else scopes),
    )
