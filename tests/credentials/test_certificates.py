"""Promises of certificates: an authority signs what it is asked, and a key made in a store never leaves it.

The authority and the store are a real OpenBao (PKI, transit, KV); Entra is the sandbox, which refuses what Graph
refuses.
"""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from scim_bridge.credentials.discarding import discard
from scim_bridge.kernel.clock import DAY, ManualClock
from scim_bridge.kernel.errors import Invalid
from scim_bridge.kernel.work import Work
from tests.conftest import TESTER, run_with_store
from tests.credentials import house as houses
from tests.credentials.house import EntraApp, House
from tests.credentials.scenes import acknowledged, passes, rotate, stopped
from tests.credentials.servers import Bao
from tests.sandbox.servers import Running

ROLE = "agents"


@dataclass(frozen=True)
class Engines:
    """OpenBao with a certificate authority and a place for keys."""

    bao: Bao

    def store(self, **more: str) -> dict[str, str]:
        """The settings of a store with both."""
        return self.bao.settings(pki_role=ROLE, transit="transit", **more)

    def authority(self) -> x509.Certificate:
        """Who signs."""
        pem = self.bao.client().secrets.pki.read_ca_certificate()
        return x509.load_pem_x509_certificate(pem.encode())

    def revoked(self, certificate: str) -> bool:
        """Whether the authority revoked a certificate (the last in a text)."""
        found = x509.load_pem_x509_certificate(certificate[certificate.index("-----BEGIN CERT") :].encode())
        # As OpenBao writes it: of one serial in 256 the first of twenty bytes is zero, and is not there.
        serial = found.serial_number.to_bytes((found.serial_number.bit_length() + 7) // 8).hex()
        told = self.bao.client().secrets.pki.read_certificate(
            ":".join(serial[at : at + 2] for at in range(0, len(serial), 2))
        )
        return bool(told["data"]["revocation_time"])

    def delivered(self, path: str) -> str:
        """What the agent finds."""
        answer = self.bao.client().secrets.kv.v2.read_secret_version(path, raise_on_deleted_version=True)
        return str(answer["data"]["data"]["value"])

    def kept(self) -> list[str]:
        """The keys of transit."""
        import hvac

        try:
            return list(self.bao.client().secrets.transit.list_keys()["data"]["keys"])
        except hvac.exceptions.InvalidPath:
            return []

    def assertion(self, key: str, certificate: str, app_id: str, url: str) -> str:
        """A client assertion (RS256) signed where the key is, as an agent of this kind would make it."""
        raw = x509.load_pem_x509_certificate(certificate.encode()).public_bytes(Encoding.DER)
        now = int(time.time())
        head = {"alg": "RS256", "typ": "JWT", "x5t#S256": _text(hashlib.sha256(raw).digest())}
        claims = {"iss": app_id, "sub": app_id, "aud": url, "nbf": now - 60, "exp": now + 600}
        said = f"{_text(orjson.dumps(head))}.{_text(orjson.dumps(claims))}"
        answer = self.bao.client().secrets.transit.sign_data(
            key,
            hash_input=base64.b64encode(said.encode()).decode(),
            hash_algorithm="sha2-256",
            signature_algorithm="pkcs1v15",
        )
        signature = base64.b64decode(answer["data"]["signature"].rsplit(":", 1)[1])
        return f"{said}.{_text(signature)}"


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@pytest.fixture(scope="session")
def engines(bao: Bao) -> Iterator[Engines]:
    """OpenBao's PKI with a root of its own and a role for agents, and transit."""
    client = bao.client()
    client.sys.enable_secrets_engine("pki", config={"max_lease_ttl": "87600h"})
    client.secrets.pki.generate_root("internal", "Agents' authority", {"ttl": "87600h", "key_bits": 2048})
    role = {"allow_any_name": True, "enforce_hostnames": False, "key_type": "rsa", "max_ttl": "2160h"}
    client.secrets.pki.create_or_update_role(ROLE, role)
    client.secrets.pki.create_or_update_role("nobody", {**role, "allow_any_name": False})
    client.secrets.pki.create_or_update_role("brief", {**role, "max_ttl": "10m", "ttl": "10m"})
    client.sys.enable_secrets_engine("transit")
    yield Engines(bao)


@pytest.fixture
def at_entra_with(
    the_tenant: Running, sqlite_url: str, present: ManualClock, tmp_path: Path, engines: Engines
) -> Callable[..., None]:
    """Run a test with a bridge over an emptied tenant and OpenBao as a store; more stores by name."""

    def run(scene: Any, **more: dict[str, str]) -> None:
        async def main(store: Any) -> None:
            tenant = houses.fresh_tenant(the_tenant)
            stores = {"vault": engines.store(), **more}
            made = House(store, present, tmp_path / "store", tenant=tenant, more_stores=stores)
            try:
                await made.connect()
                await scene(made)
            finally:
                await made.close()

        (tmp_path / "store").mkdir(mode=0o700)
        run_with_store(sqlite_url, present, main)

    return run


VAULT = {"store": "vault", "store_kind": "openbao", "kind": "certificate", "overlap_seconds": 60}


async def certified(house: House, path: str, **policy: Any) -> tuple[str, EntraApp]:
    """An agent with an application, whose policy asks for certificates into OpenBao; scanned."""
    agent = await house.agent("refund")
    app = house.entra_app(agent)
    await house.policy(**{**VAULT, "address": {"path": path}, **policy})
    await house.scan("entra")
    return agent, app


def test_an_authority_signs_the_request_and_the_old_certificate_goes_after_the_overlap(
    at_entra_with: Callable[..., None], engines: Engines
) -> None:
    async def scene(house: House) -> None:
        agent, app = await certified(house, "signed", authority="vault", lifetime_days=30)
        for turn in range(2):
            before = engines.delivered("signed") if turn else app.secret
            (one,) = await rotate(house, agent, "refund")
            await house.work()
            assert (await house.rotation())["state"] == "confirming", (await house.rotation())["note"]
            found = engines.delivered("signed")
            assert app.login(found) and app.login(before), "both work in the overlap"
            await acknowledged(house, one)
            await passes(house, 61)
            assert app.login(found) and not app.login(before)
            assert not engines.revoked(found) and (not turn or engines.revoked(before))
            certificate = x509.load_pem_x509_certificate(
                found[found.index("-----BEGIN CERTIFICATE") :].encode()
            )
            certificate.verify_directly_issued_by(engines.authority())
            assert certificate.not_valid_after_utc.timestamp() <= house.clock.now() / 1e6 + 30 * DAY / 1e6
            (kept,) = app.shown()["keyCredentials"]
            assert kept["endDateTime"] == certificate.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ")
        assert app.shown()["passwordCredentials"] == []
        states = [row["state"] for row in await house.credentials(agent)]
        assert sorted(states) == ["active", "revoked", "revoked"]

    at_entra_with(scene)


def test_a_key_made_in_the_store_signs_there_and_its_private_half_is_nowhere_else(
    at_entra_with: Callable[..., None], engines: Engines, sqlite_url: str, tmp_path: Path
) -> None:
    async def scene(house: House) -> None:
        agent, app = await certified(house, "stored", key_in="store")
        url = f"{app.tenant.settings['authority']}/oauth2/v2.0/token"

        def login(told: dict[str, str]) -> int:
            form = {
                "grant_type": "client_credentials",
                "client_id": app.app_id,
                "scope": "https://graph.microsoft.com/.default",
                "client_assertion_type": houses.ASSERTION,
                "client_assertion": engines.assertion(told["key"], told["certificate"], app.app_id, url),
            }
            with app.tenant.running.client() as client:
                return client.post(url, data=form).status_code

        previous: dict[str, str] = {}
        # The second is signed by the authority as well.
        for policy in ({}, {"authority": "vault"}):
            await house.policy(**VAULT, address={"path": "stored"}, key_in="store", **policy)
            (one,) = await rotate(house, agent, "refund")
            await house.work()
            told = orjson.loads(engines.delivered("stored"))
            assert login(told) == 200 and "PRIVATE" not in engines.delivered("stored")
            assert engines.bao.client().secrets.transit.read_key(told["key"])["data"]["exportable"] is False
            await acknowledged(house, one)
            await passes(house, 61)
            assert login(told) == 200 and told["key"] in engines.kept()
            assert previous.get("key") not in engines.kept(), "the key of the one before is destroyed"
            previous = told
        issued = x509.load_pem_x509_certificate(previous["certificate"].encode())
        issued.verify_directly_issued_by(engines.authority())
        rows = await house.store.reads.all("SELECT public FROM sb_credential WHERE public IS NOT NULL")
        assert any(orjson.loads(row["public"]).get("stored_in") == "vault" for row in rows)

    at_entra_with(scene)
    assert b"PRIVATE KEY" not in Path(sqlite_url.removeprefix("sqlite:///")).read_bytes()


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ({"authority": "strict"}, "answered 400"),
        ({"authority": "brief"}, "before a rotation would be over"),
        ({"authority": "away"}, "is not set"),
        ({"authority": "files"}, "kind openbao"),
        ({"key_in": "store", "store": "files", "store_kind": "file"}, "kind openbao"),
        ({"key_in": "store", "authority": "strict"}, "answered 400"),
    ],
)
def test_what_cannot_be_signed_makes_nothing_and_says_why(
    at_entra_with: Callable[..., None], engines: Engines, policy: dict[str, str], words: str
) -> None:
    async def scene(house: House) -> None:
        agent, app = await certified(house, "refused", **policy)
        keys = engines.kept()
        await rotate(house, agent, "refund")
        await house.work()
        row = await house.rotation()
        assert row["state"] == "refused" and words in row["note"] and "Nothing was made" in row["note"]
        assert app.login(app.secret) and not app.shown()["keyCredentials"]
        assert engines.kept() == keys, "a key that was made for nothing is gone"

    strict = engines.bao.settings(pki_role="nobody")
    brief = engines.bao.settings(pki_role="brief")
    at_entra_with(scene, strict=strict, brief=brief)


def test_a_certificate_nobody_confirms_goes_and_takes_its_stored_key_along(
    at_entra_with: Callable[..., None], engines: Engines
) -> None:
    async def scene(house: House) -> None:
        agent, app = await certified(house, "unwanted", authority="vault", key_in="store")
        keys = engines.kept()
        await rotate(house, agent, "refund")
        await house.work()
        assert len(engines.kept()) == len(keys) + 1
        await passes(house, 3600)
        await passes(house, 61, 2)
        assert (await house.rotation())["state"] == "undone"
        assert engines.kept() == keys and app.login(app.secret) and not app.shown()["keyCredentials"]

    at_entra_with(scene)


def test_what_is_revoked_outside_a_rotation_leaves_neither_a_key_nor_a_certificate_that_is_good(
    at_entra_with: Callable[..., None], engines: Engines
) -> None:
    async def scene(house: House) -> None:
        keys = engines.kept()
        agent, app = await certified(house, "outside", authority="vault", key_in="store")
        (one,) = await rotate(house, agent, "refund")
        await house.work()
        await acknowledged(house, one)
        await passes(house, 61)
        told = orjson.loads(engines.delivered("outside"))
        assert told["key"] in engines.kept() and not engines.revoked(told["certificate"])
        await stopped(house, agent)
        assert not app.shown()["keyCredentials"]
        assert engines.kept() == keys and engines.revoked(told["certificate"])
        # Done again, as after a crash: nothing is there any more, and that is as good.
        for store, name in (("vault", told["key"]), ("away", told["key"])):
            public = {"stored_key": name, "stored_in": store, "serial": "0a:0b", "signed_by": store}
            await house.store.transact(TESTER, lambda work, p=public: _discarded(work, p))
        await house.work()
        rows = await house.store.reads.all(
            "SELECT last_error FROM sb_effect WHERE kind = 'credential.discard' AND state = 'dead' ORDER BY id"
        )
        assert [row["last_error"].partition(":")[0] for row in rows] == [
            f"The private key {told['key']} is still in away",
            "Certificate 0a",
        ], "what could not be taken away is shown, and nothing else"

    at_entra_with(scene)


async def _discarded(work: Work, public: dict[str, str]) -> None:
    work.bookkeeping("a test")
    await discard(work, "some-credential", public)


def test_an_authority_that_stays_away_leaves_no_key_behind(
    at_entra_with: Callable[..., None], engines: Engines
) -> None:
    async def scene(house: House) -> None:
        keys = engines.kept()
        agent, app = await certified(house, "waiting", authority="down", key_in="store")
        await rotate(house, agent, "refund")
        await house.work()
        assert len(engines.kept()) == len(keys) + 1
        await passes(house, 601, 14)
        row = await house.rotation()
        assert row["state"] == "refused" and "does not answer" in row["note"]
        assert engines.kept() == keys and app.login(app.secret)

    at_entra_with(scene, down=engines.bao.settings(address="http://127.0.0.1:9", pki_role=ROLE))


def test_a_place_for_keys_that_is_none_is_refused_when_it_is_set(at_entra_with: Callable[..., None]) -> None:
    async def scene(house: House) -> None:
        with pytest.raises(Invalid, match="no place for a key"):
            await house.policy(key_in="pocket")

    at_entra_with(scene)
