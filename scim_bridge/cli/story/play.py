"""Playing the story: steps in order, each timed, each repeatable after a kill."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from scim_bridge.cli.story import opening, signing_in, turning
from scim_bridge.cli.story.notes import Notes
from scim_bridge.cli.story.parts import Parts
from scim_bridge.cli.story.world import Broken, World, manifest
from scim_bridge.inventory.manifest import Manifest
from scim_bridge.inventory.read import read_manifest
from scim_bridge.kernel.errors import BridgeError, Refused
from scim_bridge.sandbox.kit.tls import ensure_ca


@dataclass(frozen=True, slots=True)
class Step:
    """One step as it went."""

    number: int
    title: str
    ok: bool
    seconds: float
    detail: str


Begin = Callable[[int, str], None]
Tell = Callable[[Step], None]


def example() -> Path:
    """The example manifest, in a clone or in an installed package."""
    here = Path(__file__).resolve()
    for base in (here.parents[3] / "config" / "examples", here.parents[2] / "examples"):
        if (base / "agents.yaml").exists():
            return base / "agents.yaml"
    raise Refused("demo-example", "config/examples/agents.yaml is not here.", "Run the demo from a clone.")


class Play:
    """The running demo: parts started, story played, parts left running or stopped."""

    def __init__(
        self, directory: Path, database_url: str | None = None, *, again: bool = False, sign_in: str = ""
    ) -> None:
        self.notes = Notes.open(directory)
        self.parts = Parts(self.notes)
        self.parts.wait_for_earlier_ones()
        if again:
            self.notes = self.notes.afresh()
            self.parts = Parts(self.notes)
        self.finished = bool(self.notes.get("finished"))
        self._database_url = self._database(directory.resolve(), database_url)
        self.notes.put("sign-in", sign_in or self.notes.get("sign-in") or signing_in.OKTA)
        self.world: World | None = None
        self.steps: list[Step] = []

    def _database(self, directory: Path, given: str | None) -> str:
        """The database this story is played on; Refused when another is named, or when it is gone."""
        own = directory / "bridge.db"
        known = self.notes.get("database_url")
        if known and given and known != given:
            raise Refused(
                "demo-database",
                f"The story in {directory} was played on another database.",
                "Leave out --database-url, or begin anew with --again.",
            )
        chosen = str(known or given or f"sqlite:///{own}")
        if self.finished and chosen == f"sqlite:///{own}" and not own.exists():
            raise Refused("demo-database", f"{own} is gone.", "Begin anew with --again.")
        self.notes.put("database_url", chosen)
        return chosen

    def start(self) -> World:
        """Start every process; the world the steps act in."""
        ca = ensure_ca(self.notes.directory / "ca")
        for name in ("okta", "entra", "hr", "platform"):
            (self.notes.directory / name).mkdir(exist_ok=True)
        cert, key = ca.issue(["127.0.0.1", "localhost"])
        urls = self.parts.start_sandboxes()
        environment = self._environment(urls, str(self._bundle(ca.ca_file)))
        world = World(self.notes, environment, urls, str(self._bundle(ca.ca_file)), self.parts.ended)
        self._wire_platform(world)
        bridge = environment["SCIM_BRIDGE_PUBLIC_URL"]
        # The same mapping that the commands of the story get.
        environment |= signing_in.prepare(world, self.manifest(), str(self.notes.get("sign-in")), bridge)
        world.bridge, world.bridge_tls = self.parts.start_bridge(environment, cert, key)
        self.world = world
        return world

    def _bundle(self, ca_file: Path) -> Path:
        """One file that trusts every local CA of this demo."""
        bundle = self.notes.directory / "trusted.pem"
        files = [
            ca_file,
            *(Path(self.notes.get(f"ca:{name}")) for name in ("okta", "entra", "hr", "platform")),
        ]
        bundle.write_text("".join(dict.fromkeys(file.read_text() for file in files)))
        return bundle

    def _environment(self, urls: dict[str, str], ca_file: str) -> dict[str, str]:
        port = self.parts.port("bridge")
        platform = self.notes.webhook_secret("platform")
        return {
            "SCIM_BRIDGE_DATABASE_URL": self._database_url,
            "SCIM_BRIDGE_SECRET_KEY": self.notes.secret("master"),
            "SCIM_BRIDGE_PUBLIC_URL": f"http://127.0.0.1:{port}",
            "SCIM_BRIDGE_RUNTIME_SECRET": platform,
            "SCIM_BRIDGE_NOTIFY_URL": f"{urls['platform']}/inbox",
            "SCIM_BRIDGE_NOTIFY_SECRET": platform,
            "SCIM_BRIDGE_HR__DEMO": self.notes.webhook_secret("hr"),
            "SCIM_BRIDGE_ALLOW_NETWORKS": "127.0.0.0/8",
            "SCIM_BRIDGE_CA_FILE": ca_file,
            "SCIM_BRIDGE_LOG_FORMAT": "json",
        } | {
            f"SCIM_BRIDGE_REVOKERS__{system.upper()}__{key}": value
            for system in self._systems()
            for key, value in (("URL", f"{urls['platform']}/credentials/revoke"), ("SECRET", platform))
        }

    def _systems(self) -> list[str]:
        """Every system that holds a credential in the example manifest."""
        return sorted({c.system for agent in self.manifest().agents for c in agent.credentials})

    def _wire_platform(self, world: World) -> None:
        secret = self.notes.webhook_secret("platform")
        world.control("platform", "POST", "/configure", {"secret": secret})

    def manifest(self) -> Manifest:
        """The example manifest, as values."""
        return read_manifest(example().read_bytes(), "agents.yaml")

    def play(self, begin: Begin, tell: Tell) -> bool:
        """Play every step that is not done yet; True when all held.

        `begin` hears number and title before a step, `tell` how it went.
        """
        world = self.world
        assert world is not None
        cast = self.manifest()
        file = manifest(example(), self.notes.directory / "agents.yaml", world.urls["platform"])
        steps: list[tuple[str, Callable[[], str]]] = [
            ("import agents", lambda: opening.import_agents(world, file)),
            ("connect both IdPs", lambda: opening.connect(world)),
            ("Okta: test, import, people, groups, agents", lambda: opening.okta_arrives(world, cast)),
            ("Entra: test, people, groups, agents", lambda: opening.entra_arrives(world, cast)),
            ("sync plan and apply", lambda: opening.sync_first(world)),
            ("an owner attests", lambda: opening.attest(world)),
            ("Okta deactivates and re-activates an agent", lambda: turning.stopped_and_started(world, cast)),
            ("HR: an owner leaves", lambda: turning.owner_leaves(world)),
            ("Okta re-activates a departed owner's agent", lambda: turning.reactivation_refused(world, cast)),
            ("second sync plan is empty", lambda: turning.sync_again(world)),
            ("audit verifies, flipped byte is found", lambda: turning.audit_holds(world)),
            ("nothing was doubled at the other side", lambda: turning.nothing_doubled(world)),
            ("people sign in, each with their role", lambda: signing_in.signs_in(world)),
        ]
        if self.notes.get("done:2"):
            opening.resume(world)
        if self.notes.get("signed-in") != self.notes.get("sign-in"):
            # They sign in elsewhere today: the last step is played there, too.
            self.notes.put(f"done:{len(steps)}", None)
        for number, (title, act) in enumerate(steps, start=1):
            begin(number, title)
            step = self._one(number, title, act)
            self.steps.append(step)
            tell(step)
            if not step.ok:
                return False
        self.notes.put("finished", True)
        return True

    def _one(self, number: int, title: str, act: Callable[[], str]) -> Step:
        done = self.notes.get(f"done:{number}")
        if done is not None:
            return Step(number, title, True, done["seconds"], f"{done['detail']} (before the restart)")
        began = time.monotonic()
        gone = self.parts.ended()
        try:
            detail, ok = (gone, False) if gone is not None else (act(), True)
        except Exception as error:  # however a step breaks, it is told as a step
            told = (
                str(error) if isinstance(error, Broken | BridgeError) else f"{type(error).__name__}: {error}"
            )
            detail, ok = self.parts.ended(within=1.0) or told, False
        seconds = round(time.monotonic() - began, 2)
        if ok:
            self.notes.put(f"done:{number}", {"seconds": seconds, "detail": detail})
        return Step(number, title, ok, seconds, detail)

    def stop(self) -> None:
        """End every process that was started."""
        if self.world is not None:
            self.world.close()
        self.parts.stop()
