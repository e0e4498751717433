"""Answers that are kept for their idempotency keys."""

from __future__ import annotations

from sqlalchemy import Index
from sqlmodel import SQLModel

from scim_bridge.kernel.columns import blob, text, text_key, whole


class AnswerRow(SQLModel, table=True):
    """What a token was answered to a key. `request` is a digest of what was asked; `answer` is sealed, for it may
    hold a value that is shown once."""

    __tablename__ = "sb_api_answer"
    __table_args__ = (Index("sb_api_answer_at", "at"),)

    token_id: str = text_key()
    key: str = text_key()
    request: str = text()
    status: int = whole()
    answer: bytes = blob()
    at: int = whole()
