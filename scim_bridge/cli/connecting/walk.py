"""The walk from nothing to a connection that works both ways, and what is left to do at the end."""

from __future__ import annotations

import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scim_bridge.cli.connecting import waiting
from scim_bridge.cli.connecting.rehearsal import Rehearsal
from scim_bridge.cli.connecting.telling import DONE, LATER, WRONG, Talk
from scim_bridge.cli.connections import secrets_from
from scim_bridge.cli.session import actor, with_bridge
from scim_bridge.connecting import steps
from scim_bridge.connecting.pages import Vendor
from scim_bridge.doctor.model import Place, State, Tenant
from scim_bridge.doctor.rules_place import address as judged_address
from scim_bridge.kernel.errors import BridgeError
from scim_bridge.kernel.paths import SCIM_PATH

ANEW = "(the token was shown once, when it was made)"


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for on the command line."""

    name: str
    kind: str
    base_url: str
    timeout: float
    secrets_file: Path | None
    setting: str
    agent: str
    database_url: str | None


class Walk:
    """One walk. Whatever an earlier one has done is found in the database, and not done again."""

    def __init__(self, wish: Wish, vendor: Vendor, talk: Talk, rehearsal: Rehearsal | None) -> None:
        self._wish = wish
        self._vendor = vendor
        self._talk = talk
        self._rehearsal = rehearsal
        self._base_url = wish.base_url

    def _do(self, body: Callable[[Any], Any], *, create: bool = False) -> Any:
        return with_bridge(self._wish.database_url, body, create=create)

    def go(self) -> bool:
        """Every step in order; True when nothing went wrong."""
        heard = self._provisioning()
        if heard:
            pushes = self._credentials()
            self._proof()
            if pushes:
                self._preview()
        return not any(one["state"] == WRONG for one in self._talk.checklist)

    def _provisioning(self) -> bool:
        """Connection and token here, the vendor's page, and the first call."""
        wish, talk = self._wish, self._talk
        talk.say("1. In scim-bridge\n")
        standing, public = self._do(lambda bridge: _begun(bridge, wish), create=True)
        self._base_url = self._base_url or f"{public}{SCIM_PATH}"
        talk.mark("connection", DONE, f"The connection {wish.name} is there.")
        self._judge_address(public)
        if standing.heard:
            talk.mark("first call", DONE, f"{self._vendor.name} has called before.")
            return True
        token = self._token(standing)
        values = {"base_url": self._base_url, "token": token or ANEW, "name": wish.name, "bridge": public}
        talk.page(2, self._vendor.provisioning, values)
        return self._wait(token)

    def _judge_address(self, public: str) -> None:
        """Told before anything is pasted: an address nobody outside can reach."""
        told = (self._base_url or public).rstrip("/").removesuffix(SCIM_PATH)
        place = Place(public_url=told, public_url_set=True, told_url=self._wish.base_url)
        for found in judged_address(place, (Tenant(self._wish.name, self._wish.kind),)):
            if found.state is State.WRONG:
                self._talk.mark("address", LATER, found.found, found.fix)

    def _token(self, standing: steps.Standing) -> str:
        """A new token, or none when the one that was shown before is still at hand."""
        if standing.tokens and self._rehearsal is None:
            kept = self._talk.asked(
                "   A token was made before and never used. Do you still have it? [Y/n]", "y"
            )
            if kept.casefold() not in ("n", "no"):
                return ""
        made = self._do(lambda bridge: steps.token(bridge.ctx, actor(), standing.there, standing.unused))
        self._talk.mark("token", DONE, "A token was made. It is shown below, once.")
        return str(made)

    def _wait(self, token: str) -> bool:
        talk, wish = self._talk, self._wish
        if self._rehearsal is not None:
            talk.asked("\n   The sandbox does all that now. Press Enter.")
            talk.say(f"   In the sandbox: {self._rehearsal.provision(token)}")
        talk.say(
            f"\n   Waiting for the first call of {self._vendor.name} … (Ctrl-C stops; the same command goes on)"
        )
        if self._do(lambda bridge: waiting.first_call(bridge, wish.name, wish.timeout, lambda: None)):
            talk.mark("first call", DONE, "Got it.")
            return True
        talk.mark(
            "first call",
            WRONG,
            f"Nothing came within {wish.timeout:g} s.",
            f"See: scim-bridge doctor --connection {wish.name} --base-url {self._base_url} --online",
        )
        return False

    def _credentials(self) -> bool:
        """API credentials for the way back, from a file; True when facts can be written."""
        wish, talk, vendor = self._wish, self._talk, self._vendor
        standing = self._do(lambda bridge: waiting.by_now(bridge, wish.name))
        talk.page(3, vendor.credentials, {})
        if not standing.there.has_secrets or wish.secrets_file is not None:
            told, file = self._given()
            if file is None:
                then = f"connections configure {wish.name} --set {vendor.setting}=… --secrets-file FILE"
                talk.mark("credentials", LATER, "No credentials yet: nothing is written back.", then)
                return False
            secrets = secrets_from(file) or {}
            self._do(lambda bridge: steps.credentialed(bridge.ctx, actor(), wish.name, told, secrets))
        talk.mark("credentials", DONE, "The credentials are kept, sealed.")
        return self._probe()

    def _given(self) -> tuple[dict[str, Any], Path | None]:
        wish, talk, vendor = self._wish, self._talk, self._vendor
        if self._rehearsal is not None:
            return self._rehearsal.credentials()
        talk.say(f"\n   Put them into a file only you can read (chmod 600), such as\n   {vendor.file}\n")
        file = wish.secrets_file or _path(talk.asked("   The file (empty: later):"))
        if file is None:
            return {}, None
        if file.exists() and stat.S_IMODE(file.stat().st_mode) & 0o077:
            talk.mark("file", LATER, f"{file} can be read by others.", f"chmod 600 {file}")
        setting = wish.setting or talk.asked(f"   {vendor.setting}, {vendor.setting_words}:")
        return ({vendor.setting: setting} if setting else {}), file

    def _probe(self) -> bool:
        try:
            found = self._do(
                lambda bridge: _caught(steps.probed(bridge.ctx, bridge.idps, actor(), self._wish.name))
            )
        except BridgeError as error:
            self._talk.mark("probe", WRONG, error.message, error.fix)
            return False
        if isinstance(found, BridgeError):
            self._talk.mark(
                "probe", WRONG, found.message, found.fix or f"connections probe {self._wish.name}"
            )
            return False
        self._talk.features(found)
        usable = sum(1 for one in found if one.usable)
        self._talk.mark("probe", DONE, f"{usable} of {len(found)} features can be used.")
        return True

    def _proof(self) -> None:
        talk, name = self._talk, self._wish.name
        talk.say("\n4. Proof\n")
        if not steps.local(self._base_url):
            talk.mark(
                "conformance",
                LATER,
                "Not run: others may work with that bridge.",
                f"Against a copy: conformance {self._wish.kind} --base-url … (docs/how-to/prove-a-deployment.md)",
            )
            return
        ca = self._rehearsal.ca_file if self._rehearsal is not None else ""

        async def body(bridge: Any) -> Any:
            there = (await waiting.by_now(bridge, name)).there
            return await _caught(steps.proved(bridge.ctx, actor(), there, self._base_url, ca))

        report = self._do(body)
        if isinstance(report, BridgeError):
            talk.mark("conformance", WRONG, report.message, report.fix)
            return
        counts = ", ".join(f"{number} {word}" for word, number in report.counts().items() if number)
        talk.mark(
            "conformance",
            DONE if report.ok else WRONG,
            f"{report.words}: {counts} in {report.seconds:.0f} s.",
        )

    def _preview(self) -> None:
        talk, wish = self._talk, self._wish
        talk.say("\n5. What would be written\n")
        made = self._do(lambda bridge: _caught(steps.preview(bridge.ctx, bridge.idps, wish.name, wish.agent)))
        if made is None:
            talk.mark("preview", LATER, "There are no agents yet.", "agents import FILE")
            return
        if isinstance(made, BridgeError):
            talk.mark("preview", WRONG, made.message, made.fix)
            return
        talk.attributes(made.steps)
        first = (
            f" Applying first adds {made.lacking} things there (user type, properties, …)."
            if made.lacking
            else ""
        )
        then = f"See all of it: sync plan {wish.name}; then sync apply {wish.name}"
        talk.mark("preview", DONE, f"So {made.slug} would look there; nothing was written.{first}", then)


async def _begun(bridge: Any, wish: Wish) -> tuple[steps.Standing, str]:
    return await steps.connected(bridge.ctx, actor(), wish.name, wish.kind), bridge.ctx.public_url


async def _caught(made: Any) -> Any:
    """What came, or the refusal itself: the walk goes on, and tells of it in its list."""
    try:
        return await made
    except BridgeError as error:
        return error


def _path(text: str) -> Path | None:
    return Path(text).expanduser() if text else None
