"""Whoever reads the database, or a backup of it, reads no token, secret or private key in it."""

from __future__ import annotations

import base64

from scim_bridge.kernel.work import Work
from scim_bridge.oauth import clients
from scim_bridge.registry.connections import connection, create_connection
from tests.conftest import TESTER
from tests.security.everything import World, everything

PLANTED = "planted-value-that-nobody-may-read"
HEADER = f"Bearer {PLANTED}-of-a-receiver"


def forms(value: str) -> list[bytes]:
    """A value as it could stand in a row: as it is, or coded."""
    raw = value.encode()
    # Of base64 the middle, which does not depend on what stands before it in a longer text.
    coded = base64.b64encode(raw).rstrip(b"=")[:-2]
    return [raw, raw.hex().encode(), coded, base64.urlsafe_b64encode(raw).rstrip(b"=")[:-2]]


def test_no_row_of_any_table_holds_a_token_a_secret_or_a_private_key(database_url: str) -> None:
    async def body(world: World) -> None:
        ctx = world.server.bridge.ctx

        async def more(work: Work) -> list[str]:
            secrets = {"client_secret": f"{PLANTED}-of-entra"}
            await create_connection(work, ctx.master, "sealed", "entra", secrets=secrets)
            client = await clients.create_client(work, await connection(work.tx, "theirs"))
            made = await clients.add_secret(work, ctx.master, client.id)
            return [made.secret]

        secrets = await ctx.store.transact(TESTER, more)
        pushed = {
            "method": "urn:ietf:rfc:8935",
            "endpoint_url": "https://x.test/",
            "authorization_header": HEADER,
        }
        answer = await world.ask("POST", "/ssf/streams", world.theirs, json={"delivery": pushed})
        assert answer.status_code == 201
        rows = await world.rows()
        assert len(rows) > 50 and rows["sb_tx_stream"] and rows["sb_oauth_secret"] and rows["sb_key"]
        for secret in (world.ours, world.theirs, PLANTED, HEADER, *secrets):
            for form in forms(secret):
                found = [table for table, some in rows.items() for row in some if form in row]
                assert not found, (found, form)
        private = [row for row in rows["sb_key"] if b'"d"' in row or b'"d":'.hex().encode() in row]
        assert not private

    everything(database_url, body)


def test_what_is_looked_for_would_be_found() -> None:
    row = b'{"secrets":"' + PLANTED.encode().hex().encode() + b'"}'
    assert any(form in row for form in forms(PLANTED))
    coded = b"xx" + base64.b64encode(b"abc" + PLANTED.encode())
    assert any(form in coded for form in forms(PLANTED))
