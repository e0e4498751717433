"""Shell completion as typer sets it up, with what its script for zsh lacks."""

from __future__ import annotations

ASKED = frozenset({"--install-completion", "--show-completion"})
# zsh runs a file of its fpath for the first TAB, and this one only says what completes from then on: the first
# TAB of every session did nothing. Sourced (`source <(scim-bridge --show-completion)`) it is no TAB's.
FIRST_TAB = """
if [[ "$funcstack[1]" == "_%(prog_name)s" ]]; then
  %(complete_func)s "$@"
fi
"""


def mend() -> None:
    """The script for zsh completes at the first TAB, too."""
    from typer import _completion_shared as shared

    if FIRST_TAB not in shared._completion_scripts["zsh"]:
        shared._completion_scripts["zsh"] += FIRST_TAB
