"""A run against any server ends with a report: garbage, throttling, wrong tokens, nobody there. No secret is told."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from scim_bridge.conformance.catalogue import VENDORS, planned
from scim_bridge.conformance.model import Verdict
from scim_bridge.conformance.report import document, page
from scim_bridge.conformance.target import Target, checked
from scim_bridge.kernel.errors import Invalid, Unauthenticated
from scim_bridge.kernel.outbound_error import OutboundError
from tests.conformance.conftest import Prove
from tests.conformance.servers import TOKEN, listening, plain
from tests.conformance.small_server import SmallServer, dumped, garbled

GARBAGE = [
    b"",
    b"<html>",
    b"\xff\xfe\x00",
    b"[" * 5000,
    b"NaN",
    dumped(None),
    dumped([1, "x", None]),
    dumped("text"),
    dumped({"id": 7, "Resources": 7, "totalResults": "x", "schemas": 7}),
    dumped({"id": "i", "Resources": [7, None, [], {"id": {"a": 1}}], "totalResults": 2, "startIndex": 1}),
    dumped({"id": "i", "userName": 7, "emails": 7, "members": 7, "name": [], "meta": "x", "groups": "x"}),
    dumped({"id": "i", "emails": [7], "members": [None, {}], "groups": [7], "meta": {"location": 7}}),
    dumped(
        {"Resources": [{"schema": 7, "endpoint": {}, "attributes": [7, {"name": 7, "subAttributes": 7}]}]}
    ),
    dumped(
        {
            "id": "i",
            "Operations": [7, {"location": 7, "bulkId": [], "status": {}}],
            "bulk": {"supported": True},
        }
    ),
    dumped({"etag": {"supported": True}, "sort": {"supported": True}, "bulk": {"supported": True}}),
]


@pytest.mark.parametrize("vendor", VENDORS)
def test_whatever_a_server_answers_every_step_gets_a_verdict(prove: Prove, vendor: str) -> None:
    for turn in range(3):
        with listening(plain(garbled(GARBAGE[turn:] + GARBAGE[:turn]))) as url:
            report = prove(url, vendor)
        steps = [step.id for suite in VENDORS[vendor] for step in suite.steps]
        ended = [result.id for result in report.results if not result.id.endswith(".cleanup")]
        assert ended == steps
        assert not report.ok
        assert "</html>" in page(report, VENDORS[vendor])


def test_throttling_is_waited_out_as_long_as_it_says(prove: Prove) -> None:
    waited: list[float] = []

    async def pause(seconds: float) -> None:
        waited.append(seconds)

    server = SmallServer()
    server.busy = 2
    with listening(plain(server.app)) as url:
        report = prove(f"{url}/scim/v2", "okta", "okta.spec.3", pause=pause)
    assert waited == [7.0, 7.0]
    assert report.ok


def test_a_refused_token_ends_the_run_at_once(prove: Prove) -> None:
    with listening(plain(SmallServer().app)) as url, pytest.raises(Unauthenticated) as raised:
        prove(f"{url}/scim/v2", "okta", token="another")
    assert raised.value.code == "token-refused"


def test_a_server_that_is_not_there_ends_the_run_at_once(prove: Prove) -> None:
    with listening(plain(SmallServer().app)) as url:
        pass
    with pytest.raises(OutboundError):
        prove(f"{url}/scim/v2", "okta")


def test_a_server_that_goes_away_fails_the_steps_that_ask_it(prove: Prove) -> None:
    asked = 0

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal asked
        asked += 1
        if asked > 2:
            # Half an answer: the connection breaks.
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"9")]})
            await send({"type": "http.response.body", "body": b"half"})
            return
        body = dumped({"totalResults": 1, "Resources": [{}]})
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    with listening(plain(app)) as url:
        report = prove(url, "okta", "okta.spec.4", "okta.spec.12", "okta.spec.3")
    assert [r.verdict for r in report.results if r.id == "okta.spec.12"] == [Verdict.FAIL]
    assert "broke" in report.results[-1].came


@pytest.mark.parametrize("token", [TOKEN, f"Bearer {TOKEN}"])
def test_no_token_is_told_even_when_the_server_tells_it(prove: Prove, token: str) -> None:
    server = SmallServer("tells-tokens")
    with listening(plain(server.app)) as url:
        report = prove(f"{url}/scim/v2", "okta", "okta.spec", token=token)
    whole = str(document(report)) + page(report, planned("okta"))
    assert "***" in whole
    assert TOKEN not in whole


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://idp.example/scim/v2", "base-url-plain"),
        ("http://127.0.0.1.example/scim", "base-url-plain"),
        ("ftp://host/scim", "base-url-form"),
        ("host/scim", "base-url-form"),
        ("https://user:secret@host/scim", "base-url-form"),
        ("https:///scim", "base-url-form"),
        ("http://[::1/scim", "base-url-form"),
        ("https://host:99999/scim", "base-url-form"),
        ("", "base-url-form"),
    ],
)
def test_addresses_that_would_leak_or_lead_nowhere_are_refused(url: str, code: str) -> None:
    with pytest.raises(Invalid) as raised:
        checked(url)
    assert raised.value.code == code
    assert "secret" not in raised.value.text()


def test_https_and_this_machine_are_fine() -> None:
    for url in (
        "https://idp.example/scim/v2/",
        "http://127.0.0.1:8080/scim/v2",
        "http://localhost/x",
        "http://[::1]:1/x",
    ):
        assert checked(url) == url.rstrip("/")


@pytest.mark.parametrize("token", ["", "  ", "a\nb: c", "gl\u00fcck"])
def test_a_token_no_header_can_carry_is_refused(token: str) -> None:
    with pytest.raises(Invalid):
        Target("https://idp.example", token)


def test_parameters_of_the_tenant_url_go_along_with_every_request() -> None:
    heard: list[tuple[str, bytes]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        heard.append((scope["path"], scope["query_string"]))
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    async def ask(url: str) -> None:
        target = Target(f"{url}/scim?aadOptscim062020", TOKEN)
        try:
            await target.send("GET", "/Users", query={"filter": 'userName eq "a&b"', "count": 1})
            await target.send("GET", "/Users/1")
        finally:
            await target.aclose()

    with listening(plain(app)) as url:
        asyncio.run(ask(url))
    assert heard == [
        ("/scim/Users", b"filter=userName%20eq%20%22a%26b%22&count=1&aadOptscim062020"),
        ("/scim/Users/1", b"aadOptscim062020"),
    ]


def test_choosing_a_step_chooses_what_it_builds_on() -> None:
    chosen = [step.id for suite in planned("okta", ["okta.spec.7"]) for step in suite.steps]
    assert chosen == ["okta.spec.0", "okta.spec.6", "okta.spec.7"]
    assert [suite.id for suite in planned("rfc", ["rfc.changes"])] == ["rfc.changes"]
    chosen = [step.id for suite in planned("okta", ["okta.crud.put"]) for step in suite.steps]
    assert chosen == [f"okta.crud.put.{n}" for n in (1, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13)]


def test_choosing_what_there_is_not_says_what_there_is() -> None:
    with pytest.raises(Invalid) as raised:
        planned("entra", ["entra.postmann"])
    assert "entra.postman" in raised.value.fix
    with pytest.raises(Invalid):
        # The beginning of an id is not the beginning of a number: 1 is not 10.
        planned("okta", ["okta.spec.1x"])
    assert [s.id for suite in planned("entra", ["entra.1"]) for s in suite.steps] == ["entra.1"]


@pytest.mark.parametrize("vendor", VENDORS)
def test_ids_are_unique_and_every_need_comes_before(vendor: str) -> None:
    for suite in VENDORS[vendor]:
        seen: set[str] = set()
        for step in suite.steps:
            assert step.id.startswith(f"{vendor}.") and step.id not in seen
            assert set(step.needs) <= seen
            assert step.title and step.source
            seen.add(step.id)


def test_the_suites_are_whole_and_the_guide_tells_how_many_steps_they_have() -> None:
    ids = {
        vendor: [step.id for suite in suites for step in suite.steps] for vendor, suites in VENDORS.items()
    }
    assert {f"okta.spec.{n}" for n in range(13)} <= set(ids["okta"])
    tests = {identity.split(".")[1] for identity in ids["entra"]} - {"postman"}
    assert tests == {str(n) for n in range(1, 26)}
    assert [i for i in ids["entra"] if "postman" in i] == [f"entra.postman.{n}" for n in range(1, 80)]
    guide = (Path(__file__).resolve().parents[2] / "docs" / "how-to" / "prove-a-deployment.md").read_text()
    for vendor, steps in ids.items():
        assert re.search(rf"^\| `{vendor}` \| .* \| {len(steps)} \|$", guide, re.MULTILINE), (
            vendor,
            len(steps),
        )
