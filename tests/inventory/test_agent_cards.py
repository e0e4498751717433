"""A2A agent cards: the 1.x shape becomes facts and a draft; everything else is explained."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest

from scim_bridge.inventory.a2a import card_url, draft, read_card, slug_of
from scim_bridge.inventory.fetch import CardUnavailable, FetchedCard, fetch_card
from scim_bridge.inventory.problems import ManifestProblems
from scim_bridge.kernel.errors import BridgeError, Invalid, NotFound, Refused

CARD = Path(__file__).parents[2] / "config" / "examples" / "a2a" / "support-triage.agent-card.json"


def changed(**members: Any) -> bytes:
    return orjson.dumps({**orjson.loads(CARD.read_bytes()), **members})


def without(*names: str) -> bytes:
    card = orjson.loads(CARD.read_bytes())
    return orjson.dumps({name: value for name, value in card.items() if name not in names})


def wheres(data: bytes) -> list[str]:
    with pytest.raises(ManifestProblems) as caught:
        read_card(data, "card.json")
    return [f"{problem.where}|{problem.message}" for problem in caught.value.problems]


def test_the_example_card_gives_facts_and_a_draft_that_people_complete() -> None:
    card = read_card(CARD.read_bytes(), "card.json")
    assert card.interfaces[0].protocol_binding == "JSONRPC"
    assert card.security == (("corporate", "oauth2"),)
    assert (card.streaming, card.push_notifications, card.extended_card) == (True, False, True)
    made = draft(card)
    assert made.entry.slug == "support-triage"
    assert made.missing == ("owner", "environment", "riskTier", "platform")
    entry = made.completed(owner="ann", environment="production", risk_tier="low", platform="langgraph-cloud")
    assert entry.tools == ("classify-ticket", "route-ticket") and entry.owner == "ann"
    assert "model" not in entry.given and "owner" in entry.given


def test_a_card_of_the_older_shape_is_refused_and_told_what_moved_where() -> None:
    old = changed(url="https://x.example/a2a", preferredTransport="JSONRPC", protocolVersion="0.3.0")
    card = orjson.loads(old)
    del card["supportedInterfaces"]
    found = wheres(orjson.dumps(card))
    assert len(found) == 3 and all("A2A 0.3 and before" in text for text in found)
    with pytest.raises(ManifestProblems) as caught:
        read_card(orjson.dumps(card), "card.json")
    assert "supportedInterfaces[0].url" in caught.value.text()
    assert read_card(old, "both shapes").old_members == ("url", "preferredTransport", "protocolVersion")


def test_every_missing_member_is_named_at_once() -> None:
    found = wheres(without("name", "skills", "capabilities", "defaultInputModes", "supportedInterfaces"))
    assert len(found) == 5
    bad = changed(
        supportedInterfaces=[{"url": "http://x.example", "protocolBinding": 1, "protocolVersion": "one"}],
        skills=[{"id": "a", "name": "A", "tags": "x"}],
        capabilities={"streaming": "yes"},
        provider={"organization": "o"},
    )
    assert {text.partition("|")[0] for text in wheres(bad)} == {
        "supportedInterfaces[0].url",
        "supportedInterfaces[0].protocolBinding",
        "supportedInterfaces[0].protocolVersion",
        "skills[0]",
        "skills[0].tags",
        "capabilities.streaming",
        "provider",
    }
    assert wheres(b"[]") and wheres(b"{") and wheres(b"\xff") and wheres(b"")


def test_members_a_newer_minor_version_adds_are_ignored() -> None:
    card = changed(
        somethingNew={"x": 1}, skills=[{"id": "a", "name": "A", "description": "d", "tags": ["t", "t"]}]
    )
    assert read_card(card, "card.json").skills[0].tags == ("t",)


@pytest.mark.parametrize(
    ("base", "url"),
    [
        ("https://a.example", "https://a.example/.well-known/agent-card.json"),
        ("https://a.example/agents/x/", "https://a.example/agents/x/.well-known/agent-card.json"),
        ("https://a.example/cards/x.json", "https://a.example/cards/x.json"),
    ],
)
def test_the_card_of_an_agent_is_at_the_well_known_path(base: str, url: str) -> None:
    assert card_url(base) == url


def test_slugs_are_made_from_names() -> None:
    assert slug_of("Support triage (EU)") == "support-triage-eu"
    assert draft(read_card(changed(name="寿司"), "c")).missing[0] == "slug"


@dataclass
class Answer:
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass
class Caller:
    """Answers one request and keeps what was sent."""

    answer: Answer
    sent: list[tuple[str, str, Mapping[str, str]]] = field(default_factory=list)

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        max_bytes: int = 0,
    ) -> Answer:
        self.sent.append((method, url, headers or {}))
        return self.answer


def fetched(answer: Answer, etag: str = "") -> tuple[FetchedCard, Caller]:
    caller = Caller(answer)
    return asyncio.run(fetch_card(caller, "https://a.example", etag)), caller


def test_a_card_is_fetched_once_and_then_only_revalidated() -> None:
    first, caller = fetched(
        Answer(headers={"ETag": '"1"', "Content-Type": "application/a2a+json"}, body=CARD.read_bytes())
    )
    assert first.changed and first.etag == '"1"'
    assert caller.sent[0][:2] == ("GET", "https://a.example/.well-known/agent-card.json")
    again, caller = fetched(Answer(304), '"1"')
    assert not again.changed and again.etag == '"1"'
    assert caller.sent[0][2]["if-none-match"] == '"1"'


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(404), NotFound),
        (Answer(401), Refused),
        (Answer(302, {"location": "https://b.example"}), Refused),
        (Answer(200, {"content-type": "text/html; charset=utf-8"}, b"<html>"), Refused),
        (Answer(200, {}, b"<html>"), ManifestProblems),
        (Answer(304), Refused),
        (Answer(503, {"Retry-After": "30"}), CardUnavailable),
    ],
)
def test_answers_that_are_no_card_are_explained(answer: Answer, error: type[BridgeError]) -> None:
    with pytest.raises(error) as caught:
        fetched(answer)
    assert caught.value.fix
    if answer.status == 503:
        assert caught.value.retry_after == 30


def test_a_url_that_cannot_be_called_is_not_called() -> None:
    for url in ("file:///etc/passwd", "https://user:pw@a.example", "a.example"):
        with pytest.raises(Invalid) as caught:
            asyncio.run(fetch_card(Caller(Answer()), url))
        assert "pw" not in caught.value.text()
