"""The generated part of the reference: the command line, written from the commands themselves.

python -m tests.docs.reference      writes docs/reference/cli.md and docs/reference/roles.md
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from scim_bridge.api.catalogue import OPERATIONS
from scim_bridge.api.permissions import ADMIN_ALONE, KNOWN
from scim_bridge.api.permissions import NEEDS as NEEDED
from scim_bridge.cli.dry_run import UNPLANNED
from scim_bridge.cli.run import build, verb
from scim_bridge.console.permissions import NEEDS, PUBLIC
from scim_bridge.registry.roles import PERMISSIONS, ROLES, Reach, reach

FILE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "cli.md"
HEAD = """# Command line

Made from the commands themselves by `python -m tests.docs.reference`.

Every command works on the database directly, whether a server runs or not. Most take `--database-url` (or
`SCIM_BRIDGE_DATABASE_URL`) and `--output table|json|jsonl|csv`.

EXIT_TABLE
With `--dry-run` a command that writes runs to its end in one transaction, tells what would be audited and how many
outward calls would be asked for, and is rolled back; a refusal is the same as without. These write and have none:

UNPLANNED_TABLE
`scim-bridge --version` prints the version. `scim-bridge --install-completion` sets up completion of nouns, verbs and
options for the shell you are in (bash, zsh, fish, PowerShell); `--show-completion` prints it instead. It asks the
program itself: a new version needs no new set-up. Tried in bash 5.2, zsh 5.9 and fish 3.6 at a terminal: installed,
then a noun, a verb, an option and one of its values completed at the first TAB (`tests/cli/test_completion.py` does it
where there are these shells). PowerShell was not tried.
"""
# Every exit code: what it means, and which commands end with it.
EXITS = {
    "0": ("done, or nothing to do", "all"),
    "1": (
        "an error, told in one line with its fix; or what was looked at does not hold",
        "all; `doctor`, `audit verify` …",
    ),
    "2": ("the command was written wrongly", "all"),
    "3": ("changes are pending: something would be, or is still to be, written", "`--dry-run`, `sync plan`"),
    "4": (
        "held by the brake: a person has to look",
        "`sync plan`, `sync apply`, `sync one`, `departures brake list`",
    ),
    "78": ("the settings are wrong", "all but `doctor`, which tells of it as a finding"),
    "130": (
        "Ctrl-C; what was done stays, the same command goes on",
        "imports, `sync`, `db`, `connect`, `audit verify` and `audit export` (begin anew)",
    ),
}
ROLES_FILE = FILE.with_name("roles.md")
ROLES_HEAD = """# Roles

Made from `registry/roles.py` by `python -m tests.docs.reference`. An address of the console that is in no table is an
admin's alone.

## Signing in

People sign in at the OpenID provider of [`[sign_in]`](settings.md): [Okta](../how-to/sign-in-okta.md) or
[Entra](../how-to/sign-in-entra.md). Their groups there are roles here; several roles add up. Whoever answers for an
agent is its owner without any group. An admin's token opens the console as an admin, too, unless `sign_in.admin_token`
is false.

Programs have roles by the scope of their token (`scim-bridge tokens create --scope operator`): viewer, operator,
auditor and admin, with the same permissions at the [REST API](api.md). `admin.read` is an older word for auditor. A
token is not asked for a fresh sign-in: give one that may do dangerous things a short life (`--days`).

A session ends after eight hours, after an hour of silence, when it is revoked (`scim-bridge sessions revoke`), and at
once when its person leaves. What is marked **dangerous** asks for a sign-in of the last fifteen minutes; the IdP then
asks anew (`prompt=login`, `max_age=0`), and its `auth_time` has to say so.
"""
COMMON = {"database_url", "output", "help"}


def commands(group: Any, path: str = "scim-bridge") -> Iterator[tuple[str, Any]]:
    """Every command with its full name, in the order the help shows them."""
    context = typer.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if hasattr(command, "list_commands"):
            yield from commands(command, f"{path} {name}")
        elif path == "scim-bridge":
            yield f"{path} {name}", verb(name)
        else:
            yield f"{path} {name}", command


def described(name: str, command: Any) -> Iterator[str]:
    """One command as Markdown lines."""
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option"]
    shown = [p for p in options if p.name not in COMMON and not getattr(p, "hidden", False)]
    words = "".join(f" {a.name.upper()}" if a.required else f" [{a.name.upper()}]" for a in arguments)
    yield f"\n## `{name}{words}`\n"
    yield (command.help or "").strip()
    if shown:
        yield "\n| option | meaning |\n|---|---|"
    for option in shown:
        flags = ", ".join(f"`{flag}`" for flag in option.opts)
        yield f"| {flags} | {(option.help or '').strip() or option.name.replace('_', ' ')} |"


def page() -> str:
    """The whole page."""
    exits = ["| exit code | meaning | of which commands |", "|---|---|---|"]
    exits += [f"| {code} | {meaning} | {whose} |" for code, (meaning, whose) in EXITS.items()]
    without = ["| command | why not |", "|---|---|"]
    without += [f"| `{name}` | {why} |" for name, why in UNPLANNED.items()]
    head = HEAD.replace("EXIT_TABLE", "\n".join(exits) + "\n").replace(
        "UNPLANNED_TABLE", "\n".join(without) + "\n"
    )
    lines = [head.rstrip()]
    for name, command in commands(build()):
        lines.extend(described(name, command))
    return "\n".join(lines) + "\n"


def roles_page() -> str:
    """Who may do what, as tables."""
    lines = [ROLES_HEAD, "## The roles", "", "| role | what it is |", "|---|---|"]
    lines += [f"| `{name}` | {said} |" for name, said in ROLES.items()]
    lines += ["", "## Permissions", "", f"| permission | allows to | {' | '.join(ROLES)} |"]
    lines += ["|---|---|" + "---|" * len(ROLES)]
    words = {Reach.NONE: "", Reach.OWN: "own agents", Reach.ALL: "yes"}
    for name, each in PERMISSIONS.items():
        danger = " **(dangerous)**" if each.dangerous else ""
        cells = [words[reach((role,), name)] for role in ROLES]
        lines.append(f"| `{name}` | {each.allows}{danger} | {' | '.join(cells)} |")
    lines += ["", "## Addresses of the console", "", "| method | address | permission |", "|---|---|---|"]
    for (method, path), need in NEEDS.items():
        lines.append(f"| {method} | `{path}` | {'everybody' if need == PUBLIC else f'`{need}`'} |")
    lines += [
        "",
        "## Operations of the REST API",
        "",
        "| operation | address | permission |",
        "|---|---|---|",
    ]
    words = {ADMIN_ALONE: "an admin alone", KNOWN: "everybody who has a role"}
    for each in OPERATIONS:
        need = NEEDED.get(each.id, ADMIN_ALONE)
        lines.append(f"| `{each.id}` | {each.method} `{each.address}` | {words.get(need, f'`{need}`')} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    FILE.write_text(page())
    ROLES_FILE.write_text(roles_page())
