"""A text that stays out of logs, tracebacks, messages and JSON."""

from __future__ import annotations

import hmac


class SecretText:
    """A secret's text: repr, str and format show three stars, JSON refuses it; only `reveal` gives it.

    Not a str, so that no join, concatenation or serializer takes it for one.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself: to seal it, or to send it where it belongs."""
        return self._text

    def __repr__(self) -> str:
        return "SecretText(***)"

    def __str__(self) -> str:
        return "***"

    def __format__(self, spec: str) -> str:
        return "***"

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SecretText) and hmac.compare_digest(
            self._text.encode(), other._text.encode()
        )

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> str:
        raise TypeError("a secret is not pickled")
