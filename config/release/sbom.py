#!/usr/bin/env python3
"""What scim-bridge is made of: a CycloneDX 1.6 document from the lock, and an audit of it against advisories at hand.

    python3 dev.py sbom                 write config/release/sbom.cdx.json from requirements.lock
    python3 dev.py audit FOLDER         hold the locks against advisories in OSV's format (JSON files below FOLDER)

Only the standard library, and packaging where versions are compared. Nothing is fetched: the advisories are a copy that
you bring, and the answer is as fresh as that copy is.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
LOCK = ROOT / "requirements.lock"
LOCKS = (LOCK, ROOT / "requirements-dev.lock")
FILE = HERE / "sbom.cdx.json"
PINNED = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^]]*\])?==([^\s;\\]+)\s*(?:;\s*([^\\]+?))?\s*\\?$")
HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
# The version of ours is no part of it: a document is made for a lock.
SPACE = uuid.UUID("6f6a7a60-3d0c-5a8e-9d0e-1f0f3a2f7c11")
LICENCE_LINE = 60
# An SPDX expression, as newer packages state it; older ones name their licence in words of their own.
EXPRESSION = re.compile(
    r"(?:[A-Za-z0-9.]+-[A-Za-z0-9.-]+|MIT|ISC|0BSD|Zlib)(?: (?:AND|OR|WITH) [A-Za-z0-9.-]+)*"
)


@dataclass(frozen=True)
class Pinned:
    """One package of a lock: its name, version, where it is installed at all, and the digests of its files."""

    name: str
    version: str
    marker: str
    hashes: tuple[str, ...]

    @property
    def purl(self) -> str:
        """Its package URL."""
        return f"pkg:pypi/{self.name}@{self.version}"


def pinned(text: str) -> list[Pinned]:
    """The packages of a lock, in its order."""
    found: list[Pinned] = []
    for line in text.splitlines():
        head = PINNED.match(line)
        if head is not None:
            name = re.sub(r"[-_.]+", "-", head.group(1)).lower()
            found.append(Pinned(name, head.group(2), (head.group(3) or "").strip(), ()))
        elif found:
            last = found[-1]
            found[-1] = Pinned(last.name, last.version, last.marker, (*last.hashes, *HASH.findall(line)))
    return found


# What a package says in the licence file it brings, and not in its metadata.
READ = {"cedarpy": "Apache-2.0"}


def licence(name: str) -> str:
    """The licence a package states, as short text; empty when it is not installed here or states none."""
    if name in READ:
        return READ[name]
    try:
        # Its mapping is wider than its declared type in one Python and the other.
        told: Any = metadata(name)
    except PackageNotFoundError:
        return ""
    expression = (told.get("License-Expression") or "").strip()
    if expression:
        return expression
    stated = [
        one.rpartition(" :: ")[2] for one in told.get_all("Classifier", []) if one.startswith("License ::")
    ]
    if stated:
        return " AND ".join(sorted(set(stated)))
    line = (told.get("License") or "").strip().split("\n", 1)[0]
    return line if len(line) <= LICENCE_LINE else ""


def component(package: Pinned, told: str) -> dict[str, Any]:
    """One package as a component."""
    made: dict[str, Any] = {
        "type": "library",
        "bom-ref": package.purl,
        "name": package.name,
        "version": package.version,
        "purl": package.purl,
    }
    if told:
        made["licenses"] = (
            [{"expression": told}] if EXPRESSION.fullmatch(told) else [{"license": {"name": told}}]
        )
    # The lock lists a digest for each file of a package; one over all of them stands here.
    digest = hashlib.sha256("\n".join(sorted(package.hashes)).encode()).hexdigest()
    made["properties"] = [{"name": "lock:sha256-of-hashes", "value": digest}]
    if package.marker:
        made["properties"].append({"name": "lock:marker", "value": package.marker})
    return made


def document(lock: str, project: dict[str, Any], licences: dict[str, str]) -> dict[str, Any]:
    """The whole document; the same lock and licences make the same one, to the byte."""
    packages = pinned(lock)
    digest = hashlib.sha256(lock.encode()).hexdigest()
    own = {
        "type": "application",
        "bom-ref": "scim-bridge",
        "name": project["name"],
        "version": project["version"],
        "licenses": [{"expression": project["license"]}],
    }
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(SPACE, digest)}",
        "version": 1,
        "metadata": {"component": own, "properties": [{"name": "lock:sha256", "value": digest}]},
        "components": [component(each, licences.get(each.name, "")) for each in packages],
        "dependencies": [{"ref": "scim-bridge", "dependsOn": [each.purl for each in packages]}],
    }


def project() -> dict[str, Any]:
    """What the project says of itself."""
    import tomllib

    found: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return found


def written() -> str:
    """The document for the lock as it is, with the licences of what is installed here."""
    text = LOCK.read_text()
    licences = {each.name: licence(each.name) for each in pinned(text)}
    return json.dumps(document(text, project(), licences), indent=1) + "\n"


def advisories(folder: Path) -> Iterator[dict[str, Any]]:
    """Every advisory below a folder; a file that is none is named and ends it."""
    for file in sorted(folder.rglob("*.json")):
        try:
            found = json.loads(file.read_text())
        except ValueError as error:
            raise SystemExit(f"{file} is not JSON: {error}") from error
        if not isinstance(found, dict) or "id" not in found:
            raise SystemExit(f"{file} is no advisory in OSV's format: it has no id.")
        if not found.get("withdrawn"):
            yield found


def hit(advisory: dict[str, Any], package: Pinned) -> bool:
    """True when an advisory is about this version of a package (OSV schema, `affected`)."""
    return any(_names(one, package) and _covers(one, package.version) for one in advisory.get("affected", []))


def _names(affected: dict[str, Any], package: Pinned) -> bool:
    told = affected.get("package", {})
    same = re.sub(r"[-_.]+", "-", str(told.get("name", ""))).lower() == package.name
    return same and told.get("ecosystem") == "PyPI"


def _covers(affected: dict[str, Any], version: str) -> bool:
    if version in affected.get("versions", []):
        return True
    return any(
        _inside(one.get("events", []), version) for one in affected.get("ranges", []) if one["type"] != "GIT"
    )


def _inside(events: list[dict[str, str]], version: str) -> bool:
    from packaging.version import Version

    ours, inside = Version(version), False
    order = {"introduced": 0, "fixed": 1, "last_affected": 2}
    told = [
        (Version("0.dev0" if value == "0" else value), order[kind], kind)
        for event in events
        for kind, value in event.items()
        if kind in order
    ]
    for at, _, kind in sorted(told):
        if kind == "introduced" and ours >= at:
            inside = True
        elif (kind == "fixed" and ours >= at) or (kind == "last_affected" and ours > at):
            inside = False
    return inside


def audit(folder: Path) -> int:
    """Say which packages of the locks an advisory is about; 1 when there are any."""
    packages = {each.purl: each for lock in LOCKS for each in pinned(lock.read_text())}
    read, found = 0, 0
    for advisory in advisories(folder):
        read += 1
        for package in packages.values():
            if hit(advisory, package):
                found += 1
                print(
                    f"{package.name} {package.version}: {advisory['id']} {advisory.get('summary', '')}".rstrip()
                )
    print(f"{len(packages)} packages against {read} advisories: {found or 'no'} findings.")
    if not read:
        print("There was no advisory to hold them against: this says nothing.", file=sys.stderr)
        return 2
    return 1 if found else 0


def main(arguments: list[str]) -> int:
    """`sbom` or `audit FOLDER`."""
    if arguments == ["sbom"]:
        FILE.write_text(written())
        print(f"{FILE.relative_to(ROOT)}: {len(pinned(LOCK.read_text()))} packages")
        return 0
    if len(arguments) == 2 and arguments[0] == "audit":
        return audit(Path(arguments[1]))
    print(__doc__)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
