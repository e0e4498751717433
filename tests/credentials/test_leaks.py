"""Promises of leak intake: what is ours ends at once, forged and repeated messages do nothing, no value is kept."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx2
import orjson
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from joserfc.jwk import ECKey
from starlette.applications import Starlette

from scim_bridge.credentials.leaks import scanner_keys
from scim_bridge.credentials.leaks.github import ORDER, Forged, check_signature, read_keys
from scim_bridge.credentials.leaks.intake import Ended, Intake
from scim_bridge.credentials.leaks.routes import PATH, routes
from scim_bridge.kernel.clock import ManualClock
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.edge import Edge, unexpected, unrouted
from scim_bridge.kernel.errors import Unauthenticated
from scim_bridge.kernel.outbound import Answer, Outbound
from scim_bridge.kernel.telemetry import configure_logging
from scim_bridge.kernel.work import Store, Work
from scim_bridge.oauth import clients as oauth
from scim_bridge.oauth.leaked import end_leaked_secret
from scim_bridge.registry.agent_creation import create_agent
from scim_bridge.registry.connections import connection, create_connection
from scim_bridge.registry.credential_traces import leave_trace
from scim_bridge.registry.credentials import credentials_of, register_credential
from scim_bridge.registry.tokens import authenticate, create_token, new_token
from scim_bridge.settings.load import load_settings
from scim_bridge.settings.model import LeakSettings
from tests.conftest import MASTER, TESTER, run_with_store

URL = "https://github.com/octocat/app/blob/0123/.env"
KEYS_URL = "https://scanner.example/keys"
# The example of GitHub's documentation: key, body and signature belong together.
DOCUMENTED_KEY = """-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEYAGMWO8XgCamYKMJS6jc/qgvSlAd
AjPuDPRcXU22YxgBrz+zoN19MzuRyW87qEt9/AmtoNP5GrobzUvQSyJFVw==
-----END PUBLIC KEY-----
"""
DOCUMENTED_BODY = b'[{"source":"commit","token":"some_token","type":"some_type","url":"https://example.com/base-repo-url/"}]'
DOCUMENTED_SIGNATURE = (
    "MEQCIQDaMKqrGnE27S0kgMrEK0eYBmyG0LeZismAEz/BgZyt7AIfXt9fErtRS4XaeSt/AO1RtBY66YcAdjxji410VQV4xg=="
)


class Scanner:
    """A scanner with a key of its own."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        self.pem = self._key.public_key().public_bytes(serialization.Encoding.PEM, form).decode()

    def signed(self, body: bytes, kid: str = "k1") -> dict[str, str]:
        signature = self._key.sign(body, ec.ECDSA(hashes.SHA256()))
        return {
            "github-public-key-identifier": kid,
            "github-public-key-signature": base64.b64encode(signature).decode(),
            "content-type": "application/json",
        }


SCANNER = Scanner()


def finding(token: str, **more: str) -> dict[str, str]:
    return {"token": token, "type": "scim_bridge_token", "url": URL, "source": "content", **more}


class Stage:
    """The door of one test."""

    def __init__(self, store: Store, settings: LeakSettings) -> None:
        self.store = store
        self.ctx = Context(store, MASTER, Outbound(), "https://bridge.test", Path())
        self.rotated: list[str] = []

        async def on_leak(work: Work, credential_id: str, reason: str) -> str:
            self.rotated.append(credential_id)
            return "its rotation was begun"

        async def client_secret(work: Work, text: str) -> Ended | None:
            ended = await end_leaked_secret(work, MASTER, text)
            return None if ended is None else Ended("client_secret", *ended)

        web = Starlette(
            routes=routes(self.ctx, settings, Intake(MASTER, on_leak, (client_secret,))),
            exception_handlers={404: unrouted, 405: unrouted, Exception: unexpected},
        )
        transport = httpx2.ASGITransport(app=Edge({}, web), raise_app_exceptions=False)
        self.http = httpx2.AsyncClient(transport=transport, base_url="https://bridge.test")

    async def tell(self, *findings: dict[str, str], **headers: str) -> Any:
        body = orjson.dumps(list(findings))
        sent = SCANNER.signed(body) | headers
        return await self.http.post(PATH, content=body, headers=sent)


def stage(
    url: str, body: Callable[[Stage], Awaitable[None]], clock: ManualClock | None = None, **settings: Any
) -> None:
    chosen = LeakSettings(**(settings or {"public_keys": {"k1": SCANNER.pem}}))

    async def main(store: Store) -> None:
        made = Stage(store, chosen)
        await body(made)
        await made.ctx.outbound.aclose()

    run_with_store(url, clock or ManualClock(), main)


async def everything(store: Store) -> str:
    """All the text the database holds that a person could read."""
    found = []
    for table in (
        "sb_audit",
        "sb_leak",
        "sb_effect",
        "sb_token",
        "sb_credential",
        "sb_credential_trace",
        "sb_fact",
    ):
        found += [str(dict(row)) for row in await store.reads.all(f"SELECT * FROM {table}")]
    return "\n".join(found)


def test_a_leaked_token_and_client_secret_of_ours_end_at_once(database_url: str) -> None:
    async def body(s: Stage) -> None:
        async def made(work: Work) -> tuple[str, Any, str]:
            there = await create_connection(work, MASTER, "okta", "okta")
            await create_connection(work, MASTER, "entra", "entra")
            token = await create_token(work, MASTER, connection_id=there.id, scopes=("read",))
            client = await oauth.create_client(work, await connection(work.tx, "entra"))
            return token, await oauth.add_secret(work, MASTER, client.id), client.id

        token, secret, client_id = await s.store.transact(TESTER, made)
        stranger = new_token()
        answer = await s.tell(
            finding(token), finding(secret.secret), finding(stranger), finding("AKIA not ours")
        )
        assert answer.status_code == 200
        assert [each["label"] for each in answer.json()] == ["true_positive"] * 2 + ["false_positive"] * 2
        assert answer.json()[0] == {
            "token_hash": hashlib.sha256(token.encode()).hexdigest(),
            "token_type": "scim_bridge_token",
            "label": "true_positive",
        }
        now = s.store.clock.now()
        with pytest.raises(Unauthenticated):
            await authenticate(s.store.reads, MASTER, token, now)
        assert not await oauth.live_secrets(s.store.reads, client_id, now)
        again = await s.tell(finding(token))
        assert again.json()[0]["label"] == "true_positive", "it is ours, though it is dead by now"
        text = await everything(s.store)
        for value in (token, secret.secret, stranger):
            assert value not in text and value not in answer.text
        actions = [row["action"] for row in await s.store.reads.all("SELECT action FROM sb_audit")]
        assert actions.count("secret.leaked") == 3 and "token.revoked" in actions
        notices = await s.store.reads.all("SELECT payload FROM sb_effect WHERE kind = 'notify'")
        assert [orjson.loads(row["payload"])["template"] for row in notices] == ["secret-leaked"] * 3

    stage(database_url, body)


def test_a_leaked_credential_of_an_agent_begins_its_rotation(sqlite_url: str) -> None:
    key = ECKey.generate_key("P-256")
    private = orjson.dumps(key.as_dict(private=True)).decode()
    pem = key.as_pem(private=True).decode()
    value = "an-agent-secret-made-by-a-rotation"

    async def body(s: Stage) -> None:
        async def made(work: Work) -> list[str]:
            agent = await create_agent(work, {"userName": "refund@agents.test"}, origin="test")
            for kind, reference in (("jwk", key.thumbprint()), ("client_secret", "secret-1")):
                await register_credential(
                    work, agent.id, label=kind, kind=kind, system="okta", reference=reference, expires=None
                )
            return [row["id"] for row in await credentials_of(work.tx, agent.id)]

        by_kind = await s.store.transact(TESTER, made)
        rows = [
            await s.store.reads.one("SELECT id, kind FROM sb_credential WHERE id = ?", each)
            for each in by_kind
        ]
        jwk = next(row["id"] for row in rows if row["kind"] == "jwk")
        secret = next(row["id"] for row in rows if row["kind"] == "client_secret")

        async def trace(work: Work) -> None:
            work.bookkeeping("test")
            await leave_trace(work, MASTER, secret, value)

        await s.store.transact(TESTER, trace)
        answer = await s.tell(finding(private), finding(pem), finding(value), finding(value + "x"))
        assert [each["label"] for each in answer.json()] == ["true_positive"] * 3 + ["false_positive"]
        assert s.rotated == [jwk, jwk, secret]
        text = await everything(s.store)
        assert value not in text and str(key.as_dict(private=True)["d"]) not in text

    stage(sqlite_url, body)


def test_forged_replayed_and_malformed_messages_do_nothing_and_are_audited(sqlite_url: str) -> None:
    async def body(s: Stage) -> None:
        async def made(work: Work) -> str:
            there = await create_connection(work, MASTER, "okta", "okta")
            return await create_token(work, MASTER, connection_id=there.id, scopes=("read",))

        token = await s.store.transact(TESTER, made)
        content = orjson.dumps([finding(token)])
        right = SCANNER.signed(content)
        forged = {
            "no signature": {},
            "unknown key": right | {"github-public-key-identifier": "k2"},
            "another's": Scanner().signed(content),
            "another body's": SCANNER.signed(content + b" "),
            "no base64": right | {"github-public-key-signature": "%%%"},
            "non-ASCII": right | {"github-public-key-signature": "é"},
        }
        for name, headers in forged.items():
            encoded = [(k.encode(), v.encode("latin-1")) for k, v in headers.items()]
            answer = await s.http.post(PATH, content=content, headers=encoded)
            assert answer.status_code == 401, name
            assert token not in answer.text
        assert await authenticate(s.store.reads, MASTER, token, s.store.clock.now())
        refusals = await s.store.reads.all("SELECT detail FROM sb_audit WHERE action = 'leak.refused'")
        assert len(refusals) == len(forged)
        stranger = orjson.dumps([finding("not ours")])
        headers = SCANNER.signed(stranger)
        assert (await s.http.post(PATH, content=stranger, headers=headers)).status_code == 200
        repeated = await s.http.post(PATH, content=stranger, headers=headers)
        assert repeated.status_code == 409 and repeated.json()["code"] == "leak-replayed"
        mirrored = mirror(headers["github-public-key-signature"])
        repeated = await s.http.post(
            PATH, content=stranger, headers=headers | {"github-public-key-signature": mirrored}
        )
        assert repeated.status_code == 409, "another signature of the same message that verifies as well"
        for wrong in (
            b"{}",
            b"nonsense",
            b"[1]",
            b'[{"type":"x"}]',
            b'[{"token":"x","url":7}]',
            b'[{"token":" "}]',
            b"[" * 5000,
        ):
            answer = await s.http.post(PATH, content=wrong, headers=SCANNER.signed(wrong))
            assert answer.status_code == 400, wrong
        many = orjson.dumps([finding("x")] * 501)
        assert (await s.http.post(PATH, content=many, headers=SCANNER.signed(many))).status_code == 400
        huge = b"[" + b" " * (1024 * 1024) + b"]"
        assert (await s.http.post(PATH, content=huge, headers=SCANNER.signed(huge))).status_code == 413
        rows = await s.store.reads.all("SELECT id FROM sb_leak")
        assert len(rows) == 1

    stage(sqlite_url, body)


def mirror(signature: str) -> str:
    """The other signature of the same body by the same key: (r, n - s)."""
    r, s = decode_dss_signature(base64.b64decode(signature))
    return base64.b64encode(encode_dss_signature(r, ORDER - s)).decode()


def test_a_public_key_is_no_leak_and_nothing_odd_in_a_finding_breaks_the_message(sqlite_url: str) -> None:
    key, other = ECKey.generate_key("P-256", {"kid": "the-kid"}), ECKey.generate_key("P-256")
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    unknown_curve = ec.generate_private_key(ec.SECP224R1()).private_bytes(*form).decode()

    async def body(s: Stage) -> None:
        async def made(work: Work) -> None:
            agent = await create_agent(work, {"userName": "refund@agents.test"}, origin="test")
            await register_credential(
                work, agent.id, label="k", kind="jwk", system="okta", reference="the-kid", expires=None
            )
            told = orjson.dumps({"kid": "the-kid", "thumbprint": key.thumbprint()}).decode()
            await work.tx.run("UPDATE sb_credential SET public = ?", told)

        await s.store.transact(TESTER, made)

        def jwk(of: ECKey, private: bool) -> str:
            return orjson.dumps({**of.as_dict(private=private), "kid": "the-kid"}).decode()

        answer = await s.tell(
            finding(jwk(key, private=False)),
            finding(jwk(other, private=True)),
            finding(unknown_curve, url="https://[not-an-address/x"),
            finding('{"kty":"oct","k":"AAAA","kid":"the-kid"}'),
            finding("{"),
            finding(jwk(key, private=True)),
        )
        assert answer.status_code == 200, answer.text
        assert [each["label"] for each in answer.json()] == ["false_positive"] * 5 + ["true_positive"]
        assert len(s.rotated) == 1, "who knows a key's id cannot have it rotated"

    stage(sqlite_url, body)


def test_the_documented_example_of_the_format_verifies_and_nothing_beside_it() -> None:
    check_signature(DOCUMENTED_KEY, DOCUMENTED_SIGNATURE, DOCUMENTED_BODY)
    with pytest.raises(Forged):
        check_signature(DOCUMENTED_KEY, DOCUMENTED_SIGNATURE, DOCUMENTED_BODY + b" ")
    listed = {"public_keys": [{"key_identifier": "a", "key": DOCUMENTED_KEY, "is_current": True}]}
    assert read_keys(orjson.dumps(listed)) == {"a": DOCUMENTED_KEY}


class Fetched:
    """The way out to the scanner's keys."""

    def __init__(self, status: int, body: bytes) -> None:
        self.status, self.body, self.calls = status, body, 0

    async def send(self, _method: str, url: str, **_more: Any) -> Answer:
        assert url == KEYS_URL
        self.calls += 1
        return Answer(self.status, {}, self.body)

    async def aclose(self) -> None:
        return


def test_keys_are_fetched_by_the_duty_and_outlive_an_outage(sqlite_url: str, clock: ManualClock) -> None:
    listed = {"public_keys": [{"key_identifier": "k1", "key": SCANNER.pem, "is_current": True}]}

    async def body(s: Stage) -> None:
        way = Fetched(200, orjson.dumps(listed))
        object.__setattr__(s.ctx, "outbound", way)
        early = await s.tell(finding("not ours"))
        assert early.status_code == 503 and "retry-after" in early.headers
        assert await scanner_keys.refresh(s.ctx, KEYS_URL) == 1
        assert (await s.tell(finding("not ours"))).status_code == 200
        assert await scanner_keys.refresh(s.ctx, KEYS_URL) == 0 and way.calls == 1, "not before its time"
        way.status = 500
        clock.advance(seconds=3601)
        await scanner_keys.refresh(s.ctx, KEYS_URL)
        assert way.calls == 2 and (await s.tell(finding("not ours"))).status_code == 200

    stage(sqlite_url, body, clock, keys_url=KEYS_URL)


def test_an_admin_may_tell_without_a_signature_and_nobody_may_where_no_scanner_is_set(
    sqlite_url: str,
) -> None:
    async def body(s: Stage) -> None:
        async def made(work: Work) -> tuple[str, str]:
            admin = await create_token(work, MASTER, connection_id=None, scopes=("admin",))
            return admin, await create_token(work, MASTER, connection_id=None, scopes=("access",))

        admin, access = await s.store.transact(TESTER, made)
        content = orjson.dumps([finding(access)])

        async def by(token: str) -> int:
            answer = await s.http.post(PATH, content=content, headers={"authorization": f"Bearer {token}"})
            return int(answer.status_code)

        assert await by(access) == 403
        assert await by(admin) == 200
        assert await by(access) == 401, "it was revoked, being leaked"
        assert (await s.tell(finding("x"))).status_code == 404

    stage(sqlite_url, body, keys_url="", public_keys={})


def test_pinned_keys_are_checked_at_start() -> None:
    from scim_bridge.kernel.errors import ConfigurationError

    load_settings(None, {}, {"leaks": {"public_keys": {"k1": SCANNER.pem}}})
    with pytest.raises(ConfigurationError, match=r"leaks\.public_keys\.k1"):
        load_settings(None, {}, {"leaks": {"public_keys": {"k1": "nonsense"}}})


def test_a_crash_in_the_middle_shows_no_secret_in_answer_log_or_database(
    sqlite_url: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from scim_bridge.credentials.leaks import intake

    async def broken(_work: Work, _master: Any, text: str) -> str:
        raise RuntimeError(f"a defect, with {len(text)} characters at hand")

    async def body(s: Stage) -> None:
        # As every process logs: the library's own default prints local variables.
        configure_logging("debug", "json")
        monkeypatch.setattr(intake, "traced", broken)
        planted = "planted-agent-secret-Zq7-Zq7-Zq7"
        answer = await s.tell(finding(planted))
        assert answer.status_code == 500
        printed = capfd.readouterr()
        assert "a defect" in printed.out + printed.err
        for text in (answer.text, printed.out, printed.err, await everything(s.store)):
            assert planted not in text

    stage(sqlite_url, body)
