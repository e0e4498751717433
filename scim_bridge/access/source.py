"""The text of a policy file: its statements with their lines, and where a mistake is.

Cedar reports no positions through its Python binding, so they are found here: a statement ends at its
semicolon, and a syntax error stands at the first token after which the text cannot go on.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass

TOKEN = re.compile(
    r'\s+|//[^\n]*|"(?:\\.|[^"\\])*"|[A-Za-z_][A-Za-z0-9_]*|[0-9]+|::|==|!=|<=|>=|&&|\|\||.', re.S
)
NAMED = re.compile(r"`([^`]+)`")
OPENING, CLOSING = ("(", "[", "{"), (")", "]", "}")
# Each of these is one level inside the other where Cedar keeps a policy.
CHAINING = ("&&", "||", "if", "+", "-", "*", "!")
DEEPEST, LONGEST_CHAIN = 60, 200
GOES_ON = "unexpected end of input"


@dataclass(frozen=True, slots=True)
class Token:
    """One word of the text and where it begins and ends."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Statement:
    """One policy or declaration: its tokens, comments left out."""

    tokens: tuple[Token, ...]

    @property
    def start(self) -> int:
        """Where its first token begins."""
        return self.tokens[0].start


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong in a policy file, or in the schema when `file` names it; `policy` is an @id or empty.

    `column` is counted from 1; 0 where only the line is known.
    """

    line: int
    message: str
    fix: str
    policy: str = ""
    file: str = ""
    column: int = 0


def tokens(text: str) -> list[Token]:
    """Every token but blanks and comments."""
    found = []
    for match in TOKEN.finditer(text):
        word = match.group()
        if not word.isspace() and not word.startswith("//"):
            found.append(Token(word, match.start(), match.end()))
    return found


def statements(text: str) -> list[Statement]:
    """The statements in the order of the file; the last may lack its semicolon."""
    found: list[Statement] = []
    current: list[Token] = []
    for token in tokens(text):
        current.append(token)
        if token.text == ";":
            found.append(Statement(tuple(current)))
            current = []
    if current:
        found.append(Statement(tuple(current)))
    return found


def line_at(text: str, offset: int) -> int:
    """The line of an offset, counted from 1."""
    return text.count("\n", 0, offset) + 1


def column_at(text: str, offset: int) -> int:
    """The column of an offset within its line, counted from 1."""
    return offset - text.rfind("\n", 0, offset)


def too_deep(statement: Statement) -> Token | None:
    """The token at which a statement is nested deeper, or chained longer, than Cedar can be given safely.

    Cedar reads and writes policies by recursion: thousands of levels end the whole process.
    """
    depth = chained = 0
    for token in statement.tokens:
        depth += (token.text in OPENING) - (token.text in CLOSING)
        chained += token.text in CHAINING
        if depth > DEEPEST or chained > LONGEST_CHAIN:
            return token
    return None


def breaking_token(text: str, statement: Statement, parse: Callable[[str], object]) -> Token:
    """The token at which a statement that does not parse goes wrong; its last when it only ends early."""
    for token in statement.tokens:
        try:
            parse(text[statement.start : token.end])
        except ValueError as error:
            if GOES_ON not in str(error):
                return _named_before(statement, token, str(error))
    return statement.tokens[-1]


def _named_before(statement: Statement, last: Token, message: str) -> Token:
    """The token a message names, when it stands at `last` or before: the parser may look one further."""
    named = NAMED.findall(message)
    until = statement.tokens[: statement.tokens.index(last) + 1]
    return next((token for token in reversed(until) if token.text in named), last)


def offset_of_name(statement: Statement, message: str) -> int:
    """Where the first thing stands that a message names in backquotes, else where the statement begins."""
    for name in NAMED.findall(message):
        last = re.split(r"::|\.", name)[-1].strip('"')
        for token in statement.tokens:
            if token.text.strip('"') == last:
                return token.start
    return statement.start


def suggestion(message: str, vocabulary: str) -> str:
    """A word of the schema that is close to the one a message complains about, or an empty text."""
    words = {token.text.strip('"') for token in tokens(vocabulary)}
    for name in NAMED.findall(message):
        last = re.split(r"::|\.", name)[-1].strip('"')
        close = difflib.get_close_matches(last, words - {last}, n=1, cutoff=0.7)
        if last not in words and close:
            return f"Did you mean {close[0]!r}?"
    return ""
