"""Filters as RFC 7644 section 3.4.2.2 demands them, requirement by requirement, asked at the door of both back ends."""

from __future__ import annotations

import itertools
from typing import Any

from scim_bridge.registry.model import AGENT_URN, ENTERPRISE_URN, GROUP_URN, USER_URN
from tests.scim.bridge import Bridge, Client
from tests.scim.proving import found, group, made, refused, user

WORK_AT_X = {"value": "ann@x.test", "type": "work"}
HOME_AT_Y = {"value": "ann@y.test", "type": "home"}


async def population(client: Client) -> None:
    """Three people, an agent and a group, as different as the filters below need them."""
    await made(client, "/Users", user("Ann", title="Dr", externalId="A1", emails=[WORK_AT_X, HOME_AT_Y]))
    await made(client, "/Users", user("ben", emails=[{"value": "ben@x.test", "type": "home"}]))
    await made(client, "/Users", user("cleo", active=False, **{ENTERPRISE_URN: {"department": "Ops"}}))
    bot = {"credentialAgeDays": 1, "expiresAt": "2027-01-01T01:00:00+01:00", "tools": ["Read"]}
    dan = await made(client, "/Users", user("dan", userType="Agent", **{AGENT_URN: bot}))
    await made(client, "/Groups", group("Crew", externalId="G1", members=[{"value": dan}]))


async def chosen(client: Client, *expected: tuple[str, list[str]], path: str = "/Users") -> None:
    """Each filter finds these, and no others."""
    for text, names in expected:
        assert await found(client, text, path) == names, text


def test_words_and_names_in_any_case(door) -> None:
    """Q-01."""

    async def body(bridge: Bridge) -> None:
        client = await bridge.client("letter", "strict")
        await population(client)
        await chosen(
            client,
            ('USERNAME EQ "ann"', ["Ann"]),
            ("title PR AND Active Eq TRUE", ["Ann"]),
            ('NOT (userType pr) aNd username NE "ann"', ["ben", "cleo"]),
            (f'{ENTERPRISE_URN.upper()}:DEPARTMENT eq "Ops"', ["cleo"]),
        )

    door(body)


def test_grouping_before_not_before_and_before_or(door) -> None:
    """Q-02, Q-03."""

    async def body(bridge: Bridge) -> None:
        client = await bridge.client("letter", "strict")
        await population(client)
        a, b, t = 'userName eq "ann"', 'userName eq "ben"', "title pr"
        await chosen(
            client,
            (f"{a} or {b} and {t}", ["Ann"]),
            (f"{b} or {a} and {t}", ["Ann", "ben"]),
            (f"({b} or {a}) and {t}", ["Ann"]),
            (f"not ({t}) and {b}", ["ben"]),
            (f"not({t} or {b})", ["cleo", "dan"]),
            (f"not (not ({a}))", ["Ann"]),
        )
        refused(await client.post("/Users/.search", {"filter": f"not {t}"}), 400, "invalidFilter")

    door(body)


def test_what_is_not_understood_is_refused_and_never_answered_with_everybody(door) -> None:
    """Q-04, Q-05, Q-08."""

    async def body(bridge: Bridge) -> None:
        client = await bridge.client("letter", "strict")
        await population(client)
        for text in (
            'userName is "ann"',
            'userName eq "ann" xor title pr',
            "userName",
            'favouriteColour eq "green"',
            'name.favourite eq "x"',
            'urn:nobody:knows:userName eq "ann"',
            "active gt false",
            "active lt true",
            'x509Certificates.value ge "aGVsbG8="',
            "userName eq 7",
            " ",
        ):
            refused(await client.post("/Users/.search", {"filter": text}), 400, "invalidFilter")
        refused(
            await client.post("/Users/.search", {"filter": 'title eq "a"and title pr'}), 400, "invalidFilter"
        )
        for name, text in itertools.product(
            ("letter", "generic", "entra", "okta-put"),
            ("title eq 'dr'", "title eq 'dr' or title pr", "title eq '"),
        ):
            sender = await bridge.client(name, "strict" if name == "letter" else name)
            refused(await sender.post("/Users/.search", {"filter": text}), 400, "invalidFilter")
        everywhere = await client.post("/.search", {"filter": 'displayName eq "crew" or userName eq "ann"'})
        assert everywhere["totalResults"] == 2, "what a type lacks is unassigned there"
        nobody = await client.post("/.search", {"filter": 'favouriteColour eq "green"'})
        assert nobody.status == 400 or nobody["totalResults"] == 0

    door(body)


def test_text_compares_as_its_attribute_says(door) -> None:
    """Q-06."""

    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        await population(client)
        await chosen(
            client,
            ('userName eq "ANN"', ["Ann"]),
            ('title eq "dR"', ["Ann"]),
            ('externalId eq "A1"', ["Ann"]),
            ('externalId eq "a1"', []),
            ('externalId sw "a"', []),
            ('meta.version eq "w/\\"1\\""', []),
            ('meta.version eq "W/\\"1\\""', ["Ann", "ben", "cleo", "dan"]),
            (f'{AGENT_URN}:tools eq "Read"', ["dan"]),
            (f'{AGENT_URN}:tools eq "read"', []),
        )

    door(body)


def test_present_and_null(door) -> None:
    """Q-07, Q-11, Q-12."""

    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        await population(client)
        await chosen(
            client,
            ("title pr", ["Ann"]),
            ("emails pr and not (userType pr)", ["Ann", "ben"]),
            (f"{ENTERPRISE_URN}:department pr", ["cleo"]),
            ("ims pr", []),
            ("title ne null", ["Ann"]),
            ('title eq null and userName sw "b"', ["ben"]),
            ('title ne "Dr"', ["ben", "cleo", "dan"]),
            ('emails.type ne "home" and userName eq "ann"', ["Ann"]),
            ('not (emails.type eq "home") and userName eq "ann"', []),
        )

    door(body)


def test_order_is_that_of_the_type(door) -> None:
    """Q-08."""

    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        await population(client)
        expires, here = (
            f"{AGENT_URN}:expiresAt",
            (await client.get("/Users"))["Resources"][0]["meta"]["created"],
        )
        await chosen(
            client,
            (f'{expires} eq "2027-01-01T00:00:00Z"', ["dan"]),
            (f'{expires} gt "2026-12-31T23:30:00-01:00"', []),
            (f'{expires} ge "2026-12-31T23:00:00-01:00"', ["dan"]),
            (f'{expires} lt "2027-01-01T00:00:01Z"', ["dan"]),
            ('userName gt "b" and userName lt "d"', ["ben", "cleo"]),
            ('userName le "ANN"', ["Ann"]),
            (f'meta.created ge "{here}" and active eq false', ["cleo"]),
        )

    door(body)


def test_any_element_matches_and_brackets_mean_one(door) -> None:
    """Q-09, Q-10."""

    async def body(bridge: Bridge) -> None:
        client = await bridge.client("plain")
        await population(client)
        for text in ("emails co", "emails.value co"):
            await chosen(client, (f'{text} "y.test"', ["Ann"]), (f'{text} "@x.TEST"', ["Ann", "ben"]))
        await chosen(
            client,
            ('emails[type eq "work" and value co "@x"]', ["Ann"]),
            ('emails[type eq "work" and value co "@y"]', []),
            ('emails.type eq "work" and emails.value co "@y"', ["Ann"]),
            ('emails[type eq "home" and not (value co "@y")]', ["ben"]),
        )

    door(body)


def test_schemas_meta_and_what_the_profiles_ask_for_can_be_filtered(door) -> None:
    """Q-13, Q-14."""

    async def body(bridge: Bridge) -> None:
        client = await bridge.client("letter", "strict")
        await population(client)
        everybody = ["Ann", "ben", "cleo", "dan"]
        await chosen(
            client,
            (f'schemas eq "{ENTERPRISE_URN}"', ["cleo"]),
            (f'schemas eq "{USER_URN}"', everybody),
            ('meta.resourceType eq "User"', everybody),
            ('meta.lastModified gt "2000-01-01T00:00:00Z"', everybody),
            ('meta.lastModified gt "2999-01-01T00:00:00Z"', []),
            ('emails[value eq "ANN@x.test"]', ["Ann"]),
            ('emails[type eq "work" and value eq "ann@x.test"]', ["Ann"]),
            ('externalId eq "A1" and active eq true', ["Ann"]),
        )
        dan = (await client.get('/Users?filter=userName eq "dan"'))["Resources"][0]["id"]
        for text in ('displayName eq "crew"', 'externalId eq "G1"', f'members[value eq "{dan}"]'):
            await chosen(client, (text, ["Crew"]), path="/Groups")
        await chosen(client, (f'schemas eq "{GROUP_URN}"', ["Crew"]), path="/Groups")

    door(body)


def test_a_filter_of_any_kind_is_read_or_refused_in_linear_time(sqlite_door) -> None:
    """Q-16; test_no_filter_takes_long_to_refuse counts the steps."""

    async def body(bridge: Bridge) -> None:
        client = await bridge.client("letter", "strict")
        await population(client)
        hostile: list[Any] = [
            "(" * 4000 + "title pr" + ")" * 4000,
            "not(" * 33 + "title pr" + ")" * 33,
            'userName eq "' + "\\" * 8000,
            "a" * 8000 + "!",
            "title pr or " * 257 + "title pr",
            "x" * 8193,
        ]
        for text in hostile:
            refused(await client.post("/Users/.search", {"filter": text}), 400, "invalidFilter")
        deep = "(" * 30 + "title pr" + ")" * 30
        assert await found(client, deep) == ["Ann"]

    sqlite_door(body)
