"""Promises of every text that tells somebody what to type: the command is there, and takes those options."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.cli.parser import AT_THE_ROOT, EVERYWHERE, groups, parser

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    *(ROOT / "docs").rglob("*.md"),
    ROOT / "README.md",
    *(ROOT / "scim_bridge").rglob("*.html"),
    *(ROOT / "scim_bridge").rglob("*.txt"),
    *(
        file
        for file in (ROOT / "config").rglob("*")
        if file.suffix in {".md", ".yaml", ".toml", ".service", ".yml"}
    ),
]
# A sandbox is simulated Okta or Entra: what it says is theirs, and their tools' options.
SOURCES = [file for file in (ROOT / "scim_bridge").rglob("*.py") if "sandbox" not in file.parts] + [
    ROOT / "dev.py"
]
WORD = re.compile(r"[a-z][a-z-]*")
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
FENCED = re.compile(r"^ *```\w*\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
TICKED = re.compile(r"`([^`\n]+)`")
# The program where a command begins: first on its line, behind a pipe or in a substitution, perhaps by its path.
COMMAND = re.compile(
    r"(?:^|[|&;(]|\$ )\s*(?:[A-Z_]+=\S+ +)*(?:[\w./-]*/)?scim-bridge +([^`\n#]*)", re.MULTILINE
)
# In a sentence it ends with a stop, and a noun may just be a word.
PROSE = re.compile(r"scim-bridge +([^`\n.;,)]*)")
# Options of pg_dump and pg_restore.
FOREIGN = {
    "--no-owner",
    "--no-privileges",
    "--dbname",
    "--exit-on-error",
    "--single-transaction",
    "--list",
    "--format",
    "--file",
}


def in_code(text: str) -> Iterator[str]:
    """What follows the program's name in the code of a page."""
    text = text.replace("\\\n", " ")
    for code in (*FENCED.findall(text), *TICKED.findall(FENCED.sub("", text))):
        yield from (found.group(1) for found in COMMAND.finditer(code))


def in_words(text: str) -> Iterator[str]:
    """What follows it in a message, or stands there in backticks as a command without the program's name."""
    for code in TICKED.findall(text):
        found = COMMAND.search(code)
        words = code.split()
        if found is not None:
            yield found.group(1)
        elif len(words) > 1 and words[0] in _first_words():
            yield code
    for found in PROSE.finditer(TICKED.sub("", text)):
        if _words(found.group(1))[:1] and _words(found.group(1))[0] in _first_words():
            yield found.group(1)


@cache
def _first_words() -> frozenset[str]:
    return frozenset(name.split()[0] for name in parser())


def _words(text: str) -> list[str]:
    words = []
    for each in text.split():
        if not WORD.fullmatch(each.rstrip(".,:;)")):
            break
        words.append(each.rstrip(".,:;)"))
    return words


def wrong(text: str) -> str:
    """What is wrong with a command as it is written; empty when nothing is."""
    words = _words(text)
    if not words:
        unknown = set(FLAG.findall(text.split("|")[0])) - AT_THE_ROOT - EVERYWHERE
        return f"options {sorted(unknown)}" if unknown and text.startswith("-") else ""
    for count in range(len(words), 0, -1):
        name = " ".join(words[:count])
        if name in parser():
            given = re.split(r"[|;&>]|scim-bridge", text, maxsplit=1)[0]
            unknown = set(FLAG.findall(given)) - parser()[name].flags
            return f"{name}: options {sorted(unknown)}" if unknown else ""
        if name in groups():
            return "" if count == len(words) else f"{name}: no {words[count]}"
    return f"no {words[0]}"


@cache
def strings(file: Path) -> tuple[str, ...]:
    """Every text of a source file; read once."""
    return tuple(_strings(file))


def _strings(file: Path) -> Iterator[str]:
    """Every text of a source file with a mark where something is filled in; its own documentation, too."""
    source = file.read_text()
    if "scim-bridge" not in source and "`" not in source and "--" not in source:
        return
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.JoinedStr):
            yield "".join(part.value if isinstance(part, ast.Constant) else "NAME" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_every_command_a_page_names_is_there_with_its_options() -> None:
    found = [
        f"{file.relative_to(ROOT)}: scim-bridge {text}: {said}"
        for file in PAGES
        for text in in_code(file.read_text())
        if (said := wrong(text))
    ]
    assert not found, "\n".join(found)


def test_every_command_our_words_name_is_there_with_its_options() -> None:
    found = []
    for file in SOURCES:
        for each in strings(file):
            found += [
                f"{file.relative_to(ROOT)}: {text}: {said}"
                for text in in_words(each)
                if (said := wrong(text))
            ]
    assert not found, "\n".join(found)


def test_every_option_an_error_names_is_one_of_some_command() -> None:
    known = {flag for each in parser().values() for flag in each.flags} | AT_THE_ROOT | FOREIGN
    found = {
        f"{file.relative_to(ROOT)}: {flag}"
        for file in SOURCES
        if file.name != "dev.py"
        for each in strings(file)
        for flag in FLAG.findall(each)
        if flag not in known
    }
    assert not found, "\n".join(found)


def test_a_command_that_is_not_there_is_found() -> None:
    assert wrong("agents nonsense") == "agents: no nonsense"
    assert wrong("nonsense list") == "no nonsense"
    assert "--store-kind" in wrong("credentials policy set all --store-kind vault")
    assert not wrong("credentials policy set all --store NAME | jq .")
    assert not wrong("agents") and not wrong("--version") and wrong("--verison")
