"""Promises of the pages that are followed step by step: every command works as it is written there."""

from __future__ import annotations

from pathlib import Path

from tests.docs.followed import ROOT, follow


def test_the_first_look_reaches_a_verified_receipt_when_followed_to_the_letter(
    tmp_path: Path, forking: Path
) -> None:
    found = follow(ROOT / "docs" / "tutorial" / "first-look.md", tmp_path, forking)
    changes_pending = "3: .venv/bin/scim-bridge agents import .sandbox/platform/agents.yaml --dry-run"
    assert found.failed == [changes_pending], found.output
    assert "Imported: 57 created, 25 joined." in found.output
    for told in ("within_budget  yes", "complete       yes", '"by":"', "decision     deny"):
        assert told in found.output, found.output


def test_both_sandboxes_are_rehearsed_to_the_letter(tmp_path: Path, forking: Path) -> None:
    found = follow(ROOT / "docs" / "how-to" / "rehearse.md", tmp_path, forking)
    assert not found.failed, found.output
    assert '"ok":false' not in found.output, found.output
    assert found.output.count("Nothing would change.") == 2, found.output
    assert found.output.count("deactivated it") >= 2 and "night-shift, support-tools" in found.output


def test_the_hr_webhook_of_the_reference_is_signed_sent_and_acted_on(tmp_path: Path, forking: Path) -> None:
    found = follow(ROOT / "docs" / "reference" / "hr-webhook.md", tmp_path, forking)
    assert not found.failed, found.output
    assert '{"state":"acted","message":"Taken."}' in found.output, found.output
    assert "planned" in found.output and "2030-01-31T23:00:00" in found.output, found.output
