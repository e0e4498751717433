"""Promises of delivery: whole or not at all, twice is once, back to what was there, and no value in any refusal."""

from __future__ import annotations

import asyncio
import base64
import logging
import os
import stat
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest
from joserfc import jwe
from joserfc.jwk import ECKey

from scim_bridge.credentials.delivery.stores import Stores
from scim_bridge.credentials.model import Delivered, DeliveryFailed, Fresh, SecretText, Target
from scim_bridge.kernel.clock import SECOND, ManualClock
from scim_bridge.kernel.errors import ConfigurationError
from scim_bridge.kernel.outbound import Outbound
from scim_bridge.kernel.webhook import check
from scim_bridge.settings.load import load_settings
from tests.credentials.kube import Cluster
from tests.credentials.servers import Aws, Bao
from tests.receiver import Receiver, receiving

PLANTED = "planted-value-Zq7"
WHSEC = "whsec_" + base64.b64encode(b"the secret of a receiver of values").decode()


def fresh(value: str = PLANTED, reference: str = "ref-1") -> Fresh:
    return Fresh("client_secret", SecretText(value), reference, expires=1_000_000)


def run(settings: Mapping[str, Mapping[str, str]], body: Any, clock: ManualClock | None = None) -> Any:
    """Run an async body with the stores of these settings."""

    async def main() -> Any:
        outbound = Outbound()
        stores = Stores(settings, outbound, clock or ManualClock())
        try:
            return await body(stores)
        finally:
            await stores.close()
            await outbound.aclose()

    return asyncio.run(main())


def failure(settings: Mapping[str, Mapping[str, str]], body: Any) -> DeliveryFailed:
    """How it fails; neither the message nor the printed traceback holds the value."""
    with pytest.raises(DeliveryFailed) as caught:
        run(settings, body)
    printed = "".join(traceback.format_exception(caught.value))
    assert PLANTED not in printed and PLANTED not in repr(caught.value.problem())
    return caught.value


async def back_and_forth(stores: Stores, target: Target, read: Any) -> None:
    """What every store with a memory promises, whatever its kind."""
    first = await stores.deliver(target, fresh("one"), "rotation-1")
    assert read() == "one"
    second = await stores.deliver(target, fresh(), "rotation-2")
    assert await stores.deliver(target, fresh(), "rotation-2") == second != first
    assert read() == PLANTED
    assert await stores.confirmed(target, second, 0) is None
    for _ in range(2):
        await stores.withdraw(target, second)
        assert read() == "one"
    third = await stores.deliver(target, fresh("three"), "rotation-3")
    await stores.withdraw(target, second)
    assert read() == "three", "what came later is not taken out with an earlier one"
    await stores.withdraw(target, third)
    assert read() == "one"
    await stores.open(target.name).probe()


def test_openbao_writes_versions_with_check_and_set_and_keeps_what_others_put_there(bao: Bao) -> None:
    kv = bao.client().secrets.kv.v2
    target = Target("openbao", {"path": "agents/refund", "field": "secret"}, "vault")

    def data() -> dict[str, Any]:
        return kv.read_secret_version("agents/refund", raise_on_deleted_version=True)["data"]["data"]

    kv.create_or_update_secret("agents/refund", {"url": "https://idp.example"})
    settings = {"vault": bao.settings(prefix="agents")}
    run(settings, lambda stores: back_and_forth(stores, target, lambda: data()["secret"]))
    assert data() == {"url": "https://idp.example", "secret": "one"}
    assert kv.list_secrets("agents")["data"]["keys"] == ["refund"], "the canary is gone"

    async def crowd(stores: Stores) -> None:
        targets = [Target("openbao", {"path": "agents/refund", "field": f"f{n}"}, "vault") for n in range(4)]
        await asyncio.gather(
            *(stores.deliver(each, fresh(f"v{n}"), f"c{n}") for n, each in enumerate(targets))
        )

    run(settings, crowd)
    assert {data()[f"f{n}"] for n in range(4)} == {f"v{n}" for n in range(4)}, "nobody overwrote another"
    said = failure(
        settings, lambda s: s.deliver(Target("openbao", {"path": "other/x"}, "vault"), fresh(), "i")
    )
    assert said.code == "store-place" and not said.transient


def test_the_first_credential_at_a_place_leaves_nothing_there_when_it_is_called_off(bao: Bao) -> None:
    target = Target("openbao", {"path": "agents/newcomer"}, "vault")

    async def body(stores: Stores) -> None:
        made = await stores.deliver(target, fresh(), "first")
        for _ in range(2):
            await stores.withdraw(target, made)

    run({"vault": bao.settings()}, body)
    found = bao.client().secrets.kv.v2.read_secret_version("agents/newcomer", raise_on_deleted_version=False)
    assert found["data"]["data"] is None


def test_openbao_signs_in_by_approle_and_again_when_its_token_was_revoked(bao: Bao, tmp_path: Path) -> None:
    root = bao.client()
    root.sys.enable_auth_method("approle")
    policy = 'path "secret/data/agents/*" { capabilities = ["create", "read", "update"] }'
    root.sys.create_or_update_policy("bridge", policy)
    root.auth.approle.create_or_update_approle("bridge", token_policies=["bridge"], token_ttl="1h")
    role = root.auth.approle.read_role_id("bridge")["data"]["role_id"]
    secret = root.auth.approle.generate_secret_id("bridge")["data"]["secret_id"]
    settings = bao.settings(auth="approle", role_id=role, secret_id=secret)
    target = Target("openbao", {"path": "agents/approle"}, "vault")

    async def body(stores: Stores) -> None:
        await stores.deliver(target, fresh("one"), "1")
        accessors = root.list("auth/token/accessors")["data"]["keys"]
        mine = [
            each
            for each in accessors
            if "bridge" in root.auth.token.lookup_accessor(each)["data"]["policies"]
        ]
        for accessor in mine:
            root.auth.token.revoke_accessor(accessor)
        await stores.deliver(target, fresh("two"), "2")

    run({"vault": settings}, body)
    assert root.secrets.kv.v2.read_secret_version("agents/approle", raise_on_deleted_version=True)["data"][
        "data"
    ] == {"value": "two"}
    denied = Target("openbao", {"path": "elsewhere/x"}, "vault")
    said = failure({"vault": settings}, lambda stores: stores.deliver(denied, fresh(), "i"))
    assert said.code == "store-refused" and "403" in said.message and not said.transient
    wrong = {"vault": settings | {"secret_id": "wrong"}}
    assert not failure(wrong, lambda stores: stores.deliver(target, fresh(), "i")).transient
    token = tmp_path / "token"
    token.write_text(bao.token + "\n")
    by_file = {"vault": {"kind": "openbao", "address": bao.url, "token_path": str(token)}}
    run(by_file, lambda stores: stores.deliver(target, fresh("three"), "3"))


def test_secrets_manager_takes_each_delivery_once_under_its_request_token(aws: Aws) -> None:
    client = aws.client()
    client.create_secret(Name="agents/plain", SecretString="before")
    client.create_secret(Name="agents/json", SecretString='{"user":"u"}')
    plain = Target("aws", {"secret": "agents/plain"}, "aws")
    shared = Target("aws", {"secret": "agents/json", "field": "secret", "reference_field": "id"}, "aws")

    def text(name: str) -> str:
        return str(client.get_secret_value(SecretId=name, VersionStage="AWSCURRENT")["SecretString"])

    def secret() -> str:
        return str(orjson.loads(text("agents/json"))["secret"])

    settings = {"aws": aws.settings(create="true")}
    run(settings, lambda s: back_and_forth(s, plain, lambda: text("agents/plain")))
    run(settings, lambda s: back_and_forth(s, shared, secret))
    assert orjson.loads(text("agents/json")) == {"user": "u", "secret": "one", "id": "ref-1"}
    made = Target("aws", {"secret": "agents/made"}, "aws")
    run(settings, lambda stores: stores.deliver(made, fresh(), "1"))
    assert text("agents/made") == PLANTED
    strict = {"aws": aws.settings()}
    said = failure(
        strict, lambda stores: stores.deliver(Target("aws", {"secret": "none"}, "aws"), fresh(), "1")
    )
    assert said.code == "store-place" and "create" in said.fix
    assert "scim-bridge-canary" not in str(client.list_secrets()["SecretList"])


def test_kubernetes_changes_one_key_of_the_version_it_read(cluster: Cluster, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(cluster.token)
    settings = {"kind": "kubernetes", "address": cluster.url, "token_path": str(token), "namespace": "agents"}
    target = Target("kubernetes", {"secret": "refund", "key": "OKTA_SECRET"}, "k8s")
    stores = {"k8s": settings}
    run(stores, lambda s: back_and_forth(s, target, lambda: cluster.value("refund", "OKTA_SECRET")))
    assert list(cluster.secrets) == ["refund"], "the canary is gone"
    cluster.secrets["refund"]["data"]["OTHER"] = base64.b64encode(b"kept").decode()
    cluster.between = [lambda: (cluster.between.clear(), cluster.touch("refund"))]
    run(stores, lambda s: s.deliver(target, fresh("raced"), "race"))
    assert cluster.value("refund", "OKTA_SECRET") == "raced" and cluster.value("refund", "OTHER") == "kept"
    assert 409 in [code for *_, code in cluster.calls], "it was overtaken and read again"
    cluster.between = [lambda: cluster.touch("refund")]
    assert failure(stores, lambda s: s.deliver(target, fresh(), "lost")).code == "store-overtaken"
    cluster.between = []
    cluster.secrets["refund"]["immutable"] = True
    said = failure(stores, lambda s: s.deliver(target, fresh(), "immutable"))
    assert "422" in said.message and not said.transient
    token.write_text("an expired one")
    assert "401" in failure(stores, lambda s: s.deliver(target, fresh(), "expired")).message


def test_a_file_is_replaced_whole_and_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    (folder / "refund").mkdir(parents=True, mode=0o755)
    file = folder / "refund" / "secret"
    stores = {"disk": {"kind": "file", "directory": str(folder)}}
    target = Target("file", {"path": "refund/secret"}, "disk")
    run(stores, lambda s: back_and_forth(s, target, file.read_text))
    assert stat.S_IMODE(os.stat(file).st_mode) == 0o600
    run(stores, lambda s: s.withdraw(target, Delivered("unknown")))
    assert file.read_text() == "one"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("not ours")
    file.unlink()
    file.symlink_to(elsewhere)
    assert failure(stores, lambda s: s.deliver(target, fresh(), "link")).code == "store-refused"
    file.unlink()
    (folder / "linked").symlink_to(folder / "refund")
    through = Target("file", {"path": "linked/secret"}, "disk")
    assert failure(stores, lambda s: s.deliver(through, fresh(), "folder")).code == "store-refused"
    os.chmod(folder / "refund", 0o775)
    said = failure(stores, lambda s: s.deliver(target, fresh(), "shared"))
    assert "others may write" in said.message
    assert elsewhere.read_text() == "not ours"
    for path in ("../elsewhere", "/etc/passwd", "refund//x", "refund/.x", "a/./b", ""):
        out = Target("file", {"path": path}, "disk")
        assert failure(stores, lambda s, out=out: s.deliver(out, fresh(), "out")).code == "store-place"


def test_a_file_store_that_died_between_its_steps_finishes_the_same_delivery(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from scim_bridge.credentials.delivery import file as adapter

    stores = {"disk": {"kind": "file", "directory": str(tmp_path)}}
    target = Target("file", {"path": "secret"}, "disk")
    run(stores, lambda s: s.deliver(target, fresh("one"), "1"))
    real = adapter._replace
    for dies_at in (".secret.previous", "secret", ".secret.version"):

        def dying(folder: int, name: str, content: bytes, dies_at: str = dies_at) -> None:
            if name == dies_at:
                raise KeyboardInterrupt
            real(folder, name, content)

        monkeypatch.setattr(adapter, "_replace", dying)
        with pytest.raises(KeyboardInterrupt):
            run(stores, lambda s: s.deliver(target, fresh(), "2"))
        assert (tmp_path / "secret").read_text() in ("one", PLANTED)
        monkeypatch.setattr(adapter, "_replace", real)
    made = run(stores, lambda s: s.deliver(target, fresh(), "2"))
    assert (tmp_path / "secret").read_text() == PLANTED
    run(stores, lambda s: s.withdraw(target, made))
    assert (tmp_path / "secret").read_text() == "one"
    assert {each.name for each in tmp_path.iterdir()} == {"secret"}, "no half file is left"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


def test_a_webhook_is_signed_and_says_the_value_to_the_holder_of_the_key_alone(
    receiver: Receiver, clock: ManualClock
) -> None:
    key = ECKey.generate_key("P-256")
    public = orjson.dumps({**key.as_dict(private=False), "kid": "k1"}).decode()
    settings = {"kind": "webhook", "address": f"{receiver.url}/in", "secret": WHSEC, "encrypt_to": public}
    target = Target("webhook", {"app": "refund"}, "hook")

    async def body(stores: Stores) -> None:
        made = await stores.deliver(target, fresh(), "1")
        assert await stores.deliver(target, fresh(), "1") == made
        assert await stores.confirmed(target, made, clock.now()) is None
        await stores.withdraw(target, made)
        await stores.open("hook").probe()

    run({"hook": settings}, body, clock)
    ids = [check(headers, sent, [WHSEC], clock.now()) for _, headers, sent in receiver.calls]
    assert ids[0] == ids[1] and len(set(ids)) == 4
    assert all(PLANTED.encode() not in sent for *_, sent in receiver.calls)
    first = receiver.bodies("/in")[0]
    assert first["type"] == "credential.delivered" and first["data"]["place"] == {"app": "refund"}
    registry = jwe.JWERegistry(algorithms=["ECDH-ES+A256KW", "A256GCM"])
    assert (
        jwe.decrypt_compact(first["data"]["value_jwe"], key, registry=registry).plaintext.decode() == PLANTED
    )
    receiver.answer = lambda _path, _before: (503, {})
    assert failure({"hook": settings}, lambda s: s.deliver(target, fresh(), "2")).transient
    receiver.answer = lambda _path, _before: (302, {"location": "https://elsewhere.example"})
    assert not failure({"hook": settings}, lambda s: s.deliver(target, fresh(), "3")).transient


def test_a_store_that_is_away_may_be_asked_again(tmp_path: Path) -> None:
    nowhere = "http://127.0.0.1:9"
    token = tmp_path / "token"
    token.write_text("t")
    settings = {
        "vault": {"kind": "openbao", "address": nowhere, "token": "t", "timeout": "1"},
        "aws": Aws(nowhere).settings(timeout="1"),
        "k8s": {"kind": "kubernetes", "address": nowhere, "token_path": str(token)},
        "hook": {"kind": "webhook", "address": nowhere, "secret": WHSEC},
    }
    places = {
        "vault": Target("openbao", {"path": "a"}, "vault"),
        "aws": Target("aws", {"secret": "a"}, "aws"),
        "k8s": Target("kubernetes", {"secret": "a"}, "k8s"),
        "hook": Target("webhook", {}, "hook"),
    }
    for target in places.values():
        said = failure(settings, lambda s, target=target: s.deliver(target, fresh(), "1"))
        assert said.transient, target
    unset = Target("file", {"path": "a"}, "nobody")
    assert "[stores.nobody]" in failure(settings, lambda s: s.deliver(unset, fresh(), "1")).fix
    mixed = Target("file", {"path": "a"}, "vault")
    assert not failure(settings, lambda s: s.deliver(mixed, fresh(), "1")).transient


def test_nothing_the_libraries_log_at_any_level_holds_a_value(
    bao: Bao, aws: Aws, cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    settings = {
        "vault": bao.settings(),
        "aws": aws.settings(create="true"),
        "k8s": {"kind": "kubernetes", "address": cluster.url, "token": cluster.token, "namespace": "agents"},
    }

    async def body(stores: Stores) -> None:
        await stores.deliver(Target("openbao", {"path": "agents/logged"}, "vault"), fresh(), "1")
        await stores.deliver(Target("aws", {"secret": "agents/logged"}, "aws"), fresh(), "1")
        await stores.deliver(Target("kubernetes", {"secret": "logged"}, "k8s"), fresh(), "1")

    run(settings, body)
    logged = "\n".join([caplog.text, *(str(record.__dict__) for record in caplog.records)])
    for secret in (PLANTED, base64.b64encode(PLANTED.encode()).decode(), bao.token, cluster.token):
        assert secret not in logged
    assert not [record.name for record in caplog.records if record.name.startswith(("botocore", "hvac"))]


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ({"kind": "vault"}, "kind"),
        ({"kind": "openbao", "address": "http://vault.internal", "token": "t"}, "address"),
        ({"kind": "openbao", "address": "https://vault.internal"}, "token"),
        ({"kind": "openbao", "address": "https://v.example", "auth": "approle", "role_id": "r"}, "secret_id"),
        ({"kind": "openbao", "address": "https://v.example", "auth": "ldap"}, "auth"),
        ({"kind": "openbao", "address": "https://v.example", "tokn": "t"}, "tokn"),
        ({"kind": "aws", "access_key_id": "a", "secret_access_key": "b"}, "region"),
        ({"kind": "aws", "region": "r", "access_key_id": "a"}, "secret_access_key"),
        ({"kind": "file", "directory": "relative"}, "directory"),
        ({"kind": "webhook", "address": "https://h.example", "secret": "short"}, "secret"),
        (
            {"kind": "webhook", "address": "https://h.example", "secret": WHSEC, "encrypt_to": "{}"},
            "encrypt_to",
        ),
        ({"kind": "kubernetes", "timeout": "0"}, "timeout"),
    ],
)
def test_a_store_that_cannot_be_meant_refuses_to_start_and_names_the_key(table: dict, key: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(None, {}, {"stores": {"main": table}})
    assert f"stores.main.{key}" in caught.value.text()


def test_a_missing_library_names_what_installs_it(monkeypatch: pytest.MonkeyPatch, bao: Bao) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "hvac", None)
    target = Target("openbao", {"path": "a"}, "vault")
    said = failure({"vault": bao.settings()}, lambda s: s.deliver(target, fresh(), "1"))
    assert "pip install scim-bridge[vault]" in said.fix


def test_messages_of_this_hour_are_refused_by_a_receiver_of_the_next(receiver: Receiver) -> None:
    clock = ManualClock()
    settings = {"hook": {"kind": "webhook", "address": receiver.url, "secret": WHSEC}}
    run(settings, lambda s: s.deliver(Target("webhook", {}, "hook"), fresh(), "1"), clock)
    _, headers, sent = receiver.calls[0]
    assert orjson.loads(sent)["data"]["value"] == PLANTED
    from scim_bridge.kernel.webhook import Untrusted

    with pytest.raises(Untrusted):
        check(headers, sent, [WHSEC], clock.now() + 3600 * SECOND)
