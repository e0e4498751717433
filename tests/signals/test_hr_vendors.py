"""Promises about HR systems: each one's messages are read as it writes them and proven as it signs them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import orjson
import pytest
from starlette.applications import Starlette

from scim_bridge.kernel.clock import SECOND, ManualClock, parse_iso
from scim_bridge.kernel.context import Context
from scim_bridge.kernel.document_index import Indexes
from scim_bridge.kernel.errors import ConfigurationError, Invalid
from scim_bridge.kernel.outbound import Outbound
from scim_bridge.kernel.vendor_webhook import SIGNINGS, signature
from scim_bridge.kernel.webhook import signed
from scim_bridge.kernel.work import Store, Work
from scim_bridge.registry import indexing
from scim_bridge.registry.employee_numbers import EMPLOYEE_NUMBER
from scim_bridge.registry.model import ENTERPRISE_URN
from scim_bridge.registry.people import create_person
from scim_bridge.registry.signal import AWAY, LEFT, RETURNED, Signal
from scim_bridge.settings.load import load_settings
from scim_bridge.signals.doors import Door as DoorState
from scim_bridge.signals.doors import door as door_state
from scim_bridge.signals.hr import items, read_notice
from scim_bridge.signals.hr_mappings import BAMBOOHR, KNOWN, custom, mappings
from scim_bridge.signals.routes import routes
from scim_bridge.signals.trying import harmless
from tests.conftest import MASTER, TESTER

PAYLOADS = Path(__file__).parent / "payloads"
NOW = parse_iso("2026-11-18T16:00:00Z")
NEW, OLD = "the-new-key-of-this-door", "the-old-key-of-this-door"
WHSEC = "whsec_" + "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="
FRIDAY = parse_iso("2026-11-28T00:00:00Z")

VECTORS = [
    ("workday-terminate", LEFT, "maria", FRIDAY),
    ("workday-leave", AWAY, "maria", parse_iso("2026-12-01T00:00:00Z")),
    ("hibob-left-v2", LEFT, "maria", NOW),
    ("hibob-left-v1", LEFT, "maria", NOW),
    ("personio-deleted", LEFT, "maria", NOW),
    ("rippling-terminated", LEFT, "maria", parse_iso("2026-11-27T18:00:00Z")),
]


class Hr:
    """The HR doors of a company, one for each system that is known, and the signals they let through."""

    def __init__(self, store: Store, clock: ManualClock, ids: dict[str, str]) -> None:
        self.store, self.clock, self.ids = store, clock, ids
        self.seen: list[Signal] = []
        self.secrets = {
            name: WHSEC if one.signing == "standard" else f"{NEW} {OLD}" for name, one in KNOWN.items()
        }
        ctx = Context(store, MASTER, Outbound(), "http://bridge.test", Path())
        self.app = Starlette(routes=routes(ctx, self.secrets, self.react))

    async def react(self, _work: Work, signal: Signal) -> None:
        self.seen.append(signal)

    async def send(
        self, name: str, body: bytes, key: str | None = None, **headers: str
    ) -> tuple[int, dict[str, Any]]:
        """What the door of a system answers to a message signed as that system does."""
        now, signing = self.clock.now(), KNOWN[name].signing
        secret = key or self.secrets[name].split()[0]
        if SIGNINGS[signing] is None:
            made = signed(secret, f"msg-{len(body)}-{body[:1].hex()}-{hash(body)}", now, body)
        else:
            made = signature(signing, secret, body, now // SECOND)
        async with httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=self.app), base_url="http://bridge.test"
        ) as client:
            answer = await client.post(f"/signals/hr/{name}", content=body, headers={**made, **headers})
            return answer.status_code, answer.json()

    async def door(self, name: str) -> DoorState:
        found = await door_state(self.store.reads, f"hr:{name}")
        assert found is not None
        return found


def payload(name: str) -> bytes:
    return (PAYLOADS / f"{name}.json").read_bytes()


@pytest.fixture
def at_hr(on_store, clock: ManualClock) -> Callable[[Callable[[Hr], Any]], None]:
    """Run a test with the HR doors of a company whose people have employee numbers."""
    clock.advance(seconds=(NOW - clock.now()) / SECOND)

    def run(test: Callable[[Hr], Any]) -> None:
        async def body(store: Store) -> None:
            store.indexes = Indexes((EMPLOYEE_NUMBER,))

            async def people(work: Work) -> dict[str, str]:
                made = {}
                for name, number in (("maria", "21401"), ("ben", "21402"), ("ana", "21403")):
                    doc = {
                        "userName": name,
                        "emails": [{"value": f"{name}@corp.test"}],
                        ENTERPRISE_URN: {"employeeNumber": number},
                    }
                    made[name] = (await create_person(work, doc, origin="test")).id
                return made

            ids = await store.transact(TESTER, people)
            await indexing.begin(store)
            await test(Hr(store, clock, ids))

        on_store(body)

    return run


@pytest.mark.parametrize(("name", "kind", "who", "when"), VECTORS)
def test_a_systems_own_message_is_read_proven_and_acted_on_once(at_hr, name, kind, who, when) -> None:
    async def test(hr: Hr) -> None:
        system = name.partition("-")[0]
        status, answer = await hr.send(system, payload(name))
        assert (status, answer["state"]) == (200, "acted")
        (signal,) = hr.seen
        assert (signal.kind, signal.person_id, signal.effective_at) == (kind, hr.ids[who], when)
        hr.clock.advance(seconds=60)
        status, answer = await hr.send(system, payload(name))
        assert (status, answer["state"], len(hr.seen)) == (200, "seen", 1)
        door = await hr.door(system)
        assert (door.kind, door.trouble) == ("hr", "") and door.heard is not None

    at_hr(test)


def test_bamboohr_tells_of_several_people_at_once_and_each_is_heard(at_hr) -> None:
    async def test(hr: Hr) -> None:
        assert (await hr.send("bamboohr", payload("bamboohr-terminated")))[0] == 200
        told = {signal.person_id: signal for signal in hr.seen}
        assert {who: told[hr.ids[who]].kind for who in hr.ids} == {"maria": LEFT, "ben": LEFT, "ana": AWAY}
        assert told[hr.ids["ben"]].effective_at == parse_iso("2027-01-01T00:00:00Z"), (
            "a last day that lies ahead"
        )
        broken = orjson.loads(payload("bamboohr-terminated"))
        broken["employees"][0]["fields"]["Work Email"]["value"] = "a\x00b"
        hr.clock.advance(seconds=1)
        status, answer = await hr.send("bamboohr", orjson.dumps(broken))
        assert (status, len(answer["warnings"])) == (200, 1)
        refused = await hr.store.reads.all("SELECT detail FROM sb_audit WHERE action = 'signal.refused'")
        assert len(refused) == 1, "one that cannot be read does not keep the others"
        assert "could not be read" in (await hr.door("bamboohr")).trouble

    at_hr(test)


def genuine(hr: Hr, name: str, body: bytes) -> dict[str, str]:
    return signature(name, NEW, body, hr.clock.now() // SECOND)


@pytest.mark.parametrize("name", ["bamboohr", "hibob", "personio", "rippling"])
def test_forged_replayed_old_and_future_messages_of_vendors_do_nothing(at_hr, name) -> None:
    file = {"bamboohr": "bamboohr-terminated", "hibob": "hibob-left-v1", "personio": "personio-deleted"}
    header = SIGNINGS[name].header

    async def test(hr: Hr) -> None:
        body = payload(file.get(name, "rippling-terminated"))
        forged = [
            (body, "another secret of somebody", {}),
            (body.replace(b"maria", b"ben.."), None, genuine(hr, name, body)),
            (body, None, {header: ""}),
        ]
        for sent, key, headers in forged:
            status, answer = await hr.send(name, sent, key, **headers)
            assert status == 401 and answer["code"].startswith("webhook-"), headers
        stamp = SIGNINGS[name].stamp
        for days in (-8, 1):
            hr.clock.advance(days=-days)
            told = signature(name, NEW, body, NOW // SECOND) if stamp else {}
            status, answer = await hr.send(name, body, **told)
            hr.clock.advance(days=days)
            expected = "webhook-old" if days < 0 else "webhook-future"
            assert (status, answer["code"]) == (401, expected)
        assert not hr.seen
        sent = genuine(hr, name, body)
        assert (await hr.send(name, body, **sent))[0] == 200
        before = len(hr.seen)
        status, answer = await hr.send(name, body, **sent)
        assert (status, answer["code"], len(hr.seen)) == (409, "webhook-replayed", before)

    at_hr(test)


def test_every_secret_counts_while_they_rotate_and_hibobs_ping_is_answered(at_hr) -> None:
    async def test(hr: Hr) -> None:
        secrets = hr.secrets["hibob"].split()
        assert len(secrets) == 2
        for secret in secrets:
            for ping in KNOWN["hibob"].pings:
                assert (await hr.send("hibob", ping.encode(), secret))[1]["state"] == "ignored"

    at_hr(test)


def test_an_employee_number_of_nobody_is_kept_and_while_numbers_are_indexed_it_is_asked_for_again(
    at_hr,
) -> None:
    async def test(hr: Hr) -> None:
        body = payload("hibob-left-v2").replace(b"21401", b"99999")
        assert (await hr.send("hibob", body))[1]["state"] == "unmatched"
        hr.store.indexes.ready = frozenset()
        assert (await hr.send("hibob", payload("hibob-left-v2")))[0] == 503
        assert not hr.seen

    at_hr(test)


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_a_message_to_try_a_door_is_read_by_every_mapping_and_asks_for_nothing(name: str) -> None:
    mapping = KNOWN[name]
    (item,) = items(mapping, orjson.loads(harmless(mapping)))
    assert read_notice(mapping, item, NOW) is None


def test_a_rehire_is_no_leave_because_of_an_old_termination_date() -> None:
    fields = {"Work Email": {"value": "m@corp.test"}, "Employment Status": {"value": "Full-Time"}}
    for day, kind in (("2020-01-31", RETURNED), ("2026-12-31", LEFT), (None, RETURNED)):
        item = {"fields": {**fields, "Termination Date": {"value": day}}}
        notice = read_notice(BAMBOOHR, item, NOW)
        assert notice is not None and notice.kind == kind


def test_a_mapping_of_ones_own_is_a_table_of_the_settings() -> None:
    table = {"base": "bamboohr", "emails": ["fields.mail.value"], "leaving": "Gone, Left", "dated": True}
    made = custom("Acme", table)
    assert (made.name, made.signing, made.emails, made.leaving) == (
        "acme",
        "bamboohr",
        ("fields.mail.value",),
        frozenset({"Gone", "Left"}),
    )
    assert mappings({"Acme": table})["acme"] == made
    assert replace(made, name="bamboohr", emails=BAMBOOHR.emails).each == "employees"


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ({"base": "sap"}, "hr_mappings.acme.base"),
        ({"emial": ["x"]}, "hr_mappings.acme.emial"),
        ({"emails": [1]}, "hr_mappings.acme.emails"),
        ({"dated": "maybe"}, "hr_mappings.acme.dated"),
        ({"signing": "md5"}, "hr_mappings.acme.signing"),
        ({"type": []}, "hr_mappings.acme"),
        ("no table", "hr_mappings.acme"),
    ],
)
def test_a_mapping_that_cannot_be_meant_refuses_to_start_by_its_key(table: Any, key: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        mappings({"acme": table})
    assert key in str(refused.value)


def test_a_door_whose_vendor_signs_takes_that_vendors_key_and_another_one_does_not() -> None:
    for name, secret, table in (
        ("bamboohr", "a-key-of-bamboohr-0123", {}),
        ("acme", "a-key-of-bamboohr-0123", {"base": "bamboohr"}),
    ):
        load_settings(None, {}, {"hr": {name: secret}, "hr_mappings": {name: table} if table else {}})
    for name, secret in (("acme", "a-key-of-bamboohr-0123"), ("bamboohr", "short")):
        with pytest.raises(ConfigurationError):
            load_settings(None, {}, {"hr": {name: secret}})


def test_a_list_that_is_none_is_refused() -> None:
    for listed in (None, {}, [1], [[]], [{}] * 501):
        with pytest.raises(Invalid):
            items(BAMBOOHR, {"employees": listed})
