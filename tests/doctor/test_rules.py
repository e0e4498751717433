"""Promises of the doctor: each of the common mistakes is found, named and mended; a sound installation has none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from scim_bridge.doctor.examine import judged
from scim_bridge.doctor.look_outside import skew
from scim_bridge.doctor.look_place import filesystem
from scim_bridge.doctor.model import Door, Finding, Life, Place, Reached, State, Tenant, Token

TOKEN = Token("t1", "Okta, 2026", "live", None, True, ("read", "users", "groups"), False)
OKTA = Tenant("okta", "okta", "https://acme.okta.com", pushes=True, asked=True, heard=True, tokens=(TOKEN,))
PLACE = Place(
    public_url="https://bridge.example.com",
    public_url_set=True,
    database="/var/lib/bridge.db",
    key_file="/var/lib/scim-bridge.key",
    mode=0o600,
    schema="0030",
    head="0030",
    free=2**40,
    filesystem="ext4",
    notices=True,
)
LIFE = Life(
    tenants=(OKTA,),
    doors=(Door("okta-log:okta", "okta-log", True, ""),),
    worker=True,
    agents=30,
    permits=3,
    allowed=9,
    denied=40,
)


def trouble(
    place: Place = PLACE, life: Life | None = LIFE, *reached: Reached, state: State = State.WRONG
) -> list[Finding]:
    """What is wrong."""
    return [one for one in judged(place, life, list(reached)) if one.state is state]


def of(tenant: Tenant) -> Life:
    """The sound installation with another connection."""
    return replace(LIFE, tenants=(tenant,))


def tokens(**other: object) -> Life:
    """The sound installation with another token."""
    return of(replace(OKTA, tokens=(replace(TOKEN, **other),)))  # type: ignore[arg-type]


def test_a_sound_installation_has_nothing_wrong_and_nothing_to_note() -> None:
    answers = Reached("idp", "okta", "https://acme.okta.com", skew=0.4)
    assert not trouble(PLACE, LIFE, answers)
    assert not trouble(PLACE, LIFE, answers, state=State.NOTE)


AT_PLACE = [
    (replace(PLACE, public_url_set=False), "public-url", "not set"),
    (replace(PLACE, public_url="http://bridge.example.com"), "public-url", "not https"),
    (replace(PLACE, public_url="https://127.0.0.1:8443"), "public-url", "cannot reach"),
    (replace(PLACE, public_url="https://10.2.3.4"), "public-url", "cannot reach"),
    (replace(PLACE, public_url="https://bridge"), "public-url", "cannot reach"),
    (replace(PLACE, public_url="https://bridge.example.com/scim/v2"), "public-url", "has a path"),
    (replace(PLACE, public_url="https://ai_bridge.example.com"), "public-url", "underscore"),
    (replace(PLACE, told_url="https://other.example.com/scim/v2"), "base-url", "public_url says"),
    (replace(PLACE, told_url="https://bridge.example.com"), "base-url", "does not end in"),
    (replace(PLACE, told_url="bridge"), "base-url", "no web address"),
    (replace(PLACE, mode=0o640), "master-key", "read by others (mode 0640)"),
    (replace(PLACE, mode=None), "master-key", "is missing"),
    (replace(PLACE, key_trouble="this database belongs to another key"), "master-key", "another key"),
    (replace(PLACE, schema="0012"), "database", "this version needs 0030"),
    (replace(PLACE, schema_trouble=("It is away.", "Start it.")), "database", "away"),
    (replace(PLACE, filesystem="nfs4"), "database", "network share (nfs4)"),
    (replace(PLACE, writable=False), "database", "cannot be written"),
    (replace(PLACE, free=3 * 2**20), "disk", "3 MiB"),
    (replace(PLACE, allow_networks=("0.0.0.0/0",)), "networks", "every internal address"),
    (replace(PLACE, notices=False), "owners", "only logged"),
]


@pytest.mark.parametrize(("place", "check", "words"), AT_PLACE)
def test_a_mistake_in_settings_or_files_is_found_and_has_a_fix(place: Place, check: str, words: str) -> None:
    found = trouble(place)
    assert [one.check for one in found] == [check]
    assert words in found[0].found and found[0].fix


ODD = tuple((f"bot-{number}", ("riskTier",)) for number in range(7))
IN_LIFE = [
    (of(replace(OKTA, tokens=())), "token", "no token"),
    (tokens(standing="expired"), "token", "expired or was revoked"),
    (tokens(standing="revoked"), "token", "expired or was revoked"),
    (tokens(scopes=("signals",)), "token", "no token"),
    (tokens(standing="expiring", days=5), "token", "expires within 5"),
    (of(replace(OKTA, refused=(("sign-in", "the key is unknown"),))), "credentials", "the key is unknown"),
    (of(replace(OKTA, address="https://10.0.0.5")), "networks", "internal address"),
    (replace(LIFE, doors=(Door("hr:x", "hr", True, "401 from there"),)), "door", "401"),
    (replace(LIFE, overdue=300), "worker", "though a server runs"),
    (replace(LIFE, overdue=300, worker=False), "worker", "no server runs"),
    (replace(LIFE, dead=2, dead_words="sync.write: 403"), "effects", "sync.write: 403"),
    (replace(LIFE, unowned=4), "owners", "4 of 30 agents have no owner"),
    (replace(LIFE, unheard=5), "owners", "no e-mail"),
    (replace(LIFE, odd=ODD[:1], odd_counted=6), "facts", "1 agent(s)"),
    (replace(LIFE, odd=ODD[:6], odd_counted=6), "facts", "6 agent(s)"),
    (replace(LIFE, odd=ODD, odd_counted=6), "facts", "More than 6 agent(s)"),
    (replace(LIFE, odd=ODD, odd_counted=6), "facts", "bot-0 (riskTier); bot-1 (riskTier)"),
    (replace(LIFE, odd=ODD, odd_counted=6), "facts", "bot-4 (riskTier); …."),
    (replace(LIFE, permits=0), "policies", "every decision is no"),
    (replace(LIFE, policies="line 3: no such word"), "policies", "line 3"),
    (replace(LIFE, allowed=0), "policies", "all said no"),
    (replace(LIFE, brakes=1), "brake", "wait for a person"),
    (replace(LIFE, held_plans=("okta",)), "brake", "held by the brake"),
]


@pytest.mark.parametrize(("life", "check", "words"), IN_LIFE)
def test_a_mistake_in_the_database_is_found_and_has_a_fix(life: Life, check: str, words: str) -> None:
    found = trouble(life=life)
    assert [one.check for one in found] == [check]
    assert words in found[0].found and found[0].fix


IN_NOTES = [
    (of(replace(OKTA, heard=False)), "token", "never called"),
    (tokens(used=False, old=True), "token", "never used"),
    (of(replace(OKTA, pushes=False)), "credentials", "no API credentials"),
    (of(replace(OKTA, address="")), "credentials", "no address"),
    (of(replace(OKTA, asked=False)), "credentials", "never asked"),
    (of(replace(OKTA, refused=(("AI agents", "no scope"),))), "credentials", "no scope"),
    (replace(LIFE, doors=(Door("hr:x", "hr", False, ""),)), "door", "nothing was ever heard"),
    (replace(LIFE, worker=False), "worker", "No server runs"),
    (replace(LIFE, tenants=()), "connections", "No IdP"),
    (replace(LIFE, agents=0), "owners", "no agents"),
]


@pytest.mark.parametrize(("life", "check", "words"), IN_NOTES)
def test_what_is_unfinished_is_noted_and_not_called_wrong(life: Life, check: str, words: str) -> None:
    noted = trouble(life=life, state=State.NOTE)
    assert [one.check for one in noted] == [check]
    assert words in noted[0].found and noted[0].fix
    assert not trouble(life=life)


def test_an_oauth_client_stands_for_a_token_and_one_replaced_in_time_is_no_alarm() -> None:
    assert not trouble(life=of(replace(OKTA, tokens=(), clients=1)))
    assert not trouble(life=tokens(standing="rotated", days=2))


def test_a_rehearsal_on_this_machine_needs_no_public_address() -> None:
    here = of(replace(OKTA, address="https://127.0.0.1:9443"))
    place = replace(PLACE, public_url="http://127.0.0.1:8080", public_url_set=False)
    assert not trouble(replace(place, allow_networks=("127.0.0.1:9443",)), here)
    assert not trouble(replace(place, allow_networks=("127.0.0.0/8",)), here)
    assert [one.check for one in trouble(place, here)] == ["networks"]
    played = of(replace(OKTA, address="https://127.0.0.1:9443", rehearsed=True))
    assert not trouble(place, played), "the server that plays it may call it without a setting"


@pytest.mark.parametrize(
    ("ours", "words"), [(90.0, "90 s fast"), (-75.4, "75 s slow"), (3.0, ""), (-59.0, "")]
)
def test_a_clock_that_is_off_by_a_minute_is_found(ours: float, words: str) -> None:
    found = trouble(PLACE, LIFE, Reached("idp", "okta", "https://acme.okta.com", skew=ours))
    assert [words in one.found for one in found] == ([True] if words else [])


def test_the_time_of_an_answer_is_compared_with_ours_and_nonsense_is_no_time() -> None:
    at = 1_767_225_600  # 2026-01-01T00:00:00Z
    date = {"Date": "Thu, 01 Jan 2026 00:00:00 GMT"}
    assert skew(date, (at + 100) * 1_000_000) == pytest.approx(99.5)
    assert skew({"date": "soon"}, 0) is None and skew({}, 0) is None


@pytest.mark.parametrize(
    ("code", "fix"),
    [("outbound-address", "allow_networks"), ("outbound-tls", "certificate"), ("outbound-dns", "DNS")],
)
def test_what_does_not_answer_is_told_with_what_mends_that_kind_of_silence(code: str, fix: str) -> None:
    one = Reached("idp", "okta", "https://acme.okta.com", "It does not answer.", code)
    (found,) = trouble(PLACE, LIFE, one)
    assert (found.check, found.about) == ("idp", "okta") and fix in found.fix


def test_a_database_that_cannot_be_looked_into_is_itself_a_finding() -> None:
    assert {"database", "inside"} == {one.check for one in trouble(replace(PLACE, schema="0012"), None)}


def test_the_innermost_mount_says_where_a_file_is() -> None:
    mounts = "/dev/sda1 / ext4 rw 0 0\nserver:/share /srv/my\\040share nfs4 rw 0 0\n/dev/b /srv/my\\040share/in xfs rw"
    assert filesystem(Path("/srv/my share/bridge.db"), mounts) == "nfs4"
    assert filesystem(Path("/srv/my share/in/bridge.db"), mounts) == "xfs"
    assert filesystem(Path("/srv/other/bridge.db"), mounts) == "ext4"
    assert filesystem(Path("/x"), "") is None
