"""Promises of the wheel: everything the program reads at run time is in it."""

from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "scim_bridge"


def files() -> set[str]:
    """What the package holds, but what Python makes by itself."""
    return {
        str(file.relative_to(ROOT))
        for file in PACKAGE.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }


def test_no_file_of_the_package_is_one_that_git_ignores_for_the_build_would_leave_it_out() -> None:
    asked = subprocess.run(
        ["git", "check-ignore", "--no-index", "--stdin"],
        input="\n".join(files()),
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert asked.stdout == "" and asked.returncode == 1, asked
    assert {".html", ".css", ".cedar", ".cedarschema", ".yaml", ".svg"} <= {
        Path(name).suffix for name in files()
    }


def test_a_wheel_holds_every_file_of_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("hatchling", reason="the build back end is not installed here")
    from hatchling.build import build_wheel

    monkeypatch.chdir(ROOT)
    with zipfile.ZipFile(tmp_path / build_wheel(str(tmp_path))) as wheel:
        names = set(wheel.namelist())
    assert files() <= names
    assert not [name for name in names if name.startswith(("tests/", "config/"))]
