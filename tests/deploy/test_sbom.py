"""Promises of the bill of materials: it is what the lock holds, every licence is stated, and an advisory is found."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLACE = ROOT / "config" / "release" / "sbom.py"


def _loaded() -> Any:
    spec = importlib.util.spec_from_file_location("release_sbom", PLACE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Its dataclass looks itself up there.
    sys.modules["release_sbom"] = module
    spec.loader.exec_module(module)
    return module


sbom = _loaded()
KEPT = json.loads(sbom.FILE.read_text())
# Only on other machines than ours, or in another Python: nothing to read a licence from.
ELSEWHERE = ("win32", "emscripten", "pypy")


def test_the_bill_of_materials_is_what_the_lock_holds() -> None:
    told = {one["purl"]: one for one in KEPT["components"]}
    licences = {one["name"]: _licence(one) for one in KEPT["components"]}
    made = sbom.document(sbom.LOCK.read_text(), sbom.project(), licences)
    assert KEPT["bomFormat"] == "CycloneDX" and KEPT["specVersion"] == "1.6"
    assert len(told) == len(KEPT["components"]) > 60
    assert made == KEPT, "run: python3 dev.py sbom"


def _licence(one: dict[str, Any]) -> str:
    if "licenses" not in one:
        return ""
    [told] = one["licenses"]
    return str(told["expression"] if "expression" in told else told["license"]["name"])


def test_every_package_that_is_installed_states_its_licence_and_none_forbids_what_we_do() -> None:
    for package in sbom.pinned(sbom.LOCK.read_text()):
        if any(word in package.marker.casefold() for word in ELSEWHERE) and not sbom.licence(package.name):
            continue
        [told] = [one for one in KEPT["components"] if one["name"] == package.name]
        assert _licence(told), f"{package.name} states no licence: find out, and say it"
        words = _licence(told).upper().replace("LGPL", "")
        assert "GPL" not in words and "PROPRIETARY" not in words, told


def test_every_direct_dependency_and_every_hash_is_in_the_lock() -> None:
    packages = {one.name: one for one in sbom.pinned(sbom.LOCK.read_text())}
    for line in sbom.project()["dependencies"]:
        name = line.split(";")[0]
        for end in "[<>=":
            name = name.split(end)[0]
        assert name.strip().lower() in packages, line
    assert all(one.hashes for one in packages.values())


ADVISORY = {
    "id": "TEST-1",
    "affected": [
        {
            "package": {"ecosystem": "PyPI", "name": "Starlette"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0.9"}, {"fixed": "1.0.0rc2"}]}],
        }
    ],
}


@pytest.mark.parametrize(
    ("version", "found"),
    [("0.8.9", False), ("0.9", True), ("0.47.2", True), ("1.0.0rc2", False), ("1.0.1", False)],
)
def test_an_advisory_is_about_the_versions_it_names_and_no_others(version: str, found: bool) -> None:
    assert sbom.hit(ADVISORY, sbom.Pinned("starlette", version, "", ())) is found
    assert not sbom.hit(ADVISORY, sbom.Pinned("star-lette", version, "", ()))


def test_the_audit_finds_what_is_in_the_lock_and_says_when_it_had_nothing_to_go_by(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sbom.audit(tmp_path) == 2
    [starlette] = [one for one in sbom.pinned(sbom.LOCK.read_text()) if one.name == "starlette"]
    listed = {"package": {"ecosystem": "PyPI", "name": "starlette"}, "versions": [starlette.version]}
    (tmp_path / "a.json").write_text(json.dumps({"id": "TEST-2", "summary": "odd", "affected": [listed]}))
    (tmp_path / "b.json").write_text(json.dumps({**ADVISORY, "withdrawn": "2026-01-01T00:00:00Z"}))
    assert sbom.audit(tmp_path) == 1
    assert f"starlette {starlette.version}: TEST-2 odd" in capsys.readouterr().out
