"""Bytes of a manifest to frozen values, or every problem at once."""

from __future__ import annotations

from collections.abc import Callable, Collection

from scim_bridge.inventory.check import check, duplicates
from scim_bridge.inventory.csv_source import read_csv
from scim_bridge.inventory.entries import manifest_of
from scim_bridge.inventory.json_source import read_json
from scim_bridge.inventory.manifest import Manifest
from scim_bridge.inventory.problems import ManifestProblems, Problem, shown
from scim_bridge.inventory.shape import Reading
from scim_bridge.inventory.source import Node, Unreadable, decoded
from scim_bridge.inventory.yaml_source import read_yaml

_FORMATS: dict[str, Callable[[str], tuple[Node | None, list[Problem]]]] = {
    "yaml": read_yaml,
    "yml": read_yaml,
    "json": read_json,
    "csv": read_csv,
}


def read_manifest(data: bytes, filename: str) -> Manifest:
    """The manifest in `data`; the ending of `filename` (.yaml, .yml, .json, .csv) names the format.

    ManifestProblems with all problems of form: syntax, unknown keys, types, missing values, words
    outside their list, names given twice. References are `check`'s, or `read_checked`'s.
    """
    manifest, problems = parse(data, filename)
    if problems:
        raise ManifestProblems(filename, problems)
    return manifest


def read_checked(
    data: bytes,
    filename: str,
    known_people: Collection[str] = (),
    known_groups: Collection[str] = (),
    known_agents: Collection[str] = (),
) -> Manifest:
    """The manifest in `data` when both its form and its references hold.

    `known_*` are what is registered already: userNames and e-mails, group names, slugs.
    ManifestProblems with the problems of both kinds together, so one reading shows all of them.
    """
    manifest, problems = parse(data, filename)
    problems = [*problems, *check(manifest, known_people, known_groups, known_agents)]
    if problems:
        raise ManifestProblems(filename, problems)
    return manifest


def parse(data: bytes, filename: str) -> tuple[Manifest, list[Problem]]:
    """What could be read, and every problem of form, in no order. Never raises."""
    ending = filename.rpartition(".")[2].lower()
    reader = _FORMATS.get(ending)
    if reader is None:
        problem = Problem(1, None, "", f"{shown(filename)} is not .yaml, .json or .csv.", "Rename the file.")
        return Manifest(sections=frozenset()), [problem]
    try:
        root, problems = reader(decoded(data))
    except Unreadable as unreadable:
        return Manifest(sections=frozenset()), [unreadable.problem]
    if root is None:
        empty = Problem(1, None, "", "The file is empty.", "Add 'agents:' with a list of agents.")
        return Manifest(sections=frozenset()), [*problems, empty]
    reading = Reading()
    manifest = manifest_of(reading, root)
    return manifest, [*problems, *reading.problems, *duplicates(manifest)]
