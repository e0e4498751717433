"""Promises of the settings that declare attributes: a wrong one is named with its fix, none changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from scim_bridge.kernel.errors import ConfigurationError
from scim_bridge.scim import schema
from scim_bridge.scim.catalogue import catalogue
from scim_bridge.settings.load import load_settings

WRONG = [
    ('name = "a b"', "scim.attributes.a b.name"),
    ('type = "string"', "scim.attributes.1.name"),
    ('name = "x"\ntype = "complex"', "scim.attributes.x.type"),
    ('name = "x"\ntpye = "string"', "scim.attributes.x.tpye"),
    ('name = "x"\nindexed = "perhaps"', "scim.attributes.x.indexed"),
    ('name = "x"\napplies_to = ["Robot"]', "scim.attributes.x.applies_to"),
    ('name = "x"\napplies_to = []', "scim.attributes.x.applies_to"),
    ('name = "x"\napplies_to = 5', "scim.attributes.x.applies_to"),
    ('name = "x"\napplies_to = ["User", "Agent"]', "scim.attributes.x.applies_to"),
    ('name = "x"\ntype = "integer"\ncase_exact = true', "scim.attributes.x.case_exact"),
    ('name = "x"\ntype = "integer"\ncanonical_values = ["1"]', "scim.attributes.x.canonical_values"),
    ('name = "x"\ncanonical_values = ["a", "A"]', "scim.attributes.x.canonical_values"),
    ('name = "x"\n[[scim.attributes]]\nname = "X"', "scim.attributes.X"),
    ('name = "x"\n[[scim.attributes]]\nname = "X"\napplies_to = ["Agent"]', "scim.attributes.X"),
]


@pytest.mark.parametrize(("text", "key"), WRONG)
def test_a_wrong_declaration_is_named_with_its_fix(tmp_path: Path, text: str, key: str) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(f"[[scim.attributes]]\n{text}\n")
    with pytest.raises(ConfigurationError) as caught:
        load_settings(file, {})
    assert caught.value.key == key and caught.value.fix and "\n" not in caught.value.message


def test_the_environment_cannot_declare_attributes_and_says_how() -> None:
    with pytest.raises(ConfigurationError, match=r"scim\.attributes") as caught:
        load_settings(None, {"SCIM_BRIDGE_SCIM__ATTRIBUTES": "costCode"})
    assert "[[scim.attributes]]" in caught.value.fix


def test_declarations_come_from_the_settings_file(tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(
        '[[scim.attributes]]\nname = "costCode"\nindexed = true\n'
        '[[scim.attributes]]\nname = "tier"\napplies_to = ["Agent", "Group"]\ncanonical_values = ["a", "b"]\n'
    )
    made = load_settings(file, {}).scim.attributes
    assert [(one.name, one.indexed, one.applies_to) for one in made] == [
        ("costCode", True, ("User",)),
        ("tier", False, ("Agent", "Group")),
    ]


def test_who_declares_nothing_has_the_types_everybody_has() -> None:
    assert all(catalogue().types[name] is schema.of(name) for name in schema.NAMES)
