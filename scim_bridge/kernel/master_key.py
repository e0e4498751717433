"""The master key, or the few that are loaded while one takes over from another.

One is current: it seals and digests. Every one of them opens what it sealed and knows what it digested,
so that a process that has not heard of the change yet, and one that has, work on one database. Which one
is current the database says (`kernel/ownership.py`), not the order in which they are given.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from scim_bridge.kernel.errors import BridgeError, ConfigurationError, Conflict

log = structlog.get_logger("scim_bridge.master_key")

SHORTEST = 32
# So many digits stand for the bytes of a key in its file.
HEX = 64
FINGERPRINT = "scim-bridge"


class Tampered(BridgeError):
    """A ciphertext or signature does not verify."""

    status = 400


class _Key:
    """One secret and what is derived from it."""

    def __init__(self, secret: bytes) -> None:
        if len(secret) < SHORTEST:
            raise ConfigurationError(
                "secret_key", f"is too weak ({len(secret)} bytes)", "Give at least 32 random bytes."
            )
        self._secret = secret
        # Purposes are few and fixed; deriving anew cost each request more than the digest it needs.
        self._derived: dict[tuple[str, int], bytes] = {}
        self.kid = self.digest("fingerprint", FINGERPRINT)

    def derive(self, purpose: str, length: int = 32) -> bytes:
        known = self._derived.get((purpose, length))
        if known is None:
            info = f"scim-bridge {purpose}".encode()
            known = HKDF(hashes.SHA256(), length, salt=None, info=info).derive(self._secret)
            self._derived[purpose, length] = known
        return known

    def digest(self, purpose: str, value: str) -> str:
        return hmac.new(self.derive(f"digest {purpose}"), value.encode(), hashlib.sha256).hexdigest()

    def opened(self, place: str, sealed: bytes) -> bytes | None:
        try:
            return AESGCM(self.derive("at-rest")).decrypt(sealed[:12], sealed[12:], place.encode())
        except InvalidTag:
            return None


class MasterKey:
    """The one secret everything else is derived from: 32 bytes or more. `others` are loaded beside it.

    `reload` gives every secret anew, when they may have changed since; None when they cannot have.
    """

    def __init__(
        self,
        secret: bytes,
        others: Iterable[bytes] = (),
        reload: Callable[[], Sequence[bytes] | None] | None = None,
    ) -> None:
        self._reload = reload
        self._keys: dict[str, _Key] = {}
        for each in (secret, *others):
            key = _Key(each)
            self._keys.setdefault(key.kid, key)
        self._current = next(iter(self._keys.values()))

    @property
    def kid(self) -> str:
        """What names the current key without telling it: a keyed digest of a fixed text, in hexadecimal."""
        return self._current.kid

    @property
    def kids(self) -> tuple[str, ...]:
        """Every loaded key by its name, in the order they were given: the first is the newest."""
        return tuple(self._keys)

    def use(self, kid: str) -> bool:
        """Seal and digest with this key from now on; False when it is not loaded."""
        if kid not in self._keys and not (self.refresh() and kid in self._keys):
            return False
        self._current = self._keys[kid]
        return True

    def refresh(self) -> bool:
        """Look whether others are to be loaded by now; True when there are. Costs a look at a file's time."""
        found = self._reload() if self._reload is not None else None
        if not found:
            return False
        keys = {key.kid: key for key in map(_Key, found)}
        if keys.keys() == self._keys.keys():
            return False
        # The one in use stays until the database names another.
        keys.setdefault(self._current.kid, self._current)
        self._keys = {kid: self._keys.get(kid, key) for kid, key in keys.items()}
        return True

    def _all(self) -> list[_Key]:
        return [self._current, *(key for key in self._keys.values() if key is not self._current)]

    def derive(self, purpose: str, length: int = 32) -> bytes:
        """A key for one purpose (HKDF-SHA256, RFC 5869), from the current one."""
        return self._current.derive(purpose, length)

    def derived(self, purpose: str, length: int = 32) -> list[bytes]:
        """The same from every loaded key, the current one first: to check what any of them made."""
        return [key.derive(purpose, length) for key in self._all()]

    def seal(self, place: str, plain: bytes) -> bytes:
        """Encrypt for one place ("table:row:column"): 12 bytes nonce, then ciphertext and tag."""
        nonce = os.urandom(12)
        return nonce + AESGCM(self.derive("at-rest")).encrypt(nonce, plain, place.encode())

    def unseal(self, place: str, sealed: bytes) -> bytes:
        """Decrypt what `seal` made for the same place with any of the keys; Tampered otherwise."""
        return self._opened(place, sealed)[1]

    def sealed_by(self, place: str, sealed: bytes) -> str:
        """Which key sealed it; Tampered when none of them did."""
        return self._opened(place, sealed)[0]

    def _opened(self, place: str, sealed: bytes) -> tuple[str, bytes]:
        for key in self._all():
            plain = key.opened(place, sealed)
            if plain is not None:
                return key.kid, plain
        if self.refresh():
            return self._opened(place, sealed)
        raise Tampered(
            "sealed-value",
            "A stored secret cannot be read.",
            "Check that secret_key is the one it was stored with.",
        )

    def digest(self, purpose: str, value: str) -> str:
        """A keyed digest for looking up a token without storing it (HMAC-SHA256), by the current key."""
        return self._current.digest(purpose, value)

    def digests(self, purpose: str, value: str) -> list[tuple[str, str]]:
        """(key, digest) by every loaded key, the current one first."""
        return [(key.kid, key.digest(purpose, value)) for key in self._all()]

    def matches(self, purpose: str, value: str, given: str) -> bool:
        """True when one of the keys digests `value` to `given` (compared in constant time)."""
        found = [
            hmac.compare_digest(made.encode(), given.encode()) for _, made in self.digests(purpose, value)
        ]
        return any(found)


def meanings(text: str) -> tuple[bytes, ...]:
    """The keys that a setting may mean: its characters, and the bytes where it is the content of a key file."""
    plain = text.encode()
    if len(text) == HEX and not set(text) - set("0123456789abcdefABCDEF"):
        return plain, bytes.fromhex(text)
    return (plain,)


def load_keys(path: Path) -> list[bytes]:
    """The keys in a key file, one a line, the newest first; none when there is no such file.

    ConfigurationError when it cannot be read.
    """
    try:
        return [bytes.fromhex(line) for line in path.read_text().split("\n") if line.strip()]
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        wrong = error.strerror if isinstance(error, OSError) else "it is not 64 hexadecimal digits"
        raise ConfigurationError(
            "secret_key_file", f"{path} cannot be read ({wrong})", "Restore it from a backup."
        ) from error


def load_key(path: Path) -> bytes | None:
    """The newest key in a key file; None when there is no such file."""
    return next(iter(load_keys(path)), None)


class KeyFile:
    """A key file that is read again when it changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp = self._seen()

    def changed(self) -> list[bytes] | None:
        """The keys in it when it changed since the last look; None otherwise, and when it cannot be read."""
        stamp = self._seen()
        if stamp == self._stamp:
            return None
        self._stamp = stamp
        try:
            return load_keys(self._path)
        except ConfigurationError as error:
            # What is loaded goes on working; who starts the process anew is told.
            log.error("master_key.file", action="master_key.file", reason=error.text())
            return None

    def _seen(self) -> tuple[int, int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size


@contextmanager
def changing(path: Path) -> Iterator[None]:
    """Nobody else changes this key file meanwhile; Conflict when somebody does.

    Of two that each put a new key beside those they had read, the second would lose the first's: by then the
    database may belong to it.
    """
    try:
        file = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Conflict(
                "key-busy",
                "Another command is changing the master key.",
                "Wait until it has ended, then look: `keys list`.",
            ) from error
        for left in path.parent.glob(f".{path.name}.*"):
            # Of one that was killed while it wrote: it holds keys.
            left.unlink(missing_ok=True)
        yield
    finally:
        os.close(file)


def create_key(path: Path) -> bytes:
    """A new key in a file that only its owner can read; when somebody else was faster, theirs."""
    fresh = os.urandom(32)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        made = _written(path, [fresh])
        try:
            os.link(made, path)
        except FileExistsError:
            return load_key(path) or fresh
        finally:
            made.unlink()
    except OSError as error:
        raise _unwritable(path, error) from error
    return fresh


def replace_keys(path: Path, keys: Sequence[bytes]) -> None:
    """Put these keys, the newest first, in the place of those in the file: whole or not at all."""
    try:
        os.replace(_written(path, keys), path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise _unwritable(path, error) from error


def _written(path: Path, keys: Sequence[bytes]) -> Path:
    """A file beside it with these keys. Who reads at the same moment must not read half a key."""
    made = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write("".join(key.hex() + "\n" for key in keys))
        file.flush()
        os.fsync(file.fileno())
    return made


def _unwritable(path: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(
        "secret_key_file", f"{path} cannot be written ({error.strerror})", "Choose another folder."
    )
