"""What the source never does, read from its syntax: no code from data, no unsafe loading, no way out but one."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "scim_bridge"
# Code out of data, and objects out of bytes.
CALLS = {"eval", "exec", "compile", "__import__", "os.system", "os.popen", "yaml.load", "yaml.unsafe_load"}
MODULES = {"pickle", "cPickle", "dill", "marshal", "shelve", "jsonpickle", "telnetlib", "xml"}
# Who may open connections or start processes by themselves, and why that is right.
WAYS_OUT = {
    "kernel/outbound.py": "the one way out",
    "kernel/guarded_connections.py": "its guard",
    "kernel/outbound_error.py": "what its HTTP client reports",
    "kernel/trust.py": "whom it trusts",
    "kernel/database_postgres.py": "the installation's own database",
    "kernel/postgres_errors.py": "what the driver of the installation's own database says",
    "kernel/postgres_reads.py": "the installation's own database",
    "kernel/postgres_session.py": "the installation's own database",
    "kernel/postgres_transaction.py": "the installation's own database",
    "kernel/slots.py": "the installation's own database",
    "kernel/tracing.py": "the installation's own collector, by OpenTelemetry's exporter",
    "kernel/key_holders.py": "its own host name",
    "moving/sides.py": "the installation's own database",
    "moving/backup.py": "pg_dump and pg_restore, with a list of arguments",
    "audit/transports.py": "syslog over TLS, to addresses the guard judged",
    "audit/forms.py": "its own host name",
    "cli/serve.py": "listens",
    "connecting/stage.py": "starts the sandbox on this machine, for a rehearsal",
    "sync/idp/entra/tokens.py": "msal's session, whose adapter is the guard",
    "watch/apprise_target.py": "an extra whose services have hosts of their own: documented",
    "credentials/delivery/aws.py": "AWS's own client, to the address of the settings only",
    "credentials/delivery/openbao.py": "hvac's own client, to the address of the settings only, no redirect followed",
}
OUTWARD = {"socket", "httpx", "httpx2", "httpcore2", "requests", "urllib3", "aiohttp", "asyncpg", "psycopg"}
OUTWARD |= {
    "subprocess",
    "apprise",
    "boto3",
    "botocore",
    "hvac",
    "urllib.request",
    "http.client",
    "smtplib",
    "ftplib",
}
OUTWARD |= {"opentelemetry.exporter.otlp.proto.http.trace_exporter"}
# The demo and the sandbox start processes and call them on this machine; they are no part of a server.
APART = ("sandbox/", "cli/story/", "cli/demo.py")
SECRET_NAMES = {
    "signature",
    "mac",
    "secret",
    "password",
    "form_key",
    "token",
    "nonce",
    "api_key",
    "client_secret",
}

WORDS = re.compile(
    r"\b(?:eval|exec|__import__|popen|os\.system|yaml|shell|verify)\b|(?:import|from) (?:"
    + "|".join(sorted(MODULES | OUTWARD))
    + r")\b|library\(|import_module\(|[^.\w]compile\("
)
SECRET = re.compile("|".join(sorted(SECRET_NAMES)))


def suspect(text: str) -> bool:
    """True for a text in which a word stands that a rule looks for."""
    if WORDS.search(text):
        return True
    compared = (line for line in text.splitlines() if "==" in line or "!=" in line)
    return any(SECRET.search(line) for line in compared)


@cache
def sources() -> dict[str, ast.Module]:
    """The files of the program that could break a rule, by their place in the package, parsed once.

    Parsing all of it takes seconds: a file in which no word stands that a rule looks for is passed over.
    """
    found = {}
    for file in sorted(PACKAGE.rglob("*.py")):
        text = file.read_text()
        if suspect(text):
            place = file.relative_to(PACKAGE).as_posix()
            found[place] = ast.parse(text, place)
    return found


def imported(tree: ast.AST) -> Iterator[str]:
    """The modules a file imports, wherever in it, and those it asks for by name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and dotted(node.func) in ("library", "import_module") and node.args:
            asked = node.args[0]
            if isinstance(asked, ast.Constant) and isinstance(asked.value, str):
                yield asked.value
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def dotted(node: ast.expr) -> str:
    """`a.b` for such a call's name; empty for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        head = dotted(node.value)
        return f"{head}.{node.attr}" if head else ""
    return ""


def loaders(call: ast.Call) -> list[ast.expr]:
    """What a YAML reader is given beside the text; the manifest's own name for the safe one counts as it."""
    given = [*call.args[1:], *(word.value for word in call.keywords)]
    return [ast.Name("Safe") if dotted(one) == "_LOADER" else one for one in given]


def unsafe_calls(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = dotted(node.func)
        if name in CALLS:
            yield f"line {node.lineno}: {name}"
        if name in ("yaml.compose", "yaml.parse") and not any(
            "Safe" in ast.unparse(one) for one in loaders(node)
        ):
            yield f"line {node.lineno}: {name} without a safe loader"
        for word in node.keywords:
            value = word.value.value if isinstance(word.value, ast.Constant) else None
            if (word.arg == "shell" and value is True) or (word.arg == "verify" and value is False):
                yield f"line {node.lineno}: {word.arg}={value}"


def unsafe_modules(tree: ast.AST) -> Iterator[str]:
    yield from (name for name in imported(tree) if name.split(".")[0] in MODULES)


def plain_comparisons(tree: ast.AST) -> Iterator[str]:
    """Comparisons of what is secret by == or !=, whose time tells how much of it was right."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Compare) or not isinstance(node.ops[0], ast.Eq | ast.NotEq):
            continue
        sides = [node.left, *node.comparators]
        if any(isinstance(side, ast.Constant) for side in sides):
            continue
        names = {dotted(side).rpartition(".")[2] for side in sides}
        if names & SECRET_NAMES:
            yield f"line {node.lineno}: {ast.unparse(node)}"


RULES: dict[str, Callable[[ast.AST], Iterator[str]]] = {
    "calls": unsafe_calls,
    "modules": unsafe_modules,
    "comparisons": plain_comparisons,
}
# Not a secret of ours: both are public parts of one signed statement, compared after the signature was checked.
EXCUSED = {("comparisons", "departures/statement.py")}
# The sandbox plays an IdP on this machine, with secrets it made up.
PLAYED = "sandbox/"


@pytest.mark.parametrize("rule", RULES)
def test_no_code_from_data_no_objects_from_bytes_and_no_secret_compared_plainly(rule: str) -> None:
    found = {
        place: wrong
        for place, tree in sources().items()
        if (wrong := list(RULES[rule](tree)))
        and (rule, place) not in EXCUSED
        and not (rule == "comparisons" and place.startswith(PLAYED))
    }
    assert found == {}


@pytest.mark.parametrize(
    ("rule", "line"),
    [
        ("calls", "eval(text)"),
        ("calls", "yaml.load(text)"),
        ("calls", "yaml.compose(text, yaml.Loader)"),
        ("calls", "run(x, shell=True)"),
        ("calls", "get(url, verify=False)"),
        ("modules", "from pickle import loads"),
        ("comparisons", "if given == self.secret: pass"),
        ("comparisons", "ok = signature != made"),
    ],
)
def test_each_rule_finds_what_it_forbids(rule: str, line: str) -> None:
    assert list(RULES[rule](ast.parse(line))) and suspect(f" {line}")


def test_everything_outward_goes_through_the_guard_or_is_named_with_its_reason() -> None:
    found = {
        place
        for place, tree in sources().items()
        if not place.startswith(APART)
        and OUTWARD & {*imported(tree), *(n.split(".")[0] for n in imported(tree))}
    }
    assert found <= set(WAYS_OUT), found - set(WAYS_OUT)
    assert {place for place in WAYS_OUT if not (PACKAGE / place).exists()} == set()
