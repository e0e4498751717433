"""What PostgreSQL reports, named: an unreachable server, a session that is lost, somebody who was faster."""

from __future__ import annotations

from typing import NoReturn, cast

import asyncpg

from scim_bridge.kernel.errors import Invalid, Moved, StoreUnavailable, UniqueViolation

GONE: tuple[type[Exception], ...] = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    # What the server said last before it cut an idle connection, met by the next statement.
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InvalidAuthorizationSpecificationError,
    # The database takes no connections (maintenance), has no room, or became a standby.
    asyncpg.ObjectNotInPrerequisiteStateError,
    asyncpg.InsufficientResourcesError,
    asyncpg.ReadOnlySQLTransactionError,
)
CUT = (
    asyncpg.InternalClientError,
    asyncpg.ConnectionDoesNotExistError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
)
AGAIN = (
    Moved,
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.InvalidCachedStatementError,
)


def translate(error: Exception) -> Exception:
    """Name what PostgreSQL reported: a taken unique value, an unreachable store, or a bug of ours."""
    if isinstance(error, asyncpg.UniqueViolationError):
        return UniqueViolation(error.constraint_name or "unknown")
    if isinstance(error, asyncpg.CharacterNotInRepertoireError | asyncpg.UntranslatableCharacterError):
        return Invalid("text-nul", "Text with a NUL character cannot be kept.", "Send it without.")
    if (
        isinstance(error, asyncpg.InterfaceError)
        and "closed" not in str(error)
        and "closing" not in str(error)
    ):
        return cast("Exception", error)
    if isinstance(error, GONE):
        return StoreUnavailable("The PostgreSQL server cannot be reached, or takes nothing now.")
    return error


def lost(error: Exception) -> bool:
    """True when a statement ended without an answer: its session is of no more use."""
    return isinstance(error, GONE) or (isinstance(error, StoreUnavailable) and not isinstance(error, Moved))


def standby(error: Exception) -> bool:
    """True when the server takes no writes, or this session of it."""
    return isinstance(error.__cause__ or error, asyncpg.ReadOnlySQLTransactionError)


def reraise(error: Exception) -> NoReturn:
    """Raise the translated error, or the error itself when there is nothing to translate."""
    named = translate(error)
    if named is error:
        raise error
    raise named from error
