"""Promises of the docs: the reference is what the program does, and no link leads nowhere."""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest

from scim_bridge.inventory.entries import AGENT, CREDENTIAL, GROUP, PERSON
from scim_bridge.settings.model import Settings
from tests.docs import attributes, errors, metrics
from tests.docs.reference import FILE, ROLES_FILE, page, roles_page

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)")
METRIC = re.compile(r"\bscim_bridge_[a-z_]+[a-z]\b(?=[{\[`() \"\n]|$)")
SOURCE = re.compile(r"`([a-z_]+(?:/[a-z_]+)*/[a-z_]+\.py)`")


def test_the_command_line_reference_is_what_the_commands_say() -> None:
    assert FILE.read_text() == page(), "run: python -m tests.docs.reference"


def test_the_roles_reference_is_what_the_table_says() -> None:
    assert ROLES_FILE.read_text() == roles_page(), "run: python -m tests.docs.reference"


@pytest.mark.parametrize("made", [errors, metrics, attributes], ids=lambda made: made.FILE.stem)
def test_a_generated_page_is_what_the_program_is(made: Any) -> None:
    assert made.FILE.read_text() == made.page(), f"run: python -m {made.__name__}"


def test_every_metric_of_rules_and_dashboards_is_one_of_ours() -> None:
    known = {name for name, *_ in metrics.rows()}
    known |= {f"{name}{end}" for name in known for end in ("_total", "_bucket", "_sum", "_count")}
    folders = (ROOT / "config" / "prometheus", ROOT / "config" / "grafana", ROOT / "docs")
    read = (".yml", ".yaml", ".json", ".md")
    files = [file for folder in folders for file in folder.rglob("*") if file.suffix in read]
    named = {name for file in files for name in METRIC.findall(file.read_text())}
    assert len(named) > 10 and not named - known


@pytest.mark.parametrize("file", PAGES, ids=lambda file: str(file.relative_to(ROOT)))
def test_no_link_leads_nowhere(file: Path) -> None:
    wrong = [link for link in LINK.findall(file.read_text()) if not (file.parent / link).exists()]
    assert not wrong


def test_every_setting_is_described() -> None:
    described = (ROOT / "docs" / "reference" / "settings.md").read_text()
    for setting in fields(Settings):
        if setting.name == "origins":
            continue
        kind = setting.default_factory() if callable(setting.default_factory) else None
        keys = [f"{setting.name}.{f.name}" for f in fields(kind)] if is_dataclass(kind) else [setting.name]
        missing = [key for key in keys if f"`{key}" not in described]
        assert not missing


def test_every_key_of_a_manifest_is_described() -> None:
    described = (ROOT / "docs" / "reference" / "manifest.md").read_text()
    tables = {"Person": PERSON, "Group": GROUP, "Agent": AGENT}
    for title, table in tables.items():
        section = described.partition(f"### {title}\n")[2].partition("\n#")[0]
        wrong = [each.key for each in table if f"`{each.key}`" not in section]
        wrong += [each.key for each in table if each.required != (f"**`{each.key}`**" in section)]
        assert not wrong
    assert all(f"`{each.key}`" in described for each in CREDENTIAL)


def test_every_file_the_architecture_names_exists() -> None:
    text = (ROOT / "docs" / "explanation" / "architecture.md").read_text()
    named = [name for name in SOURCE.findall(text) if not name.startswith("tests/")]
    assert len(named) > 30
    assert not [name for name in named if not (ROOT / "scim_bridge" / name).exists()]
