"""One token request decided: who asks, with what proof, for which resource."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from joserfc.jwk import RSAKey

from scim_bridge.sandbox.entra import settings
from scim_bridge.sandbox.entra.sts import credentials, errors, federation, tokens
from scim_bridge.sandbox.entra.tenant import PRINCIPAL, Object, Tenant, hidden
from scim_bridge.sandbox.kit.clock import SECOND

BLUEPRINT = "#microsoft.graph.agentIdentityBlueprint"
IDENTITY = "#microsoft.graph.agentIdentity"
NOTE_EVERY = 60 * SECOND


class TokenService:
    """The token endpoint of one tenant."""

    def __init__(self, tenant: Tenant, key: RSAKey) -> None:
        self.tenant = tenant
        self.key = key
        self._noted: dict[str, int] = {}

    def authority(self) -> str:
        """The address of the tenant at this token service."""
        return f"{self.tenant.base_url}/{self.tenant.id}"

    def discovery(self) -> dict[str, Any]:
        """The OpenID configuration, the members msal and token verifiers read."""
        base = self.authority()
        return {
            "token_endpoint": f"{base}/oauth2/v2.0/token",
            "token_endpoint_auth_methods_supported": [
                "client_secret_post",
                "private_key_jwt",
                "client_secret_basic",
            ],
            "jwks_uri": f"{base}/discovery/v2.0/keys",
            "response_modes_supported": ["query", "fragment", "form_post"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
            "scopes_supported": ["openid", "profile", "email", "offline_access"],
            "issuer": f"{base}/v2.0",
            "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
            "tenant_region_scope": "EU",
            "cloud_instance_name": "microsoftonline.com",
        }

    def jwks(self) -> dict[str, Any]:
        """The public key tokens are verified with."""
        return {"keys": [self.key.as_dict(private=False)]}

    def token(self, form: Mapping[str, str]) -> dict[str, Any]:
        """The answer to a token request; StsError when it is refused."""
        for name in ("grant_type", "client_id", "scope"):
            if not form.get(name):
                raise errors.missing_parameter(name)
        if form["grant_type"] != "client_credentials":
            raise errors.unsupported_grant(form["grant_type"])
        client_id, resource = form["client_id"], self._resource(form["scope"])
        application = self.tenant.application_of(client_id)
        if application is not None:
            return self._to_application(application, resource, form)
        identity = self.tenant.find(PRINCIPAL, client_id)
        if identity is not None and identity.get("@odata.type") == IDENTITY:
            return self._to_identity(identity, resource, form)
        raise errors.unknown_application(client_id, self.tenant.domain)

    def _resource(self, scope: str) -> str:
        if " " in scope or not scope.endswith("/.default"):
            raise errors.bad_scope(scope)
        resource = scope.removesuffix("/.default")
        if resource not in tokens.GRAPH_NAMES and resource != tokens.EXCHANGE:
            raise errors.unknown_resource(resource, self.tenant.domain)
        return resource

    def _to_application(self, application: Object, resource: str, form: Mapping[str, str]) -> dict[str, Any]:
        app_id = str(application["appId"])
        self._prove(application, form)
        principal = self.tenant.principal_of(app_id)
        if principal is None:
            raise errors.unknown_application(app_id, self.tenant.domain)
        if principal.get("accountEnabled") is False:
            raise errors.disabled_application(app_id, str(application["displayName"]))
        if resource == tokens.EXCHANGE:
            return self._exchange(application, form)
        kind = "blueprint" if application.get("@odata.type") == BLUEPRINT else "application"
        return self._answer(app_id, principal, hidden(application, "roles", []), kind)

    def _prove(self, application: Object, form: Mapping[str, str]) -> None:
        app_id, now = str(application["appId"]), self.tenant.now()
        if form.get("client_assertion"):
            if form.get("client_assertion_type") != credentials.ASSERTION_TYPE:
                raise errors.missing_parameter("client_assertion_type")
            _, claims = credentials.assertion_parts(form["client_assertion"])
            if claims.get("iss") != app_id:
                kept = hidden(application, "federated", [])
                federation.check_federated(kept, form["client_assertion"], self.key, now)
                return
            base = self.authority()
            audiences = [f"{base}/oauth2/v2.0/token", f"{base}/v2.0"]
            kept = hidden(application, "certificates", [])
            used = credentials.check_certificate_assertion(
                app_id, kept, form["client_assertion"], audiences, now
            )
            self._used(app_id, used, "certificate", now)
        elif form.get("client_secret"):
            kept = hidden(application, "secrets", [])
            used = credentials.check_secret(app_id, kept, form["client_secret"], now)
            self._used(app_id, used, "clientSecret", now)
        else:
            raise errors.no_credential()

    def _used(self, app_id: str, key_id: str, kind: str, now: int) -> None:
        """Note the last use of a credential, at most once a minute, for the report of sign-in activities."""
        if now - self._noted.get(key_id, 0) >= NOTE_EVERY:
            self._noted[key_id] = now
            self.tenant.store.put("credentialuse", key_id, {"appId": app_id, "keyType": kind, "at": now})

    def _exchange(self, application: Object, form: Mapping[str, str]) -> dict[str, Any]:
        """Leg one of an agent's sign-in: the blueprint speaks for one of its identities."""
        blueprint, path = str(application["appId"]), form.get("fmi_path", "")
        if application.get("@odata.type") != BLUEPRINT or not path:
            raise errors.unknown_resource(tokens.EXCHANGE, self.tenant.domain)
        child = self.tenant.find(PRINCIPAL, path)
        if child is None or child.get("agentIdentityBlueprintId") != blueprint:
            raise errors.unknown_application(path, self.tenant.domain)
        seconds = settings.load(self.tenant.store).token_seconds
        token = tokens.exchange_token(
            self.key, self.tenant.id, blueprint=blueprint, path=path, now=self.tenant.now(), seconds=seconds
        )
        return {
            "token_type": "Bearer",
            "expires_in": seconds,
            "ext_expires_in": seconds,
            "access_token": token,
        }

    def _to_identity(self, identity: Object, resource: str, form: Mapping[str, str]) -> dict[str, Any]:
        """Leg two: the agent identity signs in with what its blueprint was given for it."""
        own_id, assertion = str(identity["id"]), form.get("client_assertion", "")
        if not assertion:
            raise errors.no_credential()
        claims = credentials.verify(assertion, self.key, "it was not issued by this tenant.")
        credentials.check_times(claims, self.tenant.now())
        if claims.get("aud") != tokens.EXCHANGE or claims.get("xms_sandbox_fmi") != own_id:
            raise errors.no_federated_record(str(claims.get("iss")), str(claims.get("sub")))
        if identity.get("accountEnabled") is False:
            raise errors.disabled_application(own_id, str(identity["displayName"]))
        if resource == tokens.EXCHANGE:
            raise errors.unknown_resource(resource, self.tenant.domain)
        return self._answer(own_id, identity, hidden(identity, "roles", []), "agentIdentity")

    def _answer(self, app_id: str, principal: Object, roles: list[str], kind: str) -> dict[str, Any]:
        seconds = settings.load(self.tenant.store).token_seconds
        token = tokens.access_token(
            self.key,
            self.tenant.id,
            app_id=app_id,
            object_id=str(principal["id"]),
            name=str(principal["displayName"]),
            roles=roles,
            kind=kind,
            now=self.tenant.now(),
            seconds=seconds,
        )
        return {
            "token_type": "Bearer",
            "expires_in": seconds,
            "ext_expires_in": seconds,
            "access_token": token,
        }
