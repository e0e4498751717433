"""AWS Secrets Manager: each delivery is one version, its id derived from the delivery, so twice is once.

Source: docs.aws.amazon.com/secretsmanager, PutSecretValue with ClientRequestToken. A place is {"secret",
"field"?, "reference_field"?}: with `field` the secret is a JSON object whose other fields stay, without
it the value itself. When a version was read AWS tells by the day only, so nothing is confirmed here.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson

from scim_bridge.credentials.delivery.failures import away, misplaced, refused
from scim_bridge.credentials.delivery.missing import library
from scim_bridge.credentials.delivery.places import entries, field_of, only_keys, path_of, version_of
from scim_bridge.credentials.model import Delivered, Fresh, Target
from scim_bridge.settings.stores import Options

T = TypeVar("T")

CANARY = "scim-bridge-canary"
RIGHTS = (
    "Allow secretsmanager:PutSecretValue, GetSecretValue and DescribeSecret on that secret"
    " (CreateSecret and DeleteSecret with create, and for `stores test`)."
)
MAKE = "Create the secret first, or set the store's create to true."
# Codes under which AWS asks to come again.
PASSING = frozenset(
    {"InternalServiceError", "InternalServiceErrorException", "InternalFailure", "ServiceUnavailable"}
    | {"Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequestsException"}
    | {"RequestTimeout", "RequestTimeoutException", "LimitExceededException"}
)
CURRENT, PREVIOUS = "AWSCURRENT", "AWSPREVIOUS"
OURS = "A credential of an AI agent, kept by scim-bridge."


@dataclass(frozen=True, slots=True)
class _Described:
    """The stages of each version by its id, and whether we created the secret."""

    versions: Mapping[str, list[str]]
    ours: bool


class SecretsManager:
    """One account and region. Its client does its own HTTP, in threads, to the settings' address only."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._boto3 = library("boto3", "aws", options.name)
        self._botocore = library("botocore.exceptions", "aws", options.name)
        self._lock = threading.Lock()
        self._made: Any = None

    async def deliver(self, target: Target, fresh: Fresh, idempotency: str) -> Delivered:
        """Put one more version, current from then on; the one before stays as AWSPREVIOUS."""
        secret, field = self._place(target)
        version = version_of(idempotency)

        def put(client: Any) -> None:
            # Looked at before reading: what is there by then may hold this very delivery.
            known = self._described(client, secret)
            if known is not None and version in known.versions:
                return
            before = self._fields(client, secret) if field and known and known.versions else {}
            wanted = entries(self._options, target, fresh, field or "value")
            text = orjson.dumps({**before, **wanted}).decode() if field else fresh.value.reveal()
            if known is None:
                self._create(client, secret, text, version)
            else:
                self._put(client, secret, text, version)

        await self._call(put)
        return Delivered(version)

    async def confirmed(self, target: Target, delivered: Delivered, since: int) -> bool | None:
        """None: AWS knows the day of the last read, and ours is one of them."""
        return None

    async def withdraw(self, target: Target, delivered: Delivered) -> None:
        """Put what was there before it as one more version, if it still is what is current.

        DeliveryFailed when others wrote since and what they wrote holds it: who reads it would lose it.
        """
        secret, field = self._place(target)

        def back(client: Any) -> None:
            known = self._described(client, secret)
            if known is None:
                return
            if CURRENT not in known.versions.get(delivered.version, ()):
                self._replaced(client, secret, field, delivered.version)
                return
            before = next((each for each, stages in known.versions.items() if PREVIOUS in stages), None)
            if before is not None:
                text = self._text(client, secret, VersionId=before)
                if not text:
                    raise misplaced(self._options.name, f"{secret!r} held no text before", "Mend it by hand.")
                # Its own token, so that a second call after a lost answer is the same version.
                self._put(client, secret, text, version_of(f"withdraw {delivered.version}"))
            elif known.ours:
                client.delete_secret(SecretId=secret, ForceDeleteWithoutRecovery=True)
            else:
                raise misplaced(self._options.name, f"{secret!r} held nothing before", "Empty it by hand.")

        await self._call(back)

    async def probe(self) -> None:
        """Create a secret, read it back, and delete it for good."""
        secret = f"{self._options['prefix']}/{CANARY}" if self._options["prefix"] else CANARY

        def round_trip(client: Any) -> str:
            if self._described(client, secret) is None:
                client.create_secret(Name=secret, SecretString="scim-bridge")
            try:
                return str(client.get_secret_value(SecretId=secret)["SecretString"])
            finally:
                client.delete_secret(SecretId=secret, ForceDeleteWithoutRecovery=True)

        if await self._call(round_trip) != "scim-bridge":
            raise refused(self._options.name, "did not give back what was written", "Look at the secret.")

    async def close(self) -> None:
        """Nothing is kept open."""

    def _place(self, target: Target) -> tuple[str, str]:
        only_keys(self._options, target, "secret", "field", "reference_field")
        return path_of(self._options, target, "secret"), field_of(self._options, target, "field", "")

    def _described(self, client: Any, secret: str) -> _Described | None:
        """What AWS says of a secret; None when there is none. It reads no value."""
        try:
            answer = client.describe_secret(SecretId=secret)
        except client.exceptions.ResourceNotFoundException:
            return None
        if not answer.get("ARN"):
            raise away(self._options.name, "answered something else than AWS does")
        return _Described(answer.get("VersionIdsToStages") or {}, answer.get("Description") == OURS)

    def _fields(self, client: Any, secret: str) -> dict[str, Any]:
        text = client.get_secret_value(SecretId=secret, VersionStage=CURRENT).get("SecretString", "")
        try:
            found = orjson.loads(text)
        except orjson.JSONDecodeError:
            found = None
        if not isinstance(found, dict):
            raise misplaced(
                self._options.name,
                f"{secret!r} holds no JSON object",
                "Leave field out to replace all of it.",
            )
        return found

    def _replaced(self, client: Any, secret: str, field: str, version: str) -> None:
        """DeliveryFailed when what is current is not that version, and gives its readers the same value."""
        now = self._text(client, secret, VersionStage=CURRENT)
        ours = self._text(client, secret, VersionId=version)
        if ours and now and _value(now, field) == _value(ours, field):
            raise misplaced(
                self._options.name,
                f"{secret!r} was written by others since, and holds the new credential still",
                "Put the one before back by hand, then settle the rotation.",
            )

    def _text(self, client: Any, secret: str, **which: str) -> str:
        try:
            return str(client.get_secret_value(SecretId=secret, **which).get("SecretString") or "")
        except client.exceptions.ResourceNotFoundException:
            # AWS lets go of versions that no stage names.
            return ""

    def _create(self, client: Any, secret: str, text: str, version: str) -> None:
        if self._options["create"] != "true":
            raise misplaced(self._options.name, f"there is no secret {secret!r}", MAKE)
        made = client.create_secret(
            Name=secret,
            SecretString=text,
            ClientRequestToken=version,
            Description=OURS,
        )
        self._kept(made, version)

    def _put(self, client: Any, secret: str, text: str, version: str) -> None:
        made = client.put_secret_value(SecretId=secret, SecretString=text, ClientRequestToken=version)
        self._kept(made, version)

    def _kept(self, answer: Mapping[str, Any], version: str) -> None:
        """Believe that a version is kept only when AWS names it: its library takes any page for an answer."""
        if answer.get("VersionId") != version:
            raise away(self._options.name, "answered something else than AWS does")

    async def _call(self, use: Callable[[Any], T]) -> T:
        return await asyncio.to_thread(self._use, use)

    def _use(self, use: Callable[[Any], T]) -> T:
        name, found = self._options.name, self._botocore
        try:
            return use(self._client())
        except found.ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
            if code in PASSING or status >= 500 or status == 429:
                raise away(name, f"answered {code or status}") from None
            fix = MAKE if code == "ResourceNotFoundException" else RIGHTS
            raise refused(name, f"answered {code or status}", fix) from None
        except found.SSLError:
            raise refused(name, "shows no certificate that is trusted", "Set its ca_file.") from None
        except (found.NoCredentialsError, found.PartialCredentialsError, found.ParamValidationError) as error:
            raise refused(name, f"cannot be asked ({type(error).__name__})", "Check its settings.") from None
        except found.BotoCoreError:
            raise away(name, "does not answer") from None
        except (AttributeError, KeyError, TypeError) as error:
            # The library reads whatever comes.
            raise away(name, f"answered something else than AWS does ({type(error).__name__})") from None

    def _client(self) -> Any:
        """The client, made once: it is for several threads, making it is not."""
        with self._lock:
            if self._made is None:
                config = library("botocore.config", "aws", self._options.name).Config(
                    connect_timeout=self._options.timeout,
                    read_timeout=self._options.timeout,
                    retries={"mode": "standard", "total_max_attempts": 2},
                    # No proxy and no endpoint of the environment: addresses come from the settings alone.
                    proxies={},
                    ignore_configured_endpoint_urls=True,
                )
                keys = {}
                if self._options["auth"] == "keys":
                    keys = {
                        "aws_access_key_id": self._options["access_key_id"],
                        "aws_secret_access_key": self._options["secret_access_key"],
                    }
                session = self._boto3.session.Session(region_name=self._options["region"], **keys)
                self._made = session.client(
                    "secretsmanager",
                    endpoint_url=self._options["address"] or None,
                    verify=self._options["ca_file"] or None,
                    config=config,
                )
            return self._made


def _value(text: str, field: str) -> object:
    """What a version gives the agent: one field of an object, or all of it."""
    if not field:
        return text
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return found.get(field) if isinstance(found, dict) else None
