"""Promises of the keys: a secret cannot be moved or altered, a signature speaks for one content."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scim_bridge.kernel.crypto import MasterKey, Tampered, create_key, load_key, signing_key, verify
from scim_bridge.kernel.errors import ConfigurationError
from scim_bridge.kernel.work import Store, Work
from tests.conftest import MASTER, TESTER


@given(st.binary(max_size=200), st.integers(min_value=0))
def test_a_sealed_value_opens_only_unaltered_and_only_in_its_place(plain: bytes, at: int) -> None:
    sealed = MASTER.seal("table:row:column", plain)
    assert MASTER.unseal("table:row:column", sealed) == plain
    with pytest.raises(Tampered):
        MASTER.unseal("table:other:column", sealed)
    broken = bytearray(sealed)
    broken[at % len(broken)] ^= 1
    with pytest.raises(Tampered):
        MASTER.unseal("table:row:column", bytes(broken))


def test_a_weak_master_key_refuses_to_start() -> None:
    with pytest.raises(ConfigurationError):
        MasterKey(b"short")


def test_the_key_file_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "key"
    assert load_key(file) is None
    first = create_key(file)
    assert create_key(file) == load_key(file) == first and len(first) == 32
    assert list(file.parent.iterdir()) == [file]
    assert stat.S_IMODE(os.stat(file).st_mode) == 0o600
    file.write_text("not hexadecimal")
    with pytest.raises(ConfigurationError):
        load_key(file)


def test_a_signature_holds_for_its_content_type_and_key_only(on_store) -> None:
    async def main(store: Store) -> None:
        async def body(work: Work):
            work.bookkeeping("test")
            return await signing_key(work, MASTER, "receipt"), await signing_key(work, MASTER, "audit")

        key, other = await store.transact(TESTER, body)
        token = key.sign({"a": 1}, "kind+jwt")
        known = {key.kid: key.public()}
        assert verify(token, known, "kind+jwt") == {"a": 1}
        head, content, signature = token.split(".")
        flipped = content[:-1] + ("A" if content[-1] != "A" else "B")
        for wrong, keys, typ in [
            (token, known, "other+jwt"),
            (token, {other.kid: other.public()}, "kind+jwt"),
            (token, {key.kid: other.public()}, "kind+jwt"),
            (f"{head}.{flipped}.{signature}", known, "kind+jwt"),
            (f"{head}.{content}.", known, "kind+jwt"),
            ("nonsense", known, "kind+jwt"),
        ]:
            with pytest.raises(Tampered):
                verify(wrong, keys, typ)

    on_store(main)


def test_private_keys_are_stored_sealed(on_store) -> None:
    async def main(store: Store) -> None:
        async def body(work: Work):
            work.bookkeeping("test")
            return await signing_key(work, MASTER, "receipt")

        key = await store.transact(TESTER, body)
        row = await store.reads.one("SELECT public, private FROM sb_key")
        secret = key.key.as_dict(private=True)["d"]
        assert secret.encode() not in bytes(row["private"]) and secret not in row["public"]

    on_store(main)
