"""Promises of the rules over what an IdP shows: facts once, whatever the order, and nothing from being there."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from scim_bridge.kernel.clock import DAY, SECOND
from scim_bridge.registry.news import RemotePerson, There
from scim_bridge.registry.signal import AWAY, DELETED, LEFT, MOVED, RETURNED
from scim_bridge.signals.idp.follow import GONE_KINDS, Fact, Said, Seen, what_follows
from scim_bridge.signals.idp.okta_event import UPDATED, read_events

NOW = 1_795_000_000 * SECOND
HERE = RemotePerson("00u1", There.PRESENT, "maria@corp.test", since=NOW - DAY)
GONE = replace(HERE, there=There.GONE, since=NOW - 60 * SECOND)


def said(facts: list[Fact]) -> Said | None:
    return Said(facts[-1].kind, facts[-1].key) if facts else None


def test_somebody_who_is_there_is_no_news_and_somebody_who_is_gone_is_once() -> None:
    assert what_follows(HERE, None, None, NOW) == []
    (left,) = what_follows(GONE, None, None, NOW)
    assert (left.kind, left.effective_at) == (LEFT, NOW - 60 * SECOND)
    assert what_follows(GONE, said([left]), None, NOW + SECOND) == []
    assert what_follows(HERE, said([left]), None, NOW)[0].kind == RETURNED


def test_gone_since_a_moment_in_the_future_is_gone_now() -> None:
    (left,) = what_follows(replace(GONE, since=NOW + DAY), None, None, NOW)
    assert (left.at, left.effective_at) == (NOW, NOW)


def test_what_is_said_later_is_of_a_later_time_by_whatever_clock() -> None:
    last = Said(RETURNED, "00u1:back:x", at=NOW + 5 * SECOND)
    (left,) = what_follows(replace(GONE, since=None), last, None, NOW)
    assert left.at == NOW + 5 * SECOND


def test_what_a_suspension_is_is_for_the_company_to_say() -> None:
    suspended = replace(GONE, there=There.SUSPENDED)
    assert [f.kind for f in what_follows(suspended, None, None, NOW)] == [LEFT]
    assert [f.kind for f in what_follows(suspended, None, None, NOW, suspended="away")] == [AWAY]
    assert what_follows(suspended, None, None, NOW, suspended="ignored") == []


def test_a_leave_date_is_told_once_moves_and_is_taken_back() -> None:
    leaving = replace(HERE, leave_at=NOW + DAY)
    first = what_follows(leaving, None, None, NOW)
    assert [(f.kind, f.effective_at) for f in first] == [(LEFT, NOW + DAY)]
    assert what_follows(leaving, said(first), None, NOW + SECOND) == []
    later = what_follows(replace(leaving, leave_at=NOW + 2 * DAY), said(first), None, NOW + SECOND)
    assert [(f.kind, f.effective_at) for f in later] == [(LEFT, NOW + 2 * DAY)]
    back = what_follows(HERE, said(later), None, NOW + 2 * SECOND)
    assert [f.kind for f in back] == [RETURNED]
    again = what_follows(leaving, said(back), None, NOW + 3 * SECOND)
    assert [f.kind for f in again] == [LEFT]
    assert again[0].key != first[0].key


def test_a_move_is_from_something_known_to_something_else() -> None:
    moved = replace(HERE, manager="omar", department="Sales")
    assert what_follows(moved, None, None, NOW) == []
    assert what_follows(moved, None, Seen("", ""), NOW) == []
    (fact,) = what_follows(moved, None, Seen("omar", "Finance"), NOW)
    assert fact.kind == MOVED
    assert "department from Finance to Sales" in fact.said


@given(
    st.lists(
        st.tuples(st.sampled_from(list(There)), st.sampled_from([None, 1, 2]), st.booleans()), max_size=12
    )
)
def test_any_course_of_readings_gives_distinct_keys_and_ends_as_the_last_one_is(course) -> None:
    last: Said | None = None
    keys: list[str] = []
    for step, (there, since, dated) in enumerate(course):
        moment = NOW + step * SECOND
        remote = RemotePerson("00u1", there, since=None if since is None else NOW - since * DAY + step)
        if dated:
            remote = replace(remote, leave_at=NOW + 100 * DAY)
        for fact in what_follows(remote, last, None, moment):
            keys.append(fact.key)
            last = Said(fact.kind, fact.key)
        # The same reading again says nothing new.
        assert what_follows(remote, last, None, moment + 1) == []
        gone = last is not None and last.kind in GONE_KINDS
        assert gone is (there is not There.PRESENT or dated)
        assert there is not There.ABSENT or (last is not None and last.kind == DELETED)
    assert len(keys) == len(set(keys))


def event(kind: str, **more: object) -> dict[str, object]:
    target = {"id": "00u000000000000001", "type": "User", "alternateId": "ceo@corp.test"}
    made: dict[str, object] = {
        "uuid": "u-1",
        "eventType": kind,
        "target": [target],
        "actor": {"id": "00uadmin"},
    }
    return {**made, "published": "2026-11-24T10:00:00.000Z", "outcome": {"result": "SUCCESS"}, **more}


def test_an_event_is_about_its_target_and_only_when_it_is_followed_and_happened() -> None:
    (found,) = read_events([event("user.lifecycle.deactivate")])
    assert (found.key, found.remote_id) == ("u-1", "00u000000000000001")
    for no_news in (
        event("user.session.start"),
        event("user.lifecycle.deactivate", outcome={"result": "FAILURE"}),
        event("user.lifecycle.deactivate", uuid=None),
        event("user.lifecycle.deactivate", uuid="x" * 500),
        event("user.lifecycle.deactivate", target=None),
        event("user.lifecycle.deactivate", target=[{"id": "../../apps", "type": "User"}]),
        event("user.lifecycle.deactivate", target=[{"id": "00g00000000000001", "type": "UserGroup"}]),
    ):
        assert read_events([no_news]) == []


def test_a_profile_update_is_followed_when_it_may_have_touched_login_manager_or_department() -> None:
    def updated(**change: object) -> dict[str, object]:
        target = {"id": "00u000000000000001", "type": "User", **change}
        return event(UPDATED, target=[target])

    assert read_events([updated()])
    assert read_events([updated(changeDetails={"from": {"department": "a"}, "to": {"department": "b"}})])
    assert not read_events([updated(changeDetails={"from": {"title": "a"}, "to": {"title": "b"}})])
