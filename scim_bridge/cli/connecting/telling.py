"""How the wizard talks: pages, questions that may be left out, and the checklist it ends with."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from scim_bridge.cli.layout import print_rows
from scim_bridge.cli.output import console, harmless
from scim_bridge.connecting.pages import Page, filled
from scim_bridge.sync.idp.port import Feature
from scim_bridge.sync.mapping import Step

DONE, LATER, WRONG = "done", "later", "wrong"


@dataclass
class Talk:
    """Talks to a person; with `quiet` all but the checklist goes to standard error; without `ask` nobody is asked."""

    ask: bool
    quiet: bool = False
    checklist: list[dict[str, str | None]] = field(default_factory=list)

    def say(self, text: str = "") -> None:
        """A line; beside the checklist for a program, where a person may still read it: a token is shown once."""
        stream = sys.stderr if self.quiet else sys.stdout
        stream.write(harmless(text, "\n") + "\n")
        stream.flush()

    def page(self, number: int, page: Page, values: Mapping[str, str]) -> None:
        """A vendor's page: what to do, what to enter, what then."""
        self.say(f"\n{number}. {page.title}\n")
        for step in page.steps:
            self.say(f"   • {filled(step, values)}")
        self._table([{"field": name, "enter": filled(text, values)} for name, text in page.fields])
        for step in page.after:
            self.say(f"   • {filled(step, values)}")

    def features(self, found: Sequence[Feature]) -> None:
        """What of the IdP can be used, and why not."""
        self._table(
            [{"feature": f.name, "usable": "yes" if f.usable else "no", "reason": f.reason} for f in found]
        )

    def attributes(self, steps: Sequence[Step]) -> None:
        """What would be written where, and from what."""
        rows = [{"there": s.target, "value": _short(s.value), "from": s.source or ""} for s in steps]
        self._table([row for row in rows if row["value"]])

    def _table(self, rows: list[dict[str, str]]) -> None:
        shown = [{name: harmless(text) for name, text in row.items()} for row in rows]
        if self.quiet:
            for row in shown:
                self.say("     " + "  ".join(row.values()).rstrip())
        elif shown:
            self.say()
            print_rows(console(), shown, console().width if sys.stdout.isatty() else None, ())
            self.say()

    def asked(self, question: str, default: str = "") -> str:
        """An answer, or the default when nobody is asked or nothing is answered."""
        if not self.ask:
            return default
        sys.stdout.write(f"{question} ")
        sys.stdout.flush()
        answer = sys.stdin.readline()
        return answer.strip() or default

    def mark(self, step: str, state: str, found: str, then: str = "") -> None:
        """A line of the checklist, said as it comes."""
        self.checklist.append({"step": step, "state": state, "found": found, "next": then or None})
        sign = {DONE: "✓", LATER: "…", WRONG: "✗"}[state]
        self.say(f"   {sign} {found}{f' {then}' if then else ''}")


def _short(value: object) -> str:
    text = (
        ", ".join(map(str, value)) if isinstance(value, list | tuple) else "" if value is None else str(value)
    )
    return f"{text[:57]}…" if len(text) > 58 else text
