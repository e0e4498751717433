"""Promises of templates of one's own: they replace packaged ones by name, and a broken one refuses to start."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from scim_bridge.cli.notices import app
from scim_bridge.kernel.errors import ConfigurationError
from scim_bridge.watch.notices import example, plain, read_templates, written


def test_a_template_of_ones_own_replaces_the_packaged_one_of_its_name(tmp_path: Path) -> None:
    (tmp_path / "campaign-request.toml").write_text(
        'subject = "{{ campaign }}!"\ntext = "Hi {{ to.name }}"\n'
    )
    found = read_templates(str(tmp_path))
    notice = written(found, "campaign-request", {"name": "Olga"}, {"campaign": "Spring"})
    assert (notice.subject, notice.text) == ("Spring!", "Hi Olga\n")
    assert found["campaign-reminder"] == read_templates()["campaign-reminder"]


@pytest.mark.parametrize(
    "text", ["subject = 1", "not toml [", "subject = '{% if %}'\ntext = ''", "text = 'x'"]
)
def test_a_broken_template_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(ConfigurationError, match=r"mine\.toml"):
        read_templates(str(tmp_path))
    with pytest.raises(ConfigurationError, match="no directory"):
        read_templates(str(tmp_path / "nowhere"))


@pytest.mark.parametrize("name", sorted(read_templates()))
def test_every_packaged_template_can_be_previewed_in_words(name: str) -> None:
    notice = written(read_templates(), name, {"name": "Olga Novak"}, example(name))
    assert notice.subject and notice.text.strip()
    assert notice != plain(name, example(name))


def test_a_preview_from_a_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCIM_BRIDGE_DATABASE_URL", f"sqlite:///{tmp_path / 'none.db'}")
    shown = CliRunner().invoke(app, ["preview", "campaign-request", "--output", "json"])
    assert shown.exit_code == 0 and "Spring 2027" in json.loads(shown.stdout)["subject"]
    assert CliRunner().invoke(app, ["preview", "nothing"]).exit_code == 1
    listed = CliRunner().invoke(app, ["list", "--output", "json"])
    assert {row["from"] for row in json.loads(listed.stdout)} == {"package"}
