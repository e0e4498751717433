"""Promises of config/: what is delivered there fits the program. Nothing here was run on docker, helm or kubernetes."""

from __future__ import annotations

import configparser
import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

import scim_bridge.server  # noqa: F401  (every room registers its metrics)
from scim_bridge.cli.run import build
from scim_bridge.kernel.telemetry import REGISTRY
from scim_bridge.settings.load import load_settings
from scim_bridge.settings.model import Settings
from tests.docs.reference import commands

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "config"
CHART = CONFIG / "helm" / "scim-bridge"
TEMPLATES = sorted((CHART / "templates").glob("*.yaml"))
METRIC = re.compile(r"\bscim_bridge_[a-z_]+")
VALUE = re.compile(r"\.Values\.([A-Za-z.]+)")
ACTION = re.compile(r"\{\{-?\s*(.*?)\s*-?\}\}")
BLOCKS = ("if", "with", "range", "define")
KEY = "0123456789abcdef" * 4


def exposed() -> set[str]:
    """The names of samples a scrape may hold: a counter ends in _total, a histogram in _bucket and so on."""
    found = set()
    for family in REGISTRY.collect():
        ends = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}.get(family.type, ("",))
        found.update(family.name + end for end in ends)
    return found


def rules() -> list[dict[str, Any]]:
    """Every alert."""
    return yaml.safe_load((CONFIG / "prometheus" / "alerts.yaml").read_text())["groups"][0]["rules"]


def test_every_metric_of_the_dashboard_and_of_the_alerts_is_one_of_ours() -> None:
    board = json.loads((CONFIG / "grafana" / "scim-bridge.json").read_text())
    asked = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    asked += [rule["expr"] for rule in rules()]
    named = {name for expression in asked for name in METRIC.findall(expression)}
    assert len(named) > 12 and named <= exposed()
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


def test_every_alert_has_a_page_and_every_page_an_alert() -> None:
    pages = {rule["annotations"]["runbook_url"]: rule for rule in rules()}
    assert len(pages) == len(rules())
    assert set(pages) == {f"docs/runbooks/{page.name}" for page in (ROOT / "docs" / "runbooks").glob("*.md")}
    known = {name for name, _ in commands(build())}
    for page, rule in pages.items():
        text = (ROOT / page).read_text()
        assert f"`{rule['alert']}`" in text and rule["expr"] in text and "What to do" in text
        for words in re.findall(r"`(scim-bridge [a-z -]+)", text):
            assert any(words.strip().startswith(name) or name.startswith(words.strip()) for name in known), (
                words
            )


def environment(text: str) -> set[str]:
    """The names of settings in a file, without those of values the reader chooses."""
    return set(re.findall(r"SCIM_BRIDGE_[A-Z_]*[A-Z]\b", text))


@pytest.mark.parametrize(
    "file",
    [
        "docker/Dockerfile",
        "docker/compose.yaml",
        "systemd/scim-bridge.service",
        "helm/scim-bridge/templates/_names.tpl",
    ],
)
def test_every_setting_that_is_named_exists(file: str) -> None:
    known = {f"SCIM_BRIDGE_{field.name.upper()}" for field in fields(Settings)} | {"SCIM_BRIDGE_SETTINGS"}
    named = environment((CONFIG / file).read_text())
    assert named and {name.removesuffix("_FILE") for name in named} <= known


def test_the_container_has_no_root_and_asks_whether_it_lives() -> None:
    text = (CONFIG / "docker" / "Dockerfile").read_text()
    assert "USER 10001:10001" in text and "HEALTHCHECK" in text and "--require-hashes" in text
    assert text.index("USER 10001") > text.rindex("\nRUN ")
    for source in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.M):
        for name in source.split():
            assert (ROOT / name).exists(), name
            assert f"!{name}" in (ROOT / ".dockerignore").read_text().splitlines(), name


def test_compose_gives_its_services_nothing_to_write_to_and_no_secret_in_the_environment() -> None:
    compose = yaml.safe_load((CONFIG / "docker" / "compose.yaml").read_text())
    known = {name for name, _ in commands(build())}
    for name in ("migrate", "bridge"):
        service = compose["services"][name]
        assert service["read_only"] and service["cap_drop"] == ["ALL"] and service["tmpfs"] == ["/tmp"]
        assert set(service["secrets"]) <= set(compose["secrets"])
        assert all(
            not key.endswith(("KEY", "URL")) or key == "SCIM_BRIDGE_PUBLIC_URL"
            for key in service["environment"]
        )
    assert f"scim-bridge {' '.join(compose['services']['migrate']['command'])}" in known


def test_the_unit_is_confined_and_does_not_start_again_with_a_wrong_setting() -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(CONFIG / "systemd" / "scim-bridge.service")
    service = unit["Service"]
    assert service["RestartPreventExitStatus"] == "78" and service["DynamicUser"] == "yes"
    assert service["ProtectSystem"] == "strict" and service["NoNewPrivileges"] == "yes"
    assert service["LoadCredential"].startswith("key:")


def values() -> dict[str, Any]:
    """The chart's defaults."""
    return yaml.safe_load((CHART / "values.yaml").read_text())


def test_every_value_a_template_asks_for_has_a_default_and_a_place_in_the_schema() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    text = "\n".join(file.read_text() for file in (CHART / "templates").iterdir())
    asked = set(VALUE.findall(text))
    assert len(asked) > 25
    for path in asked:
        value: Any = values()
        place: Any = schema
        for part in path.split("."):
            assert part in value, path
            value = value[part]
            place = place["properties"][part]
    unused = {key for key in values() if not any(path.split(".")[0] == key for path in asked)}
    assert not unused
    assert set(schema["properties"]) - {"global"} == set(values())


def test_the_defaults_of_the_chart_are_what_its_schema_allows() -> None:
    # Comes with schemathesis.
    checked = jsonschema_rs.validator_for(json.loads((CHART / "values.schema.json").read_text()))
    checked.validate(values())
    for wrong in ({"replicas": 0}, {"existingSecret": ""}, {"publicUrl": "http://plain"}, {"tokens": 1}):
        assert not checked.is_valid(values() | wrong), wrong


@pytest.mark.parametrize("file", TEMPLATES, ids=lambda file: file.name)
def test_a_template_is_yaml_around_its_actions_and_closes_every_block(file: Path) -> None:
    """No rendering (helm is not here): lines that are an action alone are dropped, others stand for a word."""
    text = file.read_text()
    defined = set(re.findall(r'define "([^"]+)"', (CHART / "templates" / "_names.tpl").read_text()))
    assert set(re.findall(r'include "([^"]+)"', text)) <= defined
    actions = ACTION.findall(text)
    opened = [action for action in actions if action.split()[0] in BLOCKS]
    assert len(opened) == sum(action == "end" for action in actions)
    # What an include or toYaml puts there is a mapping or a list of its own: nindent says how deep it stands.
    lines = []
    for line in text.splitlines():
        stripped = line.strip()
        if ACTION.fullmatch(stripped):
            deep = re.search(r"nindent (\d+)", stripped)
            if deep:
                assert int(deep.group(1)) == len(line) - len(line.lstrip()), f"{file.name}: {stripped}"
            continue
        lines.append(ACTION.sub("word", line))
    [document] = yaml.safe_load_all("\n".join(lines))
    assert document["kind"] and document["apiVersion"]
    assert document["metadata"]["name"].startswith("word")
    if document["kind"] in ("Deployment", "Job"):
        pod = document["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"] and pod["automountServiceAccountToken"] is False
        [container] = pod["containers"]
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        known = {name for name, _ in commands(build())}
        asked = f"scim-bridge {' '.join(container['args'])}"
        assert any(asked.startswith(name) for name in known)


def test_the_autoscaler_asks_for_a_metric_that_exists() -> None:
    assert METRIC.findall((CHART / "templates" / "autoscaling.yaml").read_text())[0] in exposed()


def test_a_chart_without_a_secret_would_not_start_and_with_one_does(tmp_path: Path) -> None:
    (tmp_path / "secret_key").write_text(KEY)
    (tmp_path / "database_url").write_text("postgresql://bridge@db/bridge")
    given = {
        "SCIM_BRIDGE_PUBLIC_URL": values()["publicUrl"],
        "SCIM_BRIDGE_LOG_FORMAT": "json",
        "SCIM_BRIDGE_SECRET_KEY_FILE": str(tmp_path / "secret_key"),
        "SCIM_BRIDGE_DATABASE_URL_FILE": str(tmp_path / "database_url"),
    }
    assert load_settings(None, given).database_url.startswith("postgresql://")
