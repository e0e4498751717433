"""Column types both back ends agree on: text compared bytewise, 64-bit integers, bytes."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Column, LargeBinary, Text
from sqlalchemy.dialects import postgresql
from sqlmodel import Field, SQLModel

# SQLite compares text bytewise; PostgreSQL must be told to, or pages ordered by a key would differ.
TEXT = Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")

metadata = SQLModel.metadata

# Small rows that are their key: SQLite keeps them in the key's own order, without a second tree.
KEYED = {"sqlite_with_rowid": False}


def text_key() -> Any:
    """A text primary key (part)."""
    return Field(sa_column=Column(TEXT, primary_key=True, nullable=False))


def text(*, default: Any = ..., nullable: bool = False, unique: bool = False) -> Any:
    """A text column."""
    column: Column[Any] = Column(TEXT, nullable=nullable, unique=unique or None)
    return Field(default=None if nullable and default is ... else default, sa_column=column)


def whole(*, default: Any = ..., nullable: bool = False, primary_key: bool = False) -> Any:
    """A 64-bit integer column: counts, versions, 0/1 flags, instants in microseconds."""
    column: Column[Any] = Column(BigInteger, nullable=nullable, primary_key=primary_key, autoincrement=False)
    return Field(default=None if nullable and default is ... else default, sa_column=column)


def blob(*, nullable: bool = False) -> Any:
    """A bytes column."""
    return Field(default=None if nullable else ..., sa_column=Column(LargeBinary, nullable=nullable))
