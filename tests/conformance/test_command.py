"""The command: what it prints in each format, its exit codes, its one-line errors; the HTML page stands alone."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from scim_bridge.cli.run import run
from scim_bridge.conformance.catalogue import planned
from scim_bridge.conformance.model import Exchange, Finding, Report, Result, Verdict
from scim_bridge.conformance.report import page
from tests.conformance.servers import TOKEN, listening, plain
from tests.conformance.small_server import SmallServer

ROOT = Path(__file__).resolve().parents[2]
ONLY = ["--only", "okta.spec.3", "--only", "okta.spec.11"]


@pytest.fixture(scope="module")
def good() -> Iterator[str]:
    """The base URL of a small server that passes."""
    with listening(plain(SmallServer().app)) as url:
        yield f"{url}/scim/v2"


@pytest.fixture(scope="module")
def bad() -> Iterator[str]:
    """The base URL of one that answers 401 without a body."""
    with listening(plain(SmallServer("bare-401").app)) as url:
        yield f"{url}/scim/v2"


def okta(base_url: str, *more: str) -> int:
    """Run the command on two steps; its exit code."""
    return run(["conformance", "okta", "--base-url", base_url, "--token", TOKEN, *ONLY, *more])


def test_a_table_and_exit_0_when_everything_holds(good: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert okta(good) == 0
    out = capsys.readouterr().out
    assert "okta.spec.11" in out and "Everything tested holds: 4 passed, 0 failed, 0 skipped" in out


def test_exit_1_and_the_request_when_something_fails(bad: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert okta(bad) == 1
    out = capsys.readouterr().out
    assert "Something does not hold" in out
    assert 'GET /Users?filter=userName eq "' in out and "detail is absent" in out


def test_json_has_every_result_with_source_request_expectation_and_what_came(
    bad: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert okta(bad, "--output", "json") == 1
    out = capsys.readouterr().out
    report = json.loads(out)
    assert (report["suite"], report["ok"], report["leftovers"]) == ("okta", False, [])
    assert report["steps"] == {"pass": 3, "fail": 1, "skip": 0}
    failed = next(result for result in report["results"] if result["verdict"] == "fail")
    assert failed["id"] == "okta.spec.11" and failed["source"] == "Okta SCIM 2.0 SPEC test, step 11"
    assert failed["expectation"] == (
        "detail is not empty; status equals 401; schemas has urn:ietf:params:scim:api:messages:2.0:Error"
    )
    assert failed["came"] == "detail is absent; status is absent; schemas is absent"
    assert failed["request"].startswith("GET /Users?filter=") and failed["exchanges"][0]["answer"] == "401"
    assert TOKEN not in out


def test_jsonl_is_an_event_a_step_and_a_summary(good: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert okta(good, "--output", "jsonl") == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [event["event"] for event in events] == ["started", *["step"] * 4, "summary"]
    assert [event["id"] for event in events[1:-1]] == [
        "okta.spec.0",
        "okta.spec.3",
        "okta.spec.11",
        "okta.spec.cleanup",
    ]
    assert events[-1]["ok"] is True


class Read(HTMLParser):
    """What an HTML page loads, runs and points to."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag and the names of its attributes."""
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]


def test_html_is_one_page_that_loads_and_runs_nothing(bad: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert okta(bad, "--output", "html") == 1
    out = capsys.readouterr().out
    read = Read()
    read.feed(out)
    assert not {"script", "link", "img", "iframe", "object", "form"} & set(read.tags)
    assert not {name for name in read.attributes if name in ("src", "href") or name.startswith("on")}
    assert "default-src &#39;none&#39;" in out or "default-src 'none'" in out
    assert out.count("<details") == 4 and "okta.spec.11" in out and TOKEN not in out


def test_html_shows_what_a_server_says_and_believes_none_of_it() -> None:
    evil = "<script>alert(1)</script>"
    finding = Finding(evil, Verdict.FAIL, evil, "", 0)
    result = Result("okta.spec.1", evil, evil, (finding,), (Exchange(evil, evil, 1),), evil)
    report = Report("okta", f"https://host/{evil}", "run", 0, 1.0, (result,), (evil,))
    made = page(report, planned("okta"))
    assert "<script" not in made and "&lt;script&gt;" in made


AT = ["--base-url", "https://idp.example"]
WITH = [*AT, "--token", "x"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["okta", "--base-url", "http://idp.example", "--token", "x"], "would send the token in the clear"),
        (["okta", *AT], "A token is needed"),
        (["okta", *WITH, "--only", "nothing"], "no step 'nothing'"),
        (["okta", *WITH, "--ca-file", "/nowhere"], "/nowhere cannot be used"),
        (["entra", *WITH, "--client-id", "x"], "needs a token endpoint"),
        (["entra", *WITH, "--token-url", "https://idp.example"], "needs a client"),
        (
            [
                "entra",
                *WITH,
                "--token-url",
                "https://x",
                "--client-id",
                "x",
                "--client-assertion",
                "/nowhere",
            ],
            "/nowhere cannot be read",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SCIM_TOKEN", raising=False)
    assert run(["conformance", *arguments]) == (1 if "/nowhere" in words else 2)
    err = capsys.readouterr().err
    assert err.startswith("error: ") and words in err and "Traceback" not in err
    assert len(err.strip().splitlines()) == 1


def test_the_token_may_come_from_the_environment(
    good: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCIM_TOKEN", TOKEN)
    assert run(["conformance", "okta", "--base-url", good, *ONLY]) == 0


def test_a_refused_token_is_said_in_one_line(good: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["conformance", "rfc", "--base-url", good, "--token", "wrong-token"]) == 1
    err = capsys.readouterr().err
    assert "The server refused the token (401)" in err and "wrong-token" not in err


def test_a_terminal_sees_a_bar_and_the_output_stays_clean(good: str, tmp_path: Path) -> None:
    screen, slave = pty.openpty()
    command = [sys.executable, "-m", "scim_bridge", "conformance", "okta", "--base-url", good, *ONLY]
    # Into a file: a pipe would fill up while the terminal is read.
    with (tmp_path / "report.json").open("wb") as out:
        started = subprocess.Popen(
            [*command, "--output", "json"],
            cwd=ROOT,
            env={**os.environ, "SCIM_TOKEN": TOKEN},
            stdout=out,
            stderr=slave,
        )
    os.close(slave)
    seen = bytearray()
    with contextlib.suppress(OSError):  # the terminal closes with the process
        while chunk := os.read(screen, 4096):
            seen += chunk
    os.close(screen)
    assert started.wait(30) == 0
    assert json.loads((tmp_path / "report.json").read_bytes())["ok"]
    # The bar is drawn ten times a second: on a quick machine only its last state is seen.
    assert b"okta.spec." in seen and "━".encode() in seen
