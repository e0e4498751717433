"""Promises of the way back: what a store had works again, whatever others wrote beside it meanwhile."""

from __future__ import annotations

import orjson
import pytest

from scim_bridge.credentials.delivery.stores import Stores
from scim_bridge.credentials.model import DeliveryFailed, Target
from tests.credentials.kube import Cluster
from tests.credentials.servers import Aws, Bao
from tests.credentials.test_stores import fresh, run


def test_kubernetes_gives_the_reference_back_with_the_value(cluster: Cluster) -> None:
    settings = {"kind": "kubernetes", "address": cluster.url, "token": cluster.token, "namespace": "agents"}
    place = {"secret": "refund", "key": "KEY", "reference_key": "KID"}

    async def body(stores: Stores) -> None:
        target = Target("kubernetes", place, "k8s")
        first = await stores.deliver(target, fresh("none before", "kid-0"), "0")
        await stores.withdraw(target, first)
        assert set(cluster.secrets["refund"]["data"]) == set(), "nothing of the first is left"
        cluster.secrets["refund"]["data"]["OTHER"] = "a2VwdA=="
        await stores.deliver(target, fresh("one", "kid-1"), "1")
        second = await stores.deliver(target, fresh("two", "kid-2"), "2")
        for _ in range(2):
            await stores.withdraw(target, second)
            value = cluster.value("refund", "KEY"), cluster.value("refund", "KID")
            assert value == ("one", "kid-1"), "a key goes with its own id"
            assert cluster.value("refund", "OTHER") == "kept"

    run({"k8s": settings}, body)


def test_openbao_goes_back_past_a_delivery_that_was_repeated_after_a_neighbours_write(bao: Bao) -> None:
    kv = bao.client().secrets.kv.v2
    target = Target("openbao", {"path": "beside/repeated", "field": "secret"}, "vault")

    async def body(stores: Stores) -> None:
        await stores.deliver(target, fresh("one"), "1")
        await stores.deliver(target, fresh("two"), "2")
        kv.create_or_update_secret("beside/repeated", {"secret": "two", "url": "https://idp.example"})
        # The worker died before it wrote down that it was delivered.
        again = await stores.deliver(target, fresh("two"), "2")
        for _ in range(2):
            await stores.withdraw(target, again)
            found = kv.read_secret_version("beside/repeated", raise_on_deleted_version=True)
            assert found["data"]["data"] == {"secret": "one", "url": "https://idp.example"}

    run({"vault": bao.settings()}, body)


def test_secrets_manager_says_so_where_a_neighbours_write_hides_what_was_before(aws: Aws) -> None:
    client = aws.client()
    client.create_secret(Name="agents/shared", SecretString='{"secret":"one"}')
    target = Target("aws", {"secret": "agents/shared", "field": "secret"}, "aws")

    def write(**fields: str) -> None:
        client.put_secret_value(SecretId="agents/shared", SecretString=orjson.dumps(fields).decode())

    async def body(stores: Stores) -> None:
        made = await stores.deliver(target, fresh("two"), "2")
        write(secret="two", user="a neighbour's")
        with pytest.raises(DeliveryFailed, match="was written by others since") as caught:
            await stores.withdraw(target, made)
        assert not caught.value.transient, "a person has to look: the agent reads what would be revoked"
        write(secret="three", user="a neighbour's")
        await stores.withdraw(target, made)
        now = client.get_secret_value(SecretId="agents/shared")["SecretString"]
        assert orjson.loads(now)["secret"] == "three", "what came later stays"

    run({"aws": aws.settings()}, body)
